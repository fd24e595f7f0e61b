#include "runtime/qrexec/policy/question.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qrexec/policy/token.h"

#define MAX_TARGETS 10000
/* Bytes of a service that are shown: it is the caller's choice, and must not push the rest of a question off the screen. */
#define SERVICE_SHOWN 80

/* A name as it may be shown: what is outside of names is neither shown nor accepted. */
static char *text_of(json_t *root, const char *key)
{
	const char *s = json_string_value(json_object_get(root, key));

	return s && (!*s || word_ok(blob_of(s), "_.-@:+")) ? xstrdup(s) : NULL;
}

static bool read_targets(json_t *list, struct question *q)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || !n || n > MAX_TARGETS)
		return false;
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (!s || !word_ok(blob_of(s), "_.-@:"))
			return false;
		strv_push(&q->targets, s);
	}
	return true;
}

static bool read_root(json_t *root, struct question *q)
{
	_cleanup_free_ char *name = text_of(root, "service"), *argument = text_of(root, "argument"), *service = NULL;
	const char *a = argument ? argument : "";

	q->source = text_of(root, "source");
	if (!name || !*name || !q->source || !*q->source)
		return false;
	a += *a == '+';
	service = xasprintf("%s%s%s", name, *a ? "+" : "", a);
	q->service = strlen(service) <= SERVICE_SHOWN
			     ? take_ptr(service)
			     : xasprintf("%.*s... (%zu bytes)", SERVICE_SHOWN, service, strlen(service));
	if (q->notification) {
		q->resolution = text_of(root, "resolution");
		q->target = text_of(root, "target");
		return q->resolution && q->target;
	}
	q->default_target = text_of(root, "default_target");
	if (!q->default_target)
		q->default_target = xstrdup("");
	return read_targets(json_object_get(root, "targets"), q);
}

bool question_parse(struct blob request, struct question *q)
{
	struct blob descriptor, word, name;
	json_t *root;
	bool ok;

	*q = (struct question){0};
	if (!blob_token(&request, '\0', &descriptor) || !blob_word(&descriptor, &word) || !blob_token(&word, '+', &name))
		return false;
	q->notification = blob_eq_str(name, "policy.Notify");
	if (!q->notification && !blob_eq_str(name, "policy.Ask"))
		return false;
	root = json_loadb(request.p, request.n, JSON_REJECT_DUPLICATES, NULL);
	ok = root && read_root(root, q);
	json_decref(root);
	return ok;
}

void question_free(struct question *q)
{
	free(q->source);
	free(q->service);
	strv_free(&q->targets);
	free(q->default_target);
	free(q->resolution);
	free(q->target);
	*q = (struct question){0};
}
