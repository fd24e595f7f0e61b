/*
 * Definitions, answer files and other YAML of ours as a tree whose nodes know their line (libyaml underneath).
 * Refused: anchors and aliases, duplicate keys, NUL bytes, more than one document, 16 MiB, 64 levels, non-string keys.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/error.h"

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	const char *file;
	unsigned line;
	const char *key;	 /* in a map: this node's key */
	const char *text;	 /* scalar */
	bool quoted;		 /* scalar: written in quotes or as a block */
	struct yaml_node *first; /* list and map: members in file order */
	struct yaml_node *next;	 /* sibling */
	size_t n;		 /* members */
};

/* The tree lives in the arena. An empty document is an empty map. */
int yaml_load_file(struct arena *a, int dirfd, const char *path, struct yaml_node **root, struct error *err);
int yaml_load_text(struct arena *a, const char *name, struct blob text, struct yaml_node **root, struct error *err);

/* The member with this key, or NULL; `map` may be NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* -EINVAL with file:line at the first key that is not in the NULL-terminated list, or when it is no map. */
int yaml_check_keys(const struct yaml_node *map, const char *const *keys, struct error *err);
/* Each reads member `key` of `map`. Absent: 0 and *value untouched; of another type: -EINVAL with file:line. */
int yaml_string(const struct yaml_node *map, const char *key, const char **value, struct error *err);
int yaml_bool(const struct yaml_node *map, const char *key, bool *value, struct error *err);
int yaml_u64(const struct yaml_node *map, const char *key, uint64_t max, uint64_t *value, struct error *err);
/* "512M", "10G", or bytes. */
int yaml_size(const struct yaml_node *map, const char *key, uint64_t *bytes, struct error *err);
/* A list of scalars as a NULL-terminated array in the arena. */
int yaml_strings(struct arena *a, const struct yaml_node *map, const char *key, const char *const **values,
		 struct error *err);
/* -EINVAL, with file:line of the node as the object. */
int yaml_error(const struct yaml_node *node, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
