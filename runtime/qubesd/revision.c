#include "runtime/qubesd/revision.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qubesd/image.h"

/* N@2026-01-02T03:04:05Z; the number, or 0 for what is no such name. */
static uint64_t number_of(struct blob name)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
	struct blob number;
	uint64_t n;

	if (!blob_token(&name, '@', &number) || !blob_to_u64(number, INT32_MAX, &n) ||
	    name.n != sizeof(shape) - 1)
		return 0;
	for (size_t i = 0; i < name.n; i++)
		if (shape[i] == 'd' ? !isdigit((unsigned char)name.p[i]) : name.p[i] != shape[i])
			return 0;
	return n;
}

char *revision_path(const struct storage_volume *v, const char *name)
{
	return number_of(blob_of(name)) ? xasprintf("%s.%s", v->clean, name) : NULL;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = number_of(blob_of(*(char *const *)a)),
		 y = number_of(blob_of(*(char *const *)b));

	return x < y ? -1 : x > y;
}

void storage_revisions(const struct storage_volume *v, struct strv *out)
{
	const char *base = v->clean ? strrchr(v->clean, '/') + 1 : "";
	_cleanup_free_ char *path = v->clean ? xasprintf("%.*s", (int)(base - v->clean), v->clean)
					     : NULL;
	_cleanup_closedir_ DIR *d = path ? opendir(path) : NULL;
	const struct dirent *e;
	size_t n = strlen(base);

	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, base, n) && e->d_name[n] == '.' &&
		    number_of(blob_of(e->d_name + n + 1)))
			strv_push(out, e->d_name + n + 1);
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), by_number);
}

static int add(const struct storage_volume *v)
{
	_cleanup_strv_ struct strv have = {0};
	_cleanup_free_ char *path = NULL;
	char when[sizeof("2026-01-02T03:04:05Z")];
	time_t now = time(NULL);
	struct tm tm;
	uint64_t n;

	if (!v->revisions_to_keep || access(v->clean, F_OK) < 0)
		return 0;
	storage_revisions(v, &have);
	n = have.n ? number_of(blob_of(have.v[have.n - 1])) : 0;
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	path = xasprintf("%s.%llu@%s", v->clean, (unsigned long long)n + 1, when);
	return link(v->clean, path) < 0 ? -errno : 0;
}

static int prune(const struct storage_volume *v)
{
	_cleanup_strv_ struct strv have = {0};

	storage_revisions(v, &have);
	for (size_t i = 0; i + v->revisions_to_keep < have.n; i++) {
		_cleanup_free_ char *path = revision_path(v, have.v[i]);

		if (unlink(path) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int revision_replace(const struct storage_volume *v, const char *path, struct error *err)
{
	int r = image_sync(path);

	if (r == 0)
		r = add(v);
	if (r == 0 && rename(path, v->clean) < 0)
		r = -errno;
	if (r < 0)
		return error_errno(err, r, path, "cannot commit");
	r = sync_parent(AT_FDCWD, v->clean);
	if (r == 0)
		r = prune(v);
	return r < 0 ? error_errno(err, r, v->clean, "cannot be put in order") : 0;
}
