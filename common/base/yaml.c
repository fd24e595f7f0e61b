#include "common/base/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"

enum { FILE_MAX = 16 << 20, DEPTH_MAX = 64 };

struct loader {
	struct arena *arena;
	const char *name;
	yaml_parser_t parser;
	struct error *err;
	unsigned depth;
};

/* Messages repeat what a file says, and are shown on terminals: nothing stays in them that those would obey. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		const unsigned char *c = (const unsigned char *)text;
		bool two = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0;

		if (c[0] < ' ' || c[0] == 0x7f || two)
			*text = '?';
		if (two)
			*++text = '?';
	}
}

static int fail_at(struct loader *l, size_t line, const char *what)
{
	_cleanup_free_ char *object = xasprintf("%s:%zu", l->name, line + 1);

	return error_set(l->err, -EINVAL, object, NULL, "%s", what);
}

static int next_event(struct loader *l, yaml_event_t *event)
{
	if (!yaml_parser_parse(&l->parser, event))
		return fail_at(l, l->parser.problem_mark.line,
			       l->parser.problem ? l->parser.problem : "not readable as YAML");
	return 0;
}

static int load_node(struct loader *l, yaml_event_t *event, struct yaml_node **out);

static int load_scalar(struct loader *l, const yaml_event_t *event, struct yaml_node *node)
{
	const char *text = (const char *)event->data.scalar.value;

	if (strlen(text) != event->data.scalar.length)
		return fail_at(l, event->start_mark.line, "NUL byte in a value");
	node->kind = YAML_SCALAR;
	node->text = arena_strdup(l->arena, text);
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	return 0;
}

/* Reads a key and leaves the first event of its value in *event. */
static int load_key(struct loader *l, const struct yaml_node *map, yaml_event_t *event, const char **key)
{
	if (event->type != YAML_SCALAR_EVENT || strlen((const char *)event->data.scalar.value) != event->data.scalar.length) {
		int r = fail_at(l, event->start_mark.line, "a key must be plain text");

		yaml_event_delete(event);
		return r;
	}
	*key = arena_strdup(l->arena, (const char *)event->data.scalar.value);
	if (yaml_get(map, *key)) {
		_cleanup_free_ char *what = xasprintf("key '%s' is given twice", *key);
		int r;

		make_printable(what);
		r = fail_at(l, event->start_mark.line, what);
		yaml_event_delete(event);
		return r;
	}
	yaml_event_delete(event);
	return next_event(l, event);
}

/* The start event of the collection has been consumed. */
static int load_members(struct loader *l, struct yaml_node *node, yaml_event_type_t end)
{
	struct yaml_node **tail = &node->first;

	for (;;) {
		const char *key = NULL;
		yaml_event_t event;
		int r = next_event(l, &event);

		if (r < 0)
			return r;
		if (event.type == end) {
			yaml_event_delete(&event);
			return 0;
		}
		if (node->kind == YAML_MAP) {
			r = load_key(l, node, &event, &key);
			if (r < 0)
				return r;
		}
		r = load_node(l, &event, tail);
		if (r < 0)
			return r;
		(*tail)->key = key;
		tail = &(*tail)->next;
		node->n++;
	}
}

static bool has_anchor(const yaml_event_t *event)
{
	return event->type == YAML_ALIAS_EVENT || (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor) ||
	       (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.anchor) ||
	       (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.anchor);
}

/* Consumes the event. */
static int load_node(struct loader *l, yaml_event_t *event, struct yaml_node **out)
{
	struct yaml_node *node = arena_alloc(l->arena, sizeof(*node));
	yaml_event_type_t type = event->type;
	size_t line = event->start_mark.line;
	int r = 0;

	node->file = l->name;
	node->line = (unsigned)line + 1;
	if (has_anchor(event))
		r = fail_at(l, line, "anchors and aliases are not used here; write the value out");
	else if (type == YAML_SCALAR_EVENT)
		r = load_scalar(l, event, node);
	else if (type != YAML_SEQUENCE_START_EVENT && type != YAML_MAPPING_START_EVENT)
		r = fail_at(l, line, "a value is missing");
	yaml_event_delete(event);
	if (r < 0)
		return r;
	*out = node;
	if (type == YAML_SCALAR_EVENT)
		return 0;
	if (++l->depth > DEPTH_MAX)
		return fail_at(l, line, "nested deeper than 64 levels");
	node->kind = type == YAML_MAPPING_START_EVENT ? YAML_MAP : YAML_LIST;
	r = load_members(l, node, node->kind == YAML_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT);
	l->depth--;
	return r;
}

static int load_document(struct loader *l, struct yaml_node **root)
{
	bool seen = false;

	*root = arena_alloc(l->arena, sizeof(**root));
	(*root)->kind = YAML_MAP;
	(*root)->file = l->name;
	(*root)->line = 1;
	for (;;) {
		yaml_event_t event;
		yaml_event_type_t type;
		int r = next_event(l, &event);

		if (r < 0)
			return r;
		type = event.type;
		if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_END_EVENT ||
		    type == YAML_STREAM_END_EVENT) {
			yaml_event_delete(&event);
			if (type == YAML_STREAM_END_EVENT)
				return 0;
			continue;
		}
		if (type == YAML_DOCUMENT_START_EVENT) {
			size_t line = event.start_mark.line;

			yaml_event_delete(&event);
			if (seen)
				return fail_at(l, line, "only one document is allowed");
			seen = true;
			continue;
		}
		/* libyaml gives a bare "---" or a comment-only file as an empty plain scalar. */
		if (type == YAML_SCALAR_EVENT && !event.data.scalar.length &&
		    event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
			yaml_event_delete(&event);
			continue;
		}
		r = load_node(l, &event, root);
		if (r < 0)
			return r;
	}
}

int yaml_load_text(struct arena *a, const char *name, struct blob text, struct yaml_node **root, struct error *err)
{
	struct loader l = {.arena = a, .name = arena_strdup(a, name), .err = err};
	int r;

	if (text.n > FILE_MAX)
		return error_set(err, -EFBIG, name, NULL, "larger than 16 MiB");
	if (!yaml_parser_initialize(&l.parser))
		return error_set(err, -ENOMEM, name, NULL, "out of memory");
	yaml_parser_set_input_string(&l.parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
	r = load_document(&l, root);
	yaml_parser_delete(&l.parser);
	return r;
}

int yaml_load_file(struct arena *a, int dirfd, const char *path, struct yaml_node **root, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = read_file(dirfd, path, FILE_MAX, &text);

	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	return yaml_load_text(a, path, strbuf_blob(&text), root, err);
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	if (!map || map->kind != YAML_MAP)
		return NULL;
	/* While a map is being loaded its last member has no key yet. */
	for (const struct yaml_node *n = map->first; n; n = n->next)
		if (n->key && !strcmp(n->key, key))
			return n;
	return NULL;
}

int yaml_error(const struct yaml_node *node, struct error *err, const char *fmt, ...)
{
	_cleanup_free_ char *object = xasprintf("%s:%u", node->file, node->line);
	_cleanup_free_ char *cause = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&cause, fmt, args) < 0)
		abort();
	va_end(args);
	make_printable(cause);
	return error_set(err, -EINVAL, object, NULL, "%s", cause);
}

int yaml_check_keys(const struct yaml_node *map, const char *const *keys, struct error *err)
{
	if (map->kind != YAML_MAP)
		return yaml_error(map, err, "expected 'key: value' lines");
	for (const struct yaml_node *n = map->first; n; n = n->next) {
		const char *const *k = keys;

		while (*k && strcmp(*k, n->key))
			k++;
		if (!*k)
			return yaml_error(n, err, "unknown key '%s'", n->key);
	}
	return 0;
}

int yaml_string(const struct yaml_node *map, const char *key, const char **value, struct error *err)
{
	const struct yaml_node *n = yaml_get(map, key);

	if (!n)
		return 0;
	if (n->kind != YAML_SCALAR)
		return yaml_error(n, err, "'%s' must be text", key);
	*value = n->text;
	return 0;
}

int yaml_bool(const struct yaml_node *map, const char *key, bool *value, struct error *err)
{
	const struct yaml_node *n = yaml_get(map, key);

	if (!n)
		return 0;
	if (n->kind == YAML_SCALAR && !n->quoted) {
		if (!strcasecmp(n->text, "yes") || !strcasecmp(n->text, "true")) {
			*value = true;
			return 0;
		}
		if (!strcasecmp(n->text, "no") || !strcasecmp(n->text, "false")) {
			*value = false;
			return 0;
		}
	}
	return yaml_error(n, err, "'%s' must be yes or no", key);
}

int yaml_u64(const struct yaml_node *map, const char *key, uint64_t max, uint64_t *value, struct error *err)
{
	const struct yaml_node *n = yaml_get(map, key);

	if (!n)
		return 0;
	if (n->kind != YAML_SCALAR || !blob_to_u64(blob_of(n->text), max, value))
		return yaml_error(n, err, "'%s' must be a number of at most %llu", key, (unsigned long long)max);
	return 0;
}

int yaml_size(const struct yaml_node *map, const char *key, uint64_t *bytes, struct error *err)
{
	static const char units[] = "KMGT";
	const struct yaml_node *n = yaml_get(map, key);
	unsigned shift = 0;
	struct blob text;
	const char *unit;

	if (!n)
		return 0;
	text = n->kind == YAML_SCALAR ? blob_of(n->text) : (struct blob){0};
	unit = text.n ? strchr(units, text.p[text.n - 1]) : NULL;
	if (unit && *unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		text.n--;
	}
	if (!blob_to_u64(text, UINT64_MAX >> shift, bytes))
		return yaml_error(n, err, "'%s' must be a size such as 512M or 10G", key);
	*bytes <<= shift;
	return 0;
}

int yaml_strings(struct arena *a, const struct yaml_node *map, const char *key, const char *const **values,
		 struct error *err)
{
	const struct yaml_node *n = yaml_get(map, key);
	const char **list;
	size_t i = 0;

	if (!n)
		return 0;
	if (n->kind != YAML_LIST)
		return yaml_error(n, err, "'%s' must be a list", key);
	list = arena_alloc(a, (n->n + 1) * sizeof(*list));
	for (const struct yaml_node *m = n->first; m; m = m->next) {
		if (m->kind != YAML_SCALAR)
			return yaml_error(m, err, "'%s' must be a list of words", key);
		list[i++] = m->text;
	}
	*values = list;
	return 0;
}
