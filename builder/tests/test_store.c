/* Promise: a result is in the store whole or not at all, and what a killed build left is removed. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/history.h"
#include "builder/store.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/tests/test.h"

static struct store *open_store(const char *path)
{
	_cleanup_error_ struct error err = {0};
	struct store *s = NULL;

	CHECK_INT(store_open(path, &s, &err), 0);
	return s;
}

TEST(commit_and_find)
{
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf inputs = {0};
	struct store *s = open_store(test_dir());
	char key[SHA256_HEX];
	struct store_entry e;
	_cleanup_free_ char *file = NULL, *path = NULL;
	struct stat st;

	if (!s)
		return;
	store_input(&inputs, "a", "1");
	store_key(&inputs, key);
	CHECK(!store_has(s, key));
	CHECK_INT(store_begin(s, key, &inputs, &e, &err), 0);
	file = xasprintf("%s/result", e.out);
	CHECK_INT(write_file(AT_FDCWD, file, "x", 1, 0644), 0);
	CHECK(!store_has(s, key));
	CHECK_INT(store_commit(s, &e, &err), 0);
	CHECK(store_has(s, key));
	path = store_entry_path(s, key, "result");
	CHECK(access(path, F_OK) == 0);
	path = (free(path), store_entry_path(s, key, NULL));
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0700);
	CHECK_INT(store_begin(s, key, &inputs, &e, &err), 1);
	store_close(s);
}

TEST(aborted_and_killed_leave_nothing)
{
	_cleanup_free_ char *path = xstrdup(test_dir()), *left = xasprintf("%s/tmp/", path);
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf inputs = {0};
	struct store *s = open_store(path);
	char key[SHA256_HEX];
	struct store_entry e;

	if (!s)
		return;
	store_input(&inputs, "a", "2");
	store_key(&inputs, key);
	CHECK_INT(store_begin(s, key, &inputs, &e, &err), 0);
	store_abort(s, &e);
	CHECK(!store_has(s, key));
	/* A killed process keeps neither its lock nor anything else but its folder. */
	CHECK_INT(store_begin(s, key, &inputs, &e, &err), 0);
	close(e.lock_fd);
	free(e.out);
	free(e.tmp);
	store_close(s);
	s = open_store(path);
	CHECK(rmdir(left) == 0);
	store_close(s);
}

static void make_entry(struct store *s, const char *value, time_t made, char key[SHA256_HEX]);

static bool is_marked(const struct store *s, const char *key)
{
	_cleanup_free_ char *mark = xasprintf("%s/unsynced/%s", store_path(s), key);

	return faccessat(AT_FDCWD, mark, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* As if the machine had been started anew since. */
static void start_anew(const struct store *s, const char *key)
{
	_cleanup_free_ char *mark = xasprintf("%s/unsynced/%s", store_path(s), key);

	CHECK(unlink(mark) == 0 && symlink("another boot", mark) == 0);
}

TEST(results_that_may_not_be_on_the_disk_go_with_the_next_boot)
{
	_cleanup_free_ char *path = xstrdup(test_dir());
	struct store *s = open_store(path);
	char synced[SHA256_HEX], lost[SHA256_HEX], kept[SHA256_HEX];

	if (!s)
		return;
	make_entry(s, "1", 100, synced);
	CHECK(is_marked(s, synced));
	CHECK_INT(store_sync(s, NULL), 0);
	CHECK(!is_marked(s, synced));
	make_entry(s, "2", 100, lost);
	make_entry(s, "3", 100, kept);
	start_anew(s, lost);
	store_close(s);
	s = open_store(path);
	CHECK(store_has(s, synced) && store_has(s, kept) && !store_has(s, lost));
	CHECK(is_marked(s, kept) && !is_marked(s, lost));
	make_entry(s, "2", 100, lost);
	store_close(s);
	s = open_store(path);
	CHECK(store_has(s, lost) && is_marked(s, lost));
	store_close(s);
}

TEST(values_do_not_run_together)
{
	_cleanup_strbuf_ struct strbuf one = {0}, two = {0};

	store_input(&one, "a", "1\nb 2");
	store_input(&two, "a", "1");
	store_input(&two, "b", "2");
	CHECK(strcmp(one.p, two.p) != 0);
}

TEST(tree_digest)
{
	_cleanup_close_ int fd = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char first[SHA256_HEX], second[SHA256_HEX];

	CHECK_INT(mkdir_p(fd, "t/a", 0755), 0);
	CHECK_INT(write_file(fd, "t/a/x", "1", 1, 0644), 0);
	CHECK_INT(store_tree_digest(fd, "t", first), 0);
	CHECK_INT(fchmodat(fd, "t/a/x", 0664, 0), 0);
	CHECK_INT(store_tree_digest(fd, "t", second), 0);
	CHECK_STR(second, first);
	CHECK_INT(fchmodat(fd, "t/a/x", 0755, 0), 0);
	CHECK_INT(store_tree_digest(fd, "t", second), 0);
	CHECK(strcmp(first, second) != 0);
}

static void make_entry(struct store *s, const char *value, time_t made, char key[SHA256_HEX])
{
	const struct timespec times[2] = {{.tv_sec = made}, {.tv_sec = made}};
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf inputs = {0};
	_cleanup_free_ char *path = NULL;
	struct store_entry e;

	store_input(&inputs, "value", value);
	store_key(&inputs, key);
	CHECK_INT(store_begin(s, key, &inputs, &e, &err), 0);
	CHECK_INT(store_commit(s, &e, &err), 0);
	path = store_entry_path(s, key, NULL);
	CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
}

TEST(collect_by_age_and_size)
{
	_cleanup_error_ struct error err = {0};
	struct store *s = open_store(test_dir());
	struct store_gc gc = {.made_before = 200, .keep_bytes = ULLONG_MAX, .dry_run = true};
	struct store_gc_result result;
	char first[SHA256_HEX], second[SHA256_HEX], third[SHA256_HEX];

	if (!s)
		return;
	make_entry(s, "1", 100, first);
	make_entry(s, "2", 200, second);
	make_entry(s, "3", 300, third);
	CHECK_INT(store_collect(s, &gc, &result, &err), 0);
	CHECK_INT(result.removed, 1);
	CHECK(store_has(s, first));
	gc.dry_run = false;
	CHECK_INT(store_collect(s, &gc, &result, &err), 0);
	CHECK_INT(result.removed, 1);
	CHECK_INT(result.left, 2);
	CHECK(!store_has(s, first) && store_has(s, second));
	gc = (struct store_gc){.keep_bytes = result.left_bytes - 1};
	CHECK_INT(store_collect(s, &gc, &result, &err), 0);
	CHECK_INT(result.left, 1);
	CHECK(!store_has(s, second) && store_has(s, third));
	store_close(s);
}

/* As make_entry(), and it is the newest of a step. */
static void make_used_entry(struct store *s, const char *value, time_t made, char key[SHA256_HEX])
{
	_cleanup_strbuf_ struct strbuf inputs = {0};

	make_entry(s, value, made, key);
	store_input(&inputs, "value", value);
	history_write(s, "image:step", &inputs, 1);
}

/* The oldest entry is the newest of its step: it goes last, whatever is asked for. */
TEST(collect_spares_what_builds_use)
{
	static const struct store_gc all_unused = {.made_before = LLONG_MAX, .keep_bytes = ULLONG_MAX};
	_cleanup_error_ struct error err = {0};
	struct store *s = open_store(test_dir());
	struct store_gc gc = {.made_before = 250, .keep_bytes = ULLONG_MAX};
	struct store_gc_result result;
	char used[SHA256_HEX], old[SHA256_HEX], middle[SHA256_HEX], new[SHA256_HEX];

	if (!s)
		return;
	make_used_entry(s, "1", 100, used);
	make_entry(s, "2", 200, old);
	make_entry(s, "3", 300, middle);
	make_entry(s, "4", 400, new);
	CHECK(store_has_unused(s, 0) && !store_has_unused(s, 1 << 20));
	CHECK_INT(store_collect(s, &gc, &result, &err), 0);
	CHECK(store_has(s, used) && !store_has(s, old) && store_has(s, middle));
	gc = (struct store_gc){.keep_bytes = result.left_bytes - 1};
	CHECK_INT(store_collect(s, &gc, &result, &err), 0);
	CHECK(store_has(s, used) && !store_has(s, middle) && store_has(s, new));
	CHECK_INT(store_collect(s, &all_unused, &result, &err), 0);
	CHECK_INT(result.left, 1);
	CHECK(store_has(s, used) && !store_has(s, new) && !store_has_unused(s, 0));
	gc = (struct store_gc){.keep_bytes = 0};
	CHECK_INT(store_collect(s, &gc, &result, &err), 0);
	CHECK(!store_has(s, used));
	store_close(s);
}

TEST(collect_refused_while_in_use)
{
	_cleanup_free_ char *path = xstrdup(test_dir());
	_cleanup_error_ struct error err = {0};
	struct store *user = open_store(path), *collector = open_store(path);
	struct store_gc gc = {.made_before = 200, .keep_bytes = ULLONG_MAX};
	struct store_gc_result result;
	char key[SHA256_HEX];

	if (!user || !collector)
		return;
	make_entry(user, "1", 100, key);
	CHECK_INT(store_collect(collector, &gc, &result, &err), -EWOULDBLOCK);
	CHECK(store_has(user, key));
	store_close(user);
	CHECK_INT(store_collect(collector, &gc, &result, &err), 0);
	CHECK(!store_has(collector, key));
	store_close(collector);
}
