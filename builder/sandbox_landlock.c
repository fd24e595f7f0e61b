/*
 * Landlock (landlock(7)) as a second wall behind the mounts: even if a mount turned out writable,
 * files change only where the sandbox says so, and no TCP leaves. The kernel's version decides how
 * much of it there is.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "builder/sandbox_internal.h"
#include "common/base/cleanup.h"

/* By number: the headers of the oldest Debian we build on know fewer. */
enum {
	FS_READ = 0x0d,		/* execute, read_file, read_dir */
	FS_VERSION_1 = 0x1fff,	/* up to make_sym */
	FS_REFER = 1 << 13,	/* version 2: rename from folder to folder */
	FS_TRUNCATE = 1 << 14,	/* version 3 */
	FS_IOCTL_DEV = 1 << 15, /* version 5 */
	FS_ON_FILES = 0xc007,	/* what can be said of something that is no folder */
	NET_TCP = 3,		/* bind, connect; version 4 */
	SCOPE = 3,		/* abstract sockets, signals; version 6 */
	VERSION_1_SIZE = 8,	/* bytes of struct ruleset that version 1 knows */
	VERSION_4_SIZE = 16,
};

struct ruleset {
	uint64_t fs, net, scoped;
};

unsigned sandbox_landlock_version(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	/* The first version forbids every rename from folder to folder, which dpkg cannot do without. */
	return v < 2 ? 0 : (unsigned)v;
}

static struct ruleset handled(unsigned version, size_t *size)
{
	struct ruleset r = {.fs = FS_VERSION_1 | FS_REFER};

	r.fs |= version >= 3 ? FS_TRUNCATE : 0;
	r.fs |= version >= 5 ? FS_IOCTL_DEV : 0;
	r.net = version >= 4 ? NET_TCP : 0;
	r.scoped = version >= 6 ? SCOPE : 0;
	*size = version >= 6 ? sizeof(r) : version >= 4 ? VERSION_4_SIZE : VERSION_1_SIZE;
	return r;
}

/* `rights` on everything below path. */
static int allow(int ruleset, const char *path, uint64_t rights)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FS_ON_FILES;
	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
		       ? -errno
		       : 0;
}

int sandbox_landlock(const struct sandbox *sb)
{
	static const char *const ours[] = {"/dev", "/proc", "/tmp", "/run"};
	unsigned version = sandbox_landlock_version();
	size_t size;
	struct ruleset attr = handled(version, &size);
	_cleanup_close_ int fd = -1;
	int r;

	if (!version)
		return 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0)
		return -errno;
	r = allow(fd, "/", sb->root && sb->mode != SANDBOX_READ_ONLY ? attr.fs : FS_READ);
	for (size_t i = 0; r == 0 && i < sizeof(ours) / sizeof(*ours); i++)
		r = allow(fd, ours[i], attr.fs);
	for (size_t i = 0; r == 0 && i < sb->n_binds; i++)
		if (sb->binds[i].writable || sb->binds[i].upper)
			r = allow(fd, sb->binds[i].target, attr.fs);
	if (r < 0)
		return r;
	return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
}
