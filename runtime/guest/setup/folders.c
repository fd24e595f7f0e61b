#include "runtime/guest/setup/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

const char setup_default_rc_local[] = "#!/bin/sh\n"
				      "\n"
				      "# This script runs as root at the end of each start of this "
				      "qube. The folder rc.local.d beside it\n"
				      "# may hold more of them (*.rc).\n";

static const char firewall_script[] = "#!/bin/sh\n"
				      "\n"
				      "# This script runs as root after the firewall's tables were "
				      "made and before the rules of any client, in qubes that provide network.\n";

static int copy_dir(int from_parent, const char *from, int to_parent, const char *to);

/* Owners and times are those of the original; without root, in tests, owners cannot be. */
static int copy_attributes(int dirfd, const char *name, const struct stat *st)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};

	if (fchownat(dirfd, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno != EPERM)
		return -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(dirfd, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	return utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_file(int from_dir, const char *from_name, int to_dir, const char *to_name)
{
	_cleanup_close_ int from = openat(from_dir, from_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int to =
		openat(to_dir, to_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (from < 0 || to < 0)
		return -errno;
	int64_t n = copy_fd(from, to);
	return n < 0 ? (int)n : 0;
}

static int copy_link(int from_dir, const char *from, int to_dir, const char *to)
{
	char target[4096];
	ssize_t n = readlinkat(from_dir, from, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to_dir, to) < 0 ? -errno : 0;
}

/* Devices, sockets and pipes have no place in a skeleton and are left out. */
static int copy_entry(int from_dir, const char *from, int to_dir, const char *to)
{
	struct stat st;
	int r = 0;

	if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return copy_dir(from_dir, from, to_dir, to);
	if (S_ISREG(st.st_mode))
		r = copy_file(from_dir, from, to_dir, to);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(from_dir, from, to_dir, to);
	else
		return 0;
	return r ? r : copy_attributes(to_dir, to, &st);
}

static int copy_dir(int from_parent, const char *from, int to_parent, const char *to)
{
	_cleanup_close_ int from_fd =
		openat(from_parent, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *entry;
	struct stat st;
	int r = 0;

	if (from_fd < 0 || fstat(from_fd, &st) < 0 || mkdirat(to_parent, to, 0700) < 0)
		return -errno;

	_cleanup_close_ int to_fd =
		openat(to_parent, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int list_fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);

	if (to_fd < 0 || !dir)
		return -errno;
	while (!r && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			r = copy_entry(from_fd, entry->d_name, to_fd, entry->d_name);
	return r ? r : copy_attributes(to_parent, to, &st);
}

int setup_copy_tree(int root, const char *from, const char *to)
{
	_cleanup_free_ char *part = xasprintf("%s.new", to);
	int r = remove_tree(root, part);

	if (!r)
		r = copy_entry(root, from, root, part);
	if (!r && renameat(root, part, root, to) < 0)
		r = -errno;
	return r;
}

static bool exists(const struct setup *s, const char *path)
{
	return faccessat(s->root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A folder of the private volume that begins as a copy of the root's. */
static void first_time(struct setup *s, const char *from, const char *to)
{
	int r = 0;

	if (exists(s, to))
		return;
	r = exists(s, from) ? setup_copy_tree(s->root, from, to) : mkdir_p(s->root, to, 0755);
	if (r < 0)
		setup_complain(s, to, "cannot make it from /%s: %s", from, strerror(-r));
}

static int own_tree(int parent, const char *name, uid_t uid, gid_t gid)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	while (!r && dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			r = own_tree(fd, entry->d_name, uid, gid);
	return r;
}

/* The template's image need not hold the user's home: it begins as /etc/skel. */
static void make_user_home(struct setup *s)
{
	struct passwd *user = s->testing ? NULL : getpwnam("user");

	if (!user || exists(s, "rw/home/user") || strcmp(user->pw_dir, "/home/user"))
		return;
	first_time(s, "etc/skel", "rw/home/user");

	_cleanup_close_ int home = openat(s->root, "rw/home", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = home < 0 ? -errno : own_tree(home, "user", user->pw_uid, user->pw_gid);
	if (!r && fchmodat(home, "user", 0700, 0) < 0)
		r = -errno;
	if (r < 0)
		setup_complain(s, "/rw/home/user", "cannot give it to its user: %s", strerror(-r));
}

int setup_rw_folders(struct setup *s)
{
	static const struct {
		const char *path, *text;
		mode_t mode;
	} files[] = {
		{"rw/config/rc.local", setup_default_rc_local, 0755},
		{"rw/config/qubes-firewall-user-script", firewall_script, 0755},
	};

	if (!exists(s, "rw/config")) {
		int r = mkdir_p(s->root, "rw/config", 0755);

		for (size_t i = 0; !r && i < sizeof(files) / sizeof(files[0]); i++)
			r = write_file(s->root, files[i].path, files[i].text, strlen(files[i].text),
				       files[i].mode);
		if (r < 0)
			setup_complain(s, "/rw/config", "%s", strerror(-r));
	}
	first_time(s, "usr/local", "rw/usrlocal");
	first_time(s, "home", "rw/home");
	make_user_home(s);
	return 0;
}
