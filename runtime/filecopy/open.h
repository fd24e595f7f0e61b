/* qubes.OpenInVM as both sides see it: 256 bytes with the name of the file, then its content; back comes the new content, if any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define OPEN_VIEW_ONLY "view-only-" /* before a name: it is not to be changed */

enum { OPEN_NAME_SIZE = 256 };	    /* the name is padded with NUL, at least one */

/* Whether qubes.OpenURL takes it: both sides look. */
static inline bool open_is_url(const char *text)
{
	static const char *const schemes[] = {"http://", "https://", "ftp://"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (!strncasecmp(text, schemes[i], strlen(schemes[i])))
			return true;
	return false;
}
