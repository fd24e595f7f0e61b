#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "runtime/guest/setup/setup.h"

enum { CONFIG_MAX_BYTES = 1 << 16 };

static const char *const config_dirs[] = {
	"usr/lib/qubes-bind-dirs.d",
	"etc/qubes-bind-dirs.d",
	"rw/config/qubes-bind-dirs.d",
};

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && path[n] == '/';
}

char *setup_bind_source(const char *path)
{
	if (below(path, "/home"))
		return xasprintf("rw%s", path);
	if (below(path, "/usr/local"))
		return xasprintf("rw/usrlocal%s", path + strlen("/usr/local"));
	return xasprintf("rw/bind-dirs%s", path);
}

int setup_bind_prepare(struct setup *s, const char *path)
{
	_cleanup_free_ char *source = setup_bind_source(path);
	int r;

	if (faccessat(s->root, source, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (faccessat(s->root, path + 1, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = mkdir_parents(s->root, source, 0755);
	return r ? r : setup_copy_tree(s->root, path + 1, source);
}

/* Something to mount on, of the same kind as what will be mounted. */
static int make_target(struct setup *s, const char *path, const struct stat *source)
{
	int r = mkdir_parents(s->root, path + 1, 0755);

	if (r)
		return r;
	if (S_ISDIR(source->st_mode))
		return mkdirat(s->root, path + 1, 0755) < 0 && errno != EEXIST ? -errno : 0;
	int fd = openat(s->root, path + 1, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int bind_one(struct setup *s, const char *path)
{
	_cleanup_free_ char *below_root = setup_bind_source(path),
			    *source = xasprintf("/%s", below_root);
	struct stat st;
	int r = setup_bind_prepare(s, path);

	/* Neither here nor there: a configuration may name what another template has. */
	if (r)
		return r == -ENOENT ? 0 : r;
	if (fstatat(s->root, below_root, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return -EINVAL;
	r = make_target(s, path, &st);
	if (!r && !s->testing && mount(source, path, NULL, MS_BIND, NULL) < 0)
		r = -errno;
	return r;
}

static bool path_valid(const char *path)
{
	size_t n = strlen(path);

	return n > 1 && n < PATH_MAX && path[0] == '/' && path[n - 1] != '/' &&
	       !strstr(path, "//") && !strstr(path, "/../") && !strstr(path, "/./") &&
	       strcmp(path + n - 2, "/.") && (n < 3 || strcmp(path + n - 3, "/.."));
}

/* A link in the root is followed, as the mount would do: its target is what is kept. */
static char *follow(const char *path)
{
	char *real = realpath(path, NULL);

	return real ? real : xstrdup(path);
}

static void read_config(struct setup *s, const char *dir, const char *name, struct strv *paths)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_strbuf_ struct strbuf text = {0};
	unsigned line = 0;
	int r = read_file(s->root, path, CONFIG_MAX_BYTES, &text);

	if (r < 0)
		setup_complain(s, path, "%s", strerror(-r));
	else if (!setup_binds_parse(strbuf_blob(&text), paths, &line))
		setup_complain(
			s, path,
			"line %u: only binds=( ) and binds+=( ) with plain words are understood; "
			"the rest of the file is left out",
			line);
}

static void read_configs(struct setup *s, const char *dir, struct strv *paths)
{
	_cleanup_strv_ struct strv names = {0};
	int fd = openat(s->root, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		size_t n = strlen(entry->d_name);

		if (n > 5 && !strcmp(entry->d_name + n - 5, ".conf"))
			strv_push(&names, entry->d_name);
	}
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		read_config(s, dir, names.v[i], paths);
}

int setup_bind_dirs(struct setup *s)
{
	_cleanup_strv_ struct strv paths = {0};

	for (size_t i = 0; i < sizeof(config_dirs) / sizeof(config_dirs[0]); i++)
		read_configs(s, config_dirs[i], &paths);
	for (size_t i = 0; i < paths.n; i++) {
		_cleanup_free_ char *path = s->testing ? xstrdup(paths.v[i]) : follow(paths.v[i]);
		int r = path_valid(path) ? bind_one(s, path) : -EINVAL;

		if (r < 0)
			setup_complain(s, paths.v[i], "cannot be kept: %s", strerror(-r));
	}
	return 0;
}
