/* Files are whole or untouched, processes report how they ended, digests are those of the standard. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"
#include "common/sys/hook.h"
#include "common/sys/notice.h"
#include "common/sys/process.h"
#include "common/tests/test.h"

TEST(file_atomic_write)
{
	_cleanup_close_ int dir = open(test_dir(), O_RDONLY | O_DIRECTORY);
	_cleanup_strbuf_ struct strbuf text = {0};
	struct stat st;

	CHECK_INT(write_atomic(dir, "f", "one", 3, 0640), 0);
	CHECK_INT(write_atomic(dir, "f", "two!", 4, 0640), 0);
	CHECK_INT(read_file(dir, "f", 100, &text), 0);
	CHECK_STR(text.p, "two!");
	CHECK(fstatat(dir, "f", &st, 0) == 0 && (st.st_mode & 0777) == 0640);
	CHECK_INT(read_file(dir, "f", 3, &text), -EFBIG);
	CHECK_INT(read_file(dir, "absent", 3, &text), -ENOENT);
	CHECK_INT(write_atomic(dir, "no/f", "x", 1, 0644), -ENOENT);
}

TEST(file_trees)
{
	_cleanup_close_ int dir = open(test_dir(), O_RDONLY | O_DIRECTORY);

	CHECK_INT(mkdir_p(dir, "a/b/c", 0755), 0);
	CHECK_INT(mkdir_p(dir, "a/b/c", 0755), 0);
	CHECK_INT(write_file(dir, "a/b/c/f", "x", 1, 0644), 0);
	CHECK_INT(mkdir_p(dir, "a/b/c/f/d", 0755), -ENOTDIR);
	CHECK_INT(mkdir_parents(dir, "n/m/file", 0755), 0);
	CHECK_INT(write_file(dir, "keep", "x", 1, 0644), 0);
	CHECK(symlinkat("../keep", dir, "a/link") == 0);
	CHECK(symlinkat("..", dir, "a/dirlink") == 0);
	CHECK_INT(remove_tree(dir, "a"), 0);
	CHECK(faccessat(dir, "keep", F_OK, 0) == 0);
	CHECK(faccessat(dir, "a", F_OK, 0) < 0);
	CHECK_INT(remove_tree(dir, "a"), 0);
}

/* Deeper than a process may have descriptors, and with a name in it that remove_tree() would use itself. */
TEST(file_within_a_directory)
{
	_cleanup_close_ int dir = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;

	CHECK_INT(mkdir_p(dir, "top/etc", 0755), 0);
	CHECK_INT(write_file(dir, "top/etc/x", "1", 1, 0644), 0);
	CHECK_INT(symlinkat("/etc/x", dir, "top/link"), 0);
	fd = openat(dir, "top", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(open_within(fd, "link", O_RDONLY, RESOLVE_BENEATH), -EXDEV);
	CHECK_INT(open_within(fd, "link", O_RDONLY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS), -ELOOP);
	CHECK_INT(open_within(fd, "../top", O_PATH, RESOLVE_BENEATH), -EXDEV);
	CHECK_INT(close(open_within(fd, "link", O_RDONLY, RESOLVE_IN_ROOT)), 0);
}

TEST(deep_tree)
{
	_cleanup_close_ int dir = open(test_dir(), O_RDONLY | O_DIRECTORY);
	int at = openat(dir, ".", O_RDONLY | O_DIRECTORY);

	CHECK_INT(mkdir_p(dir, "d/.to-remove-0", 0755), 0);
	for (unsigned i = 0; i < 3000 && CHECK(at >= 0); i++) {
		int next;

		CHECK(mkdirat(at, "d", 0755) == 0 || errno == EEXIST);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = next;
	}
	CHECK_INT(write_file(at, "f", "x", 1, 0644), 0);
	close(at);
	CHECK_INT(remove_tree(dir, "d"), 0);
	CHECK(faccessat(dir, "d", F_OK, 0) < 0);
}

TEST(notice_of_a_file)
{
	const char *folder = test_dir();
	_cleanup_free_ char *path = xasprintf("%s/comes", folder), *nowhere = xasprintf("%s/no/folder", folder);
	_cleanup_free_ char *command = xasprintf("sleep 0.2; : >%s/other; sleep 0.2; : >%s", folder, path);
	pid_t pid;

	CHECK_INT(notice_wait(path, 0), -ETIMEDOUT);
	CHECK_INT(notice_wait(path, 20), -ETIMEDOUT);
	CHECK_INT(notice_wait(nowhere, -1), -ENOENT);
	pid = process_spawn(&(struct process){.argv = (const char *const[]){"sh", "-c", command, NULL}});
	CHECK(pid > 0);
	CHECK_INT(notice_wait(path, -1), 0);
	CHECK_INT(process_wait(pid), 0);
	CHECK_INT(notice_wait(path, 0), 0);
}

TEST(notices_in_order)
{
	const char *folder = test_dir();
	_cleanup_close_ int dir = open(folder, O_RDONLY | O_DIRECTORY), fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	const struct inotify_event *e;
	struct notices events = {0};

	CHECK(inotify_add_watch(fd, folder, IN_CREATE) >= 0);
	CHECK(notice_next(&events, fd) == NULL);
	CHECK_INT(mkdir_p(dir, "one", 0755), 0);
	CHECK_INT(mkdir_p(dir, "a-longer-name", 0755), 0);
	e = notice_next(&events, fd);
	CHECK(e && e->len);
	CHECK_STR(e ? e->name : "", "one");
	e = notice_next(&events, fd);
	CHECK_STR(e ? e->name : "", "a-longer-name");
	CHECK(notice_next(&events, fd) == NULL);
}

TEST(process_results)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	_cleanup_error_ struct error e = {0};

	CHECK_INT(process_capture((const char *const[]){"sh", "-c", "echo hi; exit 3", NULL}, 100, &out), 3);
	CHECK_STR(out.p, "hi\n");
	CHECK_INT(process_capture((const char *const[]){"sh", "-c", "kill -9 $$", NULL}, 100, &out), 128 + 9);
	CHECK_INT(process_capture((const char *const[]){"yes", NULL}, 1000, &out), -EFBIG);
	CHECK_INT(process_capture((const char *const[]){"/nonexistent", NULL}, 10, &out), -ENOENT);
	CHECK(process_check((const char *const[]){"sh", "-c", "echo a >&2; echo why >&2; exit 1", NULL}, &e) < 0);
	CHECK_STR(e.cause, "exit code 1: why");
}

TEST(hooks)
{
	static const char by_shell[] = "echo \"$1 $2\" >>\"${0%/*}/out\"\nexit 3\n";
	static const char first_line[] = "#!/bin/sh\necho b >>\"${0%/*}/out\"\n";
	const char *path = test_dir();
	_cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY);
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_strv_ struct strv all = {0}, some = {0}, none = {0};
	static const int codes[] = {0, 3, 0, 0};

	CHECK_INT(write_file(dir, "20.rc", by_shell, strlen(by_shell), 0755), 0);
	CHECK_INT(write_file(dir, "30.rc", first_line, strlen(first_line), 0755), 0);
	CHECK_INT(write_file(dir, "10", first_line, strlen(first_line), 0644), 0);
	CHECK_INT(write_file(dir, ".rc", first_line, strlen(first_line), 0755), 0);
	CHECK_INT(mkdir_p(dir, "40", 0755), 0);
	hook_list(path, NULL, &all);
	hook_list(path, ".rc", &some);
	hook_list("/nowhere", NULL, &none);
	CHECK_INT(all.n, 4);
	CHECK_INT(some.n, 2);
	CHECK_INT(none.n, 0);
	for (size_t i = 0; i < all.n && i < 4; i++)
		CHECK_INT(hook_run((const char *const[]){all.v[i], "one", "two", NULL}), codes[i]);
	CHECK_INT(read_file(dir, "out", 100, &text), 0);
	CHECK_STR(text.p, "one two\nb\n");
	CHECK_INT(hook_run((const char *const[]){"/nowhere", NULL}), 0);
}

TEST(hash_known_answers)
{
	char hex[SHA256_HEX];
	unsigned char back[4];

	sha256_hex("abc", 3, hex);
	CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	CHECK(sha256_is_hex(blob_of(hex)));
	CHECK(!sha256_is_hex(BLOB("BA78")));
	CHECK(hex_decode(BLOB("00ffA5b6"), back, 4) == 0 && back[2] == 0xa5);
	CHECK(hex_decode(BLOB("00ffA5b"), back, 4) < 0);
	CHECK(hex_decode(BLOB("00ffA5bg"), back, 4) < 0);
}
