/* A staged package, read back in the sandbox from where stage.h says. */
#pragma once

#include <stdbool.h>

#include "common/base/deb822.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/base/strmap.h"

struct staged {
	size_t place; /* in the lock */
	const char *label;
	int fd; /* its folder */
	struct strbuf control, names, conffiles, folders, triggers;
	struct deb822_stanza stanza; /* of its control */
	struct strmap staged;	     /* conffiles without leading slash */
	char *name, *info;	     /* "libc6", "libc6:amd64" as dpkg names its files */
};

/* Freed with staged_free, also after a failure. */
int staged_read(int stage, size_t place, const char *label, struct staged *s, struct error *err);
void staged_free(struct staged *s);
/* Whether it has that control file. */
bool staged_has(const struct staged *s, const char *control_file);
