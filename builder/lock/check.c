#include <fcntl.h>
#include <string.h>

#include "builder/lock/resolve.h"
#include "builder/package/package.h"
#include "common/base/alloc.h"

static bool has(const struct lock *l, const char *name)
{
	return lock_find_package(l, name) || lock_has_local(l, name);
}

static int stale(const struct definition *d, struct error *err, const char *who, const char *name)
{
	_cleanup_free_ char *path = lock_path_of(d);

	return error_set(err, -ESTALE, path, "make it anew with `bulkhead lock` or --relock",
			 "%s needs %s, which the lock has not", who, name);
}

/* Is one of the alternatives of "a (>= 1) | b:any" in the lock? Versions are dpkg's to judge. */
static bool is_met(const struct lock *l, const char *relation)
{
	struct blob rest = blob_of(relation), part, name;

	while (blob_token(&rest, '|', &part)) {
		_cleanup_free_ char *text = NULL;

		if (!blob_word(&part, &name))
			continue;
		text = blob_dup(name);
		text[strcspn(text, ":(")] = '\0';
		if (has(l, text))
			return true;
	}
	return false;
}

static int check_own(const struct definition *d, const struct lock_options *o, const struct lock *l,
		     struct error *err)
{
	_cleanup_close_ int dirfd = open(o->source_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0)
		return error_errno(err, -errno, o->source_root, "cannot open");
	for (size_t i = 0; i < l->n_locals; i++) {
		_cleanup_free_ char *path = xasprintf("runtime/packages/%s.yaml", l->locals[i]);
		struct package *p;
		int r = package_read(dirfd, path, o->version, &p, err);

		if (r < 0)
			return r;
		for (size_t k = 0; k < p->depends.n && r == 0; k++)
			if (!is_met(l, p->depends.v[k]))
				r = stale(d, err, l->locals[i], p->depends.v[k]);
		package_free(p);
		if (r < 0)
			return r;
	}
	return 0;
}

int lock_check(const struct definition *d, const struct lock_options *o, const struct lock *l,
	       struct error *err)
{
	if (strcmp(l->image, d->name) != 0)
		return error_set(err, -ESTALE, d->path, NULL,
				 "its lock is that of another image, %s", l->image);
	for (size_t i = 0; d->packages[i]; i++)
		if (!has(l, d->packages[i]))
			return stale(d, err, "the definition", d->packages[i]);
	for (size_t i = 0; d->runtime[i]; i++)
		if (!lock_has_local(l, d->runtime[i]))
			return stale(d, err, "the definition", d->runtime[i]);
	return check_own(d, o, l, err);
}
