/*
 * Promise: our tar streams hold exactly the tree, in a fixed order and form; and nothing that an
 * archive says makes us write outside the folder it is unpacked into.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "builder/archive/tar_write.h"
#include "builder/archive/unpack.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/tests/test.h"

/* A small tree with one of each; returns a descriptor of its folder. */
static int make_tree(const char *folder, const char *long_name)
{
	int fd;

	if (mkdir_p(AT_FDCWD, folder, 0755) < 0)
		return -1;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdir_p(fd, "b/sub", 0750) < 0 || write_file(fd, "b/z", "zz\n", 3, 0640) < 0 ||
	    write_file(fd, "a", "hello\n", 6, 0755) < 0 || linkat(fd, "a", fd, "b/hard", 0) < 0 ||
	    symlinkat("../a", fd, "b/link") < 0 || mkfifoat(fd, "fifo", 0600) < 0 ||
	    write_file(fd, long_name, "x", 1, 0644) < 0)
		return -1;
	return fd;
}

static char *archive_of(int tree)
{
	char *path = xasprintf("%s/x.tar", test_dir());
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	_cleanup_error_ struct error err = {0};

	CHECK_INT(tar_write_tree(tree, fd, 1000000000, &err), 0);
	return path;
}

TEST(tar_is_what_tar_reads)
{
	_cleanup_free_ char *folder = xasprintf("%s/tree", test_dir());
	char long_name[150];
	_cleanup_close_ int tree = -1;
	_cleanup_free_ char *tar = NULL;
	_cleanup_strbuf_ struct strbuf out = {0};

	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	tree = make_tree(folder, long_name);
	if (!CHECK(tree >= 0))
		return;
	tar = archive_of(tree);
	const char *argv[] = {"env",	     "TZ=UTC",	  "tar",   "--numeric-owner",
			      "--full-time", "--exclude", "./nn*", "-tvf",
			      tar,	     NULL};
	CHECK_INT(process_capture(argv, 1 << 16, &out), 0);
	if (geteuid() == 0)
		CHECK_STR(
			out.p,
			"drwxr-xr-x 0/0               0 2001-09-09 01:46:40 ./\n"
			"-rwxr-xr-x 0/0               6 2001-09-09 01:46:40 ./a\n"
			"drwxr-x--- 0/0               0 2001-09-09 01:46:40 ./b/\n"
			"hrwxr-xr-x 0/0               0 2001-09-09 01:46:40 ./b/hard link to ./a\n"
			"lrwxrwxrwx 0/0               0 2001-09-09 01:46:40 ./b/link -> ../a\n"
			"drwxr-x--- 0/0               0 2001-09-09 01:46:40 ./b/sub/\n"
			"-rw-r----- 0/0               3 2001-09-09 01:46:40 ./b/z\n"
			"prw------- 0/0               0 2001-09-09 01:46:40 ./fifo\n");
	const char *list[] = {"tar", "-tf", tar, NULL};
	strbuf_reset(&out);
	CHECK_INT(process_capture(list, 1 << 16, &out), 0);
	CHECK(strstr(out.p, long_name) != NULL);
}

TEST(there_and_back)
{
	static const char capability[20] = {1, 0, 0,
					    2, 0, 32}; /* VFS_CAP_REVISION_2, cap_net_raw */
	_cleanup_free_ char *folder = xasprintf("%s/tree", test_dir()), *copy = xstrdup(test_dir());
	_cleanup_close_ int tree = make_tree(folder, "plain"), target = -1, in = -1, again = -1;
	_cleanup_error_ struct error err = {0};
	_cleanup_free_ char *tar = NULL, *tar2 = NULL;
	_cleanup_strbuf_ struct strbuf one = {0}, two = {0};
	_cleanup_free_ char *file = xasprintf("%s/a", folder);

	if (geteuid() != 0) {
		test_skip("needs root");
		return;
	}
	if (setxattr(file, "security.capability", capability, sizeof(capability), 0) < 0 &&
	    errno != EOPNOTSUPP)
		CHECK_INT(errno, 0);
	tar = archive_of(tree);
	in = open(tar, O_RDONLY | O_CLOEXEC);
	target = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!CHECK_INT(unpack_tar(in, target, "x.tar", NULL, &err), 0)) {
		error_print("unpack", &err);
		return;
	}
	tar2 = archive_of(target);
	CHECK_INT(read_file(AT_FDCWD, tar, 1 << 20, &one), 0);
	CHECK_INT(read_file(AT_FDCWD, tar2, 1 << 20, &two), 0);
	CHECK(one.n == two.n && !memcmp(one.p, two.p, one.n));
	(void)again;
}

/* One member of an archive made to be refused. */
struct member {
	const char *name,
		*link; /* link: target of a symbolic link, or with `hard` of a hard link */
	int type;      /* AE_IF* */
	bool hard;
};

static int unpack_members(const struct member *m, size_t n, const char *folder, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/bad.tar", test_dir());
	struct archive *a = archive_write_new();
	_cleanup_close_ int fd = -1, target = -1;

	archive_write_set_format_pax_restricted(a);
	archive_write_open_filename(a, path);
	for (size_t i = 0; i < n; i++) {
		struct archive_entry *e = archive_entry_new();

		archive_entry_set_pathname(e, m[i].name);
		archive_entry_set_filetype(e, (unsigned)m[i].type);
		archive_entry_set_perm(e, 0755);
		archive_entry_set_size(e, 0);
		if (m[i].link && m[i].hard)
			archive_entry_set_hardlink(e, m[i].link);
		else if (m[i].link)
			archive_entry_set_symlink(e, m[i].link);
		if (m[i].type == AE_IFREG && !m[i].hard)
			archive_entry_set_size(e, 3);
		archive_write_header(a, e);
		if (m[i].type == AE_IFREG && !m[i].hard)
			archive_write_data(a, "abc", 3);
		archive_entry_free(e);
	}
	archive_write_close(a);
	archive_write_free(a);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	target = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return unpack_tar(fd, target, "bad.tar", NULL, err);
}

static void check_refused(const struct member *m, size_t n, const char *want)
{
	_cleanup_free_ char *top = xstrdup(test_dir()), *folder = xasprintf("%s/in", top);
	_cleanup_free_ char *outside = xasprintf("%s/evil", top);
	_cleanup_error_ struct error err = {0};
	_cleanup_free_ char *got = NULL;

	if (mkdir(folder, 0755) < 0)
		return;
	CHECK_INT(unpack_members(m, n, folder, &err), -EBADMSG);
	got = xasprintf("%s: %s", err.object, err.cause);
	CHECK_STR(got, want);
	CHECK(access(outside, F_OK) < 0);
}

#define REFUSED(want, ...)                                                                         \
	check_refused((const struct member[]){__VA_ARGS__},                                        \
		      sizeof((const struct member[]){__VA_ARGS__}) / sizeof(struct member), want)

TEST(refused_members)
{
	REFUSED("bad.tar: /evil: an absolute name", {.name = "/evil", .type = AE_IFREG});
	REFUSED("bad.tar: ../evil: a name with '..'", {.name = "../evil", .type = AE_IFREG});
	REFUSED("bad.tar: a/../../evil: a name with '..'",
		{.name = "a/../../evil", .type = AE_IFREG});
	REFUSED("bad.tar: l/evil: writes through a link that leaves the root",
		{.name = "l", .type = AE_IFLNK, .link = ".."},
		{.name = "l/evil", .type = AE_IFREG});
	REFUSED("bad.tar: l/evil: writes through a link that leaves the root",
		{.name = "l", .type = AE_IFLNK, .link = "/"}, {.name = "l/evil", .type = AE_IFREG});
	REFUSED("bad.tar: h: a hard link to a name that is not allowed",
		{.name = "h", .type = AE_IFREG, .link = "../evil", .hard = true});
	REFUSED("bad.tar: h: a hard link to what the archive did not bring",
		{.name = "h", .type = AE_IFREG, .link = "other", .hard = true});
	REFUSED("bad.tar: a: comes twice", {.name = "a", .type = AE_IFREG},
		{.name = "./a", .type = AE_IFREG});
	REFUSED("bad.tar: d: a device node or socket", {.name = "d", .type = AE_IFBLK});
	REFUSED("bad.tar: d: a device node or socket", {.name = "d", .type = AE_IFCHR});
}

TEST(links_inside_are_fine)
{
	const struct member m[] = {{.name = "usr", .type = AE_IFDIR},
				   {.name = "usr/lib", .type = AE_IFDIR},
				   {.name = "lib", .type = AE_IFLNK, .link = "usr/lib"},
				   {.name = "lib/x", .type = AE_IFREG},
				   {.name = "lib", .type = AE_IFDIR},
				   {.name = "abs", .type = AE_IFLNK, .link = "/etc/passwd"}};
	_cleanup_free_ char *folder = xstrdup(test_dir());
	_cleanup_free_ char *file = xasprintf("%s/usr/lib/x", folder);
	_cleanup_error_ struct error err = {0};

	CHECK_INT(unpack_members(m, 6, folder, &err), 0);
	CHECK(access(file, F_OK) == 0);
}

TEST(limits)
{
	_cleanup_free_ char *folder = xasprintf("%s/tree", test_dir()), *copy = xstrdup(test_dir());
	_cleanup_close_ int tree = make_tree(folder, "plain"), target = -1, in = -1;
	_cleanup_error_ struct error err = {0};
	_cleanup_free_ char *tar = archive_of(tree);
	const struct unpack_limits few = {.max_members = 2}, small = {.max_bytes = 4};

	in = open(tar, O_RDONLY | O_CLOEXEC);
	target = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(unpack_tar(in, target, "x.tar", &few, &err), -EBADMSG);
	CHECK_STR(err.cause, "the archive has more members than are allowed");
	lseek(in, 0, SEEK_SET);
	CHECK_INT(unpack_tar(in, target, "x.tar", &small, &err), -EBADMSG);
	CHECK_STR(err.cause, "the archive holds more than is allowed");
}

TEST(not_a_package)
{
	_cleanup_free_ char *path = xasprintf("%s/x.deb", test_dir());
	_cleanup_close_ int fd = -1;
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_error_ struct error err = {0};

	CHECK_INT(write_file(AT_FDCWD, path, "!<arch>\n", 8, 0644), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_INT(unpack_deb_control(fd, "x.deb", &text, &err), -EBADMSG);
	CHECK_STR(err.object, "x.deb");
}

/* A package by dpkg-deb: the file usr/share/`name`, the conffile etc/`conf`, a folder, a link of
 * the merged /usr. */
static int make_deb(const char *name, const char *conf)
{
	_cleanup_free_ char *top = xasprintf("%s/%s", test_dir(), name),
			    *deb = xasprintf("%s.deb", top),
			    *file = xasprintf("usr/share/%s", name),
			    *conffile = xasprintf("etc/%s", conf),
			    *conffiles = xasprintf("/%s\n", conffile),
			    *control = xasprintf("Package: %s\nVersion: 1\nArchitecture: all\n"
						 "Maintainer: x <x@example>\nDescription: x\n",
						 name);
	const char *argv[] = {"dpkg-deb", "--root-owner-group", "-b", top, deb, NULL};
	_cleanup_strbuf_ struct strbuf out = {0};
	_cleanup_close_ int fd = -1;

	CHECK_INT(mkdir_p(AT_FDCWD, top, 0755), 0);
	fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(mkdir_p(fd, "usr/share", 0755), 0);
	CHECK_INT(mkdir_p(fd, "etc", 0700), 0);
	CHECK_INT(mkdir_p(fd, "DEBIAN", 0755), 0);
	CHECK_INT(symlinkat("usr/lib", fd, "lib"), 0);
	CHECK_INT(write_file(fd, file, "x", 1, 0644), 0);
	CHECK_INT(write_file(fd, conffile, "x", 1, 0644), 0);
	CHECK_INT(write_file(fd, "DEBIAN/control", control, strlen(control), 0644), 0);
	CHECK_INT(write_file(fd, "DEBIAN/conffiles", conffiles, strlen(conffiles), 0644), 0);
	CHECK_INT(process_capture(argv, 1 << 16, &out), 0);
	return open(deb, O_RDONLY | O_CLOEXEC);
}

struct shared_result {
	struct strmap staged;
	struct strbuf names, folders;
	struct error err;
};

static int unpack_shared(int deb, int target, const char *conffile, struct shared_result *r)
{
	const struct unpack_shared shared = {&r->staged, &r->names, &r->folders};

	strmap_put(&r->staged, conffile, r);
	return unpack_deb_shared(deb, target, "x.deb", NULL, &shared, &r->err);
}

static void shared_end(struct shared_result *r)
{
	strmap_free(&r->staged);
	strbuf_free(&r->names);
	strbuf_free(&r->folders);
	error_free(&r->err);
}

TEST(packages_that_share_a_root)
{
	_cleanup_(shared_end) struct shared_result a = {0}, b = {0}, c = {0};
	_cleanup_close_ int one = make_deb("one", "one.conf"), two = make_deb("two", "two.conf"),
			    three = make_deb("three", "one.conf"), target = -1;
	_cleanup_free_ char *root = xasprintf("%s/root", test_dir());
	struct stat st;

	if (geteuid() != 0) {
		test_skip("needs root");
		return;
	}
	CHECK_INT(mkdir_p(AT_FDCWD, root, 0755), 0);
	target = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(unpack_shared(one, target, "etc/one.conf", &a), 0);
	CHECK_INT(unpack_shared(two, target, "etc/two.conf", &b), 0);
	CHECK_STR(a.names.p, "/.\n/etc\n/etc/one.conf\n/usr\n/usr/share\n/usr/share/one\n/lib\n");
	CHECK_STR(a.folders.p, "755 0 0 \n700 0 0 etc\n755 0 0 usr\n755 0 0 usr/share\n");
	/* The folder's mode is for the caller; the conffile waits beside its place. */
	CHECK_INT(fstatat(target, "etc", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0755);
	CHECK_INT(faccessat(target, "etc/one.conf.dpkg-new", F_OK, 0), 0);
	CHECK(faccessat(target, "etc/one.conf", F_OK, 0) < 0);
	/* What another package brought stays. */
	CHECK_INT(unpack_shared(three, target, "etc/one.conf", &c), -EBADMSG);
	CHECK_STR(c.err.object, "x.deb: etc/one.conf.dpkg-new");
	CHECK_STR(c.err.cause, "is brought by another package too");
}

TEST(control_files)
{
	_cleanup_(deb_control_free) struct deb_control control = {0};
	_cleanup_close_ int deb = make_deb("p", "p.conf");
	_cleanup_error_ struct error err = {0};

	if (!CHECK_INT(deb_control_read(deb, "p.deb", &control, &err), 0))
		return;
	CHECK(deb_control_find(&control, "control") != NULL);
	CHECK(deb_control_find(&control, "preinst") == NULL);
	if (CHECK(deb_control_find(&control, "conffiles") != NULL))
		CHECK_STR(deb_control_find(&control, "conffiles")->text.p, "/etc/p.conf\n");
}
