#include <errno.h>

#include "builder/deb/signature.h"

static const char begin_message[] = "-----BEGIN PGP SIGNED MESSAGE-----";
static const char begin_signature[] = "-----BEGIN PGP SIGNATURE-----";
static const char end_signature[] = "-----END PGP SIGNATURE-----";
static const char begin_key[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
static const char end_key[] = "-----END PGP PUBLIC KEY BLOCK-----";

/* The next line without the blanks at its end, which signatures ignore. */
static bool next_line(struct blob *rest, struct blob *line)
{
	if (!blob_token(rest, '\n', line))
		return false;
	while (line->n && (line->p[line->n - 1] == ' ' || line->p[line->n - 1] == '\t' ||
			   line->p[line->n - 1] == '\r'))
		line->n--;
	return true;
}

static const char *split_text(struct blob *rest, struct strbuf *text)
{
	struct blob line;
	bool first = true;

	while (next_line(rest, &line)) {
		if (blob_eq_str(line, begin_signature))
			return NULL;
		if (blob_has_prefix(line, "- ")) {
			line.p += 2;
			line.n -= 2;
		} else if (blob_has_prefix(line, "-")) {
			return "a line in its text is not escaped";
		}
		/* The line end before the signature is not part of the text. */
		if (!first)
			strbuf_add_char(text, '\n');
		first = false;
		strbuf_add(text, line.p, line.n);
	}
	return "it has no signature at its end";
}

static const char *split(struct blob rest, struct strbuf *text, struct strbuf *signature)
{
	const char *cause;
	struct blob line;

	if (!next_line(&rest, &line) || !blob_eq_str(line, begin_message))
		return "it is not signed";
	while (next_line(&rest, &line) && line.n)
		if (!blob_has_prefix(line, "Hash: "))
			return "unknown line before its text";
	cause = split_text(&rest, text);
	if (cause)
		return cause;
	strbuf_printf(signature, "%s\n", begin_signature);
	do {
		if (!next_line(&rest, &line))
			return "its signature has no end";
		strbuf_add(signature, line.p, line.n);
		strbuf_add_char(signature, '\n');
	} while (!blob_eq_str(line, end_signature));
	return blob_trim(rest).n ? "something follows its signature" : NULL;
}

int deb_clearsign_split(const char *name, struct blob in, struct strbuf *text,
			struct strbuf *signature, struct error *err)
{
	const char *cause;

	if (in.n && memchr(in.p, '\0', in.n))
		cause = "a NUL byte";
	else
		cause = split(in, text, signature);
	if (cause)
		return error_set(err, -EKEYREJECTED, name, "use another mirror", "%s", cause);
	return 0;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

struct base64 {
	unsigned bits, n_bits;
	bool padded;
};

static int add_base64(struct base64 *b, struct blob line, struct strbuf *out)
{
	for (size_t i = 0; i < line.n; i++) {
		int v = base64_value(line.p[i]);

		if (line.p[i] == '=') {
			b->padded = true;
			continue;
		}
		if (v < 0 || b->padded)
			return -EBADMSG;
		b->bits = (b->bits << 6 | (unsigned)v) & 0xffff;
		b->n_bits += 6;
		if (b->n_bits >= 8) {
			b->n_bits -= 8;
			strbuf_add_char(out, (char)(b->bits >> b->n_bits));
		}
	}
	return 0;
}

/* The checksum line ("=xxxx") is passed over: RFC 9580 6.1 tells not to rely on it. */
static int dearmor_block(struct blob *rest, struct strbuf *out)
{
	struct base64 b = {0};
	struct blob line;

	while (next_line(rest, &line) && line.n)
		if (!memchr(line.p, ':', line.n))
			return -EBADMSG;
	while (next_line(rest, &line)) {
		if (blob_eq_str(line, end_key))
			return 0;
		if (line.n && line.p[0] == '=')
			continue;
		if (add_base64(&b, line, out) < 0)
			return -EBADMSG;
	}
	return -EBADMSG;
}

int deb_dearmor(struct blob armour, struct strbuf *out)
{
	struct blob line;
	bool any = false;

	while (next_line(&armour, &line)) {
		if (!blob_eq_str(line, begin_key))
			continue;
		if (dearmor_block(&armour, out) < 0)
			return -EBADMSG;
		any = true;
	}
	return any ? 0 : -EBADMSG;
}
