/* A package's tree as dpkg-deb(1) wants it: the files, links and folders, and DEBIAN/ beside them. */
#pragma once

#include "builder/package/package.h"

struct package_stage {
	const char *source_root; /* of the source tree */
	const char *bin_dir;	 /* programs of `make xen` */
	const char *dir;	 /* absolute; an empty folder that becomes the tree */
};

/*
 * -ENOENT: a program or source file is not there; err names the file of the package. -EINVAL: a unit to enable is
 * not in the package or has no [Install].
 */
int package_stage(const struct package_stage *s, const struct package *p, struct error *err);

/*
 * Links that enable `unit` with this text, as "PATH TARGET" pairs in turn: for each name in WantedBy= and RequiredBy=
 * one in NAME.wants/ or NAME.requires/, for each in Alias= one beside the unit.
 */
void unit_install_links(const char *unit, struct blob text, struct strv *links);
