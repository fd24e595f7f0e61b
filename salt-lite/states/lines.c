/* Texts as lines. */
#include "salt-lite/states/state.h"

struct blob lines_set(struct salt *s, struct blob text, bool (*is)(struct blob line, const void *data), const void *data,
		      const char *by)
{
	struct text t = {0};
	struct blob line;
	bool done = !by;

	while (blob_token(&text, '\n', &line)) {
		if (!is(line, data)) {
			text_printf(&s->h, &t, "%.*s\n", BLOB_ARG(line));
			continue;
		}
		if (!done)
			text_printf(&s->h, &t, "%s\n", by);
		done = true;
	}
	if (!done)
		text_printf(&s->h, &t, "%s\n", by);
	return text_blob(&t);
}

struct blob lines_drop(struct salt *s, struct blob text, bool (*is)(struct blob line, const void *data), const void *data)
{
	return lines_set(s, text, is, data, NULL);
}
