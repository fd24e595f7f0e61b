#include "builder/archive/tar_write.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"

enum { BLOCK = 512, BUFFER = 1 << 20, RECORD = 20 * BLOCK };

/* ustar header, POSIX.1-2001 "pax interchange format" */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
	char magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "header is a block");

struct tar_writer {
	int fd;
	size_t n; /* bytes in buffer */
	uint64_t total;
	uint64_t left; /* of the current file */
	char buffer[BUFFER];
};

struct tar_writer *tar_writer_new(int fd)
{
	struct tar_writer *w = xmalloc(sizeof(*w));

	w->fd = fd;
	w->n = 0;
	w->total = w->left = 0;
	return w;
}

void tar_writer_free(struct tar_writer *w)
{
	free(w);
}

static int flush(struct tar_writer *w)
{
	int r = write_all(w->fd, w->buffer, w->n);

	w->n = 0;
	return r;
}

static int put(struct tar_writer *w, const void *data, size_t n)
{
	const char *p = data;

	w->total += n;
	while (n) {
		size_t part = n < BUFFER - w->n ? n : BUFFER - w->n;
		int r;

		memcpy(w->buffer + w->n, p, part);
		w->n += part;
		p += part;
		n -= part;
		if (w->n == BUFFER && (r = flush(w)) < 0)
			return r;
	}
	return 0;
}

static int pad(struct tar_writer *w, size_t unit)
{
	static const char zeros[RECORD];
	size_t over = w->total % unit;

	return over ? put(w, zeros, unit - over) : 0;
}

static void octal(char *field, size_t size, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%0*llo", (int)size - 1, (unsigned long long)value);
	memcpy(field, text, size);
}

static bool fits(uint64_t value, size_t size)
{
	return value >> (3 * (size - 1)) == 0;
}

/* Where "prefix/name" can be cut so that both parts fit; 0 when nowhere. */
static size_t prefix_length(const char *name, size_t n)
{
	size_t cut = n < 156 ? n - 1 : 155;

	for (; cut > 0; cut--)
		if (name[cut] == '/' && n - cut - 1 <= 100 && n - cut - 1 > 0)
			return cut;
	return 0;
}

/* Fills name and prefix; false when a pax record must carry the name. */
static bool set_name(struct header *h, const char *name)
{
	size_t n = strlen(name), cut;

	if (n <= sizeof(h->name)) {
		memcpy(h->name, name, n);
		return true;
	}
	cut = prefix_length(name, n);
	if (!cut) {
		memcpy(h->name, name, sizeof(h->name));
		return false;
	}
	memcpy(h->prefix, name, cut);
	memcpy(h->name, name + cut + 1, n - cut - 1);
	return true;
}

/* "LENGTH key=value\n", where LENGTH counts itself. */
static void pax_record(struct strbuf *out, const char *key, const void *value, size_t n)
{
	size_t rest = strlen(key) + n + 3, digits = 1, total;

	for (;;) {
		char text[32];

		total = rest + digits;
		if ((size_t)snprintf(text, sizeof(text), "%zu", total) == digits)
			break;
		digits++;
	}
	strbuf_printf(out, "%zu %s=", total, key);
	strbuf_add(out, value, n);
	strbuf_add_char(out, '\n');
}

static void pax_number(struct strbuf *out, const char *key, uint64_t value)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);

	pax_record(out, key, text, (size_t)n);
}

static int put_header(struct tar_writer *w, struct header *h)
{
	unsigned sum = 0;
	const unsigned char *p = (const unsigned char *)h;

	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += p[i];
	octal(h->checksum, 7, sum);
	h->checksum[7] = ' ';
	return put(w, h, sizeof(*h));
}

static int put_pax(struct tar_writer *w, const struct strbuf *records)
{
	struct header h = {.type = 'x'};
	int r;

	memcpy(h.name, "./@PaxHeader", 12);
	octal(h.mode, sizeof(h.mode), 0644);
	octal(h.uid, sizeof(h.uid), 0);
	octal(h.gid, sizeof(h.gid), 0);
	octal(h.size, sizeof(h.size), records->n);
	octal(h.mtime, sizeof(h.mtime), 0);
	r = put_header(w, &h);
	if (r == 0)
		r = put(w, records->p, records->n);
	return r < 0 ? r : pad(w, BLOCK);
}

int tar_writer_member(struct tar_writer *w, const struct tar_member *m)
{
	_cleanup_strbuf_ struct strbuf pax = {0};
	uint64_t size = m->type == '0' ? m->size : 0;
	struct header h = {.type = m->type};
	size_t n;
	int r;

	if (w->left || m->mtime < 0)
		return -EINVAL;
	r = pad(w, BLOCK);
	if (r < 0)
		return r;
	if (!set_name(&h, m->name))
		pax_record(&pax, "path", m->name, strlen(m->name));
	if (m->link) {
		n = strlen(m->link);
		memcpy(h.link, m->link, n < sizeof(h.link) ? n : sizeof(h.link));
		if (n > sizeof(h.link))
			pax_record(&pax, "linkpath", m->link, n);
	}
	if (!fits(m->uid, sizeof(h.uid)))
		pax_number(&pax, "uid", m->uid);
	if (!fits(m->gid, sizeof(h.gid)))
		pax_number(&pax, "gid", m->gid);
	if (!fits(size, sizeof(h.size)))
		pax_number(&pax, "size", size);
	if (m->capability)
		pax_record(&pax, "SCHILY.xattr.security.capability", m->capability,
			   m->capability_size);
	if (pax.n && (r = put_pax(w, &pax)) < 0)
		return r;
	octal(h.mode, sizeof(h.mode), m->mode & 07777);
	octal(h.uid, sizeof(h.uid), fits(m->uid, sizeof(h.uid)) ? m->uid : 0);
	octal(h.gid, sizeof(h.gid), fits(m->gid, sizeof(h.gid)) ? m->gid : 0);
	octal(h.size, sizeof(h.size), fits(size, sizeof(h.size)) ? size : 0);
	octal(h.mtime, sizeof(h.mtime), (uint64_t)m->mtime);
	w->left = size;
	return put_header(w, &h);
}

int tar_writer_data(struct tar_writer *w, const void *data, size_t n)
{
	if (n > w->left)
		return -EFBIG;
	w->left -= n;
	return put(w, data, n);
}

int tar_writer_end(struct tar_writer *w)
{
	static const char zeros[2 * BLOCK];
	int r = w->left ? -ENODATA : pad(w, BLOCK);

	if (r == 0)
		r = put(w, zeros, sizeof(zeros));
	if (r == 0)
		r = pad(w, RECORD);
	if (r == 0)
		r = flush(w);
	free(w);
	return r;
}
