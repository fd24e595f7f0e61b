/* Mappings keep the order of their keys; from nine keys on a hash index finds them. */
#include "salt-lite/value/value.h"

enum { SMALL = 8 };

static uint64_t hash_bytes(struct blob b)
{
	uint64_t x = 14695981039346656037U;

	for (size_t i = 0; i < b.n; i++)
		x = (x ^ (unsigned char)b.p[i]) * 1099511628211U;
	return x ^ x >> 32;
}

static uint64_t hash_key(const struct value *key)
{
	if (key->kind == V_STRING)
		return hash_bytes(key->s);
	if (value_is_number(key)) {
		double f = value_number(key);

		return hash_bytes((struct blob){(const char *)&f, sizeof(f)});
	}
	return (uint64_t)key->kind;
}

static size_t find(const struct value *map, const struct value *key)
{
	if (!map->map.index) {
		for (size_t i = 0; i < map->map.n; i++)
			if (value_equal(map->map.pairs[i].key, key))
				return i;
		return SIZE_MAX;
	}
	for (size_t i = hash_key(key);; i++) {
		uint32_t at = map->map.index[i & (map->map.slots - 1)];

		if (!at)
			return SIZE_MAX;
		if (value_equal(map->map.pairs[at - 1].key, key))
			return at - 1;
	}
}

static void index_add(struct value *map, size_t at)
{
	size_t i = hash_key(map->map.pairs[at].key);

	while (map->map.index[i & (map->map.slots - 1)])
		i++;
	map->map.index[i & (map->map.slots - 1)] = (uint32_t)at + 1;
}

static void reindex(struct heap *h, struct value *map)
{
	map->map.slots = map->map.cap * 4;
	map->map.index = heap_alloc(h, map->map.slots * sizeof(uint32_t));
	for (size_t i = 0; i < map->map.n; i++)
		index_add(map, i);
}

static void grow(struct heap *h, struct value *map)
{
	size_t cap = map->map.cap ? map->map.cap * 2 : 4;
	struct pair *pairs = heap_alloc(h, cap * sizeof(*pairs));

	if (map->map.n)
		memcpy(pairs, map->map.pairs, map->map.n * sizeof(*pairs));
	map->map.pairs = pairs;
	map->map.cap = cap;
	if (cap > SMALL)
		reindex(h, map);
}

void map_set(struct heap *h, struct value *map, const struct value *key, const struct value *value)
{
	size_t at = find(map, key);

	if (at != SIZE_MAX) {
		map->map.pairs[at].value = value;
		return;
	}
	if (key->kind == V_LIST || key->kind == V_MAP || key->kind == V_UNDEFINED)
		heap_fail(h, "%s cannot be a key", value_kind_name(key));
	if (map->map.n == map->map.cap)
		grow(h, map);
	map->map.pairs[map->map.n++] = (struct pair){key, value};
	if (map->map.index)
		index_add(map, map->map.n - 1);
}

void map_set_str(struct heap *h, struct value *map, const char *key, const struct value *value)
{
	map_set(h, map, value_string(h, key), value);
}

const struct value *map_get(const struct value *map, const struct value *key)
{
	size_t at = map && map->kind == V_MAP ? find(map, key) : SIZE_MAX;

	return at == SIZE_MAX ? NULL : map->map.pairs[at].value;
}

const struct value *map_get_str(const struct value *map, const char *key)
{
	const struct value name = {.kind = V_STRING, .s = blob_of(key)};

	return map_get(map, &name);
}

void map_remove(struct value *map, const struct value *key)
{
	size_t at = find(map, key);

	if (at == SIZE_MAX)
		return;
	memmove(map->map.pairs + at, map->map.pairs + at + 1, (map->map.n - at - 1) * sizeof(struct pair));
	map->map.n--;
	if (map->map.index) {
		memset(map->map.index, 0, map->map.slots * sizeof(uint32_t));
		for (size_t i = 0; i < map->map.n; i++)
			index_add(map, i);
	}
}

struct value *map_copy(struct heap *h, const struct value *map)
{
	struct value *copy = map_new(h);

	copy->line = map->line;
	for (size_t i = 0; i < map->map.n; i++)
		map_set(h, copy, map->map.pairs[i].key, map->map.pairs[i].value);
	return copy;
}

static void merge(struct heap *h, struct value *into, const struct value *more, int depth)
{
	/* A mapping may contain itself. */
	if (depth > VALUE_DEPTH_MAX)
		heap_fail(h, "a value is nested deeper than %d levels", VALUE_DEPTH_MAX);
	for (size_t i = 0; i < more->map.n; i++) {
		const struct pair *p = &more->map.pairs[i];
		const struct value *old = map_get(into, p->key);
		struct value *both;

		if (!old || old->kind != V_MAP || p->value->kind != V_MAP) {
			map_set(h, into, p->key, p->value);
			continue;
		}
		both = map_copy(h, old);
		merge(h, both, p->value, depth + 1);
		map_set(h, into, p->key, both);
	}
}

void map_merge(struct heap *h, struct value *into, const struct value *more)
{
	merge(h, into, more, 0);
}
