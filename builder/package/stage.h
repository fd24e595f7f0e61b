/* A package's tree as dpkg-deb(1) wants it: the files, links and folders, and DEBIAN/ beside them. */
#pragma once

#include "builder/package/package.h"

struct package_stage {
	const char *source_root; /* of the source tree */
	const char *bin_dir;	 /* programs of `make xen` */
	const char *man_dir;	 /* pages of `make man`, NAME.SECTION.gz */
	const char *dir;	 /* absolute; an empty folder that becomes the tree */
};

/*
 * -ENOENT: a program or source file is not there; err names the file of the package. -EINVAL: a unit to enable is
 * not in the package or has no [Install].
 */
int package_stage(const struct package_stage *s, const struct package *p, struct error *err);

/*
 * The man page that comes with the program `f`, or with the link to one: true, *page is set, and its path and source are
 * freed by the caller. False: `f` is none or has none.
 */
bool package_page(const char *man_dir, const struct package_file *f, struct package_file *page);

/*
 * Links that enable `unit` with this text, as "PATH TARGET" pairs in turn: for each name in WantedBy= and RequiredBy=
 * one in NAME.wants/ or NAME.requires/, for each in Alias= one beside the unit.
 */
void unit_install_links(const char *unit, struct blob text, struct strv *links);
