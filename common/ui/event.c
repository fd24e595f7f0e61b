#include "common/ui/event.h"

#include <jansson.h>
#include <stdarg.h>

#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"

static int event_fd = -1;

void event_open_fd(int fd)
{
	event_fd = fd;
}

void event_emit(const char *name, ...)
{
	_cleanup_strbuf_ struct strbuf line = {0};
	_cleanup_free_ char *text = NULL;
	json_t *object;
	const char *key;
	va_list args;

	if (event_fd < 0)
		return;
	object = json_object();
	json_object_set_new(object, "event", json_string(name));
	va_start(args, name);
	while ((key = va_arg(args, const char *)))
		json_object_set_new(object, key, json_string(va_arg(args, const char *)));
	va_end(args);
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (!text)
		return;
	strbuf_printf(&line, "%s\n", text);
	write_all(event_fd, line.p, line.n);
}
