#include "runtime/filecopy/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* An ordinary user gets a mount namespace by way of a user namespace in which he is himself. */
static int own_user_namespace(uid_t uid, gid_t gid)
{
	_cleanup_free_ char *uids = xasprintf("%u %u 1\n", uid, uid);
	_cleanup_free_ char *gids = xasprintf("%u %u 1\n", gid, gid);

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -errno;
	if (write_file(AT_FDCWD, "/proc/self/setgroups", "deny", 4, 0) < 0 ||
	    write_file(AT_FDCWD, "/proc/self/uid_map", uids, strlen(uids), 0) < 0 ||
	    write_file(AT_FDCWD, "/proc/self/gid_map", gids, strlen(gids), 0) < 0)
		return -EPERM;
	return 0;
}

/* A copy of the working folder's mount becomes the root; the old one goes. */
static int make_root(void)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};

	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -errno;

	_cleanup_close_ int tree =
		open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)) < 0 ||
	    move_mount(tree, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    fchdir(tree) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

/* What was opened before belongs to the mount outside. */
static int reopen_root(int folder)
{
	_cleanup_close_ int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return root < 0 || dup3(root, folder, O_CLOEXEC) < 0 ? -errno : 0;
}

static int drop_root(uid_t uid, gid_t gid)
{
	/* Root receives for itself. */
	if (!uid)
		return 0;
	if (setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

/* 0 when the kernel has no Landlock. */
static int fence_folder(int folder, bool *holds)
{
	struct landlock_ruleset_attr all = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
				     LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
				     LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
				     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
				     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
				     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
				     LANDLOCK_ACCESS_FS_MAKE_SYM,
	};
	struct landlock_path_beneath_attr here = {
		.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
				  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
				  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM,
		.parent_fd = folder,
	};
	_cleanup_close_ int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);

	if (rules < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &here, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return -errno;
	*holds = true;
	return 0;
}

int jail_enter(struct jail *j, int folder, uid_t uid, gid_t gid, struct error *err)
{
	bool root = geteuid() == 0;
	int r;

	/* The working folder follows into a new mount namespace; a descriptor stays in the old one. */
	if (fchdir(folder) < 0)
		return error_errno(err, -errno, "folder", "cannot enter");
	r = root ? (unshare(CLONE_NEWNS) < 0 ? -errno : 0) : own_user_namespace(uid, gid);

	if (!r)
		r = make_root();
	j->namespace = !r;
	if (r < 0 && root)
		return error_errno(err, r, "mount namespace", "cannot make the folder the root");
	if (root) {
		r = drop_root(uid, gid);
		if (r < 0)
			return error_errno(err, r, "privileges", "cannot give them up");
	}
	if (j->namespace) {
		r = reopen_root(folder);
		if (r < 0)
			return error_errno(err, r, "mount namespace", "cannot open its root");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, -errno, "privileges", "cannot give them up");
	r = fence_folder(folder, &j->landlock);
	return r < 0 ? error_errno(err, r, "Landlock", "cannot restrict") : 0;
}

int jail_seal(struct jail *j, struct error *err)
{
	static const int calls[] = {
		SCMP_SYS(read),	    SCMP_SYS(write),   SCMP_SYS(close),	    SCMP_SYS(openat),	SCMP_SYS(mkdirat),
		SCMP_SYS(unlinkat), SCMP_SYS(fchmod),  SCMP_SYS(utimensat), SCMP_SYS(symlinkat), SCMP_SYS(dup),
		SCMP_SYS(syncfs),   SCMP_SYS(fstatfs), SCMP_SYS(poll),	    SCMP_SYS(ppoll),	SCMP_SYS(restart_syscall),
		SCMP_SYS(brk),	    SCMP_SYS(munmap),  SCMP_SYS(exit),	    SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn),
		SCMP_SYS(newfstatat), SCMP_SYS(fstat), SCMP_SYS(clock_nanosleep), SCMP_SYS(writev),
	};
	/* A sanitizer's runtime has calls of its own. */
	if (SANITIZED)
		return 0;

	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && !r; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	if (!r)
		r = seccomp_load(filter);
	seccomp_release(filter);
	j->seccomp = !r;
	return r < 0 ? error_errno(err, r, "seccomp", "cannot restrict") : 0;
}
