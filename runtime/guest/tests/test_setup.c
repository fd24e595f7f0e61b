/* Promise kept here: what dom0 says in qubesdb becomes the files that a qube's services look at,
 * and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/tests/test.h"
#include "runtime/guest/setup/setup.h"

static int complaints;

/* In the program these two are in main.c. */
const char *setup_value(const struct setup *s, const char *key)
{
	return strmap_get(&s->values, key);
}

void setup_complain(struct setup *s, const char *object, const char *fmt, ...)
{
	(void)s;
	(void)object;
	(void)fmt;
	complaints++;
}

static struct setup begin(void)
{
	static int n;
	char name[32];
	struct setup s = {.testing = true};
	int dir = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	snprintf(name, sizeof(name), "root%d", n++);
	mkdirat(dir, name, 0755);
	s.root = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(dir);
	complaints = 0;
	return s;
}

static void put(struct setup *s, const char *key, const char *value)
{
	strmap_put(&s->values, key, (void *)(uintptr_t)value);
}

static void write_text(struct setup *s, const char *path, const char *text)
{
	mkdir_parents(s->root, path, 0755);
	CHECK_INT(write_file(s->root, path, text, strlen(text), 0644), 0);
}

static bool there(struct setup *s, const char *path)
{
	return faccessat(s->root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static const char *text_of(struct setup *s, const char *path)
{
	static struct strbuf text;

	strbuf_reset(&text);
	strbuf_add_str(&text, "");
	return read_file(s->root, path, 1 << 20, &text) < 0 ? "(none)" : text.p;
}

static void end(struct setup *s)
{
	strmap_free(&s->values);
	close(s->root);
}

TEST(sysinit_of_an_app_qube)
{
	struct setup s = begin();

	put(&s, "/qubes-vm-type", "AppVM");
	put(&s, "/qubes-vm-persistence", "rw-only");
	put(&s, "/qubes-debug-mode", "0");
	put(&s, "/qubes-service/cups", "1");
	put(&s, "/qubes-service/tracker", "0");
	put(&s, "/qubes-service/.hidden", "1");
	put(&s, "/qubes-service/../../etc/passwd", "1");
	put(&s, "/qubes-service/a/b", "1");
	put(&s, "/qubes-service/", "1");
	CHECK_INT(setup_sysinit(&s), 0);
	CHECK_INT(complaints, 0);
	CHECK(there(&s, "run/qubes/this-is-appvm"));
	CHECK(!there(&s, "run/qubes/this-is-netvm"));
	CHECK(there(&s, "run/qubes/persistent-rw-only"));
	CHECK(there(&s, "run/qubes-service/cups"));
	CHECK(there(&s, "run/qubes-service/meminfo-writer"));
	CHECK(!there(&s, "run/qubes-service/tracker"));
	CHECK(!there(&s, "run/qubes-service/.hidden"));
	CHECK(!there(&s, "run/qubes-service/a"));
	CHECK(!there(&s, "etc/passwd"));
	CHECK_STR(text_of(&s, "run/qubes-service-environment"), "");
	end(&s);
}

TEST(sysinit_of_each_kind)
{
	static const char *const kinds[][4] = {
		{"AppVM", "appvm", "evolution-data-server", "qubes-network"},
		{"NetVM", "netvm", "network-manager", "updates-proxy-setup"},
		{"ProxyVM", "proxyvm", "qubes-firewall", "network-manager"},
		{"TemplateVM", "templatevm", "updates-proxy-setup", "qubes-firewall"},
	};
	char path[128];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct setup s = begin();

		put(&s, "/qubes-vm-type", kinds[i][0]);
		put(&s, "/qubes-debug-mode", "1");
		setup_sysinit(&s);
		snprintf(path, sizeof(path), "run/qubes/this-is-%s", kinds[i][1]);
		CHECK(there(&s, path));
		snprintf(path, sizeof(path), "run/qubes-service/%s", kinds[i][2]);
		CHECK(there(&s, path));
		snprintf(path, sizeof(path), "run/qubes-service/%s", kinds[i][3]);
		CHECK(!there(&s, path));
		CHECK_STR(text_of(&s, "run/qubes-service-environment"), "GUI_OPTS=-vv\n");
		end(&s);
	}
}

TEST(sysinit_with_strange_values)
{
	struct setup s = begin();

	put(&s, "/qubes-vm-type", "../x");
	put(&s, "/qubes-vm-persistence", "../../x");
	CHECK_INT(setup_sysinit(&s), 0);
	CHECK(!there(&s, "x"));
	CHECK(there(&s, "run/qubes-service"));
	end(&s);
}

TEST(early_config)
{
	struct setup s = begin();

	write_text(&s, "etc/hosts", "127.0.0.1 localhost\n127.0.1.1 debian\n10.0.0.1 x");
	write_text(&s, "usr/share/zoneinfo/Europe/Berlin", "TZif");
	write_text(&s, "etc/timezone", "Etc/UTC\n");
	put(&s, "/name", "work");
	put(&s, "/qubes-timezone", "Europe/Berlin");
	CHECK_INT(setup_early_config(&s), 0);
	CHECK_INT(complaints, 0);
	CHECK_STR(text_of(&s, "etc/hostname"), "work\n");
	CHECK_STR(text_of(&s, "etc/hosts"), "127.0.0.1 localhost\n127.0.1.1\twork\n10.0.0.1 x\n");
	CHECK_STR(text_of(&s, "etc/localtime"), "TZif");
	CHECK_STR(text_of(&s, "etc/timezone"), "Europe/Berlin\n");
	end(&s);
}

TEST(early_config_refuses)
{
	static const char *const names[] = {
		"",    "a b",  "-a",
		"a/b", "a\nb", "a234567890123456789012345678901234567890123456789012345678901234"};
	static const char *const zones[] = {"", "/etc/passwd", "../../etc/passwd", "Europe/None",
					    "Europe"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct setup s = begin();

		write_text(&s, "etc/hostname", "old\n");
		put(&s, "/name", names[i]);
		setup_early_config(&s);
		CHECK_STR(text_of(&s, "etc/hostname"), "old\n");
		CHECK_INT(complaints, 1);
		end(&s);
	}
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		struct setup s = begin();

		write_text(&s, "etc/passwd", "");
		write_text(&s, "usr/share/zoneinfo/Europe/Berlin", "TZif");
		put(&s, "/qubes-timezone", zones[i]);
		setup_early_config(&s);
		CHECK(!there(&s, "etc/localtime"));
		end(&s);
	}
}

TEST(protected_files)
{
	struct setup s = begin();

	write_text(&s, "etc/hostname", "mine\n");
	write_text(&s, "etc/qubes/protected-files.d/my.conf", "/etc/other\n/etc/hostname\n");
	write_text(&s, "rw/config/protected-files.d/my.conf", "/etc/hosts");
	put(&s, "/name", "work");
	setup_early_config(&s);
	CHECK_STR(text_of(&s, "etc/hostname"), "mine\n");
	CHECK_STR(text_of(&s, "etc/hosts"), "(none)");
	CHECK(setup_file_protected(&s, "/etc/other"));
	CHECK(!setup_file_protected(&s, "/etc/othe"));
	CHECK(!setup_file_protected(&s, "/etc/host"));
	end(&s);
}

TEST(hosts_text)
{
	_cleanup_free_ char *empty = setup_hosts("", "a"),
			    *twice = setup_hosts("127.0.1.1 x\n127.0.1.1 y\n", "a"),
			    *near = setup_hosts("127.0.1.10 x\n#127.0.1.1 y\n", "a");

	CHECK_STR(empty, "127.0.1.1\ta\n");
	CHECK_STR(twice, "127.0.1.1\ta\n");
	CHECK_STR(near, "127.0.1.10 x\n#127.0.1.1 y\n127.0.1.1\ta\n");
}

TEST(rw_folders_first_time)
{
	struct setup s = begin();
	struct stat st;

	write_text(&s, "home/user/.profile", "skeleton");
	mkdirat(s.root, "home/user/private", 0700);
	CHECK_INT(symlinkat(".profile", s.root, "home/user/link"), 0);
	CHECK_INT(mkfifoat(s.root, "home/user/pipe", 0600), 0);
	write_text(&s, "usr/local/bin/tool", "tool");
	CHECK_INT(fchmodat(s.root, "usr/local/bin/tool", 0755, 0), 0);
	write_text(&s, "rw/home.new/rest", "of an interrupted start");
	CHECK_INT(setup_rw_folders(&s), 0);
	CHECK_INT(complaints, 0);
	CHECK_STR(text_of(&s, "rw/home/user/.profile"), "skeleton");
	CHECK_STR(text_of(&s, "rw/home/user/link"), "skeleton");
	CHECK(!there(&s, "rw/home/user/pipe"));
	CHECK(!there(&s, "rw/home.new"));
	CHECK_INT(fstatat(s.root, "rw/home/user/private", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0700);
	CHECK_INT(fstatat(s.root, "rw/usrlocal/bin/tool", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0755);
	CHECK_STR(text_of(&s, "rw/config/rc.local"), setup_default_rc_local);
	CHECK(there(&s, "rw/config/qubes-firewall-user-script"));
	end(&s);
}

TEST(rw_folders_later)
{
	struct setup s = begin();

	write_text(&s, "home/user/new-in-template", "x");
	write_text(&s, "rw/home/user/mine", "x");
	write_text(&s, "rw/config/rc.local", "echo mine\n");
	CHECK_INT(setup_rw_folders(&s), 0);
	CHECK(!there(&s, "rw/home/user/new-in-template"));
	CHECK_STR(text_of(&s, "rw/config/rc.local"), "echo mine\n");
	CHECK(!there(&s, "rw/config/qubes-firewall-user-script"));
	CHECK(there(&s, "rw/usrlocal"));
	end(&s);
}

static int state_with(off_t at, const void *bytes, size_t n, off_t size)
{
	int fd = memfd_create("volume", MFD_CLOEXEC), r = -1;

	if (ftruncate(fd, size) == 0 && pwrite(fd, bytes, n, at) == (ssize_t)n)
		r = setup_volume_state(fd);
	close(fd);
	return r;
}

TEST(volume_states)
{
	/* From the ext4 superblock: magic 0xef53 and the state after it. */
	CHECK_INT(state_with(0, "", 0, 64 << 20), VOLUME_EMPTY);
	CHECK_INT(state_with(0, "", 0, 4096), VOLUME_EMPTY);
	CHECK_INT(state_with(1024 + 0x38, "\x53\xef\1\0", 4, 64 << 20), VOLUME_CLEAN);
	CHECK_INT(state_with(1024 + 0x38, "\x53\xef\0\0", 4, 64 << 20), VOLUME_DIRTY);
	CHECK_INT(state_with(1024 + 0x38, "\x53\xef\3\0", 4, 64 << 20), VOLUME_DIRTY);
	CHECK_INT(state_with(0, "x", 1, 64 << 20), VOLUME_OTHER);
	CHECK_INT(state_with((10 << 20) - 1, "x", 1, 64 << 20), VOLUME_OTHER);
	CHECK_INT(state_with(10 << 20, "x", 1, 64 << 20), VOLUME_EMPTY);
	CHECK_INT(state_with(0, "LUKS\xba\xbe", 6, 64 << 20), VOLUME_OTHER);
}
