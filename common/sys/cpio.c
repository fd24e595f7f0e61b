#include "common/sys/cpio.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"

struct member {
	char *name;
	mode_t mode;
	unsigned major, minor;
	char *data; /* content, or a link's target */
	size_t n;
};

struct cpio {
	struct member *members;
	size_t n, cap;
	uint32_t epoch;
	int error;
};

struct cpio *cpio_new(uint32_t epoch)
{
	struct cpio *c = xcalloc(1, sizeof(*c));

	c->epoch = epoch;
	return c;
}

void cpio_free(struct cpio *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++) {
		free(c->members[i].name);
		free(c->members[i].data);
	}
	free(c->members);
	free(c);
}

static void fail(struct cpio *c, int r)
{
	if (!c->error)
		c->error = r;
}

static bool name_valid(const char *name)
{
	struct blob rest = blob_of(name), part;

	if (!rest.n || rest.p[rest.n - 1] == '/')
		return false;
	while (blob_token(&rest, '/', &part))
		if (!part.n || blob_eq_str(part, ".") || blob_eq_str(part, ".."))
			return false;
	return true;
}

/* Takes `data` over. */
static void add(struct cpio *c, const char *name, struct member m, char *data, size_t n)
{
	name += strspn(name, "/");
	if (!name_valid(name) || n > UINT32_MAX) {
		fail(c, n > UINT32_MAX ? -EFBIG : -EINVAL);
		free(data);
		return;
	}
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 64;
		c->members = xreallocarray(c->members, c->cap, sizeof(*c->members));
	}
	m.name = xstrdup(name);
	m.data = data;
	m.n = n;
	c->members[c->n++] = m;
}

static char *copy(const void *data, size_t n)
{
	char *p = xmalloc(n + 1);

	if (n)
		memcpy(p, data, n);
	return p;
}

void cpio_add_dir(struct cpio *c, const char *name, mode_t mode)
{
	add(c, name, (struct member){.mode = S_IFDIR | (mode & 07777)}, NULL, 0);
}

void cpio_add_file(struct cpio *c, const char *name, mode_t mode, const void *data, size_t n)
{
	add(c, name, (struct member){.mode = S_IFREG | (mode & 07777)}, copy(data, n), n);
}

void cpio_add_link(struct cpio *c, const char *name, const char *target)
{
	add(c, name, (struct member){.mode = S_IFLNK | 0777}, xstrdup(target), strlen(target));
}

void cpio_add_node(struct cpio *c, const char *name, mode_t mode, unsigned major, unsigned minor)
{
	add(c, name, (struct member){.mode = mode, .major = major, .minor = minor}, NULL, 0);
}

void cpio_add_path(struct cpio *c, const char *name, mode_t mode, int dirfd, const char *path)
{
	struct strbuf content = {0};
	int r = read_file(dirfd, path, UINT32_MAX, &content);
	size_t n = content.n;

	if (r < 0) {
		fail(c, r);
		strbuf_free(&content);
		return;
	}
	add(c, name, (struct member){.mode = S_IFREG | (mode & 07777)}, strbuf_steal(&content), n);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static bool is_added(const struct cpio *c, size_t sorted, const char *name)
{
	struct member key = {.name = xstrdup(name)};
	bool found = bsearch(&key, c->members, sorted, sizeof(key), compare);

	for (size_t i = sorted; i < c->n && !found; i++)
		found = !strcmp(c->members[i].name, name);
	free(key.name);
	return found;
}

/* The kernel makes no folders by itself. */
static void add_parents(struct cpio *c)
{
	size_t sorted = c->n;

	for (size_t i = 0; i < sorted; i++) {
		char *name _cleanup_free_ = xstrdup(c->members[i].name);

		for (char *slash = strrchr(name, '/'); slash; slash = strrchr(name, '/')) {
			*slash = '\0';
			if (is_added(c, sorted, name))
				break;
			cpio_add_dir(c, name, 0755);
		}
	}
	qsort(c->members, c->n, sizeof(*c->members), compare);
}

static void pad(struct strbuf *out, size_t align)
{
	static const char zeros[512];

	strbuf_add(out, zeros, (align - out->n % align) % align);
}

static void header(struct strbuf *out, const char *name, const struct member *m, unsigned ino,
		   uint32_t mtime)
{
	unsigned links = !ino ? 1 : S_ISDIR(m->mode) ? 2 : 1;

	strbuf_printf(out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ino,
		      (unsigned)m->mode, 0, 0, links, mtime, (unsigned)m->n, 0, 0, m->major,
		      m->minor, (unsigned)strlen(name) + 1, 0);
	strbuf_add(out, name, strlen(name) + 1);
	pad(out, 4);
}

int cpio_write(struct cpio *c, int fd)
{
	struct strbuf out _cleanup_strbuf_ = {0};
	size_t total = 0;
	int r;

	if (c->error)
		return c->error;
	qsort(c->members, c->n, sizeof(*c->members), compare);
	for (size_t i = 1; i < c->n; i++)
		if (!compare(&c->members[i - 1], &c->members[i]))
			return -EEXIST;
	add_parents(c);
	for (size_t i = 0; i < c->n; i++) {
		const struct member *m = &c->members[i];

		/* Headers and data begin at multiples of 4, as each member is filled up to one. */
		strbuf_reset(&out);
		header(&out, m->name, m, (unsigned)i + 1, c->epoch);
		strbuf_add(&out, m->data, m->n);
		pad(&out, 4);
		r = write_all(fd, out.p, out.n);
		if (r < 0)
			return r;
		total += out.n;
	}
	strbuf_reset(&out);
	header(&out, "TRAILER!!!", &(struct member){0}, 0, 0);
	strbuf_reserve(&out, 512);
	total = (total + out.n) % 512;
	for (; total && total < 512; total++)
		strbuf_add_char(&out, '\0');
	return write_all(fd, out.p, out.n);
}
