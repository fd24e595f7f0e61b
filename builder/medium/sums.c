#include "builder/medium/sums.h"

#include <errno.h>
#include <string.h>

#include "builder/plain.h"
#include "common/base/alloc.h"

enum { LINES_MAX = 65536 };

void sums_add(struct strbuf *text, const char hex[SHA256_HEX], const char *name)
{
	strbuf_printf(text, "%s  %s\n", hex, name);
}

static bool parse_line(struct arena *a, struct blob line, struct sum *s)
{
	struct blob hex = {line.p, line.n < SHA256_HEX - 1 ? line.n : SHA256_HEX - 1};
	const char *after = line.p + SHA256_HEX - 1;

	/* "  " before a text file, " *" before a binary one: for us the same. */
	if (line.n < SHA256_HEX + 2 || !sha256_is_hex(hex) || after[0] != ' ' || (after[1] != ' ' && after[1] != '*') ||
	    !text_is_plain(line))
		return false;
	memcpy(s->hex, hex.p, SHA256_HEX - 1);
	s->hex[SHA256_HEX - 1] = '\0';
	s->name = arena_strndup(a, after + 2, line.n - SHA256_HEX - 1);
	return true;
}

static bool parse_esp(struct blob line, struct sums *s)
{
	struct blob hex = {line.p + strlen(MEDIUM_SUMS_ESP), line.n - strlen(MEDIUM_SUMS_ESP)};

	if (!sha256_is_hex(hex))
		return false;
	memcpy(s->esp, hex.p, SHA256_HEX - 1);
	return true;
}

int sums_parse(struct arena *a, const char *where, struct blob text, struct sums *out,
	       struct error *err)
{
	size_t lines = 1, number = 0;
	struct blob line;

	*out = (struct sums){0};
	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	if (lines > LINES_MAX)
		return error_set(err, -E2BIG, where, NULL, "more than %d lines", LINES_MAX);
	out->list = arena_alloc(a, lines * sizeof(*out->list));
	while (blob_token(&text, '\n', &line)) {
		bool ok = true;

		number++;
		if (blob_has_prefix(line, MEDIUM_SUMS_ESP))
			ok = parse_esp(line, out);
		else if (line.n && *line.p != '#')
			ok = parse_line(a, line, &out->list[out->n++]);
		if (!ok)
			return error_set(err, -EBADMSG, where, NULL, "line %zu is not of the form of sha256sum",
					 number);
	}
	return 0;
}

const char *sums_find(const struct sums *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->list[i].name, name))
			return s->list[i].hex;
	return NULL;
}
