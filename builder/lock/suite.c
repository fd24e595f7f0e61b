#include "builder/lock/suite.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "builder/deb/signature.h"
#include "builder/deb/xz.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"

enum {
	MAX_RELEASE = 8 << 20,
	MAX_PACKAGES = 512 << 20,
};

enum lock_archive lock_suite_archive(const char *suite)
{
	return blob_has_suffix(blob_of(suite), "-security") ? LOCK_SECURITY : LOCK_MAIN;
}

void lock_suite_free(struct lock_suite *s)
{
	for (size_t i = 0; i < s->n_packages; i++) {
		free(s->packages[i].path);
		strbuf_free(&s->packages[i].text);
	}
	free(s->packages);
	strbuf_free(&s->text);
	*s = (struct lock_suite){0};
}

static const char *day(int64_t seconds, char text[32])
{
	time_t t = seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(text, 32, "%Y-%m-%d %H:%M UTC", &tm))
		return "?";
	return text;
}

/* The newest date that the previous lock has for this suite; 0 when it has none. */
static int64_t previous_date(const struct lock_suite_request *q)
{
	int64_t newest = 0;

	for (size_t i = 0; q->previous && i < q->previous->n_indexes; i++) {
		const struct lock_index *x = &q->previous->indexes[i];

		if (!strcmp(x->suite, q->suite) && x->date > newest)
			newest = x->date;
	}
	return newest;
}

static int check_dates(const struct lock_suite_request *q, const struct lock_suite *s,
		       const char *name, struct error *err)
{
	int64_t now = time(NULL), before = previous_date(q);
	char date[32], other[32];

	/* Not even a little: a build refuses the clock that is behind its lock. */
	if (s->release.date > now)
		return error_set(err, -ESTALE, name, "set this machine's clock",
				 "it is of %s, which is yet to come", day(s->release.date, date));
	if (s->release.date < before)
		return error_set(err, -ESTALE, name, "use another mirror",
				 "it is of %s, older than the %s of the last lock: replayed, or "
				 "the mirror lags",
				 day(s->release.date, date), day(before, other));
	if (!s->release.valid_until || s->release.valid_until >= now)
		return 0;
	if (!q->allow_expired)
		return error_set(err, -ESTALE, name,
				 "use another mirror, or --allow-expired for a frozen one",
				 "it was valid until %s", day(s->release.valid_until, date));
	if (!q->fetch->quiet)
		fprintf(stderr,
			"warning: %s was valid until %s; taken as expired indexes are allowed\n",
			name, day(s->release.valid_until, date));
	return 0;
}

static int fetch_release(const struct lock_suite_request *q, const char *base, struct lock_suite *s,
			 struct error *err)
{
	_cleanup_free_ char *path = xasprintf("dists/%s/InRelease", q->suite);
	_cleanup_strbuf_ struct strbuf in = {0};
	int r = fetch_text(q->fetch, base, path, MAX_RELEASE, &in, err);

	if (r < 0)
		return r;
	sha256_hex(in.p, in.n, s->sha256);
	r = deb_signature_verify(path, strbuf_blob(&in), q->keys, &s->text, err);
	if (r == 0)
		r = deb_release_parse(path, strbuf_blob(&s->text), &s->release, err);
	if (r < 0)
		return r;
	if (!deb_release_is(&s->release, q->suite))
		return error_set(err, -EBADMSG, path, "use another mirror",
				 "it is the index of another suite, %.*s",
				 BLOB_ARG(s->release.codename));
	return check_dates(q, s, path, err);
}

/* Brings the file into the cache, from any of the mirrors, and appends its content to *out. */
static int fetch_index(const struct lock_suite_request *q, const struct lock_suite *s,
		       const char *name, const struct deb_release_file *f, struct strbuf *out,
		       struct error *err)
{
	_cleanup_free_ char *path = xasprintf("dists/%s/%s", q->suite, name), *by_hash = NULL;
	const char *slash = strrchr(path, '/');
	struct fetch_options quiet = *q->fetch;
	struct fetch_item item = {.archive = s->archive,
				  .path = path,
				  .label = path,
				  .size = f->size,
				  .sha256 = f->sha256};
	_cleanup_close_ int fd = -1;
	int r;

	if (s->release.by_hash)
		by_hash = xasprintf("%.*s/by-hash/SHA256/%s", (int)(slash - path), path, f->sha256);
	item.by_hash = by_hash;
	quiet.quiet = true;
	r = fetch_items(&quiet, &item, 1, err);
	if (r < 0)
		return r;
	fd = fetch_cache_open(q->fetch->cache, f->sha256, f->size, path, err);
	if (fd < 0)
		return fd;
	r = read_fd(fd, f->size, out);
	return r < 0 ? error_errno(err, r, path, "cannot read it in the cache") : 0;
}

static int fetch_packages(const struct lock_suite_request *q, const struct lock_suite *s,
			  struct lock_suite_packages *p, struct error *err)
{
	_cleanup_free_ char *xz = xasprintf("%s.xz", p->path);
	_cleanup_strbuf_ struct strbuf packed = {0};
	struct deb_release_file plain, f;
	char found[SHA256_HEX];
	int r = deb_release_find(&s->release, p->path, &plain);

	if (r < 0 || plain.size > MAX_PACKAGES)
		return error_set(err, -EBADMSG, q->suite, NULL, "its Release lists no usable %s",
				 p->path);
	if (deb_release_find(&s->release, xz, &f) < 0) {
		memcpy(p->sha256, plain.sha256, sizeof(p->sha256));
		return fetch_index(q, s, p->path, &plain, &p->text, err);
	}
	memcpy(p->sha256, f.sha256, sizeof(p->sha256));
	r = fetch_index(q, s, xz, &f, &packed, err);
	if (r == 0)
		r = deb_xz_decode(xz, strbuf_blob(&packed), plain.size, &p->text, err);
	if (r < 0)
		return r;
	sha256_hex(p->text.p, p->text.n, found);
	if (strcmp(found, plain.sha256) != 0)
		return error_set(err, -EBADMSG, xz, "use another mirror",
				 "unpacked it has another sha256 than the Release names");
	return 0;
}

static int fetch_from(const struct lock_suite_request *q, const char *base, struct lock_suite *s,
		      struct error *err)
{
	size_t n = 0;
	int r = fetch_release(q, base, s, err);

	while (q->components[n])
		n++;
	s->packages = xcalloc(n + 1, sizeof(*s->packages));
	for (size_t i = 0; i < n && r == 0; i++) {
		struct lock_suite_packages *p = &s->packages[s->n_packages++];

		p->component = q->components[i];
		p->path = xasprintf("%s/binary-%s/Packages", q->components[i], q->arch);
		r = fetch_packages(q, s, p, err);
	}
	return r;
}

int lock_suite_fetch(const struct lock_suite_request *q, struct lock_suite *out, struct error *err)
{
	enum lock_archive archive = lock_suite_archive(q->suite);
	const struct strv *mirrors =
		archive == LOCK_SECURITY ? &q->fetch->mirrors->security : &q->fetch->mirrors->main;
	int code = -ENOENT;

	*out = (struct lock_suite){0};
	if (q->fetch->offline)
		return error_set(err, -ENOTCONN, q->suite, "lock without --offline",
				 "indexes are not kept in the cache");
	error_set(err, code, q->suite, "name one with --mirror URI or MIRROR=URI",
		  "there is no mirror for its archive");
	for (size_t i = 0; i < mirrors->n; i++) {
		_cleanup_error_ struct error why = {0};
		_cleanup_free_ char *host = fetch_uri_host(mirrors->v[i]);
		int r;

		*out = (struct lock_suite){.name = q->suite, .archive = archive};
		r = fetch_from(q, mirrors->v[i], out, &why);
		if (r == 0) {
			if (err)
				error_free(err);
			return 0;
		}
		lock_suite_free(out);
		/* A mirror that has the suite, but wrong, says more than one that lacks it. */
		if (i && !(code == -ENOENT && r != -ENOENT))
			continue;
		code = r;
		if (err) {
			error_free(err);
			*err = why;
			why = (struct error){0};
		}
		if (r != -ENOENT && r != -ETIMEDOUT && r != -EIO && r != -ELOOP)
			error_prefix(err, host);
	}
	return code;
}
