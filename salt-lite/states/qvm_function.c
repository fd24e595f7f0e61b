/* The functions that go with the states qvm.*: the same steps, called from templates and conditions. */
#include "salt-lite/states/qvm.h"

#include "runtime/qubesadmin/include/qubesadmin-values.h"
#include "salt-lite/jinja/eval.h"

static const struct qvm_function functions[] = {
	{"qvm.check", "check", "name what", ""},
	{"qvm.state", "state", "name state", ""},
	{"qvm.template_info", "template_info", "name", ""},
	{"qvm.template_install", "template_installed", "name", "fromrepo pool"},
	{"qvm.create", "present", NULL, NULL},
	{"qvm.remove", "absent", NULL, NULL},
	{"qvm.clone", "clone", NULL, NULL},
	{"qvm.prefs", "prefs", NULL, NULL},
	{"qvm.devices", "devices", NULL, NULL},
	{"qvm.service", "service", NULL, NULL},
	{"qvm.features", "features", NULL, NULL},
	{"qvm.tags", "tags", NULL, NULL},
	{"qvm.firewall", "firewall", NULL, NULL},
	{"qvm.run", "run", NULL, NULL},
	{"qvm.start", "start", NULL, NULL},
	{"qvm.shutdown", "shutdown", NULL, NULL},
	{"qvm.kill", "kill", NULL, NULL},
	{"qvm.pause", "pause", NULL, NULL},
	{"qvm.unpause", "unpause", NULL, NULL},
};

const struct qvm_function *qvm_function_find(const char *name)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (!strcmp(functions[i].name, name))
			return &functions[i];
	return NULL;
}

/* What the qube has now. */

static struct blob answer_of(struct salt *s, const char *name, const char *method, const char *argument)
{
	struct blob answer = BLOB("");
	const char *message;

	return qvm_ask(s, name, method, argument, NULL, &answer, &message) ? answer : BLOB("");
}

static const struct value *lines_of(struct salt *s, struct blob text)
{
	struct value *list = list_new(&s->h);
	struct blob line;

	while (blob_token(&text, '\n', &line))
		list_push(&s->h, list, value_blob(&s->h, line));
	return list;
}

static const struct value *state_of(struct salt *s, const char *name)
{
	struct blob rest = answer_of(s, name, "admin.vm.CurrentState", NULL), word;

	while (blob_word(&rest, &word))
		if (blob_has_prefix(word, "power_state="))
			return value_blob(&s->h, (struct blob){word.p + 12, word.n - 12});
	return value_none();
}

static const struct value *properties_of(struct salt *s, const char *name)
{
	struct value *map = map_new(&s->h);
	struct blob list = answer_of(s, name, "admin.vm.property.List", NULL), line;

	while (blob_token(&list, '\n', &line)) {
		const char *key = arena_strndup(s->h.arena, line.p, line.n);
		struct admin_property p;

		admin_property_parse(answer_of(s, name, "admin.vm.property.Get", key), &p);
		map_set_str(&s->h, map, key, value_blob(&s->h, blob_trim(p.value)));
	}
	return map;
}

/* Features, or those that are services, without their prefix. */
static const struct value *features_of(struct salt *s, const char *name, const char *prefix)
{
	struct value *map = map_new(&s->h);
	struct blob list = answer_of(s, name, "admin.vm.feature.List", NULL), line;

	while (blob_token(&list, '\n', &line)) {
		const char *key = arena_strndup(s->h.arena, line.p, line.n);

		if (blob_has_prefix(line, prefix))
			map_set_str(&s->h, map, key + strlen(prefix),
				    value_blob(&s->h, answer_of(s, name, "admin.vm.feature.Get", key)));
	}
	return map;
}

static const struct value *data_of(struct salt *s, const char *step, const char *name)
{
	if (!strcmp(step, "prefs"))
		return properties_of(s, name);
	if (!strcmp(step, "features"))
		return features_of(s, name, "");
	if (!strcmp(step, "service"))
		return features_of(s, name, "service.");
	if (!strcmp(step, "tags"))
		return lines_of(s, answer_of(s, name, "admin.vm.tag.List", NULL));
	if (!strcmp(step, "firewall"))
		return lines_of(s, answer_of(s, name, "admin.vm.firewall.Get", NULL));
	if (!strcmp(step, "devices"))
		return lines_of(s, answer_of(s, name, "admin.vm.device.pci.Assigned", NULL));
	return state_of(s, name);
}

/* check(name, what), state(name), template_info(name): questions. */

static const struct value *check(struct salt *s, struct chunk *c, const char *what)
{
	struct blob now;
	bool exists;

	if (strcmp(what, "exists") && strcmp(what, "missing"))
		heap_fail(&s->h, "qvm.check knows exists and missing, not %s", what);
	exists = qvm_exists(s, c->name, &now);
	if (exists != !strcmp(what, "exists"))
		result_fail(s, c, "%s %s", c->name, exists ? "exists" : "does not exist");
	return exists ? value_blob(&s->h, now) : value_none();
}

/* state(name, 'running'): whether it is; without a second word: whether there is such a qube. */
static void state(struct salt *s, struct chunk *c, const struct call *call, const struct value *now)
{
	const struct value *word = call_arg(call, 1, "state");
	const char *wanted = word ? value_cstr(&s->h, word) : NULL;

	if (now->kind == V_NONE || (wanted && strcasecmp(value_cstr(&s->h, now), wanted) != 0))
		result_fail(s, c, "%s is %s", c->name, value_cstr(&s->h, now));
}

/* Further words are flags: qvm.shutdown('work', 'force'). */
static struct value *arguments(struct salt *s, const struct call *call)
{
	struct value *args = call->named ? map_copy(&s->h, call->named) : map_new(&s->h), *flags = list_new(&s->h);
	const struct value *given = map_get_str(args, "flags");

	for (size_t i = 0; given && value_is_list(given) && i < given->list.n; i++)
		list_push(&s->h, flags, given->list.items[i]);
	for (size_t i = 1; i < call->n; i++)
		list_push(&s->h, flags, call->args[i]);
	if (flags->list.n)
		map_set_str(&s->h, args, "flags", flags);
	return args;
}

static const struct value *itself(struct heap *h, const struct value *self, const struct call *call)
{
	(void)h, (void)call;
	return self;
}

static const struct value *status(struct salt *s, const struct chunk *c, const struct value *data)
{
	bool good = c->result.value != RESULT_FALSE;
	struct value *v = map_new(&s->h);
	struct heap *h = &s->h;

	v->object = true;
	map_set_str(h, v, "passed", value_function_new(h, "passed", itself, value_bool(good), NULL));
	map_set_str(h, v, "failed", value_function_new(h, "failed", itself, value_bool(!good), NULL));
	map_set_str(h, v, "retcode", value_int(h, !good));
	map_set_str(h, v, "comment", value_blob(h, text_blob(&c->result.comment)));
	map_set_str(h, v, "changes", c->result.changes);
	map_set_str(h, v, "data", data);
	return v;
}

const struct value *qvm_function_call(struct heap *h, const struct value *self, const struct call *call)
{
	const struct qvm_function *f = call->data;
	struct salt *s = h->user;
	const struct value *name = call_arg(call, 0, "name"), *what = call_arg(call, 1, "what");
	struct chunk c = {.sls = "", .id = f->name, .module = "qvm", .function = f->step};
	const struct value *now;

	(void)self;
	if (f->places)
		call_check(h, f->name, call, f->places, f->names);
	if (!name)
		heap_fail(h, "%s needs the name of a qube", f->name);
	c.name = value_cstr(h, name);
	c.args = arguments(s, call);
	c.result.changes = map_new(h);
	if (!strcmp(f->step, "state")) {
		now = state_of(s, c.name);
		state(s, &c, call, now);
		return status(s, &c, now);
	}
	if (!strcmp(f->step, "check"))
		return status(s, &c, check(s, &c, what ? value_cstr(h, what) : "exists"));
	if (!strcmp(f->step, "template_info"))
		return status(s, &c, check(s, &c, "exists"));
	qvm_step(s, &c);
	return status(s, &c, data_of(s, f->step, c.name));
}
