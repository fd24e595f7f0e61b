#include "builder/deb/packages.h"

#include "builder/lock/lock.h"
#include "builder/lock/words.h"
#include "common/base/alloc.h"
#include "common/base/deb822.h"

static const char *fill(struct deb_package *p, const struct deb822_stanza *s)
{
	p->name = deb822_get(s, "Package");
	p->version = deb822_get(s, "Version");
	p->arch = deb822_get(s, "Architecture");
	p->path = deb822_get(s, "Filename");
	p->sha256 = deb822_get(s, "SHA256");
	p->essential = blob_eq_str(deb822_get(s, "Essential"), "yes");
	if (blob_has_prefix(p->path, "./")) {
		p->path.p += 2;
		p->path.n -= 2;
	}
	if (!word_is_package(p->name))
		return "wrong package name";
	if (!word_is_version(p->version))
		return "wrong version";
	if (!word_is_arch(p->arch))
		return "wrong architecture";
	if (!word_is_path(p->path))
		return "wrong file name";
	if (!sha256_is_hex(p->sha256))
		return "wrong or missing SHA256";
	if (!blob_to_u64(deb822_get(s, "Size"), LOCK_MAX_PACKAGE_SIZE, &p->size) || !p->size)
		return "wrong size";
	return NULL;
}

int deb_packages_each(const char *name, struct blob text, deb_package_fn *fn, void *arg,
		      struct error *err)
{
	struct deb822 d = {.rest = text};
	struct deb822_stanza s;
	int r;

	while ((r = deb822_next(&d, &s)) == 1) {
		struct deb_package p = {0};
		const char *cause = fill(&p, &s);

		if (cause) {
			_cleanup_free_ char *where = xasprintf("%s:%u", name, s.line);

			return error_set(err, -EBADMSG, where, NULL, "%s", cause);
		}
		r = fn(&p, arg);
		if (r)
			return r;
	}
	if (r < 0) {
		_cleanup_free_ char *where = xasprintf("%s:%u", name, d.line);

		return error_set(err, r, where, NULL, "%s", d.error);
	}
	return 0;
}
