#include "common/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"

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

void error_print(const char *program, const struct error *err)
{
	const char *object = err->object ? err->object : "";
	const char *cause = err->cause ? err->cause : "failed";

	fprintf(stderr, "%s: %s%s%s%s%s\n", program, object, *object ? ": " : "", cause,
		err->remedy ? "; " : "", err->remedy ? err->remedy : "");
}

void error_free(struct error *err)
{
	free(err->object);
	free(err->cause);
	free(err->remedy);
	*err = (struct error){0};
}
