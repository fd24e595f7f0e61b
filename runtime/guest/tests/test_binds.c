/* Promise kept here: the arrays people write for Qubes OS name the same paths here, anything a
 * shell would have to work out is refused with its line, and what is kept appears whole in the
 * private volume, once. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sys/file.h"
#include "common/tests/test.h"
#include "runtime/guest/setup/setup.h"

TEST(binds_parse)
{
	static const struct {
		const char *text, *paths; /* joined by '|' */
		unsigned bad_line;
	} cases[] = {
		{"", "", 0},
		{"# a comment alone", "", 0},
		{"binds+=( '/etc/x' )\n", "/etc/x|", 0},
		{"binds+=('/a' \"/b\" /c)\nbinds+=( '/d' ) # kept\n", "/a|/b|/c|/d|", 0},
		{"binds+=(\n\t'/a b' # one\n\t\"/c d\"/e'f'\n)\n", "/a b|/c d/ef|", 0},
		{"binds+=( '/a' )\nbinds=()\nbinds+=( '/b' )\n", "/b|", 0},
		{"binds+=( /a\\ b )", "", 1},
		{"\nbinds+=( $HOME/x )", "", 2},
		{"binds+=( '/a' )\nif true; then\n", "/a|", 2},
		{"binds+=( '/a", "", 1},
		{"binds+=( /a", "/a|", 1},
		{"binds+=( '' )", "", 1},
		{"binds+=( /a* )", "", 1},
		{"binds+=( \"$(id)\" )", "", 1},
		{"bind=( /a )", "", 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_strv_ struct strv paths = {0};
		_cleanup_strbuf_ struct strbuf joined = {0};
		unsigned line = 0;
		bool ok = setup_binds_parse(blob_of(cases[i].text), &paths, &line);

		CHECK_INT(ok ? 0 : line, cases[i].bad_line);
		for (size_t k = 0; k < paths.n; k++)
			strbuf_printf(&joined, "%s|", paths.v[k]);
		CHECK_STR(joined.p ? joined.p : "", cases[i].paths);
	}
}

TEST(bind_sources)
{
	static const char *const pairs[][2] = {
		{"/etc/x", "rw/bind-dirs/etc/x"},
		{"/home/user/x", "rw/home/user/x"},
		{"/homes/x", "rw/bind-dirs/homes/x"},
		{"/usr/local/bin/x", "rw/usrlocal/bin/x"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		_cleanup_free_ char *source = setup_bind_source(pairs[i][0]);

		CHECK_STR(source, pairs[i][1]);
	}
}

static void put(struct setup *s, const char *path, const char *text)
{
	mkdir_parents(s->root, path, 0755);
	CHECK_INT(write_file(s->root, path, text, strlen(text), 0640), 0);
}

static void check_text(struct setup *s, const char *path, const char *want)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	CHECK_INT(read_file(s->root, path, 4096, &text), 0);
	CHECK_STR(text.p ? text.p : "", want);
}

TEST(bind_dirs)
{
	struct setup s = {.testing = true,
			  .root = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	struct stat st;

	put(&s, "usr/lib/qubes-bind-dirs.d/10.conf", "binds+=( '/etc/file' /var/tree )\n");
	put(&s, "rw/config/qubes-bind-dirs.d/50.conf",
	    "binds+=( /nowhere /var/mine /a/../etc/file )\n");
	put(&s, "rw/config/qubes-bind-dirs.d/not-read", "binds+=( /etc/other )\n");
	put(&s, "etc/file", "of the template");
	put(&s, "etc/other", "x");
	put(&s, "var/tree/deep/file", "deep");
	put(&s, "rw/bind-dirs/var/mine/file", "of the user");
	CHECK_INT(setup_bind_dirs(&s), 0);
	check_text(&s, "rw/bind-dirs/etc/file", "of the template");
	check_text(&s, "rw/bind-dirs/var/tree/deep/file", "deep");
	CHECK_INT(fstatat(s.root, "rw/bind-dirs/etc/file", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0640);
	CHECK(fstatat(s.root, "rw/bind-dirs/nowhere", &st, 0) < 0);
	CHECK(fstatat(s.root, "rw/bind-dirs/etc/other", &st, 0) < 0);
	/* What the root lacks gets a place to be mounted on. */
	CHECK_INT(fstatat(s.root, "var/mine", &st, 0), 0);
	CHECK(S_ISDIR(st.st_mode));
	/* Later starts keep what the user made of it. */
	put(&s, "rw/bind-dirs/etc/file", "changed");
	CHECK_INT(setup_bind_dirs(&s), 0);
	check_text(&s, "rw/bind-dirs/etc/file", "changed");
	close(s.root);
}

TEST(apt_proxy)
{
	struct setup s = {.testing = true,
			  .root = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	static const char file[] = "etc/apt/apt.conf.d/01qubes-proxy",
			  flag[] = "run/qubes-service/updates-proxy-setup";

	mkdir_p(s.root, "etc/apt/apt.conf.d", 0755);
	put(&s, flag, "");
	CHECK_INT(setup_early_config(&s), 0);
	check_text(&s, file,
		   "### QUBES BEGIN ###\nAcquire::http::Proxy \"http://127.0.0.1:8082/\";\n"
		   "Acquire::https::Proxy \"http://127.0.0.1:8082/\";\n### QUBES END ###\n");
	unlinkat(s.root, flag, 0);
	CHECK_INT(setup_early_config(&s), 0);
	CHECK(faccessat(s.root, file, F_OK, 0) < 0);
	close(s.root);
}
