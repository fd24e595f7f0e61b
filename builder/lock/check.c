#include <fcntl.h>
#include <string.h>

#include "builder/lock/resolve.h"
#include "builder/lock/suite.h"
#include "builder/package/package.h"
#include "common/base/alloc.h"

static char *make_anew(const struct definition *d)
{
	return xasprintf("make it anew: `bulkhead lock %s`, or `bulkhead build --relock`", d->name);
}

static bool has(const struct lock *l, const char *name)
{
	return lock_find_package(l, name) || lock_has_local(l, name);
}

static int stale(const struct definition *d, struct error *err, const char *who, const char *name)
{
	_cleanup_free_ char *path = lock_path_of(d), *remedy = make_anew(d);

	return error_set(err, -ESTALE, path, remedy, "%s needs %s, which the lock has not", who, name);
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

/* Each component of each suite has its index in the lock, and nothing else has. */
static int check_indexes(const struct definition *d, const struct lock *l, struct error *err)
{
	size_t n = 0;

	for (size_t i = 0; d->suites[i]; i++)
		for (size_t k = 0; d->components[k]; k++, n++) {
			_cleanup_free_ char *name = xasprintf("the index of %s %s", d->suites[i], d->components[k]);

			if (!lock_find_index(l, lock_suite_archive(d->suites[i]), d->suites[i], d->components[k]))
				return stale(d, err, "the definition", name);
		}
	if (n == l->n_indexes)
		return 0;
	_cleanup_free_ char *path = lock_path_of(d), *remedy = make_anew(d);

	return error_set(err, -ESTALE, path, remedy, "it is of suites or components that the definition does not name");
}

int lock_check(const struct definition *d, const struct lock_options *o, const struct lock *l,
	       struct error *err)
{
	int r;

	if (strcmp(l->image, d->name) != 0)
		return error_set(err, -ESTALE, d->path, NULL,
				 "its lock is that of another image, %s", l->image);
	for (size_t i = 0; d->packages[i]; i++)
		if (!has(l, d->packages[i]))
			return stale(d, err, "the definition", d->packages[i]);
	for (size_t i = 0; d->runtime[i]; i++)
		if (!lock_has_local(l, d->runtime[i]))
			return stale(d, err, "the definition", d->runtime[i]);
	r = check_indexes(d, l, err);
	return r < 0 ? r : check_own(d, o, l, err);
}
