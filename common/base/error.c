#include "common/base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"

int error_set(struct error *err, int code, const char *object, const char *remedy, const char *fmt, ...)
{
	struct error new = {0};
	va_list args;

	if (!err)
		return code;
	/* Made before the old text goes: an argument may be part of it. */
	va_start(args, fmt);
	if (vasprintf(&new.cause, fmt, args) < 0)
		abort();
	va_end(args);
	new.object = xstrdup(object ? object : "");
	new.remedy = remedy ? xstrdup(remedy) : NULL;
	error_free(err);
	*err = new;
	return code;
}

int error_errno(struct error *err, int code, const char *object, const char *doing)
{
	return error_set(err, code, object, NULL, "%s: %s", doing, strerror(-code));
}

void error_prefix(struct error *err, const char *name)
{
	char *object;

	if (!err || !err->cause)
		return;
	object = err->object && *err->object ? xasprintf("%s: %s", name, err->object) : xstrdup(name);
	free(err->object);
	err->object = object;
}

/* What a disk, an image or a qube said may stand in it: to a terminal these bytes are orders. */
static void add_visible(struct strbuf *line, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		bool c1 = c[0] == 0xc2 && (c[1] & 0xe0) == 0x80; /* U+0080 to U+009F */

		if ((*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f || c1)
			strbuf_printf(line, "\\x%02x", *c);
		else
			strbuf_add_char(line, (char)*c);
	}
}

void error_print(const char *program, const struct error *err)
{
	_cleanup_strbuf_ struct strbuf line = {0};

	strbuf_printf(&line, "%s: ", program);
	if (err->object && *err->object) {
		add_visible(&line, err->object);
		strbuf_add_str(&line, ": ");
	}
	add_visible(&line, err->cause ? err->cause : "failed");
	if (err->remedy) {
		strbuf_add_str(&line, "; ");
		add_visible(&line, err->remedy);
	}
	strbuf_add_char(&line, '\n');
	fputs(line.p, stderr);
}

void error_free(struct error *err)
{
	free(err->object);
	free(err->cause);
	free(err->remedy);
	*err = (struct error){0};
}

void error_pack(const struct error *err, struct strbuf *out)
{
	const char *texts[] = {err->object, err->cause, err->remedy};

	for (size_t i = 0; i < 3; i++) {
		if (texts[i])
			strbuf_add_str(out, texts[i]);
		strbuf_add_char(out, '\0');
	}
}

int error_unpack(struct error *err, int code, struct blob packed)
{
	_cleanup_free_ char *object = NULL, *remedy = NULL;
	struct blob cause, text;

	blob_token(&packed, '\0', &text);
	object = blob_dup(text);
	blob_token(&packed, '\0', &cause);
	if (blob_token(&packed, '\0', &text) && text.n)
		remedy = blob_dup(text);
	return cause.n ? error_set(err, code, object, remedy, "%.*s", BLOB_ARG(cause))
		       : error_set(err, code, object, remedy, "%s", strerror(-code));
}
