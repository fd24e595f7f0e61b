#include <string.h>

#include "common/base/blob.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"
#include "runtime/guest/setup/setup.h"

/* The files are read by a shell in Qubes OS; what people write in them is this much of its
 * language. */
struct input {
	struct blob rest;
	unsigned line;
};

static int peek(const struct input *in)
{
	return in->rest.n ? (unsigned char)in->rest.p[0] : -1;
}

static int next(struct input *in)
{
	int c = peek(in);

	if (c >= 0) {
		in->rest = (struct blob){in->rest.p + 1, in->rest.n - 1};
		in->line += c == '\n';
	}
	return c;
}

static void skip_blanks(struct input *in)
{
	for (;;) {
		int c = peek(in);

		if (c == '#')
			while (peek(in) >= 0 && peek(in) != '\n')
				next(in);
		else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';')
			next(in);
		else
			return;
	}
}

static bool take(struct input *in, const char *text)
{
	if (!blob_has_prefix(in->rest, text))
		return false;
	in->rest = (struct blob){in->rest.p + strlen(text), in->rest.n - strlen(text)};
	return true;
}

/* What the shell would expand is not expanded here, so it is refused. */
static bool plain(int c, bool quoted)
{
	return c > ' ' ? !strchr(quoted ? "$`\\\"" : "$`\\\"'()<>|&;*?[]{}~", c)
		       : quoted && c == ' ';
}

static bool quoted_part(struct input *in, int quote, struct strbuf *word)
{
	int c;

	while ((c = next(in)) != quote) {
		if (c < ' ' || (quote == '"' && !plain(c, true)))
			return false;
		strbuf_add_char(word, (char)c);
	}
	return true;
}

static bool read_word(struct input *in, struct strbuf *word)
{
	for (;;) {
		int c = peek(in);

		if (c == '\'' || c == '"') {
			next(in);
			if (!quoted_part(in, c, word))
				return false;
		} else if (c >= 0 && plain(c, false)) {
			strbuf_add_char(word, (char)next(in));
		} else {
			return c < 0 || c == ')' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
		}
	}
}

static bool read_array(struct input *in, struct strv *paths)
{
	for (;;) {
		_cleanup_strbuf_ struct strbuf word = {0};

		skip_blanks(in);
		if (take(in, ")"))
			return true;
		if (!read_word(in, &word) || !word.n)
			return false;
		strv_push(paths, word.p);
	}
}

bool setup_binds_parse(struct blob text, struct strv *paths, unsigned *line)
{
	struct input in = {text, 1};
	bool ok = true;

	for (skip_blanks(&in); ok && in.rest.n; skip_blanks(&in)) {
		if (take(&in, "binds=("))
			strv_free(paths);
		else
			ok = take(&in, "binds+=(");
		ok = ok && read_array(&in, paths);
	}
	*line = in.line;
	return ok;
}
