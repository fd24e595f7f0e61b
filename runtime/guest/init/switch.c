#include "runtime/guest/init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/sys/file.h"

/* Frees the memory of the initramfs; does nothing when "/" is anything else. */
static void empty_initramfs(void)
{
	_cleanup_closedir_ DIR *dir = opendir("/");
	struct dirent *entry;
	struct statfs fs;
	struct stat root, st;

	if (!dir || fstatfs(dirfd(dir), &fs) < 0 || fstat(dirfd(dir), &root) < 0)
		return;
	if (fs.f_type != RAMFS_MAGIC && fs.f_type != TMPFS_MAGIC)
		return;
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		/* The new root is mounted in here: another file system, and not ours to remove. */
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_dev == root.st_dev)
			remove_tree(dirfd(dir), entry->d_name);
	}
}

int switch_root(const char *root, char *init)
{
	static const char *const moved[] = {"/dev", "/proc", "/sys"};
	char *argv[] = {init, NULL};
	char *envp[] = {(char[]){"HOME=/"}, (char[]){"TERM=linux"}, NULL};
	char to[64];

	for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
		snprintf(to, sizeof(to), "%s%s", root, moved[i]);
		if (mount(moved[i], to, NULL, MS_MOVE, NULL) < 0) {
			/* A root without the folder: its init has to mount its own. */
			complain(to, "cannot move the mount here: %s", strerror(errno));
			umount2(moved[i], MNT_DETACH);
		}
	}
	if (chdir(root) < 0)
		return -errno;
	empty_initramfs();
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return -errno;
	execve(init, argv, envp);
	return -errno;
}
