/*
 * Templates: the part of Jinja that Salt formulas use, with Salt's additions (load_yaml, import_yaml, do, its
 * filters). What is not supported is refused by name, never ignored. An undefined value is false, equal to nothing and
 * contains nothing; printing it, calculating with it or asking for a part of it is an error.
 */
#pragma once

#include "salt-lite/value/value.h"

/* The remedy for what there is not. */
#define SUPPORTED_LIST "/usr/share/doc/bulkhead-dom0/salt-lite.md in dom0 lists those that are"

struct jinja {
	struct heap *h;
	const struct value *globals; /* salt, grains, pillar ...: seen by every template, imported ones too */
	/*
	 * Reads the template `name` as `from` asks for it: *text, and in *path what messages call it. Fails with
	 * heap_fail() only; false: there is none.
	 */
	bool (*load)(struct jinja *j, const char *name, const char *from, struct blob *text, const char **path);
	void *data;
	/* The rest is the engine's own. */
	struct value *modules; /* path: what the template that is rendered now has imported from there */
	unsigned depth;
	uint64_t steps;
};

/* `context`: variables of this template alone (a map, or NULL). */
struct blob jinja_render(struct jinja *j, const char *path, struct blob text, const struct value *context);
