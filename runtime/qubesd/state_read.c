/* Reading qubes.xml: see state.h. */
#include <fcntl.h>
#include <limits.h>
#include <libxml/parser.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qubesd/state.h"
#include "runtime/qubesd/xml.h"

struct reader {
	const char *path;
	struct model *m;
	struct error *err;
};

static const char *attr(const xmlNode *node, const char *name)
{
	const xmlAttr *a = xmlHasProp(node, xml_text(name));

	if (!a)
		return NULL;
	return a->children && a->children->content ? (const char *)a->children->content : "";
}

static const char previous[] = "sudo qubesd --restore-previous takes the version before the last change";

static int wrong(const struct reader *r, const xmlNode *node, const char *what)
{
	_cleanup_free_ char *object = xasprintf("%s:%ld", r->path, xmlGetLineNo(node));

	return error_set(r->err, -EINVAL, object, previous, "<%s>: %s", (const char *)node->name, what);
}

/* Walks the children of `parent` that are elements called `name`. */
#define for_each_child(child, parent, name)                                                        \
	for (xmlNode *child = (parent)->children; child; child = child->next)                      \
		if (xml_is(child, name))

static char *text_of(const xmlNode *node)
{
	xmlChar *content = xmlNodeGetContent(node);
	char *copy = xstrdup(content ? (const char *)content : "");

	xmlFree(content);
	return copy;
}

/* <property name=N>VALUE</property>; older files have the label as ref="label-N". */
static int read_values(const struct reader *r, xmlNode *section, const char *element,
		       struct kvlist *out)
{
	for_each_child(node, section, element)
	{
		const char *name = attr(node, "name"), *ref = attr(node, "ref");
		_cleanup_free_ char *text = text_of(node);

		if (!name)
			return wrong(r, node, "no name attribute");
		kv_set(out, name, ref ? ref : text);
	}
	return 0;
}

static int number_after(const char *text, const char *prefix, int *out)
{
	uint64_t n;

	if (!text || strncmp(text, prefix, strlen(prefix)) != 0 ||
	    !blob_to_u64(blob_of(text + strlen(prefix)), INT_MAX, &n))
		return -EINVAL;
	*out = (int)n;
	return 0;
}

static int read_labels(const struct reader *r, xmlNode *section)
{
	for_each_child(node, section, "label")
	{
		const char *color = attr(node, "color");
		_cleanup_free_ char *name = text_of(node);
		int index;

		if (!color || number_after(attr(node, "id"), "label-", &index) < 0)
			return wrong(r, node, "needs id=\"label-N\" and color");
		model_label_add(r->m, index, name, color);
	}
	return 0;
}

static void read_attributes(const xmlNode *node, struct kvlist *out)
{
	for (const xmlAttr *a = node->properties; a; a = a->next)
		if (strcmp((const char *)a->name, "name") != 0)
			kv_set(out, (const char *)a->name, attr(node, (const char *)a->name));
}

static int read_pools(const struct reader *r, xmlNode *section)
{
	for_each_child(node, section, "pool")
	{
		const char *name = attr(node, "name");

		if (!name || !attr(node, "driver"))
			return wrong(r, node, "needs name and driver");
		read_attributes(node, &model_pool_add(r->m, name)->config);
	}
	return 0;
}

/* Entries of other makes (without a backend) stay in the document and out of the model. */
static void read_devices(xmlNode *section, struct vm *vm)
{
	const char *class = attr(section, "class");

	for_each_child(node, section, "device")
	{
		const char *backend = attr(node, "backend-domain"), *id = attr(node, "id");
		struct assignment *as;

		if (!class || !backend || !id || vm_assignment(vm, class, backend, id))
			continue;
		as = vm_assignment_add(vm, class, backend, id);
		read_attributes(node, &as->attrs);
		kv_del(&as->attrs, "backend-domain");
		kv_del(&as->attrs, "id");
		for_each_child(option, node, "option")
		{
			_cleanup_free_ char *text = text_of(option);

			if (attr(option, "name"))
				kv_set(&as->options, attr(option, "name"), text);
		}
	}
}

static int read_domain_section(const struct reader *r, xmlNode *section, struct vm *vm)
{
	if (xml_is(section, "properties"))
		return read_values(r, section, "property", &vm->props);
	if (xml_is(section, "features"))
		return read_values(r, section, "feature", &vm->features);
	if (xml_is(section, "devices"))
		read_devices(section, vm);
	if (xml_is(section, "tags")) {
		for_each_child(node, section, "tag")
		{
			if (!attr(node, "name"))
				return wrong(r, node, "no name attribute");
			strv_push(&vm->tags, attr(node, "name"));
		}
	}
	if (xml_is(section, "volume-config")) {
		for_each_child(node, section, "volume")
		{
			if (!attr(node, "name"))
				return wrong(r, node, "no name attribute");
			read_attributes(node, &vm_volume_add(vm, attr(node, "name"))->attrs);
		}
	}
	return 0;
}

/* name, uuid and qid have fields of their own. */
static int settle_identity(const struct reader *r, xmlNode *node, struct vm *vm)
{
	const char *name = kv_get(&vm->props, "name"), *uuid = kv_get(&vm->props, "uuid");
	int index;

	if (number_after(attr(node, "id"), "domain-", &vm->qid) < 0)
		return wrong(r, node, "needs id=\"domain-N\"");
	if (vm->class == CLASS_ADMIN) {
		if (vm->qid != 0)
			return wrong(r, node, "the AdminVM is domain-0");
	} else {
		if (!name || !vm_name_valid(blob_of(name)))
			return wrong(r, node, "the property name is missing or not a name");
		if (uuid && strlen(uuid) == VM_UUID_LEN)
			strcpy(vm->uuid, uuid);
		free(vm->name);
		vm->name = xstrdup(name);
	}
	if (!number_after(kv_get(&vm->props, "label"), "label-", &index) &&
	    model_label_index(r->m, index))
		kv_set(&vm->props, "label", model_label_index(r->m, index)->name);
	kv_del(&vm->props, "name");
	kv_del(&vm->props, "uuid");
	kv_del(&vm->props, "qid");
	return 0;
}

static int read_foreign(const struct reader *r, xmlNode *node)
{
	struct kvlist props = {0};
	const char *name;
	char text[16];
	int qid, res = number_after(attr(node, "id"), "domain-", &qid);

	if (res < 0)
		return wrong(r, node, "needs id=\"domain-N\"");
	for_each_child(section, node, "properties") res =
		res == 0 ? read_values(r, section, "property", &props) : res;
	name = kv_get(&props, "name");
	snprintf(text, sizeof(text), "%d", qid);
	if (res == 0 && name)
		kv_set(&r->m->foreign, name, text);
	kv_free(&props);
	return res;
}

static int read_domain(const struct reader *r, xmlNode *node)
{
	const char *class_name = attr(node, "class");
	enum vm_class class = class_name ? vm_class_parse(blob_of(class_name)) : 0;
	struct vm *vm;
	int res = 0;

	if (!class_name)
		return wrong(r, node, "no class attribute");
	/* A kind of qube that we do not have (RemoteVM): it stays in the file, and its qid taken. */
	if (!class)
		return read_foreign(r, node);
	vm = vm_new(class, class == CLASS_ADMIN ? "dom0" : "");
	vm->node = node;
	for (xmlNode *section = node->children; section && res == 0; section = section->next)
		if (section->type == XML_ELEMENT_NODE)
			res = read_domain_section(r, section, vm);
	if (res == 0)
		res = settle_identity(r, node, vm);
	if (res == 0 && model_add(r->m, vm) < 0)
		res = wrong(r, node, "its name, uuid or id is used by another domain");
	if (res < 0)
		vm_unref(vm);
	return res;
}

static int read_root(const struct reader *r, xmlNode *root)
{
	int res = 0;

	if (!xml_is(root, "qubes"))
		return wrong(r, root, "the root element is not <qubes>");
	for (xmlNode *section = root->children; section && res == 0; section = section->next) {
		if (xml_is(section, "labels"))
			res = read_labels(r, section);
		else if (xml_is(section, "pools"))
			res = read_pools(r, section);
		else if (xml_is(section, "properties"))
			res = read_values(r, section, "property", &r->m->props);
	}
	/* Domains last: they refer to labels. */
	for (xmlNode *section = root->children; section && res == 0; section = section->next)
		if (xml_is(section, "domains"))
			for_each_child(node, section, "domain") if (res == 0) res =
				read_domain(r, node);
	if (res == 0 && !model_find_qid(r->m, 0))
		res = wrong(r, root, "has no domain-0");
	return res;
}

static void silent(void *ctx, const char *fmt, ...)
{
	(void)ctx;
	(void)fmt;
}

int state_parse(const char *path, const char *data, size_t n, struct model **model,
		struct error *err)
{
	struct reader r = {.path = path, .m = model_empty(), .err = err};
	xmlParserCtxt *ctxt = xmlNewParserCtxt();
	int res;

	if (n > INT_MAX) {
		model_free(r.m);
		xmlFreeParserCtxt(ctxt);
		return error_set(err, -EFBIG, path, NULL, "is too large");
	}
	xmlSetGenericErrorFunc(NULL, silent);
	r.m->doc = xmlCtxtReadMemory(ctxt, data, (int)n, NULL, NULL,
				     XML_PARSE_NOBLANKS | XML_PARSE_NONET | XML_PARSE_NOERROR |
					     XML_PARSE_NOWARNING);
	if (!r.m->doc) {
		const xmlError *e = xmlCtxtGetLastError(ctxt);
		_cleanup_free_ char *object = xasprintf("%s:%d", path, e ? e->line : 0);
		_cleanup_free_ char *why = xstrdup(e && e->message ? e->message : "unreadable");

		why[strcspn(why, "\n")] = 0;
		res = error_set(err, -EINVAL, object, previous, "%s", why);
	} else {
		res = read_root(&r, xmlDocGetRootElement(r.m->doc));
	}
	xmlFreeParserCtxt(ctxt);
	if (res < 0)
		state_free(r.m);
	else
		*model = r.m;
	return res;
}

int state_load(const char *path, struct model **model, struct error *err)
{
	_cleanup_strbuf_ struct strbuf data = {0};
	int r = read_file(AT_FDCWD, path, STATE_MAX, &data);

	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	return state_parse(path, data.p ? data.p : "", data.n, model, err);
}

void state_free(struct model *m)
{
	if (!m)
		return;
	xmlFreeDoc(m->doc);
	model_free(m);
}
