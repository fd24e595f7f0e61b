/* dpkg's status file (deb822 stanzas, sorted by name). */
#pragma once

#include "common/base/blob.h"

/* Adds stanzas, each ended by an empty line, in their places. */
int status_add(int root, struct blob stanzas);
