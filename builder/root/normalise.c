#include "builder/root/normalise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "builder/root/apt_sources.h"
#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"
#include "common/sys/file.h"

enum action {
	DELETE,	  /* file or tree */
	EMPTY,	  /* a folder: its contents */
	CLEAR,	  /* a folder: all files in it, at any depth; folders stay */
	TRUNCATE, /* a file, if it is there: owner and mode stay */
	WRITE,	  /* always, mode 0644 */
	SPECIAL,  /* a function below */
};

struct rule {
	enum action action;
	const char *path; /* below the root; fnmatch(3) patterns in each part, "**" for any depth */
	const char *why;
	const char *text; /* WRITE */
	int (*special)(int dirfd, const char *path, const struct normalise_options *o);
};

static int set_shadow_days(int dirfd, const char *path, const struct normalise_options *o);
static int write_update_stamp(int dirfd, const char *path, const struct normalise_options *o);

/* clang-format off */
static const struct rule rules[] = {
	/* Identity of a machine */
	{WRITE, "etc/machine-id", "random; empty: made at boot, and that is no first boot", "", NULL},
	{DELETE, "var/lib/dbus/machine-id", "copy of it; a link to it is made at boot", NULL, NULL},
	{DELETE, "etc/machine-info", "of the building machine", NULL, NULL},
	{DELETE, "etc/ssh/ssh_host_*", "secret, random", NULL, NULL},
	{DELETE, "etc/ssl/private/ssl-cert-snakeoil.key", "secret, random", NULL, NULL},
	{DELETE, "etc/ssl/certs/ssl-cert-snakeoil.pem", "belongs to that key", NULL, NULL},
	{DELETE, "etc/nvme/hostid", "random", NULL, NULL},
	{DELETE, "etc/nvme/hostnqn", "random", NULL, NULL},
	{DELETE, "etc/iscsi/initiatorname.iscsi", "random", NULL, NULL},
	{DELETE, "etc/popularity-contest.conf", "random id", NULL, NULL},
	{DELETE, "var/lib/systemd/random-seed", "random", NULL, NULL},
	{DELETE, "var/lib/systemd/credential.secret", "secret, random", NULL, NULL},
	{DELETE, "var/lib/NetworkManager/secret_key", "secret, random", NULL, NULL},
	{DELETE, "var/lib/NetworkManager/timestamps", "times", NULL, NULL},
	{DELETE, "var/lib/dhcp/*.leases", "of the building machine", NULL, NULL},
	/* Logs */
	{DELETE, "var/log/dpkg.log*", "times", NULL, NULL},
	{DELETE, "var/log/alternatives.log*", "times", NULL, NULL},
	{DELETE, "var/log/bootstrap.log", "times", NULL, NULL},
	{DELETE, "var/log/fontconfig.log", "times", NULL, NULL},
	{EMPTY, "var/log/apt", "times", NULL, NULL},
	{EMPTY, "var/log/journal", "times", NULL, NULL},
	{TRUNCATE, "var/log/btmp", "times", NULL, NULL},
	{TRUNCATE, "var/log/wtmp", "times", NULL, NULL},
	{TRUNCATE, "var/log/lastlog", "times", NULL, NULL},
	{TRUNCATE, "var/log/faillog", "times", NULL, NULL},
	{DELETE, "var/lib/wtmpdb/*.db", "times", NULL, NULL},
	{DELETE, "var/lib/lastlog/*.db", "times", NULL, NULL},
	/* Caches that their owners make again */
	{DELETE, "var/cache/ldconfig/aux-cache", "inode numbers, times", NULL, NULL},
	{CLEAR, "var/cache/apt", "times, the builder's mirror", NULL, NULL},
	{CLEAR, "var/lib/apt/lists", "times, the builder's mirror", NULL, NULL},
	{EMPTY, "var/cache/man", "times, layout of gdbm", NULL, NULL},
	{EMPTY, "var/cache/fontconfig", "folder times, random ids", NULL, NULL},
	{EMPTY, "var/cache/swcatalog", "order", NULL, NULL},
	{EMPTY, "var/cache/apparmor", "times", NULL, NULL},
	{DELETE, "etc/ssl/certs/java/cacerts", "times in the key store", NULL, NULL},
	{DELETE, "usr/share/info/dir", "order", NULL, NULL},
	{DELETE, "usr/lib/python3*/**/__pycache__", "times; Python makes it again", NULL, NULL},
	{DELETE, "usr/lib/python3/**/__pycache__", "the same", NULL, NULL},
	{DELETE, "usr/share/**/__pycache__", "the same", NULL, NULL},
	/* Backups and locks of the tools that made the root */
	{DELETE, "etc/passwd-", "backup: depends on the order of changes", NULL, NULL},
	{DELETE, "etc/group-", "the same", NULL, NULL},
	{DELETE, "etc/shadow-", "the same", NULL, NULL},
	{DELETE, "etc/gshadow-", "the same", NULL, NULL},
	{DELETE, "etc/subuid-", "the same", NULL, NULL},
	{DELETE, "etc/subgid-", "the same", NULL, NULL},
	{DELETE, "etc/.pwd.lock", "left by the tools", NULL, NULL},
	{DELETE, "var/cache/debconf/*-old", "backup", NULL, NULL},
	{DELETE, "var/lib/dpkg/*-old", "backup", NULL, NULL},
	{DELETE, "var/lib/dpkg/lock*", "left by the tools", NULL, NULL},
	{DELETE, "var/lib/dpkg/triggers/Lock", "left by the tools", NULL, NULL},
	{DELETE, "var/lib/dpkg/available", "there or not, depending on how it was unpacked", NULL, NULL},
	{DELETE, "var/lib/ucf/*.[0-9]", "backup", NULL, NULL},
	/* Folders that are empty when a machine is off */
	{EMPTY, "dev", "left by the build", NULL, NULL},
	{EMPTY, "proc", "left by the build", NULL, NULL},
	{EMPTY, "sys", "left by the build", NULL, NULL},
	{EMPTY, "run", "left by the build", NULL, NULL},
	{EMPTY, "tmp", "left by the build", NULL, NULL},
	{EMPTY, "var/tmp", "left by the build", NULL, NULL},
	{DELETE, "root/.cache", "left by the build", NULL, NULL},
	{DELETE, "root/.wget-hsts", "left by the build", NULL, NULL},
	{DELETE, "boot/initrd.img-*", "an artefact of its own, made once from the finished root", NULL, NULL},
	{DELETE, "initrd.img*", "link to it", NULL, NULL},
	/* Written anew */
	{SPECIAL, "etc/shadow", "days of the last change are those of the build", NULL, set_shadow_days},
	{SPECIAL, "etc/.updated", "else systemd repeats at boot what package scripts did", NULL, write_update_stamp},
	{SPECIAL, "var/.updated", "the same", NULL, write_update_stamp},
};
/* clang-format on */

/* One pattern part at a time; applies the rule to each path that matches. */
static int expand(int dirfd, const char *pattern, const struct rule *rule,
		  const struct normalise_options *o);

static bool is_pattern(struct blob part)
{
	for (size_t i = 0; i < part.n; i++)
		if (strchr("*?[", part.p[i]))
			return true;
	return false;
}

static int empty_folder(int dirfd, const char *name, bool keep_folders);

static int empty_entry(int dirfd, const char *name, bool keep_folders)
{
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (keep_folders && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode))
		return empty_folder(dirfd, name, true);
	return remove_tree(dirfd, name);
}

static int empty_folder(int dirfd, const char *name, bool keep_folders)
{
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while ((e = readdir(d))) {
		int r = empty_entry(fd, e->d_name, keep_folders);

		if (r < 0)
			return r;
	}
	return 0;
}

static int truncate_file(int dirfd, const char *name)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return ftruncate(fd, 0) < 0 ? -errno : 0;
}

/* A new file, never through what lies at the name. */
static int write_new(int dirfd, const char *name, const char *text)
{
	_cleanup_close_ int fd = -1;

	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : write_all(fd, text, strlen(text));
}

static int apply(int dirfd, const char *name, const struct rule *rule,
		 const struct normalise_options *o)
{
	switch (rule->action) {
	case DELETE:
		return remove_tree(dirfd, name);
	case EMPTY:
		return empty_folder(dirfd, name, false);
	case CLEAR:
		return empty_folder(dirfd, name, true);
	case TRUNCATE:
		return truncate_file(dirfd, name);
	case WRITE:
		return write_new(dirfd, name, rule->text);
	case SPECIAL:
		return rule->special(dirfd, name, o);
	}
	return -EINVAL;
}

static int list_matching(int dirfd, const char *pattern, struct strv *names)
{
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
		    !fnmatch(pattern, e->d_name, 0))
			strv_push(names, e->d_name);
	strv_sort(names);
	return 0;
}

/* What lies deeper: only real folders are entered. */
static int descend(int dirfd, const char *name, const char *rest, const struct rule *rule,
		   const struct normalise_options *o)
{
	_cleanup_close_ int fd =
		openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
	return expand(fd, rest, rule, o);
}

/* "**": here, and in every folder below. */
static int expand_any_depth(int dirfd, const char *pattern, const char *rest,
			    const struct rule *rule, const struct normalise_options *o)
{
	_cleanup_strv_ struct strv names = {0};
	int r = expand(dirfd, rest, rule, o);

	if (r == 0)
		r = list_matching(dirfd, "*", &names);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = descend(dirfd, names.v[i], pattern, rule, o);
	return r;
}

static int expand(int dirfd, const char *pattern, const struct rule *rule,
		  const struct normalise_options *o)
{
	const char *slash = strchr(pattern, '/');
	struct blob part = {pattern, slash ? (size_t)(slash - pattern) : strlen(pattern)};
	_cleanup_free_ char *name = blob_dup(part);
	_cleanup_strv_ struct strv names = {0};
	int r;

	if (blob_eq_str(part, "**"))
		return expand_any_depth(dirfd, pattern, slash + 1, rule, o);
	if (!is_pattern(part))
		return slash ? descend(dirfd, name, slash + 1, rule, o)
			     : apply(dirfd, name, rule, o);
	r = list_matching(dirfd, name, &names);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = slash ? descend(dirfd, names.v[i], slash + 1, rule, o)
			  : apply(dirfd, names.v[i], rule, o);
	return r;
}

/* shadow(5): the third field, days since 1970. */
static void shadow_line(struct blob line, uint64_t days, struct strbuf *out)
{
	struct blob rest = line, field;

	for (unsigned i = 0; blob_token(&rest, ':', &field); i++) {
		uint64_t old;

		if (i)
			strbuf_add_char(out, ':');
		if (i == 2 && blob_to_u64(field, UINT64_MAX, &old))
			strbuf_printf(out, "%llu", (unsigned long long)days);
		else
			strbuf_add(out, field.p, field.n);
	}
	if (line.n && line.p[line.n - 1] == ':')
		strbuf_add_char(out, ':');
	strbuf_add_char(out, '\n');
}

static int set_shadow_days(int dirfd, const char *path, const struct normalise_options *o)
{
	_cleanup_strbuf_ struct strbuf in = {0}, out = {0};
	_cleanup_close_ int fd = openat(dirfd, path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	struct blob rest, line;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = read_fd(fd, 16 << 20, &in);
	if (r < 0)
		return r;
	rest = strbuf_blob(&in);
	while (blob_token(&rest, '\n', &line))
		shadow_line(line, o->epoch / 86400, &out);
	if (lseek(fd, 0, SEEK_SET) < 0 || ftruncate(fd, 0) < 0)
		return -errno;
	return write_all(fd, out.p ? out.p : "", out.n);
}

/* systemd-update-done(8): /etc and /var are as new as /usr, whose time is the epoch as well. */
static int write_update_stamp(int dirfd, const char *path, const struct normalise_options *o)
{
	const struct timespec times[2] = {{(time_t)o->epoch, 0}, {(time_t)o->epoch, 0}};
	_cleanup_free_ char *text = xasprintf(
		"# This file was created by systemd-update-done. The timestamp below is the\n"
		"# modification time of /usr/ for which the most recent updates of this\n"
		"# directory have been applied. See man:systemd-update-done.service(8).\n"
		"TIMESTAMP_NSEC=%llu000000000\n",
		(unsigned long long)o->epoch);
	int r = write_new(dirfd, path, text);

	if (r == 0 && utimensat(dirfd, path, times, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r;
}

int normalise_root(int dirfd, const struct normalise_options *o, struct error *err)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		int r = expand(dirfd, rules[i].path, &rules[i], o);

		if (r < 0)
			return error_errno(err, r, rules[i].path, "cannot normalise");
	}
	return apt_sources_write(dirfd, o->suites, o->components, err);
}
