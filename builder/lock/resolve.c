#include "builder/lock/resolve.h"

#include <fcntl.h>
#include <string.h>

#include "builder/deb/packages.h"
#include "builder/deb/signature.h"
#include "builder/lock/apt.h"
#include "builder/lock/suite.h"
#include "builder/lock/words.h"
#include "builder/package/package.h"
#include "common/base/alloc.h"
#include "common/base/strmap.h"

static const char arch[] = "amd64";

struct resolver {
	const struct definition *d;
	const struct lock_options *o;
	struct strbuf keys;
	struct lock_suite *suites;
	size_t n_suites;
	struct package **ours; /* all of runtime/packages */
	size_t n_ours;
	struct strv install;
	struct strmap wanted; /* "NAME VERSION ARCH" -> static marker */
	struct strmap found;  /* the same -> struct lock_package in `lock` */
	struct lock *lock;
};

static void resolver_end(struct resolver *r)
{
	for (size_t i = 0; i < r->n_suites; i++)
		lock_suite_free(&r->suites[i]);
	free(r->suites);
	if (r->ours)
		package_free_all(r->ours);
	strbuf_free(&r->keys);
	strv_free(&r->install);
	strmap_free(&r->wanted);
	strmap_free(&r->found);
	lock_free(r->lock);
}

static int load_keys(struct resolver *r, struct error *err)
{
	_cleanup_free_ char *own = xasprintf("%s/builder/keyrings", r->o->source_root);

	return deb_keyring_load(r->o->keyring ? r->o->keyring : own, &r->keys, err);
}

static int fetch_suites(struct resolver *r, struct error *err)
{
	size_t n = 0;

	while (r->d->suites[n])
		n++;
	if (!n)
		return error_set(err, -EINVAL, r->d->path, NULL, "the definition names no suites");
	r->suites = xcalloc(n, sizeof(*r->suites));
	for (size_t i = 0; i < n; i++) {
		struct lock_suite_request q = {.fetch = &r->o->fetch,
					       .keys = strbuf_blob(&r->keys),
					       .suite = r->d->suites[i],
					       .arch = arch,
					       .components = r->d->components,
					       .previous = r->o->previous,
					       .allow_expired = r->o->allow_expired};
		int e;

		if (!word_is_suite(blob_of(q.suite)))
			return error_set(err, -EINVAL, r->d->path, NULL,
					 "'%s' is no name of a suite", q.suite);
		e = lock_suite_fetch(&q, &r->suites[r->n_suites++], err);
		if (e < 0)
			return e;
	}
	return 0;
}

typedef int each_fn(struct resolver *r, const struct lock_suite *s, const struct deb_package *p,
		    struct error *err);

struct each {
	struct resolver *r;
	const struct lock_suite *suite;
	each_fn *fn;
	struct error *err;
};

static int each_package(const struct deb_package *p, void *arg)
{
	struct each *e = arg;

	return e->fn(e->r, e->suite, p, e->err);
}

/* All packages of all indexes, in the definition's order of suites. */
static int walk(struct resolver *r, each_fn *fn, struct error *err)
{
	for (size_t i = 0; i < r->n_suites; i++) {
		const struct lock_suite *s = &r->suites[i];

		for (size_t k = 0; k < s->n_packages; k++) {
			_cleanup_free_ char *name =
				xasprintf("dists/%s/%s", s->name, s->packages[k].path);
			struct each e = {.r = r, .suite = s, .fn = fn, .err = err};
			int x = deb_packages_each(name, strbuf_blob(&s->packages[k].text),
						  each_package, &e, err);

			if (x < 0)
				return x;
		}
	}
	return 0;
}

static void install_once(struct resolver *r, const char *name)
{
	if (!strv_contains(&r->install, name))
		strv_push(&r->install, name);
}

static int take_essential(struct resolver *r, const struct lock_suite *s,
			  const struct deb_package *p, struct error *err)
{
	_cleanup_free_ char *name = p->essential ? blob_dup(p->name) : NULL;

	(void)s;
	(void)err;
	if (name)
		install_once(r, name);
	return 0;
}

/* What apt is to install: everything essential, then the definition's packages, then ours. */
static int list_install(struct resolver *r, struct error *err)
{
	int e = walk(r, take_essential, err);

	if (e < 0)
		return e;
	for (size_t i = 0; r->d->packages[i]; i++) {
		if (!word_is_package(blob_of(r->d->packages[i])))
			return error_set(err, -EINVAL, r->d->path, NULL,
					 "'%s' is no name of a package", r->d->packages[i]);
		install_once(r, r->d->packages[i]);
	}
	for (size_t i = 0; r->d->runtime[i]; i++)
		install_once(r, r->d->runtime[i]);
	strv_sort(&r->install);
	return 0;
}

static const struct package *own_package(const struct resolver *r, const char *name)
{
	for (size_t i = 0; i < r->n_ours; i++)
		if (!strcmp(r->ours[i]->name, name))
			return r->ours[i];
	return NULL;
}

/* The control data of our packages as an index. A definition without `runtime` does not see them. */
static int list_own(struct resolver *r, struct strbuf *index, struct error *err)
{
	int dirfd = -1, e;

	if (!r->d->runtime[0])
		return 0;
	dirfd = open(r->o->source_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return error_errno(err, -errno, r->o->source_root, "cannot open");
	e = package_read_folder(dirfd, "runtime/packages", r->o->version, &r->ours, &r->n_ours,
				err);
	close(dirfd);
	if (e < 0)
		return e;
	for (size_t i = 0; r->d->runtime[i]; i++)
		if (!own_package(r, r->d->runtime[i]))
			return error_set(err, -ENOENT, r->d->path, NULL,
					 "there is no runtime/packages/%s.yaml", r->d->runtime[i]);
	for (size_t i = 0; i < r->n_ours; i++) {
		package_control_text(r->ours[i], index);
		strbuf_printf(index, "Filename: ./%s.deb\nSize: 1\nSHA256: %064d\n\n",
			      r->ours[i]->name, 0);
	}
	return 0;
}

static int take_wanted(struct resolver *r, const struct lock_suite *s, const struct deb_package *p,
		       struct error *err)
{
	_cleanup_free_ char *key = xasprintf("%.*s %.*s %.*s", BLOB_ARG(p->name),
					     BLOB_ARG(p->version), BLOB_ARG(p->arch));
	_cleanup_free_ char *name = NULL, *version = NULL, *package_arch = NULL, *path = NULL;
	struct lock_package l = {.archive = s->archive, .size = p->size};
	const struct lock_package *same;

	if (!strmap_get(&r->wanted, key))
		return 0;
	same = strmap_get(&r->found, key);
	if (same && memcmp(same->sha256, p->sha256.p, SHA256_HEX - 1) != 0)
		return error_set(err, -EBADMSG, key, NULL,
				 "two indexes name different bytes for it");
	if (same)
		return 0;
	name = blob_dup(p->name);
	version = blob_dup(p->version);
	package_arch = blob_dup(p->arch);
	path = blob_dup(p->path);
	l.name = name;
	l.version = version;
	l.arch = package_arch;
	l.path = path;
	memcpy(l.sha256, p->sha256.p, SHA256_HEX - 1);
	lock_add_package(r->lock, &l);
	/* The array of packages moves as it grows: what is kept is a copy. */
	same = memcpy(arena_alloc(r->lock->arena, sizeof(l)), &l, sizeof(l));
	strmap_put(&r->found, key, (void *)(uintptr_t)same);
	return 0;
}

static void add_indexes(struct resolver *r)
{
	for (size_t i = 0; i < r->n_suites; i++) {
		const struct lock_suite *s = &r->suites[i];

		for (size_t k = 0; k < s->n_packages; k++) {
			struct lock_index x = {.archive = s->archive,
					       .suite = s->name,
					       .component = s->packages[k].component,
					       .date = s->release.date};

			memcpy(x.release_sha256, s->sha256, sizeof(x.release_sha256));
			memcpy(x.packages_sha256, s->packages[k].sha256, sizeof(x.packages_sha256));
			lock_add_index(r->lock, &x);
		}
	}
}

/* apt's choice as a lock: ours by name, all others from the verified indexes. */
static int look_up(struct resolver *r, const struct strv *chosen, struct error *err)
{
	static char marker[1];
	int e;

	for (size_t i = 0; i < chosen->n; i++) {
		struct blob rest = blob_of(chosen->v[i]), word;
		_cleanup_free_ char *name = NULL;

		blob_token(&rest, ' ', &word);
		name = blob_dup(word);
		if (own_package(r, name))
			lock_add_local(r->lock, name);
		else
			strmap_put(&r->wanted, chosen->v[i], marker);
	}
	e = walk(r, take_wanted, err);
	for (size_t i = 0; i < chosen->n && e == 0; i++)
		if (strmap_get(&r->wanted, chosen->v[i]) && !strmap_get(&r->found, chosen->v[i]))
			return error_set(err, -EBADMSG, chosen->v[i], NULL,
					 "apt chose it, but no verified index names it");
	return e;
}

/* apt takes a name that is only provided and chooses who provides it; a build looks for the name itself. */
static int check_names(const struct definition *d, const struct lock *l, struct error *err)
{
	for (size_t i = 0; d->packages[i]; i++)
		if (!lock_find_package(l, d->packages[i]) && !lock_has_local(l, d->packages[i]))
			return error_set(err, -EINVAL, d->packages[i], "name the package itself in the definition",
					 "is no package but a name that others provide");
	return 0;
}

static int resolve(struct resolver *r, struct error *err)
{
	_cleanup_strbuf_ struct strbuf own = {0};
	_cleanup_strv_ struct strv chosen = {0};
	struct apt_query q = {
		.store = r->o->store, .arch = arch, .install = &r->install, .apt_root = r->o->apt_root};
	int e;

	if ((e = load_keys(r, err)) < 0 || (e = list_own(r, &own, err)) < 0 ||
	    (e = fetch_suites(r, err)) < 0 || (e = list_install(r, err)) < 0)
		return e;
	q.suites = r->suites;
	q.n_suites = r->n_suites;
	q.local = strbuf_blob(&own);
	e = apt_solve(&q, &chosen, err);
	if (e < 0)
		return e;
	r->lock = lock_new(r->d->name, arch);
	add_indexes(r);
	return look_up(r, &chosen, err);
}

int lock_resolve(const struct definition *d, const struct lock_options *o, struct lock **out,
		 struct error *err)
{
	_cleanup_(resolver_end) struct resolver r = {.d = d, .o = o};
	_cleanup_strbuf_ struct strbuf sorted = {0};
	int e;

	if (d->family != DEFINITION_DEB)
		return error_set(err, -EINVAL, d->path, NULL,
				 "images of this family have no packages to lock");
	e = resolve(&r, err);
	if (e == 0) {
		/* Sorts: lookups work on the result as on one that was read. */
		lock_format(r.lock, &sorted);
		e = check_names(d, r.lock, err);
	}
	if (e < 0) {
		error_prefix(err, d->name);
		return e;
	}
	*out = take_ptr(r.lock);
	return 0;
}

char *lock_path_of(const struct definition *d)
{
	struct blob path = blob_of(d->path);

	if (blob_has_suffix(path, ".yaml"))
		path.n -= strlen(".yaml");
	return xasprintf("%.*s.lock", BLOB_ARG(path));
}
