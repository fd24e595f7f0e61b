/* Promise: every difference between two trees is named, and of a path in an image is told what put it there. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "builder/archive/tar_write.h"
#include "builder/inspect/compare.h"
#include "builder/inspect/why.h"
#include "builder/relock.h"
#include "builder/tests/world.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/tests/test.h"

#define HEADER "bulkhead-manifest 1\n"

static char *write_side(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", test_dir(), name);

	CHECK_INT(write_file(AT_FDCWD, path, text, strlen(text), 0644), 0);
	return path;
}

static void check_differences(const char *one, const char *two, const char *want)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_(compare_end) struct compare_side s = {0}, t = {0};
	_cleanup_free_ char *first = write_side("a", one), *second = write_side("b", two);
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf got = {0};
	struct differences d;

	CHECK_INT(compare_read(a, first, &s, &err), 0);
	CHECK_INT(compare_read(a, second, &t, &err), 0);
	CHECK_INT(compare_sides(a, &s, &t, &d, &err), 0);
	for (size_t i = 0; i < d.n; i++)
		strbuf_printf(&got, "%c %s %s\n", d.list[i].sign, d.list[i].where, d.list[i].what);
	CHECK_STR(got.p ? got.p : "", want);
}

TEST(differences)
{
	static const struct {
		const char *one, *two, *want;
	} cases[] = {
		{"", "", ""},
		{"f 0644 0:0 x /a\n", "f 0644 0:0 x /a\n", ""},
		{"f 0644 0:0 x /a\n", "f 0644 0:0 y /a\n", "~ /a content\n"},
		{"f 0644 0:0 x /a\n", "f 4755 1:2 y /a\n", "~ /a mode 0644 -> 4755, owner 0:0 -> 1:2, content\n"},
		{"l 0777 0:0 x /a\n", "l 0777 0:0 y /a\n", "~ /a target x -> y\n"},
		{"l 0777 0:0 x /a\n", "d 0755 0:0 - /a\n", "~ /a kind l -> d, mode 0777 -> 0755\n"},
		{"f 0644 0:0 x /a cap=01\n", "f 0644 0:0 x /a\n", "~ /a capabilities cap=01 -> none\n"},
		{"d 0755 0:0 - /a\nd 0755 0:0 - /b\n", "d 0755 0:0 - /b\nd 0755 0:0 - /c\n", "- /a \n+ /c \n"},
		{"d 0755 0:0 - /b\nd 0755 0:0 - /a\n", "d 0755 0:0 - /a\nd 0755 0:0 - /b\n", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *one = xasprintf(HEADER "%s", cases[i].one),
				    *two = xasprintf(HEADER "%s", cases[i].two);

		check_differences(one, two, cases[i].want);
	}
	check_differences("bulkhead-build-info 1\nimage a\n", "bulkhead-build-info 1\nimage b\n", "*  image a -> b\n");
}

TEST(sides_of_two_kinds)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_(compare_end) struct compare_side s = {0}, t = {0};
	_cleanup_free_ char *one = write_side("a", HEADER), *two = write_side("b", "bulkhead-build-info 1\n");
	_cleanup_error_ struct error err = {0};
	struct differences d;

	CHECK_INT(compare_read(a, one, &s, &err), 0);
	CHECK_INT(compare_read(a, two, &t, &err), 0);
	CHECK_INT(compare_sides(a, &s, &t, &d, &err), -EINVAL);
}

TEST(control_characters_are_refused)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_(compare_end) struct compare_side s = {0}, t = {0};
	_cleanup_free_ char *one = write_side("a", HEADER "f 0644 0:0 x /a\033[2J\n"),
			    *two = write_side("b", "bulkhead-build-info 1\nstep a 1\n\ta\tb \302\233 2J\n");

	CHECK_INT(compare_read(a, one, &s, NULL), -EBADMSG);
	CHECK_INT(compare_read(a, two, &t, NULL), -EBADMSG);
}

/* A root with a dpkg database of two packages. */
static void tar_of_root(struct strbuf *bytes)
{
	static const struct {
		const char *path, *text;
	} files[] = {
		{"etc/x", "from the overlay"},
		{"usr/bin/tool", "tool"},
		{"usr/share/p/only", "p"},
		{"var/cache/made", "script"},
		{"var/lib/dpkg/info/p.list", "/.\n/bin\n/bin/tool\n/etc/x\n/usr/share/p/only\n"},
		{"var/lib/dpkg/info/q:amd64.list", "/.\n/usr/share/p\n"},
	};
	_cleanup_free_ char *tree = xasprintf("%s/root", test_dir()), *tar = xasprintf("%s/root.tar", test_dir());
	_cleanup_close_ int dir = -1, fd = open(tar, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	_cleanup_error_ struct error err = {0};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		world_write(tree, files[i].path, xstrdup(files[i].text));
	dir = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(tar_write_tree(dir, fd, 1, &err), 0);
	CHECK_INT(read_file(AT_FDCWD, tar, 1 << 20, bytes), 0);
}

static void check_why(struct world *w, const char *path, const char *want)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf got = {0};
	struct reason list[WHY_MAX];
	size_t n = 0;
	int r = why(w->graph, w->image, path, a, list, &n, &err);

	for (size_t i = 0; i < n; i++) {
		const char *slash = strstr(list[i].name, "b.overlay");

		strbuf_printf(&got, "%s%s %s", i ? ", " : "", list[i].kind, slash ? slash : list[i].name);
	}
	if (r < 0)
		strbuf_printf(&got, "%s", err.cause);
	CHECK_STR(got.p, want);
}

/* Built with a new lock, which lies in OUT: that is what is looked at, until the lock beside the definition is built. */
TEST(what_was_built_with_a_new_lock)
{
	_cleanup_strbuf_ struct strbuf lock = {0}, tar = {0};
	_cleanup_free_ char *beside = NULL;
	_cleanup_error_ struct error err = {0};
	struct world w;

	world_new(&w);
	beside = xasprintf("%s/templates/b.lock", w.folder);
	world_image(w.folder, "b", "1.1", "overlay: b.overlay\n");
	CHECK_INT(read_file(AT_FDCWD, beside, 4096, &lock), 0);
	world_write(w.folder, "lock/b.lock", xstrdup(lock.p));
	tar_of_root(&tar);
	if (world_open(&w, "b")) {
		world_finish(&w, w.image->base);
		world_finish_with(&w, w.image->root, "root.tar", tar.p, tar.n);
	}
	world_close(&w);
	world_image(w.folder, "b", "1.0", "overlay: b.overlay\n");
	if (world_open(&w, "b")) {
		w.options.out = w.folder;
		CHECK_INT(relock_recall(w.graph, &err), 0);
		CHECK(w.image->relocked);
		CHECK_STR(w.image->lock->packages[0].version, "1.1");
		check_why(&w, "/usr/bin/tool", "package p");
	}
	world_close(&w);
	if (world_open(&w, "b")) {
		world_finish(&w, w.image->base);
		w.options.out = w.folder;
		CHECK_INT(relock_recall(w.graph, &err), 0);
		CHECK_STR(w.image->lock->packages[0].version, "1.0");
	}
	world_close(&w);
	CHECK_INT(unlink(beside), 0);
	if (world_open_with(&w, "b", true)) {
		w.options.out = w.store_folder;
		CHECK_INT(relock_recall(w.graph, &err), -ENOENT);
		w.options.out = w.folder;
		CHECK_INT(relock_recall(w.graph, &err), 0);
		check_why(&w, "/usr/bin/tool", "package p");
	}
	world_close(&w);
	world_end(&w);
}

/* A lock of that date in OUT, in whose state the image is built. */
static void build_with_lock_of(struct world *w, const char *date)
{
	_cleanup_free_ char *beside = xasprintf("%s/templates/b.lock", w->folder);
	_cleanup_strbuf_ struct strbuf lock = {0};

	world_image(w->folder, "b", "1.1", "overlay: b.overlay\n");
	world_date_lock(w->folder, "b", date);
	CHECK_INT(read_file(AT_FDCWD, beside, 4096, &lock), 0);
	world_write(w->folder, "lock/b.lock", xstrdup(lock.p));
	if (world_open(w, "b"))
		world_finish(w, w->image->base);
	world_close(w);
	world_image(w->folder, "b", "1.0", "overlay: b.overlay\n");
}

/* The lock beside the definition, of 2026-01-01, came after the one in OUT, or before it. */
TEST(nothing_goes_back_to_an_older_lock)
{
	static const struct {
		const char *date, *version;
	} cases[] = {{"2025-12-01", "1.0"}, {"2026-01-01", "1.1"}, {"2026-02-01", "1.1"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_error_ struct error err = {0};
		struct world w;

		world_new(&w);
		build_with_lock_of(&w, cases[i].date);
		if (world_open(&w, "b")) {
			w.options.out = w.folder;
			CHECK_INT(relock_recall(w.graph, &err), 0);
			CHECK_STR(w.image->lock->packages[0].version, cases[i].version);
		}
		world_close(&w);
		world_end(&w);
	}
}

TEST(why_it_is_there)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
		{"/etc/x", "overlay b.overlay/etc/x, package p"},
		{"/usr/bin/tool", "package p"},
		{"/bin/tool", "package p"},
		{"/usr/share/p/only", "package p"},
		{"/usr/share/p/", "package q"},
		{"/var/cache/made", "script b:root"},
		{"/none", "image b has no such path"},
		{"etc/x", "a path inside an image begins with '/'"},
	};
	_cleanup_strbuf_ struct strbuf tar = {0};
	struct world w;

	world_new(&w);
	if (world_open(&w, "b")) {
		check_why(&w, "/etc/x", "its root is not in the store");
		tar_of_root(&tar);
		world_finish(&w, w.image->base);
		world_finish_with(&w, w.image->root, "root.tar", tar.p, tar.n);
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			check_why(&w, cases[i].path, cases[i].want);
	}
	world_close(&w);
	world_end(&w);
}
