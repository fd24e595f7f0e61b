/* Promise: a lock reads back as it was written, one that is wrong is refused with its line, and
 * differences show. */
#include <fcntl.h>
#include <string.h>

#include "builder/lock/diff.h"
#include "builder/lock/lock.h"
#include "common/base/alloc.h"
#include "common/tests/test.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD "bulkhead-lock 1\nimage tiny\narchitecture amd64\n"
#define INDEX "index main trixie main 2026-09-12T07:55:41Z " HASH " " HASH "\n"
#define PACKAGE(name, version)                                                                     \
	"package main " name " " version " all 10 " HASH " pool/main/" name "_" version "_all."    \
											"deb\n"

static struct lock *parse(const char *text)
{
	_cleanup_error_ struct error err = {0};
	struct lock *l = NULL;

	if (!CHECK_INT(lock_parse("x.lock", blob_of(text), &l, &err), 0))
		error_print("test", &err);
	return l;
}

TEST(lock_round_trip)
{
	static const char text[] = HEAD INDEX "local bulkhead-guest\n" PACKAGE("apt", "3.0.4")
		PACKAGE("bash", "1:5~rc1+b2");
	_cleanup_lock_ struct lock *l = parse(text);
	_cleanup_strbuf_ struct strbuf out = {0};

	if (!l)
		return;
	lock_format(l, &out);
	CHECK_STR(out.p, text);
	CHECK_INT(lock_epoch(l), 1789199741);
	CHECK_INT(lock_total_size(l), 20);
	CHECK(lock_has_local(l, "bulkhead-guest"));
	CHECK(!lock_has_local(l, "bash"));
	CHECK(lock_find_index(l, LOCK_MAIN, "trixie", "main"));
	CHECK(!lock_find_index(l, LOCK_SECURITY, "trixie", "main"));
	CHECK(!lock_find_package(l, "zsh"));
	if (CHECK(lock_find_package(l, "bash")))
		CHECK_STR(lock_package_file(lock_find_package(l, "bash")),
			  "bash_1:5~rc1+b2_all.deb");
}

TEST(lock_is_sorted_whatever_the_order)
{
	_cleanup_lock_ struct lock *a = parse(HEAD PACKAGE("apt", "1") PACKAGE("bash", "2")),
				   *b = lock_new("tiny", "amd64");
	_cleanup_strbuf_ struct strbuf x = {0}, y = {0};

	if (!a)
		return;
	lock_add_package(b, lock_find_package(a, "bash"));
	lock_add_package(b, lock_find_package(a, "apt"));
	lock_format(a, &x);
	lock_format(b, &y);
	CHECK_STR(y.p, x.p);
}

TEST(lock_refuses_what_is_wrong)
{
	static const struct {
		const char *text, *where, *cause;
	} cases[] = {
		{"", "x.lock:0", "ends before"},
		{"bulkhead-lock 2\n", "x.lock:1", "not a lock of this version"},
		{"# c\n\nbulkhead-lock 1\nimage a/b\n", "x.lock:4", "expected `image"},
		{HEAD "index main trixie main 2026-09-31 x y\n", "x.lock:4", "index line"},
		{HEAD INDEX INDEX, "x.lock:5", "twice"},
		{HEAD "local x\nlocal a\n", "x.lock:5", "not sorted"},
		{HEAD PACKAGE("b", "1") PACKAGE("a", "1"), "x.lock:5", "not sorted"},
		{HEAD PACKAGE("a", "1") PACKAGE("a", "1"), "x.lock:5", "not sorted"},
		{HEAD "package main a 1 arm64 10 " HASH " p/a.deb\n", "x.lock:4",
		 "another architecture"},
		{HEAD "package main a 1 all 10 " HASH " ../a.deb\n", "x.lock:4", "package line"},
		{HEAD "package main a 1 all 10 " HASH " /p/a.deb\n", "x.lock:4", "package line"},
		{HEAD "package main a 1 all 10 " HASH " p//a.deb\n", "x.lock:4", "package line"},
		{HEAD "package main a 1 all 0 " HASH " p/a.deb\n", "x.lock:4", "package line"},
		{HEAD "package main a 1 all 99999999999999999999 " HASH " p/a.deb\n", "x.lock:4",
		 "package line"},
		{HEAD "package main a 1 all 10 123 p/a.deb\n", "x.lock:4", "package line"},
		{HEAD "package other a 1 all 10 " HASH " p/a.deb\n", "x.lock:4", "package line"},
		{HEAD "package main a 1 all 10 " HASH " p/a.deb more\n", "x.lock:4",
		 "package line"},
		{HEAD "package main A 1 all 10 " HASH " p/a.deb\n", "x.lock:4", "package line"},
		{HEAD "pakcage\n", "x.lock:4", "unknown word"},
		{HEAD "local x \n", "x.lock:4", "blank"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_error_ struct error err = {0};
		_cleanup_lock_ struct lock *l = NULL;

		CHECK_INT(lock_parse("x.lock", blob_of(cases[i].text), &l, &err), -EBADMSG);
		CHECK_STR(err.object, cases[i].where);
		if (!CHECK(err.cause && strstr(err.cause, cases[i].cause)))
			error_print(cases[i].cause, &err);
	}
}

TEST(lock_file)
{
	_cleanup_lock_ struct lock *l = parse(HEAD INDEX), *back = NULL;
	_cleanup_free_ char *path = xasprintf("%s/x.lock", test_dir());
	_cleanup_error_ struct error err = {0};

	CHECK_INT(lock_read(path, &back, &err), -ENOENT);
	CHECK_INT(lock_write(l, path, &err), 0);
	CHECK_INT(lock_read(path, &back, &err), 0);
	CHECK(back && back->n_indexes == 1);
}

TEST(lock_differences)
{
	_cleanup_lock_ struct lock *a =
		parse(HEAD PACKAGE("a", "1") PACKAGE("b", "1") PACKAGE("d", "1"));
	_cleanup_lock_ struct lock *b =
		parse(HEAD PACKAGE("b", "2") PACKAGE("c", "1") PACKAGE("d", "1"));
	_cleanup_free_ char *text = NULL, *said = NULL;
	struct lock_changes c;
	size_t n;
	FILE *f = open_memstream(&said, &n);

	c = lock_diff_print(f, a, b);
	fclose(f);
	text = lock_changes_text(&c);
	CHECK_STR(text, "1 added, 1 removed, 1 changed");
	CHECK_STR(said, "- a 1\n~ b 1 -> 2\n+ c 1\n");
}
