/* Promise: what time, chance and the machine left in a root is taken out, and nothing else is touched. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/root/normalise.h"
#include "builder/root/overlay.h"
#include "builder/root/plan.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/tests/test.h"

static int new_folder(void)
{
	return open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void put(int dirfd, const char *path, const char *text)
{
	CHECK_INT(mkdir_parents(dirfd, path, 0755), 0);
	CHECK_INT(write_file(dirfd, path, text, strlen(text), 0644), 0);
}

static bool has(int dirfd, const char *path)
{
	return !faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

static void check_text(int dirfd, const char *path, const char *want)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	CHECK_INT(read_file(dirfd, path, 1 << 16, &text), 0);
	CHECK_STR(text.p ? text.p : "", want);
}

static const char *const suites[] = {"trixie", "trixie-updates", "trixie-security", NULL};
static const char *const components[] = {"main", NULL};
static const struct normalise_options options = {
	.epoch = 1000000000, .suites = suites, .components = components};

TEST(normalise)
{
	_cleanup_close_ int root = new_folder();
	_cleanup_error_ struct error err = {0};

	put(root, "etc/machine-id", "0123\n");
	put(root, "etc/passwd", "root:x:0:0::/:/bin/sh\n");
	put(root, "etc/passwd-", "old");
	put(root, "etc/shadow", "root:*:20000:0:99999:7:::\nnew:!:::::::\n");
	put(root, "etc/ssh/ssh_host_rsa_key", "secret");
	put(root, "etc/ssh/sshd_config", "keep");
	put(root, "var/log/dpkg.log", "times");
	put(root, "var/log/wtmp", "times");
	put(root, "var/log/apt/history.log", "times");
	put(root, "var/cache/apt/archives/partial/x", "times");
	put(root, "usr/lib/python3.13/json/__pycache__/x.pyc", "times");
	put(root, "usr/lib/python3.13/json/x.py", "keep");
	put(root, "run/left", "x");
	put(root, "var/lib/dpkg/status", "keep");
	put(root, "var/lib/dpkg/status-old", "x");
	if (!CHECK_INT(normalise_root(root, &options, &err), 0))
		return;
	check_text(root, "etc/machine-id", "");
	check_text(root, "etc/shadow", "root:*:11574:0:99999:7:::\nnew:!:::::::\n");
	check_text(root, "var/log/wtmp", "");
	check_text(root, "var/lib/dpkg/status", "keep");
	check_text(root, "usr/lib/python3.13/json/x.py", "keep");
	check_text(root, "etc/ssh/sshd_config", "keep");
	CHECK(has(root, "etc/passwd") && !has(root, "etc/passwd-"));
	CHECK(!has(root, "etc/ssh/ssh_host_rsa_key"));
	CHECK(!has(root, "var/log/dpkg.log") && !has(root, "var/log/apt/history.log"));
	CHECK(has(root, "var/cache/apt/archives/partial"));
	CHECK(!has(root, "var/cache/apt/archives/partial/x"));
	CHECK(!has(root, "usr/lib/python3.13/json/__pycache__"));
	CHECK(has(root, "run") && !has(root, "run/left"));
	CHECK(!has(root, "var/lib/dpkg/status-old"));
	CHECK(has(root, "etc/.updated"));
	CHECK(!has(root, "etc/apt"));
}

TEST(normalise_follows_no_link)
{
	_cleanup_close_ int root = new_folder(), outside = new_folder();
	_cleanup_error_ struct error err = {0};
	_cleanup_free_ char *to = xasprintf("/proc/self/fd/%d", outside);
	char target[4096];
	ssize_t n = readlink(to, target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = '\0';
	put(outside, "wtmp", "keep");
	put(outside, "apt/x", "keep");
	CHECK_INT(mkdir_p(root, "var", 0755), 0);
	CHECK_INT(symlinkat(target, root, "var/log"), 0);
	CHECK_INT(mkdir_p(root, "etc", 0755), 0);
	CHECK_INT(normalise_root(root, &options, &err), 0);
	check_text(outside, "wtmp", "keep");
	check_text(outside, "apt/x", "keep");
}

TEST(apt_sources_come_from_the_example)
{
	_cleanup_close_ int root = new_folder();
	_cleanup_error_ struct error err = {0};

	put(root, "usr/share/doc/apt/examples/debian.sources",
	    "## A comment: with a colon\n"
	    "Types: deb\nURIs: http://deb.example/debian\nSuites: old old-updates\n"
	    "Components: main contrib\nSigned-By: /k.gpg\n\n"
	    "## More\nTypes: deb\nURIs: http://deb.example/debian-security\nSuites: old-security\n"
	    "Components: main contrib\nSigned-By: /k.gpg\n");
	put(root, "etc/apt/sources.list", "deb http://mirror.of.the.builder/ x main\n");
	put(root, "var/.x", "");
	if (!CHECK_INT(normalise_root(root, &options, &err), 0))
		return;
	check_text(root, "etc/apt/sources.list.d/debian.sources",
		   "Types: deb\nURIs: http://deb.example/debian\nSuites: trixie trixie-updates\n"
		   "Components: main\nSigned-By: /k.gpg\n\n"
		   "Types: deb\nURIs: http://deb.example/debian-security\nSuites: trixie-security\n"
		   "Components: main\nSigned-By: /k.gpg\n");
	CHECK(!has(root, "etc/apt/sources.list"));
}

TEST(overlay)
{
	_cleanup_close_ int root = new_folder(), over = new_folder();
	_cleanup_error_ struct error err = {0};
	struct stat st;

	put(root, "etc/conf", "old");
	put(root, "etc/other", "keep");
	put(over, "etc/conf", "new");
	put(over, "usr/bin/tool", "#!\n");
	CHECK_INT(fchmodat(over, "usr/bin/tool", 0700, 0), 0);
	CHECK_INT(symlinkat("/etc/conf", over, "etc/link"), 0);
	CHECK_INT(overlay_apply(over, root, 1000000000, &err), 0);
	check_text(root, "etc/conf", "new");
	check_text(root, "etc/other", "keep");
	CHECK_INT(fstatat(root, "usr/bin/tool", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0755);
	CHECK_INT(st.st_mtime, 1000000000);
	CHECK_INT(fstatat(root, "etc/link", &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK(S_ISLNK(st.st_mode));
}

static struct plan_package package(const char *control)
{
	return (struct plan_package){.control = blob_of(control), .label = "x.deb"};
}

TEST(plan)
{
	struct plan_package p[] = {
		package("Package: dpkg\nEssential: yes\nPre-Depends: libc6 (>= 2)\n"),
		package("Package: libc6\nDepends: libgcc-s1\n"),
		package("Package: libgcc-s1\n"),
		package("Package: app\nDepends: svc | other\n"),
		package("Package: svc\nPre-Depends: init-system (>= 1) | none, libc6\n"),
		package("Package: init\nProvides: init-system (= 2)\nDepends: helper\n"),
		package("Package: helper\n"),
	};
	_cleanup_error_ struct error err = {0};
	unsigned waves = 0;

	if (!CHECK_INT(plan_make(p, 7, &waves, &err), 0))
		return;
	CHECK_INT(waves, 2);
	CHECK(p[0].essential && p[1].essential && p[2].essential && !p[3].essential);
	CHECK_INT(p[3].wave, 1);
	CHECK_INT(p[4].wave, 1);
	CHECK_INT(p[5].wave, 0);
	CHECK_INT(p[6].wave, 0);
}

TEST(plan_refuses_circles)
{
	struct plan_package p[] = {package("Package: a\nPre-Depends: b\n"),
				   package("Package: b\nPre-Depends: a\n")};
	_cleanup_error_ struct error err = {0};
	unsigned waves;

	CHECK_INT(plan_make(p, 2, &waves, &err), -EBADMSG);
	CHECK_STR(err.cause, "its Pre-Depends go in circles");
}
