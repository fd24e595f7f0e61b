/* Promise: a description becomes the control data and the tree that it says; a wrong one is named with its line. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/package/package.h"
#include "builder/package/stage.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/tests/test.h"

static const char good[] = "name: bulkhead-x\n"
			   "description: A test\n"
			   "depends: [libc6, \"a | b\"]\n"
			   "provides: [linux-initramfs-tool]\n"
			   "files:\n"
			   "  /usr/lib/systemd/system/x.service: {source: units/x.service}\n"
			   "  /usr/bin/x: {bin: x}\n"
			   "  /usr/bin/y: {link: x}\n"
			   "  /etc/x.conf: {source: units/x.service, mode: 0600}\n"
			   "  /var/lib/x: {dir: yes, mode: 2770, group: qubes}\n"
			   "enable: [x.service]\n"
			   "groups: [qubes, \"other:98\"]\n";

static int read_text(const char *text, struct package **p, struct error *err)
{
	int fd _cleanup_close_ = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_INT(write_file(fd, "p.yaml", text, strlen(text), 0644), 0);
	return package_read(fd, "p.yaml", "1.2", p, err);
}

TEST(package_control_data)
{
	struct strbuf text _cleanup_strbuf_ = {0};
	struct error err _cleanup_error_ = {0};
	struct package *p = NULL;

	if (!CHECK_INT(read_text(good, &p, &err), 0))
		return;
	package_control_text(p, &text);
	CHECK_STR(text.p, "Package: bulkhead-x\nVersion: 1.2\nArchitecture: amd64\n"
			  "Maintainer: Bulkhead <bulkhead@localhost>\nSection: admin\nPriority: optional\n"
			  "Depends: libc6, a | b, systemd | systemd-standalone-sysusers | systemd-sysusers\n"
			  "Provides: linux-initramfs-tool\nDescription: A test\n");
	package_free(p);
}

TEST(package_description_refused)
{
	static const char *const cases[][3] = {
		{"name: bulkhead-x\ndescription: x\ndepend: [a]\n", "p.yaml:3", "unknown key 'depend'"},
		{"name: Bulk\ndescription: x\n", "p.yaml:1", "name is missing or not that of a package"},
		{"name: bulkhead-x\n", "p.yaml:1", "description is missing or more than a line"},
		{"name: xx\ndescription: x\nfiles:\n  /a/../b: {bin: x}\n", "p.yaml:4",
		 "/a/../b: must be an absolute path without '..'"},
		{"name: xx\ndescription: x\nfiles:\n  /a: {bin: x, link: y}\n", "p.yaml:4",
		 "/a: needs one of bin, source, link, dir, tree"},
		{"name: xx\ndescription: x\nfiles:\n  /a: {mode: 0644}\n", "p.yaml:4",
		 "/a: needs one of bin, source, link, dir, tree"},
		{"name: xx\ndescription: x\nfiles:\n  /a: {bin: x, mode: 0689}\n", "p.yaml:4", "mode must be octal, as 0755"},
		{"name: xx\ndescription: x\nfiles:\n  /a: {source: /etc/passwd}\n", "p.yaml:4",
		 "source must lie in the source tree"},
		{"name: xx\ndescription: x\narchitecture: arm64\n", "p.yaml:1", "architecture must be amd64 or all"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct error err _cleanup_error_ = {0};
		struct package *p = NULL;

		CHECK_INT(read_text(cases[i][0], &p, &err), -EINVAL);
		CHECK_STR(err.object, cases[i][1]);
		CHECK_STR(err.cause, cases[i][2]);
	}
}

static void check_file(const char *dir, const char *name, mode_t mode, const char *want)
{
	char *path _cleanup_free_ = xasprintf("%s/%s", dir, name);
	struct strbuf text _cleanup_strbuf_ = {0};
	struct stat st = {0};

	CHECK_INT(lstat(path, &st), 0);
	CHECK_INT(st.st_mode & 07777, mode);
	CHECK_INT(read_file(AT_FDCWD, path, 10000, &text), 0);
	CHECK_STR(text.p, want);
}

/* Folders without anything in them but what every package gets. */
static struct package_stage empty_stage(void)
{
	struct package_stage s = {test_dir(), test_dir(), test_dir(), test_dir()};
	char *copyright _cleanup_free_ = xasprintf("%s/runtime/packages/copyright", s.source_root);

	CHECK_INT(mkdir_parents(AT_FDCWD, copyright, 0755), 0);
	CHECK_INT(write_file(AT_FDCWD, copyright, "c", 1, 0600), 0);
	return s;
}

TEST(package_tree)
{
	static const char unit[] = "[Unit]\nWantedBy=no\n[Install]\nWantedBy=a.target b.target\nAlias = z.service\n";
	struct error err _cleanup_error_ = {0};
	struct package_stage s = empty_stage();
	char *source _cleanup_free_ = xasprintf("%s/units/x.service", s.source_root);
	char *bin _cleanup_free_ = xasprintf("%s/x", s.bin_dir), *link _cleanup_free_ = NULL;
	char target[100] = "";
	struct package *p = NULL;

	CHECK_INT(read_text(good, &p, &err), 0);
	CHECK_INT(mkdir_parents(AT_FDCWD, source, 0755), 0);
	CHECK_INT(write_file(AT_FDCWD, source, unit, strlen(unit), 0600), 0);
	CHECK_INT(package_stage(&s, p, &err), -ENOENT);
	CHECK_STR(err.object, "bulkhead-x: /usr/bin/x");
	CHECK_STR(err.cause, "`make xen` builds no program 'x'");
	CHECK_INT(write_file(AT_FDCWD, bin, "x", 1, 0600), 0);
	s.dir = test_dir();
	if (!CHECK_INT(package_stage(&s, p, &err), 0))
		return;
	check_file(s.dir, "usr/bin/x", 0755, "x");
	check_file(s.dir, "usr/share/doc/bulkhead-x/copyright", 0644, "c");
	check_file(s.dir, "etc/x.conf", 0600, unit);
	check_file(s.dir, "usr/lib/sysusers.d/bulkhead-x.conf", 0644, "g qubes -\ng other 98\n");
	check_file(s.dir, "DEBIAN/conffiles", 0644, "/etc/x.conf\n");
	check_file(s.dir, "DEBIAN/md5sums", 0644,
		   "9dd4e461268c8034f5c8564e155c67a6  usr/bin/x\n"
		   "93e008e3c5ff8878e9c64dd188719538  usr/lib/systemd/system/x.service\n"
		   "4a8a08f09d37b73795649038408b5f33  usr/share/doc/bulkhead-x/copyright\n"
		   "47475ba917677a38f7a27cb1528a00fb  usr/lib/sysusers.d/bulkhead-x.conf\n");
	check_file(s.dir, "DEBIAN/postinst", 0755,
		   "#!/bin/sh\nset -e\nif [ \"$1\" = configure ]; then\n\tsystemd-sysusers bulkhead-x.conf\n"
		   "\tchgrp -h qubes '/var/lib/x'\n\tchmod 2770 '/var/lib/x'\nfi\n");
	link = xasprintf("%s/usr/lib/systemd/system/b.target.wants/x.service", s.dir);
	CHECK(readlink(link, target, sizeof(target) - 1) > 0);
	CHECK_STR(target, "../x.service");
	package_free(p);
}

/* Who brings a library where the loader's cache lists them has that cache made anew; nobody else does. */
TEST(package_with_library)
{
	static const struct {
		const char *path;
		bool triggers;
	} cases[] = {
		{"/usr/lib/x86_64-linux-gnu/libx.so.1", true},
		{"/usr/lib/x86_64-linux-gnu/security/pam_x.so", false},
		{"/usr/lib/x/libx.so", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct error err _cleanup_error_ = {0};
		struct package_stage s = empty_stage();
		char *text _cleanup_free_ = xasprintf("name: bulkhead-x\ndescription: A test\nfiles:\n  %s: {source: x}\n",
						      cases[i].path);
		char *source _cleanup_free_ = xasprintf("%s/x", s.source_root);
		char *triggers _cleanup_free_ = xasprintf("%s/DEBIAN/triggers", s.dir);
		struct package *p = NULL;

		if (!CHECK_INT(read_text(text, &p, &err), 0))
			return;
		CHECK_INT(write_file(AT_FDCWD, source, "x", 1, 0644), 0);
		CHECK_INT(package_stage(&s, p, &err), 0);
		CHECK_INT(faccessat(AT_FDCWD, triggers, F_OK, 0) == 0, cases[i].triggers);
		if (cases[i].triggers)
			check_file(s.dir, "DEBIAN/triggers", 0644, "activate-noawait ldconfig\n");
		package_free(p);
	}
}

/* Programs come with their pages: one of its own, that of the program a link leads to, one for two folders; data has none. */
TEST(package_pages)
{
	static const char text[] = "name: bulkhead-x\ndescription: A test\nfiles:\n  /usr/bin/qx: {bin: qx}\n"
				   "  /usr/bin/qx-own: {link: qx}\n  /usr/bin/qx-alias: {link: qx}\n"
				   "  /usr/bin/qx-bare: {bin: qx}\n  /usr/lib/qubes/qx-own: {link: ../../bin/qx}\n"
				   "  /usr/sbin/qxd: {bin: qx}\n  /usr/share/qx: {bin: qx}\n";
	static const char *const built[] = {"qx.1.gz", "qx-own.1.gz", "qxd.8.gz"};
	struct error err _cleanup_error_ = {0};
	struct package_stage s = empty_stage();
	char *bin _cleanup_free_ = xasprintf("%s/qx", s.bin_dir);
	char *alias _cleanup_free_ = xasprintf("%s/usr/share/man/man1/qx-alias.1.gz", s.dir);
	char *bare _cleanup_free_ = xasprintf("%s/usr/share/man/man1/qx-bare.1.gz", s.dir);
	char target[100] = "";
	struct package *p = NULL;

	if (!CHECK_INT(read_text(text, &p, &err), 0))
		return;
	CHECK_INT(write_file(AT_FDCWD, bin, "x", 1, 0600), 0);
	for (size_t i = 0; i < sizeof(built) / sizeof(*built); i++) {
		char *path _cleanup_free_ = xasprintf("%s/%s", s.man_dir, built[i]);

		CHECK_INT(write_file(AT_FDCWD, path, built[i], strlen(built[i]), 0600), 0);
	}
	CHECK_INT(package_stage(&s, p, &err), 0);
	check_file(s.dir, "usr/share/man/man1/qx.1.gz", 0644, "qx.1.gz");
	check_file(s.dir, "usr/share/man/man1/qx-own.1.gz", 0644, "qx-own.1.gz");
	check_file(s.dir, "usr/share/man/man8/qxd.8.gz", 0644, "qxd.8.gz");
	CHECK(readlink(alias, target, sizeof(target) - 1) > 0);
	CHECK_STR(target, "qx.1.gz");
	CHECK_INT(access(bare, F_OK), -1);
	package_free(p);
}

/* A tree is all files below a folder, each as if it were named; what is neither file nor folder is refused. */
TEST(package_tree_of_files)
{
	static const char text[] = "name: bulkhead-x\ndescription: A test\nfiles:\n  /srv/salt: {tree: formulas, mode: 0640}\n";
	struct error err _cleanup_error_ = {0};
	struct package_stage s = empty_stage();
	char *a _cleanup_free_ = xasprintf("%s/formulas/a.sls", s.source_root);
	char *b _cleanup_free_ = xasprintf("%s/formulas/qvm/b.sls", s.source_root);
	char *link _cleanup_free_ = xasprintf("%s/formulas/link", s.source_root);
	struct package *p = NULL;

	if (!CHECK_INT(read_text(text, &p, &err), 0))
		return;
	CHECK_INT(package_stage(&s, p, &err), -ENOENT);
	CHECK_INT(mkdir_parents(AT_FDCWD, b, 0755), 0);
	CHECK_INT(write_file(AT_FDCWD, a, "a", 1, 0600), 0);
	CHECK_INT(write_file(AT_FDCWD, b, "b", 1, 0600), 0);
	s.dir = test_dir();
	CHECK_INT(package_stage(&s, p, &err), 0);
	check_file(s.dir, "srv/salt/a.sls", 0640, "a");
	check_file(s.dir, "srv/salt/qvm/b.sls", 0640, "b");
	CHECK_INT(symlink("a.sls", link), 0);
	s.dir = test_dir();
	CHECK_INT(package_stage(&s, p, &err), -EINVAL);
	CHECK_STR(err.cause, "is neither a file nor a folder");
	package_free(p);
}
