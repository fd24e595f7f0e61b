/* What happens to the image files; see storage.h. Runs in a child, so it may block. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qubesd/image.h"
#include "runtime/qubesd/revision.h"
#include "runtime/qubesd/storage.h"

/* What lies in the directory `dir` and belongs to a volume: its images, revisions, leftovers. */
static int clear_volume(const char *dir, const struct storage_volume *v, struct error *err)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	const struct dirent *e;
	size_t n = strlen(v->name);

	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, v->name, n) && e->d_name[n] && strchr("-.", e->d_name[n]) &&
		    strcmp(e->d_name, "root.img") != 0 && unlinkat(dirfd(d), e->d_name, 0) < 0)
			return error_errno(err, -errno, e->d_name, "cannot remove");
	return 0;
}

/* Nothing that an earlier qube of the same name wrote may turn up in a new one. */
static int clear(const struct storage *s, bool keep_root, struct error *err)
{
	int r = 0;

	if (!keep_root)
		return storage_remove(s, err);
	for (size_t i = 0; i < s->n && r == 0; i++)
		for (size_t k = 0; k < s->n_dirs && r == 0; k++)
			if (s->volumes[i].clean)
				r = clear_volume(s->dirs[k], &s->volumes[i], err);
	return r;
}

int storage_create(const struct storage *s, bool keep_root, struct error *err)
{
	int r = clear(s, keep_root, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s->n_dirs; i++) {
		r = mkdir_p(AT_FDCWD, s->dirs[i], 0770);
		if (r < 0)
			return error_errno(err, r, s->dirs[i], "cannot make");
	}
	for (size_t i = 0; i < s->n && r == 0; i++) {
		const struct storage_volume *v = &s->volumes[i];

		if (v->clean && v->save_on_stop && access(v->clean, F_OK) < 0)
			r = image_sparse(v->clean, v->size, err);
	}
	return r;
}

static int retire_dir(const char **dir, struct arena *a, struct error *err)
{
	const char *slash = strrchr(*dir, '/');
	const char *to;

	/* The same name may have been removed a moment ago, and its files may still be going. */
	for (unsigned i = 0;; i++) {
		to = arena_printf(a, "%.*s/" STORAGE_RETIRED "%s.%d.%u", (int)(slash - *dir), *dir,
				  slash + 1, (int)getpid(), i);
		if (access(to, F_OK) < 0)
			break;
	}
	if (rename(*dir, to) < 0 && errno != ENOENT)
		return error_errno(err, -errno, *dir, "cannot remove");
	*dir = to;
	return 0;
}

int storage_retire(struct storage *s, struct arena *a, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < s->n_dirs && r == 0; i++)
		r = retire_dir(&s->dirs[i], a, err);
	return r;
}

/* It may have been resized beyond its source. */
static int grow(const char *path, uint64_t size, struct error *err)
{
	struct stat st;

	if (stat(path, &st) < 0 ||
	    ((uint64_t)st.st_size < size && truncate(path, (off_t)size) < 0))
		return error_errno(err, -errno, path, "cannot grow");
	return 0;
}

static int start_snapshot(const struct storage_volume *v, struct error *err)
{
	int r = image_clone(v->source, v->dirty, err);

	return r < 0 ? r : grow(v->dirty, v->size, err);
}

static int start_volume(const struct storage_volume *v, struct error *err)
{
	if (!v->clean)
		return v->device && access(v->image, R_OK) < 0
			       ? error_errno(err, -errno, v->image, "cannot open")
			       : 0;
	if (v->save_on_stop) {
		/* Left by a crash: it holds what the qube wrote last. */
		if (access(v->dirty, F_OK) == 0)
			return 0;
		return image_clone(v->clean, v->dirty, err);
	}
	if (v->snap_on_start)
		return start_snapshot(v, err);
	return image_sparse(v->dirty, v->size, err);
}

/* What the user can do about a volume that cannot be had. */
static const char *remedy_for(const struct storage_volume *v, int code)
{
	if (code == -ENOSPC || code == -EDQUOT)
		return "make room in its pool (qvm-pool info POOL) or shut a qube down";
	if (code != -ENOENT)
		return NULL;
	if (!v->clean)
		return "this kernel is not installed: choose another with qvm-prefs QUBE kernel VERSION";
	if (v->snap_on_start)
		return "its template has no such image: install it again or choose another with qvm-prefs QUBE template TEMPLATE";
	return "put an earlier revision in its place: qvm-volume revert QUBE:VOLUME (qvm-volume info lists them)";
}

int storage_start(const struct storage *s, struct error *err)
{
	for (size_t i = 0; i < s->n; i++) {
		int r = start_volume(&s->volumes[i], err);
		const char *remedy = r < 0 ? remedy_for(&s->volumes[i], r) : NULL;

		if (remedy && err && !err->remedy)
			err->remedy = xstrdup(remedy);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The dirty image becomes the committed one; the old one is there until the rename. */
static int commit(const struct storage_volume *v, struct error *err)
{
	return access(v->dirty, F_OK) < 0 && errno == ENOENT ? 0
							      : revision_replace(v, v->dirty, err);
}

static int drop(const struct storage_volume *v, struct error *err)
{
	return unlink(v->dirty) < 0 && errno != ENOENT ? error_errno(err, -errno, v->dirty, "cannot remove") : 0;
}

int storage_stop(const struct storage *s, struct error *err)
{
	int result = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct storage_volume *v = &s->volumes[i];
		bool keep = v->save_on_stop && (v->left || !s->unused);
		int r;

		if (!v->clean)
			continue;
		r = keep ? commit(v, result == 0 ? err : NULL) : drop(v, result == 0 ? err : NULL);
		result = result < 0 ? result : r;
	}
	return result;
}

int storage_remove(const struct storage *s, struct error *err)
{
	int result = 0;

	for (size_t i = 0; i < s->n_dirs; i++) {
		int r = remove_tree(AT_FDCWD, s->dirs[i]);

		if (r < 0)
			result = error_errno(err, r, s->dirs[i], "cannot remove");
	}
	return result;
}

static int sweep_pool(const char *dir, struct error *err)
{
	static const char *const kinds[] = {"appvms", "vm-templates"};
	int result = 0;

	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, kinds[i]);
		_cleanup_closedir_ DIR *d = opendir(path);
		const struct dirent *e;

		while (d && (e = readdir(d))) {
			int r;

			if (strncmp(e->d_name, STORAGE_RETIRED, strlen(STORAGE_RETIRED)) != 0)
				continue;
			r = remove_tree(dirfd(d), e->d_name);
			if (r < 0)
				result = error_errno(err, r, e->d_name, "cannot remove");
		}
	}
	return result;
}

int storage_sweep(const char *const *dirs, struct error *err)
{
	int result = 0;

	for (; *dirs; dirs++) {
		int r = sweep_pool(*dirs, err);

		result = r < 0 ? r : result;
	}
	return result;
}
