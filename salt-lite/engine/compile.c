/* State files to a plan: include, extend, exclude, names, order, requisites. */
#include "salt-lite/engine/salt.h"
#include "salt-lite/value/yaml.h"

enum { ORDER_LAST = INT32_MAX, ORDER_FIRST_DEFAULT = 10000, CHAIN_MAX = 5000 };

static const char *text_of(struct salt *s, const struct value *v, const char *what)
{
	if (v->kind == V_MAP || value_is_list(v))
		heap_fail(&s->h, "%s must be a text, not %s", what, value_kind_name(v));
	return value_cstr(&s->h, v);
}

/* The body as a mapping of "module.function" to a list of parameters. */
static const struct value *normal_body(struct salt *s, const char *id, const struct value *body)
{
	struct value *out;

	if (body->kind == V_STRING) {
		out = map_new(&s->h);
		map_set(&s->h, out, body, list_new(&s->h));
		return out;
	}
	if (body->kind != V_MAP)
		heap_fail(&s->h, "the state '%s' needs a mapping, not %s", id, value_kind_name(body));
	return body;
}

static void add_id(struct salt *s, const char *sls, const struct value *key, const struct value *body)
{
	const char *id = text_of(s, key, "an ID");
	struct value *entry = map_copy(&s->h, normal_body(s, id, body));

	if (map_get_str(s->high, id))
		heap_fail_remedy(&s->h, "IDs are unique over all state files", "conflicting ID '%s' in %s and %s", id, sls,
				 value_cstr(&s->h, map_get_str(map_get_str(s->high, id), "__sls__")));
	map_set_str(&s->h, entry, "__sls__", value_string(&s->h, sls));
	map_set_str(&s->h, entry, "__env__", value_int(&s->h, s->environment));
	map_set_str(&s->h, s->high, id, entry);
}

static void load_sls(struct salt *s, const char *sls)
{
	const char *path;
	struct blob text;
	const struct value *doc, *includes;

	if (!salt_read_sls(s, sls, &text, &path))
		heap_fail(&s->h, "the state file '%s' is in none of the file roots", sls);
	/* By its path: both environments may name it. */
	if (map_get_str(s->loaded, path))
		return;
	map_set_str(&s->h, s->loaded, path, value_bool(true));
	doc = salt_document(s, "a state file", sls, path, text);
	if (!doc)
		return;
	includes = salt_includes(s, sls, path, doc);
	for (size_t i = 0; i < includes->list.n; i++) {
		load_sls(s, value_cstr(&s->h, includes->list.items[i]));
		s->h.file = path;
	}
	for (size_t i = 0; i < doc->map.n; i++) {
		const struct value *key = doc->map.pairs[i].key, *v = doc->map.pairs[i].value;

		if (value_is_str(key, "extend"))
			list_push(&s->h, s->extends, v);
		else if (value_is_str(key, "exclude"))
			list_push(&s->h, s->excludes, v);
		else if (!value_is_str(key, "include"))
			add_id(s, sls, key, v);
	}
}

/* Parameters of one body: a list of names and of mappings with one member. */
static struct value *parameters(struct salt *s, const char *id, const struct value *list, const char **function)
{
	struct value *args = map_new(&s->h);

	if (list->kind == V_NONE)
		return args;
	if (list->kind == V_STRING && !*function) {
		*function = value_cstr(&s->h, list);
		return args;
	}
	if (!value_is_list(list))
		heap_fail(&s->h, "the parameters of '%s' must be a list, not %s", id, value_kind_name(list));
	for (size_t i = 0; i < list->list.n; i++) {
		const struct value *item = list->list.items[i];

		if (item->kind == V_STRING && !*function)
			*function = value_cstr(&s->h, item);
		else if (item->kind == V_MAP)
			for (size_t k = 0; k < item->map.n; k++)
				map_set(&s->h, args, item->map.pairs[k].key, item->map.pairs[k].value);
		else
			heap_fail(&s->h, "a parameter of '%s' is %s, not a mapping", id, value_kind_name(item));
	}
	return args;
}

/* Requisites that may stand in several places are lists that grow; everything else is replaced. */
static bool is_requisite(const char *key)
{
	static const char *const kinds[] = {"require", "require_any", "watch", "watch_any", "onchanges",
					    "onchanges_any", "onfail", "onfail_any", "onfail_all", "prereq", "listen",
					    "use", "require_in", "watch_in", "onchanges_in", "onfail_in",
					    "prereq_in", "listen_in", "use_in", NULL};

	for (const char *const *k = kinds; *k; k++)
		if (!strcmp(*k, key))
			return true;
	return false;
}

static void merge_args(struct salt *s, struct value *into, const struct value *more)
{
	for (size_t i = 0; i < more->map.n; i++) {
		const char *key = value_cstr(&s->h, more->map.pairs[i].key);
		const struct value *old = map_get_str(into, key), *new = more->map.pairs[i].value;

		if (is_requisite(key) && old && value_is_list(old) && value_is_list(new)) {
			struct value *both = list_new(&s->h);

			for (size_t k = 0; k < old->list.n; k++)
				list_push(&s->h, both, old->list.items[k]);
			for (size_t k = 0; k < new->list.n; k++)
				list_push(&s->h, both, new->list.items[k]);
			new = both;
		}
		map_set_str(&s->h, into, key, new);
	}
}

static void add_chunk(struct salt *s, const struct chunk *from, const char *name)
{
	struct chunk *c = heap_alloc(&s->h, sizeof(*c));

	*c = *from;
	c->name = name;
	c->args = map_copy(&s->h, from->args);
	c->position = s->n_chunks;
	c->result.changes = map_new(&s->h);
	if (s->n_chunks == s->cap_chunks) {
		struct chunk **grown;

		s->cap_chunks = s->cap_chunks ? s->cap_chunks * 2 : 32;
		grown = heap_alloc(&s->h, s->cap_chunks * sizeof(*grown));
		if (s->n_chunks)
			memcpy(grown, s->chunks, s->n_chunks * sizeof(*grown));
		s->chunks = grown;
	}
	s->chunks[s->n_chunks++] = c;
}

static int64_t order_of(struct salt *s, const struct chunk *c)
{
	const struct value *order = arg(c, "order");

	if (!order)
		return ORDER_FIRST_DEFAULT + (int64_t)s->n_chunks;
	if (value_is_str(order, "last"))
		return ORDER_LAST;
	if (value_is_str(order, "first"))
		return 0;
	if (order->kind != V_INT)
		heap_fail(&s->h, "the order of '%s' must be a number, first or last", c->id);
	return order->i < 0 ? ORDER_LAST + order->i : order->i;
}

static void expand_names(struct salt *s, struct chunk *c)
{
	const struct value *names = arg(c, "names"), *name = arg(c, "name");

	c->order = order_of(s, c);
	if (!names) {
		add_chunk(s, c, name ? text_of(s, name, "name") : c->id);
		return;
	}
	if (!value_is_list(names))
		heap_fail(&s->h, "the names of '%s' must be a list", c->id);
	for (size_t i = 0; i < names->list.n; i++) {
		const struct value *n = names->list.items[i];
		struct chunk one = *c;

		one.args = map_copy(&s->h, c->args);
		if (n->kind == V_MAP && n->map.n == 1) {
			const char *unused = c->function;

			merge_args(s, one.args, parameters(s, c->id, n->map.pairs[0].value, &unused));
			n = n->map.pairs[0].key;
		}
		add_chunk(s, &one, text_of(s, n, "a name"));
	}
}

static void flatten_id(struct salt *s, const char *id, const struct value *entry)
{
	for (size_t i = 0; i < entry->map.n; i++) {
		const char *key = value_cstr(&s->h, entry->map.pairs[i].key);
		const char *dot = strchr(key, '.');
		struct chunk c = {.id = id,
				  .sls = value_cstr(&s->h, map_get_str(entry, "__sls__")),
				  .environment = (enum environment)map_get_str(entry, "__env__")->i};

		if (!strncmp(key, "__", 2))
			continue;
		c.module = dot ? arena_strndup(s->h.arena, key, (size_t)(dot - key)) : key;
		c.function = dot ? dot + 1 : NULL;
		c.args = parameters(s, id, entry->map.pairs[i].value, &c.function);
		if (!c.function)
			heap_fail(&s->h, "the state '%s' names the module %s but no function of it", id, key);
		if (!state_find(c.module, c.function))
			heap_fail_remedy(&s->h, SUPPORTED_LIST ", as does salt-lite show-states",
					 "the state %s.%s of '%s' in %s is not supported", c.module, c.function, id, c.sls);
		expand_names(s, &c);
	}
}

/* "extend: {id: {mod.fn or mod: [...]}}": its parameters over those that are there. */
static void apply_extend(struct salt *s, const struct value *extend)
{
	if (extend->kind != V_MAP)
		heap_fail(&s->h, "extend needs a mapping");
	for (size_t i = 0; i < extend->map.n; i++) {
		const char *id = value_cstr(&s->h, extend->map.pairs[i].key);
		const struct value *body = extend->map.pairs[i].value;
		bool found = false;

		for (size_t k = 0; k < s->n_chunks && body->kind == V_MAP; k++) {
			struct chunk *c = s->chunks[k];

			if (strcmp(c->id, id))
				continue;
			for (size_t m = 0; m < body->map.n; m++) {
				const char *key = value_cstr(&s->h, body->map.pairs[m].key), *fn = c->function;
				size_t n = strcspn(key, ".");

				if (strlen(c->module) != n || strncmp(c->module, key, n))
					continue;
				merge_args(s, c->args, parameters(s, id, body->map.pairs[m].value, &fn));
				found = true;
			}
		}
		if (!found)
			heap_fail(&s->h, "extend names '%s', which no state file has with that module", id);
	}
}

static bool excluded(const struct chunk *c, const struct value *list)
{
	for (size_t i = 0; value_is_list(list) && i < list->list.n; i++) {
		const struct value *item = list->list.items[i];

		if (item->kind == V_STRING ? value_is_str(item, c->sls) || value_is_str(item, c->id)
					   : value_is_str(map_get_str(item, "sls"), c->sls) ||
						     value_is_str(map_get_str(item, "id"), c->id))
			return true;
	}
	return false;
}

static void apply_exclude(struct salt *s, const struct value *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_chunks; i++)
		if (!excluded(s->chunks[i], list))
			s->chunks[kept++] = s->chunks[i];
	s->n_chunks = kept;
}

static const struct value *requisite_list(struct salt *s, const struct chunk *c, const char *kind)
{
	const struct value *v = arg(c, kind);

	if (v && v->kind != V_STRING && v->kind != V_MAP && !value_is_list(v))
		heap_fail(&s->h, "%s of '%s' must be a list", kind, c->id);
	return v ? arg_list(s, c, kind) : NULL;
}

struct addition {
	const char *kind;
	size_t slot;
	const struct value *source;
};

static void add_requisite(struct salt *s, struct chunk *target, void *data)
{
	const struct addition *a = data;
	struct value **own = &target->grown[a->slot];

	/* Its own list once, then it grows in place: many states may name the same one. */
	if (!*own) {
		const struct value *old = arg(target, a->kind) ? arg_list(s, target, a->kind) : NULL;

		*own = list_new(&s->h);
		for (size_t i = 0; old && i < old->list.n; i++)
			list_push(&s->h, *own, old->list.items[i]);
		map_set_str(&s->h, target->args, a->kind, *own);
	}
	list_push(&s->h, *own, a->source);
}

static _Noreturn void no_target(struct salt *s, const struct chunk *c, const char *kind, const struct value *item)
{
	struct blob what = yaml_write(&s->h, item, true);

	s->h.file = c->sls;
	heap_fail_remedy(&s->h, "check its spelling, and that its state file is included",
			 "%s of '%s' names %.*s, which is no state", kind, c->id, BLOB_ARG(what));
}

/* "x_in: - y" is "x: - this" at y. */
static void expand_in(struct salt *s)
{
	static const char *const kinds[REQUISITE_KINDS][2] = {
		{"require", "require_in"}, {"watch", "watch_in"},   {"onchanges", "onchanges_in"}, {"onfail", "onfail_in"},
		{"prereq", "prereq_in"},   {"listen", "listen_in"}, {"use", "use_in"}};

	for (size_t i = 0; i < s->n_chunks; i++)
		for (size_t k = 0; k < REQUISITE_KINDS; k++) {
			const char *in = kinds[k][1];
			const struct value *list = requisite_list(s, s->chunks[i], in);
			struct value *self;
			struct addition a;

			if (!list)
				continue;
			self = map_new(&s->h);
			a = (struct addition){kinds[k][0], k, self};
			map_set_str(&s->h, self, s->chunks[i]->module, value_string(&s->h, s->chunks[i]->id));
			for (size_t m = 0; m < list->list.n; m++)
				if (!requisite_targets(s, list->list.items[m], add_requisite, &a))
					no_target(s, s->chunks[i], in, list->list.items[m]);
		}
}

/* What a state uses is what the other one says itself: not what that one uses in its turn. */
static void copy_use(struct salt *s, struct chunk *from, void *data)
{
	struct chunk *c = data;

	if (!c->used)
		c->used = map_new(&s->h);
	for (size_t i = 0; from != c && i < from->args->map.n; i++) {
		const char *key = value_cstr(&s->h, from->args->map.pairs[i].key);

		if (!is_requisite(key) && !arg(c, key) && strcmp(key, "name") && strcmp(key, "names"))
			map_set_str(&s->h, c->used, key, from->args->map.pairs[i].value);
	}
}

static void expand_use(struct salt *s)
{
	for (size_t i = 0; i < s->n_chunks; i++) {
		const struct value *use = requisite_list(s, s->chunks[i], "use");

		for (size_t k = 0; use && k < use->list.n; k++)
			if (!requisite_targets(s, use->list.items[k], copy_use, s->chunks[i]))
				no_target(s, s->chunks[i], "use", use->list.items[k]);
	}
	for (size_t i = 0; i < s->n_chunks; i++)
		if (s->chunks[i]->used)
			merge_args(s, s->chunks[i]->args, s->chunks[i]->used);
}

static void visit(struct salt *s, struct chunk *c);

static void visit_target(struct salt *s, struct chunk *target, void *data)
{
	struct chunk *c = data;

	if (target == c)
		return;
	if (target->mark == CHUNK_VISITING) {
		s->h.file = c->sls;
		heap_fail(&s->h, "the states '%s' and '%s' need each other", c->id, target->id);
	}
	visit(s, target);
}

static void visit_needed(struct salt *s, struct chunk *c, struct chunk *by)
{
	static const char *const before[] = {"require", "require_any", "watch", "watch_any", "onchanges",
					     "onchanges_any", "onfail", "onfail_any", "onfail_all"};

	for (size_t k = 0; k < sizeof(before) / sizeof(before[0]); k++) {
		const struct value *list = requisite_list(s, c, before[k]);

		for (size_t i = 0; list && i < list->list.n; i++)
			if (!requisite_targets(s, list->list.items[i], visit_target, by))
				no_target(s, c, before[k], list->list.items[i]);
	}
}

/* Whether a prereq's target is going to change something depends on what that one needs. */
static void visit_foreseen(struct salt *s, struct chunk *target, void *data)
{
	if (target != data)
		visit_needed(s, target, data);
}

static void visit(struct salt *s, struct chunk *c)
{
	const struct value *prereq = requisite_list(s, c, "prereq");

	if (c->mark == CHUNK_DONE)
		return;
	if (++s->depth > CHAIN_MAX)
		heap_fail(&s->h, "a chain of more than %d states that need each other ends at '%s'", CHAIN_MAX, c->id);
	c->mark = CHUNK_VISITING;
	for (size_t i = 0; i < c->n_first; i++)
		visit_target(s, c->first[i], c);
	for (size_t i = 0; prereq && i < prereq->list.n; i++)
		requisite_targets(s, prereq->list.items[i], visit_foreseen, c);
	visit_needed(s, c, c);
	s->depth--;
	c->mark = CHUNK_DONE;
	s->plan[s->n_plan++] = c;
}

static void run_before(struct salt *s, struct chunk *target, void *data)
{
	struct chunk **grown;

	if (target == data)
		return;
	if (target->n_first == target->cap_first) {
		target->cap_first = target->cap_first ? target->cap_first * 2 : 4;
		grown = heap_alloc(&s->h, target->cap_first * sizeof(*grown));
		if (target->n_first)
			memcpy(grown, target->first, target->n_first * sizeof(*grown));
		target->first = grown;
	}
	target->first[target->n_first++] = data;
}

/* A state runs before those that are its prereq. */
static void order_prereq(struct salt *s, struct chunk *c)
{
	const struct value *list = requisite_list(s, c, "prereq");

	for (size_t i = 0; list && i < list->list.n; i++)
		if (!requisite_targets(s, list->list.items[i], run_before, c))
			no_target(s, c, "prereq", list->list.items[i]);
}

static void nothing(struct salt *s, struct chunk *target, void *data)
{
	(void)s, (void)target, (void)data;
}

static void check_listen(struct salt *s, struct chunk *c)
{
	const struct value *list = requisite_list(s, c, "listen");

	for (size_t i = 0; list && i < list->list.n; i++)
		if (!requisite_targets(s, list->list.items[i], nothing, NULL))
			no_target(s, c, "listen", list->list.items[i]);
}

static int by_order(const void *a, const void *b)
{
	const struct chunk *x = *(struct chunk *const *)a, *y = *(struct chunk *const *)b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->position < y->position ? -1 : x->position > y->position;
}

static void order_chunks(struct salt *s)
{
	for (size_t i = 0; i < s->n_chunks; i++) {
		order_prereq(s, s->chunks[i]);
		check_listen(s, s->chunks[i]);
	}
	if (s->n_chunks)
		qsort(s->chunks, s->n_chunks, sizeof(s->chunks[0]), by_order);
	s->plan = heap_alloc(&s->h, (s->n_chunks + 1) * sizeof(s->plan[0]));
	for (size_t i = 0; i < s->n_chunks; i++)
		visit(s, s->chunks[i]);
}

/* Those, or what the top files name. */
static void load_names(struct salt *s, const struct strv *sls)
{
	_cleanup_(top_names_free) struct top_names top = {0};

	environment_leave(s);
	for (size_t i = 0; i < sls->n; i++)
		load_sls(s, sls->v[i]);
	if (sls->n)
		return;
	top_matches(s, s->file_roots, s->saltenv, &top);
	for (enum environment e = ENV_BASE; e < ENVIRONMENTS; e++) {
		environment_enter(s, s->file_roots, e);
		for (size_t i = 0; i < top.v[e].n; i++)
			load_sls(s, top.v[e].v[i]);
	}
	environment_leave(s);
}

void salt_compile(struct salt *s, const struct strv *sls)
{
	s->high = map_new(&s->h);
	s->loaded = map_new(&s->h);
	s->extends = list_new(&s->h);
	s->excludes = list_new(&s->h);
	load_names(s, sls);
	for (size_t i = 0; i < s->high->map.n; i++)
		flatten_id(s, value_cstr(&s->h, s->high->map.pairs[i].key), s->high->map.pairs[i].value);
	for (size_t i = 0; i < s->extends->list.n; i++)
		apply_extend(s, s->extends->list.items[i]);
	for (size_t i = 0; i < s->excludes->list.n; i++)
		apply_exclude(s, s->excludes->list.items[i]);
	requisite_index(s);
	expand_in(s);
	expand_use(s);
	order_chunks(s);
}

void salt_show(struct salt *s)
{
	for (size_t i = 0; i < s->n_plan; i++) {
		const struct chunk *c = s->plan[i];
		struct value *v = map_copy(&s->h, c->args);

		map_set_str(&s->h, v, "__id__", value_string(&s->h, c->id));
		map_set_str(&s->h, v, "__sls__", value_string(&s->h, c->sls));
		map_set_str(&s->h, v, "name", value_string(&s->h, c->name));
		map_set_str(&s->h, v, "state", value_string(&s->h, c->module));
		map_set_str(&s->h, v, "fun", value_string(&s->h, c->function));
		printf("%.*s\n", BLOB_ARG(json_write(&s->h, v, false, 0)));
	}
}
