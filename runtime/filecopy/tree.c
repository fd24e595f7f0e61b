#include "runtime/filecopy/tree.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "runtime/filecopy/names.h"

static int check_entry(struct tree_check *t, int dir, const char *base, struct strbuf *name, struct error *err);

static int check_link(struct tree_check *t, int dir, const char *base, struct blob name, struct error *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, base, target, sizeof(target));

	if (n < 0)
		return error_errno(err, -errno, name.p, "cannot read the link");

	struct blob to = {target, (size_t)n};
	if (!name_check_symlink(name, to, 0))
		return 0;
	t->needs_all_names = true;
	if (!name_check_symlink(name, to, NAME_ALLOW_UNSAFE_CHARACTERS))
		return 0;
	return error_set(err, -ENOLINK, name.p, "copy with --ignore-symlinks", "is a link out of what is copied");
}

static int check_directory(struct tree_check *t, int dir, const char *base, struct strbuf *name, struct error *err)
{
	int fd = openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t length = name->n;

	if (!d)
		return error_errno(err, -errno, name->p, "cannot open");
	for (struct dirent *e; !r && (e = readdir(d));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		strbuf_printf(name, "/%s", e->d_name);
		r = check_entry(t, fd, e->d_name, name, err);
		name->n = length;
		name->p[length] = '\0';
	}
	return r;
}

static int check_entry(struct tree_check *t, int dir, const char *base, struct strbuf *name, struct error *err)
{
	struct stat st;

	if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, -errno, name->p, "cannot read");
	if (name_check_path(strbuf_blob(name), 0) < 0)
		t->needs_all_names = true;
	if (S_ISREG(st.st_mode))
		t->bytes += (uint64_t)st.st_size;
	if (S_ISLNK(st.st_mode) && !t->ignore_symlinks)
		return t->allow_symlinks ? check_link(t, dir, base, strbuf_blob(name), err)
					 : error_set(err, -EINVAL, name->p, NULL, "is a link");
	if (S_ISDIR(st.st_mode))
		return t->allow_directories ? check_directory(t, dir, base, name, err)
					    : error_set(err, -EINVAL, name->p, NULL, "is a folder");
	return 0;
}

int tree_check_path(struct tree_check *t, const char *path, struct error *err)
{
	_cleanup_free_ char *copy = xstrdup(path);
	_cleanup_strbuf_ struct strbuf name = {0};
	size_t n = strlen(copy);

	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	strbuf_add_str(&name, strrchr(copy, '/') ? strrchr(copy, '/') + 1 : copy);
	return check_entry(t, AT_FDCWD, copy, &name, err);
}
