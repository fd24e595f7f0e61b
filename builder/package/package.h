/*
 * Our own packages: what runtime/packages/NAME.yaml says, as a value, and the control data made from it.
 *
 *     name: bulkhead-guest
 *     architecture: amd64                  # or all; default amd64
 *     description: one line
 *     depends: [libc6, libsystemd0]        # Debian relations, one each: "libc6 (>= 2.41)", "a | b"
 *     provides: [...]  conflicts: [...]  replaces: [...]     # the same; optional
 *     files:                               # absolute path in the target: where it comes from
 *       /usr/bin/qrexec-agent: {bin: qrexec-agent}           # program of `make xen`
 *       /usr/lib/x.conf: {source: runtime/guest/x.conf, mode: 0600}
 *       /usr/bin/qvm-ls: {link: qvm}                         # symbolic link
 *       /srv/salt/qvm: {tree: salt-lite/formulas/states/qvm} # all files below, each with the mode
 *       /var/lib/qubes: {dir: yes, mode: 0750, group: qubes} # empty directory
 *     enable: [qubes-db.service]           # units of this package; where to is read from their [Install]
 *     groups: [qubes]                      # by a sysusers.d snippet; "qubes:98" fixes the id
 *
 * The version is not in the file: all our packages carry that of the source tree (VERSION).
 * Every package gets runtime/packages/copyright, and a program or a link to one gets the man page of its name, or of the
 * program's, if docs/man has one.
 * Files below /etc become conffiles, except links and directories. A package with groups, or with a file below
 * /usr/lib/sysusers.d, gets a postinst that runs systemd-sysusers and depends on it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"

enum package_file_kind {
	PACKAGE_BIN,	/* source: name of a program of ours */
	PACKAGE_SOURCE, /* source: path below the source tree */
	PACKAGE_LINK,	/* source: target of the symbolic link, taken as it is */
	PACKAGE_DIR,	/* source: NULL */
	PACKAGE_TREE,	/* source: folder below the source tree */
	PACKAGE_PAGE,	/* source: name of a man page; not in descriptions, they come with the programs */
};

struct package_file {
	char *path; /* in the target; absolute, no "..", no trailing slash */
	char *source;
	char *group; /* of a directory or file; NULL: root. Set by the postinst, as ids are not
			known before */
	mode_t mode; /* permission bits; of no meaning for a link */
	enum package_file_kind kind;
};

struct package {
	char *name;
	char *version;
	char *architecture;
	char *description;
	struct strv depends, provides, conflicts, replaces; /* each as written */
	struct strv enable;
	struct strv groups;
	struct package_file *files; /* sorted by path */
	size_t n_files;
	bool sysusers; /* has groups or ships sysusers.d files */
};

/* Reads the description at `path` (relative to `dirfd`). `version` is copied. *out is freed with
 * package_free. -EINVAL: the file is wrong; err names it with file:line. */
int package_read(int dirfd, const char *path, const char *version, struct package **out,
		 struct error *err);

void package_free(struct package *p);

/* The fields of the control file that do not depend on what was built (no Installed-Size), as one
 * deb822 stanza that ends with a newline and has no empty line. For an index of local packages the
 * caller adds Filename and Size. Depends holds what package_read implied as well. */
void package_control_text(const struct package *p, struct strbuf *out);

/* Reads every *.yaml in the folder, in the order of their names. *out: NULL-terminated array of *n
 * packages, freed with package_free_all. The name of a file must be that of its package. */
int package_read_folder(int dirfd, const char *folder, const char *version, struct package ***out,
			size_t *n, struct error *err);

void package_free_all(struct package **v);
