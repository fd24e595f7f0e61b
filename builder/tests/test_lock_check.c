/* Promise: a lock that no longer fits its definition, or our own packages, is noticed before a build. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "builder/lock/resolve.h"
#include "builder/lock/suite.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/tests/test.h"

static void put(const char *root, const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", root, name);

	mkdir_parents(AT_FDCWD, path, 0755);
	write_file(AT_FDCWD, path, text, strlen(text), 0644);
}

static void add(struct lock *l, const char *name)
{
	const struct lock_package p = {
		.name = name, .version = "1", .arch = "all", .path = "p/x.deb", .size = 1};

	lock_add_package(l, &p);
}

static void add_index(struct lock *l, const char *suite, const char *component)
{
	const struct lock_index x = {.archive = lock_suite_archive(suite), .suite = suite, .component = component};

	lock_add_index(l, &x);
}

TEST(lock_is_of_the_suites_and_components)
{
	static const struct {
		const char *indexes[4][2];
		int result;
	} cases[] = {
		{{{"s", "main"}, {"s", "extra"}, {"s-security", "main"}, {"s-security", "extra"}}, 0},
		{{{"s", "main"}, {"s", "extra"}, {"s-security", "main"}}, -ESTALE},
		{{{"s", "main"}, {"s-security", "main"}}, -ESTALE},
		{{{"s", "main"}, {"s", "extra"}, {"t", "main"}, {"t", "extra"}}, -ESTALE},
		{{{"s", "main"}, {"s", "extra"}, {"s", "more"}, {"s-security", "main"}}, -ESTALE},
	};
	const char *root = test_dir();
	_cleanup_free_ char *path = xasprintf("%s/tiny.yaml", root);
	_cleanup_definition_ struct definition *d = NULL;
	const struct lock_options o = {.source_root = root, .version = "1"};
	_cleanup_lock_ struct lock *further = lock_new("tiny", "amd64");

	put(root, "tiny.yaml", "name: tiny\nfamily: deb\nsuites: [s, s-security]\ncomponents: [main, extra]\n");
	if (!CHECK_INT(definition_read(path, &d, NULL), 0))
		return;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_lock_ struct lock *l = lock_new("tiny", "amd64");

		for (size_t k = 0; k < 4 && cases[i].indexes[k][0]; k++)
			add_index(l, cases[i].indexes[k][0], cases[i].indexes[k][1]);
		CHECK_INT(lock_check(d, &o, l, NULL), cases[i].result);
	}
	for (size_t k = 0; k < 4; k++)
		add_index(further, cases[0].indexes[k][0], cases[0].indexes[k][1]);
	add_index(further, "t", "main");
	CHECK_INT(lock_check(d, &o, further, NULL), -ESTALE);
}

TEST(lock_fits_definition)
{
	static const char *const steps[] = {"app", "own", "one | two (>= 2)"};
	const char *root = test_dir();
	_cleanup_free_ char *path = xasprintf("%s/builder/tiny.yaml", root);
	_cleanup_definition_ struct definition *d = NULL;
	_cleanup_error_ struct error err = {0};
	_cleanup_lock_ struct lock *l = lock_new("tiny", "amd64"), *other = lock_new("other", "amd64");
	const struct lock_options o = {.source_root = root, .version = "1"};

	put(root, "builder/tiny.yaml",
	    "name: tiny\nfamily: deb\nsuites: [s]\npackages: [app]\nruntime: [own]\n"
	    "outputs: {root: {kind: dir}}\n");
	put(root, "runtime/own.conf", "x");
	put(root, "runtime/packages/own.yaml",
	    "name: own\ndescription: ours\ndepends: [\"one | two (>= 2)\"]\n"
	    "files: {/usr/share/own: {source: runtime/own.conf}}\n");
	if (!CHECK_INT(definition_read(path, &d, &err), 0))
		return;
	add_index(l, "s", "main");
	CHECK_INT(lock_check(d, &o, other, &err), -ESTALE);
	for (size_t i = 0; i < 3; i++) {
		_cleanup_strbuf_ struct strbuf sorted = {0};

		CHECK_INT(lock_check(d, &o, l, &err), -ESTALE);
		CHECK(err.cause && strstr(err.cause, steps[i]));
		CHECK_STR(err.remedy, "make it anew: `bulkhead lock tiny`, or `bulkhead build --relock`");
		if (i == 0)
			add(l, "app");
		else if (i == 1)
			lock_add_local(l, "own");
		else
			add(l, "two");
		lock_format(l, &sorted);
	}
	CHECK_INT(lock_check(d, &o, l, &err), 0);
}
