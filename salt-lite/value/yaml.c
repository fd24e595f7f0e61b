#include "salt-lite/value/yaml.h"

#include <yaml.h>

enum { WEIGHT_MAX = 1000000 };

struct loader {
	struct heap *h;
	struct blob text;
	yaml_parser_t parser;
	yaml_event_t event;
	bool have_event;
	struct value *anchors; /* name: value */
	struct value *weights; /* name: how many nodes it stands for */
	uint64_t weight;
	const struct value *result;
};

static void next(struct loader *l)
{
	if (l->have_event)
		yaml_event_delete(&l->event);
	l->have_event = false;
	if (!yaml_parser_parse(&l->parser, &l->event)) {
		l->h->line = (unsigned)l->parser.problem_mark.line + 1;
		heap_fail(l->h, "not YAML: %s%s%s", l->parser.problem ? l->parser.problem : "unreadable",
			  l->parser.context ? " " : "", l->parser.context ? l->parser.context : "");
	}
	l->have_event = true;
	l->h->line = (unsigned)l->event.start_mark.line + 1;
	if (++l->weight > WEIGHT_MAX)
		heap_fail(l->h, "more than %d nodes", WEIGHT_MAX);
}

static const struct value *node(struct loader *l, int depth);

static const char *anchor_of(const struct loader *l)
{
	switch ((int)l->event.type) {
	case YAML_SCALAR_EVENT:
		return (const char *)l->event.data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return (const char *)l->event.data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return (const char *)l->event.data.mapping_start.anchor;
	default:
		return NULL;
	}
}

static const struct value *tagged(struct loader *l, const char *tag, struct blob text)
{
	static const char prefix[] = "tag:yaml.org,2002:";
	const struct value *v;

	if (!strcmp(tag, "!"))
		return value_blob(l->h, text);
	if (strncmp(tag, prefix, sizeof(prefix) - 1))
		heap_fail(l->h, "the tag %s is not supported", tag);
	tag += sizeof(prefix) - 1;
	if (!strcmp(tag, "str"))
		return value_blob(l->h, text);
	v = text.n ? yaml_resolve(l->h, text) : value_none();
	if (!strcmp(tag, "null"))
		return value_none();
	if ((!strcmp(tag, "int") && v->kind == V_INT) || (!strcmp(tag, "bool") && v->kind == V_BOOL))
		return v;
	if (!strcmp(tag, "float") && value_is_number(v) && v->kind != V_BOOL)
		return value_float(l->h, value_number(v));
	heap_fail(l->h, "%.*s cannot be read as !!%s", BLOB_ARG(text), tag);
}

static const struct value *scalar(struct loader *l)
{
	const yaml_char_t *tag = l->event.data.scalar.tag;
	struct blob text = {(const char *)l->event.data.scalar.value, l->event.data.scalar.length};

	if (tag)
		return tagged(l, (const char *)tag, text);
	if (l->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return value_blob(l->h, text);
	if (blob_eq_str(text, "="))
		heap_fail_remedy(l->h, "put it in quotes", "a plain '=' has no value");
	return yaml_resolve(l->h, text);
}

static const struct value *sequence(struct loader *l, int depth)
{
	struct value *list = list_new(l->h);

	for (next(l); l->event.type != YAML_SEQUENCE_END_EVENT; next(l))
		list_push(l->h, list, node(l, depth + 1));
	return list;
}

static void merge(struct loader *l, struct value *into, const struct value *from)
{
	if (from->kind == V_LIST) {
		/* The first of several wins: later ones must not replace what is there. */
		for (size_t i = 0; i < from->list.n; i++)
			merge(l, into, from->list.items[i]);
		return;
	}
	if (from->kind != V_MAP)
		heap_fail(l->h, "<< needs a mapping or a list of mappings");
	for (size_t i = 0; i < from->map.n; i++)
		if (!map_get(into, from->map.pairs[i].key))
			map_set(l->h, into, from->map.pairs[i].key, from->map.pairs[i].value);
}

static void member(struct loader *l, struct value *own, const struct value *key, const struct value *value)
{
	if (map_get(own, key))
		heap_fail_remedy(l->h, "each key may stand once", "conflicting ID '%s'", value_cstr(l->h, key));
	map_set(l->h, own, key, value);
}

static const struct value *mapping(struct loader *l, int depth)
{
	struct value *own = map_new(l->h), *merged = NULL;
	unsigned start = l->h->line;

	for (next(l); l->event.type != YAML_MAPPING_END_EVENT; next(l)) {
		bool plain = l->event.type == YAML_SCALAR_EVENT &&
			     l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		unsigned line = l->h->line;
		const struct value *key = node(l, depth + 1), *value;

		next(l);
		value = node(l, depth + 1);
		l->h->line = line;
		if (plain && value_is_str(key, "<<"))
			merge(l, merged = merged ? merged : map_new(l->h), value);
		else
			member(l, own, key, value);
	}
	if (!merged)
		merged = own;
	else
		for (size_t i = 0; i < own->map.n; i++)
			map_set(l->h, merged, own->map.pairs[i].key, own->map.pairs[i].value);
	merged->line = start;
	return merged;
}

static const struct value *alias(struct loader *l)
{
	const char *name = (const char *)l->event.data.alias.anchor;
	const struct value *v = map_get_str(l->anchors, name);

	if (!v)
		heap_fail(l->h, "the alias *%s has no anchor before it", name);
	l->weight += (uint64_t)map_get_str(l->weights, name)->i;
	if (l->weight > WEIGHT_MAX)
		heap_fail(l->h, "its aliases stand for more than %d nodes", WEIGHT_MAX);
	return v;
}

static const struct value *node(struct loader *l, int depth)
{
	const char *anchor = anchor_of(l);
	uint64_t before = l->weight;
	const struct value *v;

	if (depth > VALUE_DEPTH_MAX)
		heap_fail(l->h, "nested deeper than %d levels", VALUE_DEPTH_MAX);
	if (l->event.type == YAML_ALIAS_EVENT)
		return alias(l);
	if (anchor)
		anchor = arena_strdup(l->h->arena, anchor);
	if (l->event.type == YAML_SCALAR_EVENT)
		v = scalar(l);
	else if (l->event.type == YAML_SEQUENCE_START_EVENT)
		v = sequence(l, depth);
	else
		v = mapping(l, depth);
	if (anchor) {
		map_set_str(l->h, l->anchors, anchor, v);
		map_set_str(l->h, l->weights, anchor, value_int(l->h, (int64_t)(l->weight - before) + 1));
	}
	return v;
}

static void document(struct heap *h, void *data)
{
	struct loader *l = data;

	l->anchors = map_new(h);
	l->weights = map_new(h);
	l->result = value_none();
	next(l);
	next(l);
	if (l->event.type == YAML_STREAM_END_EVENT)
		return;
	next(l);
	l->result = node(l, 0);
	next(l);
	next(l);
	if (l->event.type != YAML_STREAM_END_EVENT)
		heap_fail(h, "a second document begins here");
}

const struct value *yaml_parse(struct heap *h, const char *name, struct blob text)
{
	struct loader l = {.h = h, .text = text};
	const char *file = h->file;
	unsigned line = h->line;
	int r;

	if (!yaml_parser_initialize(&l.parser))
		heap_fail(h, "out of memory");
	yaml_parser_set_input_string(&l.parser, (const unsigned char *)text.p, text.n);
	if (name)
		h->file = name;
	h->line = 0;
	r = heap_try(h, document, &l);
	if (l.have_event)
		yaml_event_delete(&l.event);
	yaml_parser_delete(&l.parser);
	h->file = file;
	h->line = line;
	if (r < 0)
		siglongjmp(*h->escape, 1);
	return l.result;
}
