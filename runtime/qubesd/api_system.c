/* Methods about the system: classes, labels, events. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "runtime/qubesd/call.h"

static enum call_result vmclass_list(struct call *c)
{
	strbuf_add_str(&c->out, "AdminVM\nAppVM\nDispVM\nStandaloneVM\nTemplateVM\n");
	return CALL_DONE;
}

static enum call_result label_list(struct call *c)
{
	for (size_t i = 0; i < c->d->model->n_labels; i++)
		strbuf_printf(&c->out, "%s\n", c->d->model->labels[i].name);
	return CALL_DONE;
}

static const struct label *label_of(struct call *c)
{
	const char *name = call_argument(c);
	const struct label *l = model_label(c->d->model, name);

	if (!l)
		call_raise(c, "QubesLabelNotFoundError", "No such label: '%s'", name);
	return l;
}

static enum call_result label_get(struct call *c)
{
	const struct label *l = label_of(c);

	if (l)
		strbuf_add_str(&c->out, l->color);
	return CALL_DONE;
}

static enum call_result label_index(struct call *c)
{
	const struct label *l = label_of(c);

	if (l)
		strbuf_printf(&c->out, "%d", l->index);
	return CALL_DONE;
}

static bool name_ok(struct blob name)
{
	if (!name.n || name.n > 30)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!isalnum((unsigned char)name.p[i]) && !strchr("_.-", name.p[i]))
			return false;
	return true;
}

static bool color_ok(struct blob color)
{
	if (color.n != 8 || !blob_has_prefix(color, "0x"))
		return false;
	for (size_t i = 2; i < color.n; i++)
		if (!isxdigit((unsigned char)color.p[i]))
			return false;
	return true;
}

static enum call_result label_create(struct call *c)
{
	const char *name = call_argument(c);
	const char *color = call_payload(c);
	int index = LABEL_INDEX_STANDARD + 1;

	if (!name_ok(c->request.argument))
		return call_raise(c, "QubesInvalidLabelError", "Invalid label name: '%s'", name);
	if (!color_ok(c->request.payload))
		return call_raise(c, "QubesInvalidLabelValueError", "Invalid label colour: '%s'",
				  color);
	if (model_label(c->d->model, name))
		return call_raise(c, "QubesValueError", "label already exists: '%s'", name);
	while (model_label_index(c->d->model, index))
		index++;
	model_label_add(c->d->model, index, name, color);
	if (!call_save(c))
		model_label_remove(c->d->model, name);
	return CALL_DONE;
}

static enum call_result label_remove(struct call *c)
{
	struct model *m = c->d->model;
	const struct label *l = label_of(c);
	const char *color;
	int index;

	if (!l)
		return CALL_DONE;
	if (l->index <= LABEL_INDEX_STANDARD)
		return call_raise(c, "QubesLabelInUseError",
				  "Label '%s' is one of the standard ones", l->name);
	for (size_t i = 0; i < m->n_vms; i++) {
		const char *used = kv_get(&m->vms[i]->props, "label");

		if (used && !strcmp(used, l->name))
			return call_raise(c, "QubesLabelInUseError", "Label '%s' is used by '%s'",
					  l->name, m->vms[i]->name);
	}
	index = l->index;
	color = arena_strdup(c->arena, l->color);
	model_label_remove(m, call_argument(c));
	if (!call_save(c))
		model_label_add(m, index, call_argument(c), color);
	return CALL_DONE;
}

static enum call_result events(struct call *c)
{
	(void)c;
	return CALL_SUBSCRIBE;
}

static enum call_result stats(struct call *c)
{
	(void)c;
	return CALL_STATS;
}

const struct call_method system_methods[] = {
	{"admin.vmclass.List", TO_DOM0 | EVEN_BROKEN, vmclass_list},
	{"admin.label.List", TO_DOM0, label_list},
	{"admin.label.Get", TO_DOM0 | ARGUMENT, label_get},
	{"admin.label.Index", TO_DOM0 | ARGUMENT, label_index},
	{"admin.label.Create", TO_DOM0 | ARGUMENT | PAYLOAD, label_create},
	{"admin.label.Remove", TO_DOM0 | ARGUMENT, label_remove},
	{"admin.Events", TO_ANY | EVEN_BROKEN, events},
	{"admin.vm.Stats", TO_ANY, stats},
	{0},
};
