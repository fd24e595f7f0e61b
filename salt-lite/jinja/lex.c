#include <ctype.h>

#include "salt-lite/jinja/token.h"

struct lexer {
	struct heap *h;
	struct blob in;
	size_t at;
	unsigned line;
	bool strip; /* the tag before ended in a '-' */
	struct tokens *out;
};

static struct token *push(struct lexer *l, enum token_kind kind, struct blob text)
{
	struct tokens *t = l->out;

	if (t->n == t->cap) {
		/* A token takes about eight bytes: what is outgrown stays in the arena. */
		size_t cap = t->cap ? t->cap * 2 : l->in.n / 8 + 4;
		struct token *v = heap_alloc(l->h, cap * sizeof(*v));

		if (t->n)
			memcpy(v, t->v, t->n * sizeof(*v));
		t->v = v;
		t->cap = cap;
	}
	t->v[t->n] = (struct token){.kind = kind, .line = l->line, .text = text};
	return &t->v[t->n++];
}

static void advance(struct lexer *l, size_t to)
{
	for (; l->at < to; l->at++)
		l->line += l->in.p[l->at] == '\n';
}

static bool looking_at(const struct lexer *l, size_t at, const char *what)
{
	size_t n = strlen(what);

	return l->in.n - at >= n && !memcmp(l->in.p + at, what, n);
}

static size_t find(const struct lexer *l, size_t from, const char *what)
{
	const char *p = l->in.n > from ? memmem(l->in.p + from, l->in.n - from, what, strlen(what)) : NULL;

	return p ? (size_t)(p - l->in.p) : SIZE_MAX;
}

static void data(struct lexer *l, size_t from, size_t to, bool strip_end)
{
	if (l->strip)
		while (from < to && isspace((unsigned char)l->in.p[from]))
			from++;
	if (strip_end)
		while (to > from && isspace((unsigned char)l->in.p[to - 1]))
			to--;
	if (to > from)
		push(l, T_DATA, (struct blob){l->in.p + from, to - from});
}

static void add_rune(struct heap *h, struct text *t, unsigned c)
{
	if (c < 0x80) {
		text_add_char(h, t, (char)c);
	} else if (c < 0x800) {
		text_add_char(h, t, (char)(0xc0 | c >> 6));
		text_add_char(h, t, (char)(0x80 | (c & 63)));
	} else {
		text_add_char(h, t, (char)(0xe0 | c >> 12));
		text_add_char(h, t, (char)(0x80 | (c >> 6 & 63)));
		text_add_char(h, t, (char)(0x80 | (c & 63)));
	}
}

static size_t escape(struct lexer *l, size_t at, struct text *t)
{
	static const char from[] = "nrtabfv0", to[] = "\n\r\t\a\b\f\v\0";
	char c = l->in.p[at];
	const char *known = c ? strchr(from, c) : NULL;
	size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 0;
	unsigned rune = 0;

	if (digits && at + digits < l->in.n) {
		for (size_t i = 1; i <= digits; i++) {
			unsigned char d = (unsigned char)l->in.p[at + i];

			if (!isxdigit(d))
				heap_fail(l->h, "a broken escape in a text");
			rune = rune * 16 + ((unsigned)(isdigit(d) ? d - '0' : tolower(d) - 'a' + 10));
		}
		add_rune(l->h, t, rune);
		return at + digits + 1;
	}
	if (known) {
		text_add_char(l->h, t, to[known - from]);
	} else if (c != '\n') {
		if (c != '\\' && c != '\'' && c != '"')
			text_add_char(l->h, t, '\\');
		text_add_char(l->h, t, c);
	}
	return at + 1;
}

static void string(struct lexer *l)
{
	char quote = l->in.p[l->at];
	struct text t = {0};
	size_t at = l->at + 1;
	struct token *token;

	while (at < l->in.n && l->in.p[at] != quote) {
		if (l->in.p[at] == '\\' && at + 1 < l->in.n)
			at = escape(l, at + 1, &t);
		else
			text_add_char(l->h, &t, l->in.p[at++]);
	}
	if (at >= l->in.n)
		heap_fail(l->h, "a text without its closing quote");
	token = push(l, T_STRING, (struct blob){l->in.p + l->at, at + 1 - l->at});
	token->value = value_blob(l->h, text_blob(&t));
	advance(l, at + 1);
}

static void number(struct lexer *l)
{
	char text[64];
	size_t at = l->at, n = 0;
	bool real = false;
	char *end;
	struct token *token;

	/* An exponent adds two characters. */
	for (; at < l->in.n && n < sizeof(text) - 2; at++) {
		char c = l->in.p[at];
		bool exponent = (c == 'e' || c == 'E') && at + 1 < l->in.n &&
				(isdigit((unsigned char)l->in.p[at + 1]) ||
				 ((l->in.p[at + 1] == '-' || l->in.p[at + 1] == '+') && at + 2 < l->in.n &&
				  isdigit((unsigned char)l->in.p[at + 2])));

		if (c == '.' && !real && at + 1 < l->in.n && isdigit((unsigned char)l->in.p[at + 1]))
			real = true;
		else if (exponent && n) {
			real = true;
			text[n++] = c;
			c = l->in.p[++at];
		} else if (c == '_')
			continue;
		else if (!isdigit((unsigned char)c))
			break;
		text[n++] = c;
	}
	text[n] = 0;
	token = push(l, real ? T_FLOAT : T_INT, (struct blob){l->in.p + l->at, at - l->at});
	errno = 0;
	token->value = real ? value_float(l->h, strtod(text, &end)) : value_int(l->h, strtoll(text, &end, 10));
	if (errno || *end)
		heap_fail(l->h, "%s is no number that fits", text);
	advance(l, at);
}

static void operator_token(struct lexer *l)
{
	static const char *const two[] = {"==", "!=", "<=", ">=", "**", "//", NULL};
	size_t n = 1;

	for (const char *const *t = two; *t; t++)
		if (looking_at(l, l->at, *t))
			n = 2;
	if (n == 1 && !memchr("+-*/%~<>=()[]{}.,:|", l->in.p[l->at], 19))
		heap_fail(l->h, "the character '%c' has no meaning here", l->in.p[l->at]);
	push(l, T_OPERATOR, (struct blob){l->in.p + l->at, n});
	advance(l, l->at + n);
}

static void word(struct lexer *l)
{
	size_t at = l->at;

	while (at < l->in.n && (isalnum((unsigned char)l->in.p[at]) || l->in.p[at] == '_'))
		at++;
	push(l, T_NAME, (struct blob){l->in.p + l->at, at - l->at});
	advance(l, at);
}

/* What stands between {{ and }}, or {% and %}. */
static void code(struct lexer *l, const char *close, enum token_kind end)
{
	int open = 0;

	while (l->at < l->in.n) {
		unsigned char c = (unsigned char)l->in.p[l->at];
		bool minus = (c == '-' || c == '+') && looking_at(l, l->at + 1, close);

		l->h->line = l->line;
		if (!open && (minus || looking_at(l, l->at, close))) {
			push(l, end, BLOB(""));
			l->strip = minus && c == '-';
			advance(l, l->at + minus + 2);
			return;
		}
		if (isspace(c)) {
			advance(l, l->at + 1);
			continue;
		}
		open += c == '(' || c == '[' || c == '{';
		open -= c == ')' || c == ']' || c == '}';
		if (c == '"' || c == '\'')
			string(l);
		else if (isdigit(c))
			number(l);
		else if (isalpha(c) || c == '_')
			word(l);
		else
			operator_token(l);
	}
	heap_fail(l->h, "a tag without its closing '%s'", close);
}

static void comment(struct lexer *l)
{
	size_t end = find(l, l->at + 2, "#}");

	if (end == SIZE_MAX)
		heap_fail(l->h, "a comment without its closing '#}'");
	l->strip = end > l->at + 2 && l->in.p[end - 1] == '-';
	advance(l, end + 2);
}

/* Position after "{%- word -%}" at `at`, or 0; *minus: which sides have a '-'. */
static size_t bare_tag(const struct lexer *l, size_t at, const char *name, bool minus[2])
{
	size_t n = strlen(name);

	if (!looking_at(l, at, "{%"))
		return 0;
	at += 2;
	minus[0] = at < l->in.n && l->in.p[at] == '-';
	at += minus[0] || (at < l->in.n && l->in.p[at] == '+');
	while (at < l->in.n && isspace((unsigned char)l->in.p[at]))
		at++;
	if (!looking_at(l, at, name))
		return 0;
	at += n;
	while (at < l->in.n && isspace((unsigned char)l->in.p[at]))
		at++;
	minus[1] = at < l->in.n && l->in.p[at] == '-';
	at += minus[1] || (at < l->in.n && l->in.p[at] == '+');
	return looking_at(l, at, "%}") ? at + 2 : 0;
}

static bool raw(struct lexer *l)
{
	bool open[2], close[2];
	size_t body = bare_tag(l, l->at, "raw", open), end, after = 0;

	if (!body)
		return false;
	for (end = find(l, body, "{%"); end != SIZE_MAX; end = find(l, end + 2, "{%"))
		if ((after = bare_tag(l, end, "endraw", close)))
			break;
	if (end == SIZE_MAX)
		heap_fail(l->h, "raw without endraw");
	l->strip = open[1];
	data(l, body, end, close[0]);
	l->strip = close[1];
	advance(l, after);
	return true;
}

static void tag(struct lexer *l)
{
	char kind = l->in.p[l->at + 1];
	bool sign = l->at + 2 < l->in.n && (l->in.p[l->at + 2] == '-' || l->in.p[l->at + 2] == '+');

	l->h->line = l->line;
	if (kind == '#') {
		comment(l);
	} else if (kind != '%' || !raw(l)) {
		push(l, kind == '%' ? T_TAG : T_PRINT, BLOB(""));
		advance(l, l->at + 2 + sign);
		code(l, kind == '%' ? "%}" : "}}", kind == '%' ? T_TAG_END : T_PRINT_END);
	}
}

void jinja_tokens(struct heap *h, struct blob text, struct tokens *out)
{
	struct lexer l = {.h = h, .in = text, .line = 1, .out = out};

	while (l.at < text.n) {
		size_t open = l.at;

		while (open + 1 < text.n && !(text.p[open] == '{' && memchr("{%#", text.p[open + 1], 3)))
			open++;
		if (open + 1 >= text.n) {
			data(&l, l.at, text.n, false);
			advance(&l, text.n);
			break;
		}
		data(&l, l.at, open, open + 2 < text.n && text.p[open + 2] == '-');
		advance(&l, open);
		l.strip = false;
		tag(&l);
	}
	push(&l, T_END, BLOB(""));
}
