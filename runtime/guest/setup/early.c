#include "runtime/guest/setup/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"

enum { FILE_MAX_BYTES = 1 << 20 };

static bool listed_in(int root, const char *dir, const char *path)
{
	_cleanup_close_ int fd = openat(root, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 0));
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		_cleanup_strbuf_ struct strbuf text = {0};
		struct blob rest, line;

		if (entry->d_name[0] == '.' ||
		    read_file(fd, entry->d_name, FILE_MAX_BYTES, &text) < 0)
			continue;
		rest = strbuf_blob(&text);
		while (blob_token(&rest, '\n', &line))
			if (blob_eq_str(line, path))
				return true;
	}
	return false;
}

bool setup_file_protected(const struct setup *s, const char *path)
{
	return listed_in(s->root, "etc/qubes/protected-files.d", path) ||
	       listed_in(s->root, "rw/config/protected-files.d", path);
}

/* Writes only what differs: a template's files keep their times. */
void setup_put_file(struct setup *s, const char *path, const char *text)
{
	_cleanup_strbuf_ struct strbuf old = {0};

	if (setup_file_protected(s, path) ||
	    (read_file(s->root, path + 1, FILE_MAX_BYTES, &old) == 0 &&
	     blob_eq_str(strbuf_blob(&old), text)))
		return;
	int r = write_file(s->root, path + 1, text, strlen(text), 0644);
	if (r < 0)
		setup_complain(s, path, "%s", strerror(-r));
}

void setup_replace_file(struct setup *s, const char *path, const char *text)
{
	struct stat st;

	if (fstatat(s->root, path + 1, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) &&
	    !setup_file_protected(s, path))
		unlinkat(s->root, path + 1, 0);
	setup_put_file(s, path, text);
}

/* As RFC 1123 has it; dom0's names of qubes are stricter. */
static bool hostname_valid(const char *name)
{
	size_t n = strlen(name);

	return n && n <= 63 && name[0] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       n;
}

char *setup_hosts(const char *hosts, const char *name)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	struct blob rest = blob_of(hosts), line;
	bool done = false;

	while (blob_token(&rest, '\n', &line)) {
		struct blob words = line, first;

		if (blob_word(&words, &first) && blob_eq_str(first, "127.0.1.1")) {
			if (!done)
				strbuf_printf(&out, "127.0.1.1\t%s\n", name);
			done = true;
		} else {
			strbuf_add(&out, line.p, line.n);
			strbuf_add_char(&out, '\n');
		}
	}
	if (!done)
		strbuf_printf(&out, "127.0.1.1\t%s\n", name);
	return strbuf_steal(&out);
}

static void set_hostname(struct setup *s)
{
	const char *name = setup_value(s, "/name");
	_cleanup_strbuf_ struct strbuf hosts = {0};

	if (!name)
		return;
	if (!hostname_valid(name)) {
		setup_complain(s, "/name", "not a host name");
		return;
	}
	if (!s->testing && sethostname(name, strlen(name)) < 0)
		setup_complain(s, name, "cannot set the host name: %s", strerror(errno));

	_cleanup_free_ char *line = xasprintf("%s\n", name);
	setup_put_file(s, "/etc/hostname", line);
	if (read_file(s->root, "etc/hosts", FILE_MAX_BYTES, &hosts) < 0)
		strbuf_add_str(&hosts,
			       "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
	_cleanup_free_ char *new_hosts = setup_hosts(hosts.p ? hosts.p : "", name);
	setup_put_file(s, "/etc/hosts", new_hosts);
}

/* Continent/City, below /usr/share/zoneinfo and existing there; minimal templates have no zones at
 * all. */
static void set_timezone(struct setup *s)
{
	const char *zone = setup_value(s, "/qubes-timezone");
	char old[256];

	if (!zone || !*zone || zone[0] == '/' || strstr(zone, "..") || strlen(zone) > 60)
		return;

	_cleanup_free_ char *file = xasprintf("usr/share/zoneinfo/%s", zone);
	_cleanup_free_ char *target = xasprintf("../%s", file);
	_cleanup_free_ char *line = xasprintf("%s\n", zone);
	struct stat st;

	if (fstatat(s->root, file, &st, 0) < 0 || !S_ISREG(st.st_mode) ||
	    setup_file_protected(s, "/etc/localtime"))
		return;
	ssize_t n = readlinkat(s->root, "etc/localtime", old, sizeof(old));
	if (n < 0 || (size_t)n != strlen(target) || memcmp(old, target, (size_t)n)) {
		unlinkat(s->root, "etc/localtime", 0);
		if (symlinkat(target, s->root, "etc/localtime") < 0)
			setup_complain(s, "/etc/localtime", "%s", strerror(errno));
	}
	if (faccessat(s->root, "etc/timezone", F_OK, 0) == 0)
		setup_put_file(s, "/etc/timezone", line);
}

/*
 * Templates reach the outside through qrexec only. A qube made from a template finds the template's file and takes it
 * away again.
 */
static void set_apt_proxy(struct setup *s)
{
	static const char path[] = "/etc/apt/apt.conf.d/01qubes-proxy";

	if (faccessat(s->root, "etc/apt/apt.conf.d", F_OK, 0) < 0)
		return;
	if (faccessat(s->root, "run/qubes-service/updates-proxy-setup", F_OK, 0) == 0)
		setup_put_file(s, path,
			       "### QUBES BEGIN ###\n"
			       "Acquire::http::Proxy \"http://127.0.0.1:8082/\";\n"
			       "Acquire::https::Proxy \"http://127.0.0.1:8082/\";\n"
			       "### QUBES END ###\n");
	else if (!setup_file_protected(s, path) && unlinkat(s->root, path + 1, 0) < 0 && errno != ENOENT)
		setup_complain(s, path, "cannot be removed: %s", strerror(errno));
}

int setup_early_config(struct setup *s)
{
	set_hostname(s);
	set_timezone(s);
	set_apt_proxy(s);
	if (s->testing)
		return 0;
	setup_run_hooks(s, "/rw/config/rc.local-early.d");
	setup_run_hook(s, "/rw/config/rc.local-early");
	return 0;
}
