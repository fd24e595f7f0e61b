/*
 * The view: every tree is opened as a detached mount first (open_tree, fsmount), while the host's
 * paths are still there; then pivot_root; then the trees are put into place. So no path is ever
 * resolved in a foreign root with the host in reach, whatever links that root holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "builder/sandbox_internal.h"
#include "builder/user.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

static const char *const devices[] = {"null", "zero", "full", "random", "urandom", "tty"};
enum { DEVICES = sizeof(devices) / sizeof(devices[0]) };

/* Files of /proc through which root could act on the host, or that say too much about it. */
static const char *const hidden[] = {"/proc/kcore", "/proc/keys", "/proc/sysrq-trigger",
				     "/proc/timer_list"};
/* Folders of /proc that stay readable only. */
static const char *const frozen[] = {"/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs"};

/* A detached copy of the mount at `path`. Returns a descriptor or -errno. */
static int tree_open(const char *path, bool writable)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
	_cleanup_close_ int fd =
		open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (fd < 0)
		return -errno;
	if (!writable)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int device_open(const char *name)
{
	_cleanup_free_ char *path = xasprintf("/dev/%s", name);
	int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A new file system, not yet at any place: `options` are key, value pairs (a flag's value is NULL) ended by NULL. */
static int new_fs(const char *type, unsigned attributes, const char *const *options)
{
	_cleanup_close_ int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return -errno;
	for (; options && *options; options += 2)
		if (fsconfig(fs, options[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, options[0], options[1], 0) < 0)
			return -errno;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, attributes);
	return fd < 0 ? -errno : fd;
}

static int tmpfs_open(const char *mode)
{
	const char *options[] = {"mode", mode, NULL};

	return new_fs("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, options);
}

static int overlay_open(const char *lower, const char *upper, const char *work)
{
	/* Only the machine's root may set the attributes that an overlay otherwise keeps its notes in. */
	const char *flag = user_in_namespace() ? "userxattr" : NULL;
	const char *options[] = {"lowerdir", lower, "upperdir", upper, "workdir", work, flag, NULL, NULL};

	return new_fs("overlay", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, options);
}

static int place(int tree, const char *target)
{
	return move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

/*
 * Upper and work of a throw-away overlay lie in a tmpfs that only the overlay keeps alive. An
 * overlay takes its folders by path, and only from mounts that have a place: the host's /proc is
 * one that nobody needs any more.
 */
static int throwaway_open(const char *lower)
{
	_cleanup_close_ int tmp = tmpfs_open("0755");
	int r = tmp < 0 ? tmp : place(tmp, "/proc");

	if (r < 0)
		return r;
	if (mkdirat(tmp, "upper", 0755) < 0 || mkdirat(tmp, "work", 0755) < 0)
		return -errno;
	return overlay_open(lower, "/proc/upper", "/proc/work");
}

static int root_open(const struct sandbox *sb)
{
	if (!sb->root)
		return tmpfs_open("0755");
	switch (sb->mode) {
	case SANDBOX_READ_ONLY:
		return tree_open(sb->root, false);
	case SANDBOX_WRITABLE:
		return tree_open(sb->root, true);
	case SANDBOX_THROWAWAY:
		return throwaway_open(sb->root);
	case SANDBOX_OVERLAY:
		return overlay_open(sb->root, sb->upper, sb->work);
	}
	return -EINVAL;
}

/* mkdir -p and, for a file, an empty one at the end. */
static int make_target(const char *target, bool folder)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!access(target, F_OK))
		return 0;
	if (folder)
		return mkdir_p(AT_FDCWD, target, 0755);
	r = mkdir_parents(AT_FDCWD, target, 0755);
	if (r < 0)
		return r;
	fd = open(target, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
	return fd < 0 ? -errno : 0;
}

static int place_bind(int tree, const char *target)
{
	struct stat st;
	int r;

	if (fstat(tree, &st) < 0)
		return -errno;
	r = make_target(target, S_ISDIR(st.st_mode));
	return r < 0 ? r : place(tree, target);
}

/* tmpfs at a folder of the new root. */
static int place_tmpfs(const char *target, const char *mode)
{
	_cleanup_close_ int fd = tmpfs_open(mode);

	return fd < 0 ? fd : place_bind(fd, target);
}

static int place_devices(const int trees[DEVICES])
{
	static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
					       {"/proc/self/fd/0", "/dev/stdin"},
					       {"/proc/self/fd/1", "/dev/stdout"},
					       {"/proc/self/fd/2", "/dev/stderr"},
					       {"pts/ptmx", "/dev/ptmx"}};
	int r = place_tmpfs("/dev", "0755");

	for (size_t i = 0; r == 0 && i < DEVICES; i++) {
		_cleanup_free_ char *path = xasprintf("/dev/%s", devices[i]);

		r = place_bind(trees[i], path);
	}
	for (size_t i = 0; r == 0 && i < sizeof(links) / sizeof(links[0]); i++)
		r = symlink(links[i][0], links[i][1]) < 0 ? -errno : 0;
	if (r < 0)
		return r;
	if (mkdir("/dev/pts", 0755) < 0 || mkdir("/dev/shm", 01777) < 0 ||
	    chmod("/dev/shm", 01777) < 0 ||
	    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		  "newinstance,ptmxmode=0666,mode=620") < 0)
		return -errno;
	return 0;
}

static int restrict_proc(void)
{
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (mount("/dev/null", hidden[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
			return -errno;
	for (size_t i = 0; i < sizeof(frozen) / sizeof(frozen[0]); i++) {
		_cleanup_close_ int fd = tree_open(frozen[i], false);
		int r = fd == -ENOENT ? 0 : fd < 0 ? fd : place(fd, frozen[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int enter_root(int tree)
{
	/* Any folder will do: it is this process's own view, and what lies below was opened before. */
	static const char at[] = "/tmp";
	int r = place(tree, at);

	if (r < 0)
		return r;
	if (chdir(at) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

#define STEP(name, expression)                                                                     \
	do {                                                                                       \
		*step = (name);                                                                    \
		r = (expression);                                                                  \
		if (r < 0)                                                                         \
			return r;                                                                  \
	} while (0)

int sandbox_mount_all(const struct sandbox *sb, const char **step)
{
	int *binds = xcalloc(sb->n_binds + 1,
			     sizeof(*binds)); /* the process ends before it could leak */
	int dev[DEVICES], root, proc, r;

	STEP("make mounts private",
	     mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0);
	STEP("mount /proc",
	     proc = new_fs("proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, NULL));
	for (size_t i = 0; i < DEVICES; i++)
		STEP(devices[i], dev[i] = device_open(devices[i]));
	for (size_t i = 0; i < sb->n_binds; i++) {
		const struct sandbox_bind *b = &sb->binds[i];

		STEP(b->source, binds[i] = b->upper ? overlay_open(b->source, b->upper, b->work)
						    : tree_open(b->source, b->writable));
	}
	STEP("open the root", root = root_open(sb));
	STEP("enter the root", enter_root(root));
	STEP("mount /proc", place_bind(proc, "/proc"));
	STEP("mount /dev", place_devices(dev));
	STEP("restrict /proc", restrict_proc());
	STEP("mount /tmp", place_tmpfs("/tmp", "1777"));
	STEP("mount /run", place_tmpfs("/run", "0755"));
	for (size_t i = 0; i < sb->n_binds; i++)
		STEP(sb->binds[i].target, place_bind(binds[i], sb->binds[i].target));
	return 0;
}
