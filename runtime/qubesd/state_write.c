/* Writing qubes.xml: the kept document is brought up to date, then dumped. See state.h. */
#include <fcntl.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qubesd/state.h"
#include "runtime/qubesd/xml.h"

static xmlNode *child(xmlNode *parent, const char *name)
{
	for (xmlNode *n = parent->children; n; n = n->next)
		if (xml_is(n, name))
			return n;
	return NULL;
}

static xmlNode *section(xmlNode *parent, const char *name)
{
	xmlNode *n = child(parent, name);

	return n ? n : xmlNewChild(parent, NULL, xml_text(name), NULL);
}

static bool attr_is(xmlNode *node, const char *name, const char *value)
{
	xmlChar *have = xmlGetProp(node, xml_text(name));
	bool same = have && !strcmp((const char *)have, value);

	xmlFree(have);
	return same;
}

static void set_attr(xmlNode *node, const char *name, const char *value)
{
	if (!attr_is(node, name, value))
		xmlSetProp(node, xml_text(name), xml_text(value));
}

/* The element whose attribute `key` is `value`, made if absent. */
static xmlNode *keyed(xmlNode *parent, const char *element, const char *key, const char *value)
{
	xmlNode *n;

	for (n = parent->children; n; n = n->next)
		if (xml_is(n, element) && attr_is(n, key, value))
			return n;
	n = xmlNewChild(parent, NULL, xml_text(element), NULL);
	xmlNewProp(n, xml_text(key), xml_text(value));
	return n;
}

static void set_text(xmlNode *node, const char *text)
{
	xmlChar *have = xmlNodeGetContent(node);
	bool same = !strcmp(have ? (const char *)have : "", text);

	xmlFree(have);
	if (same)
		return;
	xmlNodeSetContent(node, NULL);
	xmlNodeAddContent(node, xml_text(text)); /* escapes, which xmlNodeSetContent() does not */
}

typedef bool (*wanted_fn)(const void *what, const char *key);

/* Unlinks the elements called `element` that have `key` and are no longer wanted. */
static void prune(xmlNode *parent, const char *element, const char *key, wanted_fn wanted,
		  const void *what)
{
	for (xmlNode *n = parent->children, *next; n; n = next) {
		xmlChar *value;

		next = n->next;
		if (!xml_is(n, element))
			continue;
		value = xmlGetProp(n, xml_text(key));
		if (value && !wanted(what, (const char *)value)) {
			xmlUnlinkNode(n);
			xmlFreeNode(n);
		}
		xmlFree(value);
	}
}

static bool in_list(const void *what, const char *key)
{
	return kv_get(what, key);
}

static void write_values(xmlNode *parent, const char *element, const struct kvlist *l)
{
	prune(parent, element, "name", in_list, l);
	for (size_t i = 0; i < l->n; i++) {
		xmlNode *n = keyed(parent, element, "name", l->v[i].key);

		xmlUnsetProp(n, xml_text("ref"));
		set_text(n, l->v[i].value);
	}
}

static void write_attributes(xmlNode *node, const struct kvlist *l)
{
	for (xmlAttr *a = node->properties, *next; a; a = next) {
		next = a->next;
		if (strcmp((const char *)a->name, "name") != 0 && !kv_get(l, (const char *)a->name))
			xmlRemoveProp(a);
	}
	for (size_t i = 0; i < l->n; i++)
		set_attr(node, l->v[i].key, l->v[i].value);
}

static bool label_wanted(const void *what, const char *id)
{
	const struct model *m = what;

	for (size_t i = 0; i < m->n_labels; i++) {
		char want[24];

		snprintf(want, sizeof(want), "label-%d", m->labels[i].index);
		if (!strcmp(id, want))
			return true;
	}
	return false;
}

static void write_labels(xmlNode *root, const struct model *m)
{
	xmlNode *labels = section(root, "labels");

	prune(labels, "label", "id", label_wanted, m);
	for (size_t i = 0; i < m->n_labels; i++) {
		char id[24];
		xmlNode *n;

		snprintf(id, sizeof(id), "label-%d", m->labels[i].index);
		n = keyed(labels, "label", "id", id);
		set_attr(n, "color", m->labels[i].color);
		set_text(n, m->labels[i].name);
	}
}

static bool pool_wanted(const void *what, const char *name)
{
	return model_pool(what, name);
}

static void write_pools(xmlNode *root, const struct model *m)
{
	xmlNode *pools = section(root, "pools");

	prune(pools, "pool", "name", pool_wanted, m);
	for (size_t i = 0; i < m->n_pools; i++)
		write_attributes(keyed(pools, "pool", "name", m->pools[i].name),
				 &m->pools[i].config);
}

static bool tag_wanted(const void *what, const char *name)
{
	return strv_contains(what, name);
}

static bool volume_wanted(const void *what, const char *name)
{
	return vm_volume(what, name);
}

static void write_property(xmlNode *props, const char *name, const char *value)
{
	set_text(keyed(props, "property", "name", name), value);
}

static bool domain_property_wanted(const void *what, const char *name)
{
	return kv_get(what, name) || !strcmp(name, "name") || !strcmp(name, "uuid") ||
	       !strcmp(name, "qid");
}

static void write_domain_properties(xmlNode *domain, const struct vm *vm)
{
	xmlNode *props = section(domain, "properties");
	char qid[16];

	prune(props, "property", "name", domain_property_wanted, &vm->props);
	if (vm->class != CLASS_ADMIN) {
		snprintf(qid, sizeof(qid), "%d", vm->qid);
		write_property(props, "name", vm->name);
		write_property(props, "qid", qid);
		write_property(props, "uuid", vm->uuid);
	}
	for (size_t i = 0; i < vm->props.n; i++) {
		xmlNode *n = keyed(props, "property", "name", vm->props.v[i].key);

		xmlUnsetProp(n, xml_text("ref"));
		set_text(n, vm->props.v[i].value);
	}
}

static xmlNode *devices_section(xmlNode *domain, const char *class)
{
	xmlNode *n;

	for (n = domain->children; n; n = n->next)
		if (xml_is(n, "devices") && attr_is(n, "class", class))
			return n;
	n = xmlNewChild(domain, NULL, xml_text("devices"), NULL);
	xmlNewProp(n, xml_text("class"), xml_text(class));
	return n;
}

static bool is_device_of(xmlNode *node, const struct assignment *as)
{
	return xml_is(node, "device") && attr_is(node, "backend-domain", as->backend) &&
	       attr_is(node, "id", as->port);
}

static void write_device(xmlNode *devices, const struct assignment *as)
{
	xmlNode *n = devices->children;

	while (n && !is_device_of(n, as))
		n = n->next;
	if (!n)
		n = xmlNewChild(devices, NULL, xml_text("device"), NULL);
	set_attr(n, "backend-domain", as->backend);
	set_attr(n, "id", as->port);
	for (size_t i = 0; i < as->attrs.n; i++)
		set_attr(n, as->attrs.v[i].key, as->attrs.v[i].value);
	write_values(n, "option", &as->options);
}

/* Without those that are in the model no longer; what the reader did not understand stays. */
static void write_devices(xmlNode *domain, const struct vm *vm)
{
	for (xmlNode *section = domain->children; section; section = section->next) {
		xmlChar *class = xml_is(section, "devices") ? xmlGetProp(section, xml_text("class")) : NULL;

		for (xmlNode *n = class ? section->children : NULL, *next; n; n = next) {
			xmlChar *backend = xmlGetProp(n, xml_text("backend-domain"));
			xmlChar *id = xmlGetProp(n, xml_text("id"));

			next = n->next;
			if (xml_is(n, "device") && backend && id &&
			    !vm_assignment(vm, (char *)class, (char *)backend, (char *)id)) {
				xmlUnlinkNode(n);
				xmlFreeNode(n);
			}
			xmlFree(backend);
			xmlFree(id);
		}
		xmlFree(class);
	}
	for (size_t i = 0; i < vm->n_assignments; i++)
		write_device(devices_section(domain, vm->assignments[i].class),
			     &vm->assignments[i]);
}

static void write_domain(xmlNode *domains, struct vm *vm)
{
	char id[24];
	xmlNode *n;

	snprintf(id, sizeof(id), "domain-%d", vm->qid);
	if (!vm->node)
		vm->node = xmlNewChild(domains, NULL, xml_text("domain"), NULL);
	set_attr(vm->node, "id", id);
	set_attr(vm->node, "class", vm_class_name(vm->class));
	write_domain_properties(vm->node, vm);
	if (vm->n_volumes || child(vm->node, "volume-config")) {
		n = section(vm->node, "volume-config");
		prune(n, "volume", "name", volume_wanted, vm);
		for (size_t i = 0; i < vm->n_volumes; i++)
			write_attributes(keyed(n, "volume", "name", vm->volumes[i].name),
					 &vm->volumes[i].attrs);
	}
	write_devices(vm->node, vm);
	write_values(section(vm->node, "features"), "feature", &vm->features);
	n = section(vm->node, "tags");
	prune(n, "tag", "name", tag_wanted, &vm->tags);
	for (size_t i = 0; i < vm->tags.n; i++)
		keyed(n, "tag", "name", vm->tags.v[i]);
}

/* Those of other classes were never in the model. */
static bool is_ours(xmlNode *domain)
{
	xmlChar *class = xmlGetProp(domain, xml_text("class"));
	bool ours = class && vm_class_parse(blob_of((const char *)class));

	xmlFree(class);
	return ours;
}

/* Elements of qubes that were removed; what is no <domain> stays. */
static void drop_domains(xmlNode *domains, const struct model *m)
{
	for (xmlNode *n = domains->children, *next; n; n = next) {
		bool known = false;

		next = n->next;
		for (size_t i = 0; i < m->n_vms; i++)
			known |= m->vms[i]->node == n;
		if (xml_is(n, "domain") && !known && is_ours(n)) {
			xmlUnlinkNode(n);
			xmlFreeNode(n);
		}
	}
}

int state_format(struct model *m, char **data, size_t *n)
{
	xmlNode *root, *domains;
	xmlChar *text = NULL;
	int size = 0;

	if (!m->doc) {
		m->doc = xmlNewDoc(xml_text("1.0"));
		root = xmlNewDocNode(m->doc, NULL, xml_text("qubes"), NULL);
		xmlDocSetRootElement(m->doc, root);
		xmlNewProp(root, xml_text("version"), xml_text("3.0"));
	}
	root = xmlDocGetRootElement(m->doc);
	write_labels(root, m);
	write_pools(root, m);
	write_values(section(root, "properties"), "property", &m->props);
	domains = section(root, "domains");
	drop_domains(domains, m);
	for (size_t i = 0; i < m->n_vms; i++)
		write_domain(domains, m->vms[i]);
	xmlDocDumpFormatMemoryEnc(m->doc, &text, &size, "utf-8", 1);
	if (!text)
		return -ENOMEM;
	*data = (char *)text;
	*n = (size_t)size;
	return 0;
}

/* A second name for the old content: the file itself is never missing in between. */
static int keep_previous(const char *path)
{
	_cleanup_free_ char *bak = xasprintf("%s.bak", path);
	_cleanup_free_ char *tmp = xasprintf("%s.bak.new", path);

	unlink(tmp);
	if (link(path, tmp) < 0)
		return errno == ENOENT ? 0 : -errno;
	return rename(tmp, bak) < 0 ? -errno : 0;
}

int state_save(struct model *m, const char *path, struct error *err)
{
	_cleanup_free_ char *data = NULL;
	size_t n = 0;
	int r = state_format(m, &data, &n);

	if (r == 0 && m->saved && !strcmp(m->saved, data) && access(path, F_OK) == 0)
		return 0;
	/* Values are checked where they come in; this is for one that was not. */
	if (r == 0 && !xmlCheckUTF8((const unsigned char *)data))
		r = -EILSEQ;
	if (r == 0)
		r = keep_previous(path);
	if (r == 0)
		r = write_atomic(AT_FDCWD, path, data, n, 0660);
	free(m->saved);
	m->saved = r == 0 ? take_ptr(data) : NULL;
	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}

int state_restore(const char *path, struct error *err)
{
	_cleanup_free_ char *bak = xasprintf("%s.bak", path), *broken = xasprintf("%s.broken", path);
	_cleanup_strbuf_ struct strbuf text = {0};
	struct model *m = NULL;
	int r = state_load(path, &m, NULL);

	if (r == 0) {
		state_free(m);
		return error_set(err, -EEXIST, path, NULL, "can be read; nothing is done");
	}
	r = state_load(bak, &m, err);
	if (r < 0)
		return r;
	state_free(m);
	r = read_file(AT_FDCWD, bak, STATE_MAX, &text);
	/* Both names for a moment, rather than none. */
	if (r == 0)
		unlink(broken);
	if (r == 0 && link(path, broken) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0)
		r = write_atomic(AT_FDCWD, path, text.p ? text.p : "", text.n, 0660);
	return r < 0 ? error_errno(err, r, path, "cannot put the previous version in its place") : 0;
}
