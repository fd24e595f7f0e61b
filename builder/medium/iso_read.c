#include "builder/medium/iso_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/plain.h"
#include "common/base/alloc.h"
#include "common/base/le.h"
#include "common/base/strbuf.h"

enum {
	SECTOR = 512,
	BLOCK = 2048,
	VOLUME_BLOCK = 16, /* of the primary volume descriptor */
	ROOT_RECORD = 156,
	RECORD_MIN = 34,
	FLAG_FOLDER = 0x02,
	FLAG_CONTINUES = 0x80,
	/* More than a medium of ours needs, and little enough for a hostile one. */
	FOLDER_MAX = 4 << 20,
	FOLDERS_BYTES_MAX = 64 << 20,
	FILES_MAX = 65536,
	/* The same bytes may lie at several paths, as with hard links; of the image's size, all files together. */
	SHARED_MAX = 4,
	DEPTH_MAX = 16,
	PATH_LIMIT = 1024,
	GPT_ENTRIES_MAX = 1024,
};

static int wrong(const struct iso *iso, uint64_t offset, const char *what, struct error *err)
{
	return error_set(err, -EBADMSG, iso->name, "get the image again, or write the stick again",
			 "at byte %llu: %s", (unsigned long long)offset, what);
}

static int read_at(const struct iso *iso, void *to, size_t n, uint64_t offset)
{
	char *p = to;

	while (n) {
		ssize_t got = pread(iso->fd, p, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ENODATA;
		p += got;
		n -= (size_t)got;
		offset += (uint64_t)got;
	}
	return 0;
}

static int read_or_say(const struct iso *iso, void *to, size_t n, uint64_t offset,
		       struct error *err)
{
	int r = read_at(iso, to, n, offset);

	if (r == 0)
		return 0;
	return error_set(err, r, iso->name, "get the image again, or try another stick or port",
			 "cannot read at byte %llu: %s", (unsigned long long)offset,
			 r == -ENODATA ? "it ends there" : strerror(-r));
}

/* One record of a folder, or what a file's first record and its followers add up to. */
struct record {
	uint64_t offset, size;
	unsigned flags;
	const unsigned char *name;
	size_t n_name;
	const unsigned char *system_use;
	size_t n_system_use;
};

static bool parse_record(const unsigned char *p, size_t left, struct record *r)
{
	size_t n = p[0], name = left > 32 ? p[32] : 0, used;

	if (n < RECORD_MIN || n > left || 33 + name > n)
		return false;
	used = 33 + name + !(name & 1);
	*r = (struct record){.offset = (uint64_t)le32_at(p + 2) * BLOCK,
			     .size = le32_at(p + 10),
			     .flags = p[25],
			     .name = p + 33,
			     .n_name = name};
	if (used < n) {
		r->system_use = p + used;
		r->n_system_use = n - used;
	}
	return true;
}

/* Adds the name's parts of a system use area; *next is where the area goes on, 0: nowhere. */
static int add_rock_ridge(const unsigned char *p, size_t n, struct strbuf *name, uint64_t *next,
			  size_t *n_next)
{
	*next = 0;
	while (n >= 4) {
		size_t used = p[2];

		if (used < 4 || used > n)
			return used ? -EBADMSG : 0;
		if (p[0] == 'N' && p[1] == 'M' && used > 5)
			strbuf_add(name, p + 5, used - 5);
		if (p[0] == 'C' && p[1] == 'E' && used >= 28) {
			*next = (uint64_t)le32_at(p + 4) * BLOCK + le32_at(p + 12);
			*n_next = le32_at(p + 20);
		}
		p += used;
		n -= used;
	}
	return 0;
}

static int record_name(const struct iso *iso, const struct record *r, struct strbuf *name,
		       struct error *err)
{
	unsigned char more[BLOCK];
	uint64_t next;
	size_t n_next = 0;
	int code = add_rock_ridge(r->system_use, r->n_system_use, name, &next, &n_next);

	/* Names of 1000 bytes need a handful of continuations; a loop of them needs an end. */
	for (int i = 0; code == 0 && next && i < 8; i++) {
		if (n_next > sizeof(more))
			return wrong(iso, next, "a name's continuation is too long", err);
		code = read_or_say(iso, more, n_next, next, err);
		if (code < 0)
			return code;
		code = add_rock_ridge(more, n_next, name, &next, &n_next);
	}
	/* No Rock Ridge: the plain name, without its version. */
	if (code == 0 && !name->n) {
		const unsigned char *end = memchr(r->name, ';', r->n_name);

		strbuf_add(name, r->name, end ? (size_t)(end - r->name) : r->n_name);
	}
	if (code < 0 || !name->n || name->n > 255 || memchr(name->p, '/', name->n) || !text_is_plain(strbuf_blob(name)))
		return wrong(iso, r->offset, "a file's name is damaged", err);
	return 0;
}

static int add_file(struct iso *iso, const struct record *r, const char *path, bool continues,
		    struct error *err)
{
	struct iso_file *last = iso->n_files ? &iso->files[iso->n_files - 1] : NULL;

	if (r->offset > iso->size || r->size > iso->size - r->offset)
		return wrong(iso, r->offset, "a file lies beyond the end of the image", err);
	iso->files_bytes += r->size;
	if (iso->files_bytes > SHARED_MAX * iso->size)
		return wrong(iso, r->offset, "too many files lie over each other", err);
	/* A file of more than 4 GiB has several records, of pieces that follow each other. */
	if (continues) {
		if (!last || last->offset + last->size != r->offset)
			return wrong(iso, r->offset, "a file lies in pieces", err);
		last->size += r->size;
		return 0;
	}
	if (iso->n_files == FILES_MAX)
		return wrong(iso, r->offset, "more than 65536 files", err);
	if (iso->n_files % 64 == 0)
		iso->files = xreallocarray(iso->files, iso->n_files + 64, sizeof(*iso->files));
	iso->files[iso->n_files++] =
		(struct iso_file){.path = xstrdup(path), .offset = r->offset, .size = r->size};
	return 0;
}

static int walk(struct iso *iso, const struct record *folder, const char *prefix, unsigned depth,
		struct error *err);

/* *continues: the next record is a further piece of this file. */
static int take_record(struct iso *iso, const struct record *r, const char *prefix, unsigned depth,
		       bool *continues, struct error *err)
{
	_cleanup_strbuf_ struct strbuf name = {0};
	_cleanup_free_ char *path = NULL;
	bool piece = *continues;
	int code;

	*continues = r->flags & FLAG_CONTINUES;
	/* The folder itself and the one above. */
	if (r->n_name == 1 && r->name[0] <= 1)
		return 0;
	code = record_name(iso, r, &name, err);
	if (code < 0)
		return code;
	path = xasprintf("%s/%s", prefix, name.p ? name.p : "");
	if (strlen(path) > PATH_LIMIT)
		return wrong(iso, r->offset, "a path is too long", err);
	if (r->flags & FLAG_FOLDER)
		return walk(iso, r, path, depth + 1, err);
	return add_file(iso, r, path, piece, err);
}

static int walk(struct iso *iso, const struct record *folder, const char *prefix, unsigned depth,
		struct error *err)
{
	_cleanup_free_ unsigned char *data = NULL;
	bool continues = false;
	int r;

	if (depth > DEPTH_MAX)
		return wrong(iso, folder->offset, "folders too deep", err);
	if (folder->size > FOLDER_MAX || folder->offset > iso->size ||
	    folder->size > iso->size - folder->offset)
		return wrong(iso, folder->offset, "a folder is too large", err);
	iso->folders_bytes += folder->size;
	if (iso->folders_bytes > FOLDERS_BYTES_MAX)
		return wrong(iso, folder->offset, "too many folders", err);
	data = xmalloc((size_t)folder->size + 1);
	r = read_or_say(iso, data, (size_t)folder->size, folder->offset, err);
	for (size_t at = 0; r == 0 && at < folder->size;) {
		struct record record;

		/* No record crosses a block: what is left of one is zero. */
		if (!data[at]) {
			at = (at / BLOCK + 1) * BLOCK;
			continue;
		}
		if (!parse_record(data + at, (size_t)folder->size - at, &record))
			return wrong(iso, folder->offset + at, "a folder's record is damaged", err);
		r = take_record(iso, &record, prefix, depth, &continues, err);
		at += data[at];
	}
	return r;
}

/* The image ends where the table's copy does: the stick may go on. */
static int read_table(struct iso *iso, uint64_t limit, struct error *err)
{
	static const unsigned char efi_system[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
						     0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
	unsigned char header[SECTOR], entry[128];
	uint64_t end, entries;
	uint32_t n, step;
	int r = read_or_say(iso, header, sizeof(header), SECTOR, err);

	if (r < 0 || memcmp(header, "EFI PART", 8) != 0)
		return r;
	end = le64_at(header + 32);
	entries = le64_at(header + 72);
	n = le32_at(header + 80);
	step = le32_at(header + 84);
	if (end >= limit / SECTOR || entries >= limit / SECTOR || n > GPT_ENTRIES_MAX || step != sizeof(entry))
		return wrong(iso, SECTOR, "the partition table is of a larger image: this one is cut off, or damaged", err);
	iso->size = (end + 1) * SECTOR;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t first, last;

		r = read_or_say(iso, entry, sizeof(entry), entries * SECTOR + (uint64_t)i * step, err);
		if (r < 0)
			return r;
		first = le64_at(entry + 32);
		last = le64_at(entry + 40);
		if (memcmp(entry, efi_system, sizeof(efi_system)) != 0)
			continue;
		if (first > last || last > end)
			return wrong(iso, entries * SECTOR, "a partition lies beyond the end", err);
		iso->esp = (struct iso_file){"EFI system partition", first * SECTOR, (last - first + 1) * SECTOR};
	}
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct iso_file *)a)->path, ((const struct iso_file *)b)->path);
}

static int read_volume(struct iso *iso, uint64_t limit, struct error *err)
{
	unsigned char pvd[BLOCK];
	struct record root;
	size_t n = sizeof(iso->volume) - 1;
	uint64_t blocks;
	int r = read_or_say(iso, pvd, sizeof(pvd), VOLUME_BLOCK * BLOCK, err);

	if (r < 0)
		return r;
	if (pvd[0] != 1 || memcmp(pvd + 1, "CD001", 5) != 0 || le16_at(pvd + 128) != BLOCK)
		return error_set(err, -EBADMSG, iso->name, NULL, "is no ISO 9660 image");
	memcpy(iso->volume, pvd + 40, n);
	while (n && iso->volume[n - 1] == ' ')
		iso->volume[--n] = '\0';
	blocks = le32_at(pvd + 80);
	if (blocks > limit / BLOCK)
		return error_set(err, -EBADMSG, iso->name, "get it again",
				 "is cut off: %llu of %llu bytes are there", (unsigned long long)limit,
				 (unsigned long long)blocks * BLOCK);
	iso->size = blocks * BLOCK;
	r = read_table(iso, limit, err);
	if (r < 0)
		return r;
	if (!parse_record(pvd + ROOT_RECORD, RECORD_MIN, &root))
		return wrong(iso, VOLUME_BLOCK * BLOCK, "its root folder is damaged", err);
	return walk(iso, &root, "", 0, err);
}

int iso_open(int fd, const char *name, struct iso **out, struct error *err)
{
	_cleanup_iso_ struct iso *iso = xcalloc(1, sizeof(*iso));
	off_t limit = lseek(fd, 0, SEEK_END);
	int r;

	iso->fd = fd;
	iso->name = name;
	if (limit < 0)
		return error_errno(err, -errno, name, "cannot find its end");
	if (limit < (VOLUME_BLOCK + 1) * BLOCK)
		return error_set(err, -EBADMSG, name, NULL, "is no ISO 9660 image");
	r = read_volume(iso, (uint64_t)limit, err);
	if (r < 0)
		return r;
	if (iso->n_files)
		qsort(iso->files, iso->n_files, sizeof(*iso->files), by_path);
	*out = take_ptr(iso);
	return 0;
}

void iso_close(struct iso *iso)
{
	if (!iso)
		return;
	for (size_t i = 0; i < iso->n_files; i++)
		free((char *)(uintptr_t)iso->files[i].path);
	free(iso->files);
	free(iso);
}

const struct iso_file *iso_find(const struct iso *iso, const char *path)
{
	const struct iso_file want = {.path = path};

	return iso->n_files ? bsearch(&want, iso->files, iso->n_files, sizeof(want), by_path) : NULL;
}

int iso_read(const struct iso *iso, const struct iso_file *f, void *to, size_t n, uint64_t offset)
{
	if (offset > f->size || n > f->size - offset)
		return -EINVAL;
	return read_at(iso, to, n, f->offset + offset);
}

int iso_read_text(const struct iso *iso, const struct iso_file *f, size_t max, char **text)
{
	_cleanup_free_ char *p = NULL;
	int r;

	if (f->size > max)
		return -EFBIG;
	p = xcalloc(1, (size_t)f->size + 1);
	r = iso_read(iso, f, p, (size_t)f->size, 0);
	if (r == 0)
		*text = take_ptr(p);
	return r;
}
