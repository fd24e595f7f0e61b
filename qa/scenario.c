#include "qa/scenario.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "qa/verbs.h"

int scenario_load(struct arena *a, const char *dir, const char *name, struct scenario *s, struct error *err)
{
	static const char *const keys[] = {"summary", "machine", "after", "network", "steps", NULL};
	const char *path = arena_printf(a, "%s/%s.yaml", dir, name);
	struct yaml_node *root;
	int r = yaml_load_file(a, AT_FDCWD, path, &root, err);

	*s = (struct scenario){.name = arena_strdup(a, name), .summary = ""};
	if (r == 0)
		r = yaml_check_keys(root, keys, err);
	if (r == 0)
		r = yaml_string(root, "summary", &s->summary, err);
	if (r == 0)
		r = yaml_string(root, "machine", &s->machine, err);
	if (r == 0)
		r = yaml_string(root, "after", &s->after, err);
	if (r < 0)
		return r;
	s->steps = yaml_get(root, "steps");
	s->network = yaml_get(root, "network");
	r = network_check(s->network, err);
	if (r < 0)
		return r;
	if (!s->machine || !s->steps || s->steps->kind != YAML_LIST || !s->steps->n)
		return yaml_error(root, err, "a scenario needs a machine and steps");
	for (const struct yaml_node *n = s->steps->first; n; n = n->next)
		if (n->kind != YAML_MAP || n->n != 1)
			return yaml_error(n, err, "a step is one 'verb: arguments'");
	return 0;
}

/* The value of an argument with ${NAME} replaced from the environment; an unset name is an error. */
int verb_expand(struct run *r, const struct yaml_node *node, const char *text, const char **out, struct error *err)
{
	_cleanup_strbuf_ struct strbuf s = {0};
	const char *at;

	while ((at = strstr(text, "${"))) {
		const char *end = strchr(at, '}');
		_cleanup_free_ char *name = end ? xstrndup(at + 2, (size_t)(end - at - 2)) : NULL;
		const char *value = name ? getenv(name) : NULL;

		if (!value)
			return yaml_error(node, err, "%s is not set; qa/run is called with it by make", name ? name : at);
		strbuf_add(&s, text, (size_t)(at - text));
		strbuf_add_str(&s, value);
		text = end + 1;
	}
	strbuf_add_str(&s, text);
	*out = arena_strdup(r->arena, s.p ? s.p : "");
	return 0;
}

int verb_argument(struct run *r, const struct yaml_node *args, const char *key, const char **value, struct error *err)
{
	int e = yaml_string(args, key, value, err);

	return e < 0 || !*value ? e : verb_expand(r, args, *value, value, err);
}

static const struct {
	const char *verb;
	int (*run)(struct run *r, const struct yaml_node *args, struct error *err);
	const char *shown; /* the argument that goes into the log; never a password */
} verbs[] = {
	{"boot", verb_boot, NULL},
	{"capture", verb_capture, "start"},
	{"checkpoint", verb_checkpoint, NULL},
	{"cut-power", verb_cut_power, NULL},
	{"expect", verb_expect, "text"},
	{"login", verb_login, "user"},
	{"menu", verb_menu, NULL},
	{"qmp", verb_qmp, NULL},
	{"restore", verb_restore, NULL},
	{"run", verb_run, "command"},
	{"screenshot", verb_screenshot, NULL},
	{"send", verb_send, NULL},
	{"wait-event", verb_event, "name"},
	{"wait-off", verb_wait_off, NULL},
};

int scenario_step(struct run *r, const struct yaml_node *step, const char **label, struct error *err)
{
	const struct yaml_node *args = step->first;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		const char *shown = NULL;

		if (strcmp(verbs[i].verb, args->key))
			continue;
		if (verbs[i].shown)
			yaml_string(args, verbs[i].shown, &shown, NULL);
		*label = shown ? arena_printf(r->arena, "%s %s", args->key, shown) : args->key;
		return verbs[i].run(r, args, err);
	}
	*label = args->key;
	return yaml_error(args, err, "unknown verb '%s'", args->key);
}
