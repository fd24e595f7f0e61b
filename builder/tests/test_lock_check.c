/* Promise: a lock that no longer fits its definition, or our own packages, is noticed before a build. */
#include <fcntl.h>
#include <string.h>

#include "builder/lock/resolve.h"
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
	CHECK_INT(lock_check(d, &o, other, &err), -ESTALE);
	for (size_t i = 0; i < 3; i++) {
		_cleanup_strbuf_ struct strbuf sorted = {0};

		CHECK_INT(lock_check(d, &o, l, &err), -ESTALE);
		CHECK(err.cause && strstr(err.cause, steps[i]));
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
