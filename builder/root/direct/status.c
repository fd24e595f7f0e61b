#include "builder/root/direct/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"

#define STATUS_PATH "var/lib/dpkg/status"

enum { STATUS_MAX = 64 << 20 };

struct stanza {
	struct blob name, text;
};

struct stanzas {
	struct stanza *v;
	size_t n;
};

static struct blob name_of(struct blob stanza)
{
	struct blob line;

	while (blob_token(&stanza, '\n', &line))
		if (blob_has_prefix(line, "Package:"))
			return blob_trim((struct blob){line.p + 8, line.n - 8});
	return (struct blob){"", 0};
}

static void collect(struct blob text, struct stanzas *s)
{
	while (text.n) {
		const char *end = memmem(text.p, text.n, "\n\n", 2);
		struct blob one = {text.p, end ? (size_t)(end + 1 - text.p) : text.n};

		if (s->n % 64 == 0)
			s->v = xreallocarray(s->v, s->n + 64, sizeof(*s->v));
		s->v[s->n++] = (struct stanza){name_of(one), one};
		text.p += one.n + (end ? 1 : 0);
		text.n -= one.n + (end ? 1 : 0);
	}
}

static int by_name(const void *a, const void *b)
{
	return blob_cmp(((const struct stanza *)a)->name, ((const struct stanza *)b)->name);
}

int status_add(int root, struct blob stanzas)
{
	_cleanup_strbuf_ struct strbuf old = {0}, out = {0};
	struct stanzas s = {0};
	int r = read_file(root, STATUS_PATH, STATUS_MAX, &old);

	if (r < 0 && r != -ENOENT)
		return r;
	collect(strbuf_blob(&old), &s);
	collect(stanzas, &s);
	if (s.n)
		qsort(s.v, s.n, sizeof(*s.v), by_name);
	for (size_t i = 0; i < s.n; i++) {
		strbuf_add(&out, s.v[i].text.p, s.v[i].text.n);
		strbuf_add_char(&out, '\n');
	}
	free(s.v);
	return write_file(root, STATUS_PATH, out.p ? out.p : "", out.n, 0644);
}
