#include "common/tests/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/file.h"

static struct test *first, **last = &first;
static bool failed, skipped;
static struct strv dirs;

void test_register(struct test *t)
{
	*last = t;
	last = &t->next;
}

bool test_check(bool ok, const char *file, int line, const char *what)
{
	if (!ok) {
		printf("%s:%d: failed: %s\n", file, line, what);
		failed = true;
	}
	return ok;
}

bool test_check_str(const char *got, const char *want, const char *file, int line, const char *what)
{
	bool ok = got && want ? !strcmp(got, want) : got == want;

	if (!ok) {
		printf("%s:%d: failed: %s is '%s', expected '%s'\n", file, line, what, got ? got : "(null)",
		       want ? want : "(null)");
		failed = true;
	}
	return ok;
}

bool test_check_int(long long got, long long want, const char *file, int line, const char *what)
{
	if (got != want) {
		printf("%s:%d: failed: %s is %lld, expected %lld\n", file, line, what, got, want);
		failed = true;
	}
	return got == want;
}

void test_skip(const char *why)
{
	const char *ci = getenv("CI");

	printf("skipped: %s\n", why);
	if (ci && !strcmp(ci, "true"))
		failed = true;
	skipped = true;
}

const char *test_dir(void)
{
	char *name = xasprintf("%s/bulkhead-test.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");

	if (!mkdtemp(name)) {
		perror(name);
		exit(1);
	}
	strv_push_take(&dirs, name);
	return name;
}

/* With words on the command line only the tests that contain one of them run. */
static bool selected(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return argc <= 1;
}

int main(int argc, char **argv)
{
	unsigned n_passed = 0, n_failed = 0, n_skipped = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (struct test *t = first; t; t = t->next) {
		if (!selected(t->name, argc, argv))
			continue;
		failed = skipped = false;
		t->run();
		if (failed) {
			printf("FAILED %s\n", t->name);
			n_failed++;
		} else if (skipped) {
			n_skipped++;
		} else {
			n_passed++;
		}
	}
	for (size_t i = 0; i < dirs.n; i++)
		remove_tree(AT_FDCWD, dirs.v[i]);
	strv_free(&dirs);
	printf("%u passed, %u failed, %u skipped\n", n_passed, n_failed, n_skipped);
	return n_failed || !(n_passed + n_skipped);
}
