/* qubes.OpenInVM as both sides see it: 256 bytes with the name of the file, then its content; back comes the new content, if any. */
#pragma once

#define OPEN_VIEW_ONLY "view-only-" /* before a name: it is not to be changed */

enum { OPEN_NAME_SIZE = 256 };	    /* the name is padded with NUL, at least one */
