/*
 * Promise: a package that is unpacked by us lies in the root and in dpkg's database as dpkg would
 * have left it, and what only dpkg can do right is left to dpkg.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/root/direct/database.h"
#include "builder/root/direct/merge.h"
#include "builder/root/direct/review.h"
#include "builder/root/direct/status.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"
#include "common/tests/test.h"

static void put(int dirfd, const char *path, const char *text)
{
	CHECK_INT(mkdir_parents(dirfd, path, 0755), 0);
	CHECK_INT(write_file(dirfd, path, text, strlen(text), 0644), 0);
}

static void check_text(int dirfd, const char *path, const char *want)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	read_file(dirfd, path, 1 << 16, &text);
	CHECK_STR(text.p ? text.p : "(nothing)", want);
}

static bool has(int dirfd, const char *path)
{
	return !faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

/* A root, and a stage with one package in it. */
struct world {
	int top, root, stage;
	struct staged package;
	struct merge merge;
};

static void world_begin(struct world *w)
{
	w->top = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(remove_tree(w->top, "root"), 0);
	CHECK_INT(remove_tree(w->top, "stage"), 0);
	CHECK_INT(mkdirat(w->top, "root", 0755), 0);
	CHECK_INT(mkdirat(w->top, "stage", 0755), 0);
	w->root = openat(w->top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->stage = openat(w->top, "stage", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->package = (struct staged){.fd = -1};
	w->merge = (struct merge){.root = w->root, .arena = arena_new()};
	CHECK_INT(database_seed(w->root), 0);
}

static void world_end(struct world *w)
{
	staged_free(&w->package);
	merge_end(&w->merge);
	close(w->root);
	close(w->stage);
	close(w->top);
}

static const char control[] = "Package: libp\nArchitecture: amd64\nMulti-Arch: same\nVersion: 1\n";

/* usr/lib/p, and etc/p as a conffile. */
static void stage_package(struct world *w, const char *mode)
{
	_cleanup_free_ char *folders = xasprintf(
		"755 %u %u \n%s %u %u usr\n755 %u %u usr/lib\n755 %u %u etc\n", getuid(), getgid(),
		mode, getuid(), getgid(), getuid(), getgid(), getuid(), getgid());
	_cleanup_error_ struct error err = {0};

	put(w->stage, "0/control/control", control);
	put(w->stage, "0/control/conffiles", "/etc/p\n");
	put(w->stage, "0/control/md5sums", "sums\n");
	put(w->stage, "0/control/triggers",
	    "# what it does\ninterest-noawait /usr/lib/t\ninterest t\nactivate-noawait "
	    "ldconfig\nactivate u\n");
	put(w->stage, "0/files/usr/lib/p", "program");
	put(w->stage, "0/files/etc/p.dpkg-new", "setting");
	put(w->stage, "0/names", "/.\n/usr\n/usr/lib\n/usr/lib/p\n/etc\n/etc/p\n");
	put(w->stage, "0/folders", folders);
	CHECK_INT(staged_read(w->stage, 0, "libp.deb", &w->package, &err), 0);
	CHECK_INT(merge_note_folders(&w->merge, &w->package), 0);
}

static mode_t mode_of(int dirfd, const char *path)
{
	struct stat st = {0};

	CHECK_INT(fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

TEST(files_go_where_dpkg_would_put_them)
{
	struct world w;

	world_begin(&w);
	stage_package(&w, "2711");
	CHECK_INT(merge_fits(&w.merge, &w.package, NULL), 1);
	CHECK_INT(merge_files(&w.merge, &w.package, false, NULL), 0);
	check_text(w.root, "usr/lib/p", "program");
	check_text(w.root, "etc/p.dpkg-new", "setting");
	CHECK(!has(w.root, "etc/p"));
	CHECK_INT(mode_of(w.root, "usr"), 02711);
	world_end(&w);
}

TEST(plain_conffiles_for_the_first_dpkg)
{
	struct world w;

	world_begin(&w);
	stage_package(&w, "755");
	CHECK_INT(merge_files(&w.merge, &w.package, true, NULL), 0);
	check_text(w.root, "etc/p", "setting");
	CHECK(!has(w.root, "etc/p.dpkg-new"));
	world_end(&w);
}

TEST(merged_usr)
{
	struct world w;

	world_begin(&w);
	put(w.root, "usr/real/x", "");
	CHECK_INT(symlinkat("real", w.root, "usr/lib"), 0);
	stage_package(&w, "755");
	CHECK_INT(merge_fits(&w.merge, &w.package, NULL), 1);
	CHECK_INT(merge_files(&w.merge, &w.package, false, NULL), 0);
	check_text(w.root, "usr/real/p", "program");
	world_end(&w);
}

TEST(a_link_out_of_the_root_is_not_followed)
{
	struct world w;

	world_begin(&w);
	put(w.top, "outside/x", "");
	CHECK_INT(mkdir_p(w.root, "usr", 0755), 0);
	CHECK_INT(symlinkat("../../outside", w.root, "usr/lib"), 0);
	stage_package(&w, "755");
	CHECK(merge_fits(&w.merge, &w.package, NULL) <= 0);
	CHECK(merge_files(&w.merge, &w.package, false, NULL) < 0);
	CHECK(!has(w.top, "outside/p"));
	world_end(&w);
}

TEST(what_is_there_is_for_dpkg)
{
	struct world w;

	world_begin(&w);
	put(w.root, "usr/lib/p", "of another");
	stage_package(&w, "755");
	CHECK_INT(merge_fits(&w.merge, &w.package, NULL), 0);
	world_end(&w);
}

TEST(what_is_diverted_or_overridden_is_for_dpkg)
{
	static const struct {
		const char *path, *text;
		int fits;
	} cases[] = {
		{"var/lib/dpkg/diversions", "/usr/lib/p\n/usr/lib/p.other\nq\n", 0},
		{"var/lib/dpkg/diversions", "/usr/lib/q\n/usr/lib/q.other\nq\n", 1},
		{"var/lib/dpkg/statoverride", "root messagebus 4754 /usr/lib/p\n", 0},
		{"var/lib/dpkg/statoverride", "root messagebus 4754 /usr/lib/q\n", 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;

		world_begin(&w);
		put(w.root, cases[i].path, cases[i].text);
		stage_package(&w, "755");
		CHECK_INT(merge_read_special(&w.merge), 0);
		CHECK_INT(merge_fits(&w.merge, &w.package, NULL), cases[i].fits);
		world_end(&w);
	}
}

/* The first package decides; of the essential set, the last. */
TEST(who_decides_about_a_folder)
{
	for (int bare = 0; bare < 2; bare++) {
		struct world w;

		world_begin(&w);
		w.merge.bare = bare;
		stage_package(&w, "700");
		staged_free(&w.package);
		stage_package(&w, "711");
		CHECK_INT(merge_files(&w.merge, &w.package, false, NULL), 0);
		CHECK_INT(mode_of(w.root, "usr"), bare ? 0711 : 0700);
		world_end(&w);
	}
}

TEST(database)
{
	struct database d;
	struct world w;

	world_begin(&w);
	put(w.root, "var/lib/dpkg/status",
	    "Package: a\nStatus: install ok installed\n\nPackage: z\nStatus: install ok "
	    "installed\n\n");
	put(w.root, "var/lib/dpkg/triggers/File", "/usr/lib other\n/usr/share other\n");
	stage_package(&w, "755");
	CHECK_INT(database_begin(&d, w.root), 0);
	CHECK_INT(database_add(&d, &w.package), 0);
	CHECK_INT(database_write(&d), 0);
	database_end(&d);
	check_text(w.root, "var/lib/dpkg/info/format", "1\n");
	check_text(w.root, "var/lib/dpkg/info/libp:amd64.list",
		   "/.\n/usr\n/usr/lib\n/usr/lib/p\n/etc\n/etc/p\n");
	check_text(w.root, "var/lib/dpkg/info/libp:amd64.md5sums", "sums\n");
	CHECK(!has(w.root, "var/lib/dpkg/info/libp:amd64.control"));
	check_text(w.root, "var/lib/dpkg/status",
		   "Package: a\nStatus: install ok installed\n\n"
		   "Package: libp\nArchitecture: amd64\nMulti-Arch: same\nVersion: 1\n"
		   "Status: install ok unpacked\nConffiles:\n /etc/p newconffile\n\n"
		   "Package: z\nStatus: install ok installed\n\n");
	check_text(w.root, "var/lib/dpkg/triggers/File",
		   "/usr/lib other\n/usr/share other\n/usr/lib/t libp:amd64/noawait\n");
	check_text(w.root, "var/lib/dpkg/triggers/t", "libp:amd64\n");
	check_text(w.root, "var/lib/dpkg/triggers/Unincorp",
		   "ldconfig -\nu libp:amd64\n/usr/lib libp:amd64\n");
	world_end(&w);
}

TEST(trigger_names_that_lead_elsewhere)
{
	static const char *const texts[] = {"interest ../status\n", "interest a/b\n", "interest\n",
					    "wish t\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct database d;
		struct world w;

		world_begin(&w);
		stage_package(&w, "755");
		strbuf_reset(&w.package.triggers);
		strbuf_add_str(&w.package.triggers, texts[i]);
		CHECK_INT(database_begin(&d, w.root), 0);
		CHECK_INT(database_add(&d, &w.package), -EBADMSG);
		database_end(&d);
		world_end(&w);
	}
}

TEST(triggers_in_the_order_of_unpacking)
{
	_cleanup_strmap_ struct strmap ranks = {0};
	char order[2];
	struct world w;

	world_begin(&w);
	strmap_put(&ranks, "first", &order[0]);
	strmap_put(&ranks, "second:amd64", &order[1]);
	put(w.root, "var/lib/dpkg/triggers/File", "/b second:amd64\n/z first/noawait\n/a first\n");
	put(w.root, "var/lib/dpkg/triggers/t", "second:amd64/noawait\nfirst\n");
	CHECK_INT(database_sort_triggers(w.root, &ranks), 0);
	check_text(w.root, "var/lib/dpkg/triggers/File",
		   "/z first/noawait\n/a first\n/b second:amd64\n");
	check_text(w.root, "var/lib/dpkg/triggers/t", "first\nsecond:amd64/noawait\n");
	world_end(&w);
}

TEST(review)
{
	_cleanup_(review_free) struct review r = {0};
	char hex[SHA256_HEX];
	_cleanup_free_ char *text = NULL;

	sha256_hex("#!/bin/sh\n", 10, hex);
	text = xasprintf("# words\n\npreinst %s p acts on upgrades only\ndpkg libc6 diverts\n",
			 hex);
	CHECK_INT(review_parse(blob_of(text), &r, NULL), 0);
	CHECK(review_preinst(&r, BLOB("#!/bin/sh\n")));
	CHECK(!review_preinst(&r, BLOB("#!/bin/sh\nrm -rf /\n")));
	CHECK(strmap_get(&r.dpkg, "libc6") != NULL);
}

TEST(review_that_is_wrong)
{
	static const struct {
		const char *text, *object;
	} cases[] = {
		{"dpkg libc6\n", REVIEW_FILE ":1"},
		{"# one\npreinst abc p reason\n", REVIEW_FILE ":2"},
		{"allow p reason\n", REVIEW_FILE ":1"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(review_free) struct review r = {0};
		_cleanup_error_ struct error err = {0};

		CHECK_INT(review_parse(blob_of(cases[i].text), &r, &err), -EBADMSG);
		CHECK_STR(err.object, cases[i].object);
	}
}

/* What stands in the tree is read as a whole. */
TEST(review_of_the_tree)
{
	_cleanup_(review_free) struct review r = {0};
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_error_ struct error err = {0};

	if (read_file(AT_FDCWD, REVIEW_FILE, 1 << 20, &text) == -ENOENT) {
		test_skip("not run from the top of the tree");
		return;
	}
	CHECK_INT(review_parse(strbuf_blob(&text), &r, &err), 0);
	CHECK(r.preinsts.n > 0);
}
