#include "runtime/qrexec/policy/system.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/arena.h"

static const char *text_of(struct arena *a, json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s && *s ? arena_strdup(a, s) : NULL;
}

static const char *const *tags_of(struct arena *a, json_t *list)
{
	size_t n = json_array_size(list), k = 0;
	const char **tags = arena_alloc(a, (n + 1) * sizeof(*tags));

	for (size_t i = 0; i < n; i++) {
		const char *tag = json_string_value(json_array_get(list, i));

		if (tag)
			tags[k++] = arena_strdup(a, tag);
	}
	return tags;
}

static bool read_qube(struct system_info *s, struct qube *q, const char *name, json_t *o)
{
	struct arena *a = s->arena;
	const char *uuid = json_string_value(json_object_get(o, "uuid"));

	q->name = arena_strdup(a, name);
	q->class = text_of(a, o, "type");
	q->tags = tags_of(a, json_object_get(o, "tags"));
	q->icon = text_of(a, o, "icon");
	q->default_dispvm = text_of(a, o, "default_dispvm");
	q->guivm = text_of(a, o, "guivm");
	q->relayvm = text_of(a, o, "relayvm");
	q->transport_rpc = text_of(a, o, "transport_rpc");
	q->power_state = text_of(a, o, "power_state");
	q->internal = json_is_true(json_object_get(o, "internal"));
	q->template_for_dispvms = json_is_true(json_object_get(o, "template_for_dispvms"));
	strmap_put(&s->by_name, name, q);
	if (uuid && *uuid) {
		uuid += strncmp(uuid, "uuid:", 5) == 0 ? 5 : 0;
		q->uuid = arena_strdup(a, uuid);
		strmap_put(&s->by_name, arena_printf(a, "uuid:%s", uuid), q);
	}
	/* Without a class or tags a rule about them could be missed: such an answer is not used at all. */
	return q->class && json_is_array(json_object_get(o, "tags"));
}

struct system_info *system_info_parse(const char *json, size_t n, struct error *err)
{
	json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, NULL);
	json_t *domains = json_object_get(root, "domains"), *o;
	struct system_info *s = xcalloc(1, sizeof(*s));
	const char *name;
	bool ok = json_is_object(domains);

	s->arena = arena_new();
	s->qubes = arena_alloc(s->arena, (json_object_size(domains) + 1) * sizeof(*s->qubes));
	json_object_foreach(domains, name, o)
		ok = read_qube(s, &s->qubes[s->n++], name, o) && ok;
	json_decref(root);
	if (ok)
		return s;
	system_info_free(s);
	error_set(err, -EPROTO, "internal.GetSystemInfo", NULL, "qubesd's answer is not the expected JSON");
	return NULL;
}

void system_info_free(struct system_info *s)
{
	if (!s)
		return;
	strmap_free(&s->by_name);
	arena_free(s->arena);
	free(s);
}

const struct qube *system_info_find(const struct system_info *s, const char *name)
{
	return name ? strmap_get(&s->by_name, name) : NULL;
}

bool qube_has_tag(const struct qube *q, const char *tag)
{
	for (const char *const *t = q->tags; *t; t++)
		if (strcmp(*t, tag) == 0)
			return true;
	return false;
}

bool qube_is_admin(const struct qube *q)
{
	return strcmp(q->name, "dom0") == 0;
}
