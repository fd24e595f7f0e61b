/*
 * What a word in a lock, a Packages file or an answer of apt may look like. Everything that comes
 * from an archive passes here before it becomes part of a path, a URI or a line of ours.
 */
#pragma once

#include <stdbool.h>

#include "common/base/blob.h"

typedef bool (*word_check)(struct blob word);

/* Package name (Debian policy 5.6.1): lower case, digits, + - . */
bool word_is_package(struct blob w);
/* Version (5.6.12): letters, digits, . + - ~ : */
bool word_is_version(struct blob w);
bool word_is_arch(struct blob w);
/* Suite, component or image name: letters, digits, . _ - + */
bool word_is_suite(struct blob w);
/* Path below an archive's base: relative, no empty, "." or ".." part, no character that a URI or a
 * line minds. */
bool word_is_path(struct blob w);
