#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>

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

static void free_decoder(EVP_ENCODE_CTX **decoder)
{
	EVP_ENCODE_CTX_free(*decoder);
}

/* The checksum line ("=xxxx") is passed over: RFC 9580 6.1 tells not to rely on it. */
static int dearmor_block(struct blob *rest, struct strbuf *out)
{
	_cleanup_(free_decoder) EVP_ENCODE_CTX *decoder = EVP_ENCODE_CTX_new();
	struct blob line;
	int more = 1, n = 0;

	if (!decoder)
		abort();
	EVP_DecodeInit(decoder);
	while (next_line(rest, &line) && line.n)
		if (!memchr(line.p, ':', line.n))
			return -EBADMSG;
	while (next_line(rest, &line)) {
		unsigned char *to;

		if (blob_eq_str(line, end_key))
			return EVP_DecodeFinal(decoder, (unsigned char[3]){0}, &n) == 1 && !n ? 0 : -EBADMSG;
		if (!line.n || line.p[0] == '=')
			continue;
		/* A line's bytes, and what the decoder kept of the one before: less than 64 digits. */
		to = (unsigned char *)strbuf_reserve(out, line.n + 64);
		if (!more || line.n > INT_MAX ||
		    (more = EVP_DecodeUpdate(decoder, to, &n, (const unsigned char *)line.p, (int)line.n)) < 0)
			return -EBADMSG;
		out->n += (size_t)n;
		out->p[out->n] = '\0';
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
