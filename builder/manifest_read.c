/* Manifests of archives and folders: libarchive reads both. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "builder/manifest.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strmap.h"
#include "common/sys/hash.h"

enum { CHUNK = 1 << 20, MEMBERS_MAX = 4 << 20 };

struct reader {
	struct arena *arena;
	const char *path; /* of archive or folder, for messages */
	struct archive *archive;
	size_t prefix; /* of the names that libarchive gives for a folder */
	struct strmap digests; /* path -> digest: what a hard link is to */
	struct manifest *m;
	size_t cap;
};

static void reader_end(struct reader *r)
{
	archive_read_free(r->archive);
	strmap_free(&r->digests);
	free(r->m->list); /* the caller's copy lies in the arena */
}

static const char *escaped(struct arena *a, const char *text)
{
	_cleanup_strbuf_ struct strbuf out = {0};

	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p <= ' ' || *p == '\\' || *p >= 127)
			strbuf_printf(&out, "\\%03o", *p);
		else
			strbuf_add_char(&out, (char)*p);
	return arena_strdup(a, out.p ? out.p : "-");
}

static int fail(const struct reader *r, struct error *err)
{
	const char *why = archive_error_string(r->archive);

	return error_set(err, -EBADMSG, r->path, NULL, "cannot read: %s", why ? why : "unknown error");
}

static char kind_of(struct archive_entry *e)
{
	static const struct {
		unsigned type;
		char kind;
	} kinds[] = {{AE_IFDIR, 'd'}, {AE_IFREG, 'f'}, {AE_IFLNK, 'l'},	 {AE_IFIFO, 'p'},
		     {AE_IFCHR, 'c'}, {AE_IFBLK, 'b'}, {AE_IFSOCK, 's'}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (archive_entry_filetype(e) == kinds[i].type)
			return kinds[i].kind;
	return 'f'; /* a hard link */
}

/* "./a/", "a" and "/a" are "/a". */
static const char *path_of(struct reader *r, const char *name)
{
	size_t n;

	while (*name == '/' || (*name == '.' && (name[1] == '/' || !name[1])))
		name++;
	n = strlen(name);
	while (n && name[n - 1] == '/')
		n--;
	_cleanup_free_ char *path = xasprintf("/%.*s", (int)n, name);

	return escaped(r->arena, path);
}

static int digest(struct reader *r, char hex[SHA256_HEX], struct error *err)
{
	_cleanup_free_ char *buffer = xmalloc(CHUNK);
	_cleanup_sha256_ struct sha256 *s = sha256_new();
	la_ssize_t n;

	while ((n = archive_read_data(r->archive, buffer, CHUNK)) > 0)
		sha256_add(s, buffer, (size_t)n);
	if (n < 0)
		return fail(r, err);
	sha256_end_hex(take_ptr(s), hex);
	return 0;
}

static const char *capability_of(struct arena *a, struct archive_entry *e)
{
	const char *name;
	const void *value;
	size_t n;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &n) == ARCHIVE_OK)
		if (!strcmp(name, "security.capability") && n && n < 64) {
			char *text = arena_alloc(a, 4 + 2 * n + 1);

			memcpy(text, "cap=", 4);
			hex_encode(value, n, text + 4);
			return text;
		}
	return "";
}

static int content_of(struct reader *r, struct archive_entry *e, struct manifest_entry *m, struct error *err)
{
	const char *hard = archive_entry_hardlink(e);
	char hex[SHA256_HEX];
	int code;

	m->content = "-";
	if (m->kind == 'l')
		m->content = escaped(r->arena, archive_entry_symlink(e) ? archive_entry_symlink(e) : "");
	if (m->kind != 'f')
		return 0;
	if (hard) {
		m->content = strmap_get(&r->digests, path_of(r, hard));
		return m->content ? 0
				  : error_set(err, -EBADMSG, r->path, NULL,
					      "%s is a hard link to what did not come before", m->path);
	}
	if ((code = digest(r, hex, err)) < 0)
		return code;
	char *kept = arena_strdup(r->arena, hex);

	m->content = kept;
	strmap_put(&r->digests, m->path, kept);
	return 0;
}

static int add_entry(struct reader *r, struct archive_entry *e, struct error *err)
{
	struct manifest *m = r->m;
	struct manifest_entry *new;
	const char *name = archive_entry_pathname(e);

	if (!name || m->n == MEMBERS_MAX)
		return error_set(err, -EBADMSG, r->path, NULL, name ? "more members than are allowed" : "a member without a name");
	if (m->n == r->cap)
		m->list = xreallocarray(m->list, r->cap = r->cap ? 2 * r->cap : 1024, sizeof(*m->list));
	new = &m->list[m->n++];
	*new = (struct manifest_entry){.path = path_of(r, strlen(name) >= r->prefix ? name + r->prefix : ""),
				       .kind = kind_of(e),
				       .mode = arena_printf(r->arena, "%04o", archive_entry_perm(e) & 07777),
				       .owner = arena_printf(r->arena, "%lld:%lld", (long long)archive_entry_uid(e),
							     (long long)archive_entry_gid(e)),
				       .more = capability_of(r->arena, e)};
	return content_of(r, e, new, err);
}

static int read_all(struct reader *r, struct manifest *out, struct error *err)
{
	struct archive_entry *e;
	int code, result = 0;

	while (result == 0 && (code = archive_read_next_header(r->archive, &e)) != ARCHIVE_EOF) {
		/* A warning is about names in the locale's character set; bytes are what counts. */
		if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
			return fail(r, err);
		result = add_entry(r, e, err);
		if (result == 0 && r->prefix)
			archive_read_disk_descend(r->archive);
	}
	if (result < 0)
		return result;
	out->n = r->m->n;
	out->list = arena_alloc(r->arena, (out->n + 1) * sizeof(*out->list));
	if (out->n)
		memcpy(out->list, r->m->list, out->n * sizeof(*out->list));
	manifest_sort(out);
	return 0;
}

int manifest_of_archive_fd(struct arena *a, int fd, const char *path, struct manifest *m, struct error *err)
{
	struct manifest list = {0};
	_cleanup_(reader_end) struct reader r = {.arena = a, .path = path, .m = &list, .archive = archive_read_new()};

	archive_read_support_format_tar(r.archive);
	archive_read_support_format_iso9660(r.archive);
	if (archive_read_open_fd(r.archive, fd, CHUNK) != ARCHIVE_OK)
		return fail(&r, err);
	return read_all(&r, m, err);
}

int manifest_of_archive(struct arena *a, const char *path, struct manifest *m, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? error_errno(err, -errno, path, "cannot open") : manifest_of_archive_fd(a, fd, path, m, err);
}

int manifest_of_folder(struct arena *a, const char *path, struct manifest *m, struct error *err)
{
	struct manifest list = {0};
	_cleanup_(reader_end) struct reader r = {
		.arena = a, .path = path, .m = &list, .prefix = strlen(path), .archive = archive_read_disk_new()};

	archive_read_disk_set_symlink_physical(r.archive);
	if (archive_read_disk_open(r.archive, path) != ARCHIVE_OK)
		return fail(&r, err);
	return read_all(&r, m, err);
}
