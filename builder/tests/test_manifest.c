/* Promise: a manifest tells each member of a tree apart, says the same of the folder and of its archive, and is
 * read as it was written; other texts are refused. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/archive/tar_write.h"
#include "builder/manifest.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/tests/test.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

/* One of each, and a name that needs escaping. */
static char *make_tree(void)
{
	char *folder = xasprintf("%s/tree", test_dir());
	_cleanup_close_ int fd = -1;

	CHECK_INT(mkdir_p(AT_FDCWD, folder, 0755), 0);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(mkdir_p(fd, "d", 0750), 0);
	CHECK_INT(write_file(fd, "d/f", "abc", 3, 0644), 0);
	CHECK_INT(write_file(fd, "d/a b\n\\", "abc", 3, 0600), 0);
	CHECK_INT(linkat(fd, "d/f", fd, "d/hard", 0), 0);
	CHECK_INT(symlinkat("d/f x", fd, "link"), 0);
	CHECK_INT(mkfifoat(fd, "p", 0600), 0);
	return folder;
}

static char *expected(void)
{
	_cleanup_free_ char *o = xasprintf("%u:%u", geteuid(), getegid());

	return xasprintf("bulkhead-manifest 1\n"
			 "d 0755 %s - /\n"
			 "d 0750 %s - /d\n"
			 "f 0600 %s " ABC " /d/a\\040b\\012\\134\n"
			 "f 0644 %s " ABC " /d/f\n"
			 "f 0644 %s " ABC " /d/hard\n"
			 "l 0777 %s d/f\\040x /link\n"
			 "p 0600 %s - /p\n",
			 o, o, o, o, o, o, o);
}

static void check_manifest(const struct manifest *m)
{
	_cleanup_free_ char *want = expected();
	_cleanup_strbuf_ struct strbuf text = {0};

	manifest_format(m, &text);
	CHECK_STR(text.p, want);
}

TEST(folder_and_archive_say_the_same)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_free_ char *folder = make_tree(), *tar = xasprintf("%s/x.tar", test_dir());
	_cleanup_close_ int tree = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int out = open(tar, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	_cleanup_error_ struct error err = {0};
	struct manifest m;

	CHECK_INT(manifest_of_folder(a, folder, &m, &err), 0);
	check_manifest(&m);
	CHECK_INT(tar_write_tree(tree, out, 1000000000, &err), 0);
	CHECK_INT(manifest_of_archive(a, tar, &m, &err), 0);
	check_manifest(&m);
}

TEST(read_as_written)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_free_ char *text = expected();
	_cleanup_error_ struct error err = {0};
	struct manifest m;

	CHECK_INT(manifest_parse(a, "x", blob_of(text), &m, &err), 0);
	check_manifest(&m);
}

TEST(no_manifest)
{
#define HEADER "bulkhead-manifest 1\n"
	static const struct {
		const char *text, *cause;
	} cases[] = {
		{"", "is no manifest"},
		{"bulkhead-manifest 2\n", "is no manifest"},
		{HEADER "x 0755 0:0 - /\n", "line 2 is not of the form of a manifest"},
		{HEADER "d 0755 0:0 - /\nd 0755 0:0 -\n", "line 3 is not of the form of a manifest"},
		{HEADER "d 0755 0:0 - etc\n", "line 2 is not of the form of a manifest"},
		{HEADER "d 0755 0:0 - / cap=0 more\n", "line 2 is not of the form of a manifest"},
		{HEADER "f 0644 0:0 - /a\033[2Jb\n", "line 2 is not of the form of a manifest"},
		{HEADER "\n", "line 2 is not of the form of a manifest"},
		{HEADER "d 0755 0:0 - /a\nd 0755 0:0 - /b\nd 0700 0:0 - /a\n", "names /a twice"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_arena_ struct arena *a = arena_new();
		_cleanup_error_ struct error err = {0};
		struct manifest m;

		CHECK_INT(manifest_parse(a, "x", blob_of(cases[i].text), &m, &err), -EBADMSG);
		CHECK_STR(err.cause, cases[i].cause);
	}
}

TEST(no_archive)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_free_ char *path = xasprintf("%s/x", test_dir());
	_cleanup_error_ struct error err = {0};
	struct manifest m;

	CHECK_INT(write_file(AT_FDCWD, path, "what", 4, 0644), 0);
	CHECK_INT(manifest_of_archive(a, path, &m, &err), -EBADMSG);
	CHECK_STR(err.object, path);
}
