#include "runtime/qubesd/device.h"

#include <errno.h>
#include <string.h>

struct device *device_add(struct device_list *l, struct arena *a)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct device *v = arena_alloc(a, cap * sizeof(*v));

		if (l->n)
			memcpy(v, l->v, l->n * sizeof(*v));
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n] = (struct device){0};
	return &l->v[l->n++];
}

void device_add_value(struct strbuf *out, const char *key, const char *value)
{
	if (!value)
		return;
	if (out->n && out->p[out->n - 1] != '\n')
		strbuf_add_char(out, ' ');
	strbuf_printf(out, "%s='", key);
	for (const char *p = value; *p; p++) {
		if (*p == '\'' || *p == '\\')
			strbuf_add_char(out, '\\');
		strbuf_add_char(out, *p);
	}
	strbuf_add_char(out, '\'');
}

void device_format(const struct device *d, struct strbuf *out)
{
	device_add_value(out, "device_id", d->id);
	device_add_value(out, "port_id", d->port);
	device_add_value(out, "devclass", d->class);
	device_add_value(out, "backend_domain", d->backend);
	device_add_value(out, "vendor", d->vendor);
	device_add_value(out, "product", d->product);
	device_add_value(out, "manufacturer", d->manufacturer);
	device_add_value(out, "name", d->name);
	device_add_value(out, "serial", d->serial);
	device_add_value(out, "interfaces", d->interfaces);
	device_add_value(out, "parent_port_id", d->parent);
	device_add_value(out, "parent_devclass", d->parent ? d->class : NULL);
	device_add_value(out, "attachment", d->attachment);
	device_add_value(out, "_sbdf", d->sbdf);
	device_add_value(out, "_device_node", d->node);
	device_add_value(out, "_size", d->size);
	device_add_value(out, "_mode", d->mode);
}

bool device_argument(struct arena *a, struct blob argument, const char **backend,
		     const char **port, const char **id)
{
	struct blob first, second;

	if (!blob_token(&argument, '+', &first) || !blob_token(&argument, '+', &second) ||
	    !first.n || !second.n)
		return false;
	*backend = arena_strndup(a, first.p, first.n);
	*port = arena_strndup(a, second.p, second.n);
	*id = argument.n ? arena_strndup(a, argument.p, argument.n) : "*";
	return true;
}

bool device_id_matches(const char *wanted, const char *id)
{
	if (!strcmp(wanted, "*") || !strcmp(wanted, "_"))
		return true;
	for (; *wanted && *id; wanted++, id++)
		if (*id == ':' ? *wanted != '+' && *wanted != ':'
			       : *wanted != *id && !(*id == '*' && *wanted == '_'))
			return false;
	return !*wanted && !*id;
}
