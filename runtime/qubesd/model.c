#include "runtime/qubesd/model.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/alloc.h"

static const struct {
	const char *name, *color;
} standard_labels[] = {
	{"red", "0xcc0000"},  {"orange", "0xf57900"}, {"yellow", "0xedd400"}, {"green", "0x73d216"},
	{"gray", "0x555555"}, {"blue", "0x3465a4"},   {"purple", "0x75507b"}, {"black", "0x000000"},
};

static const struct {
	enum vm_class class;
	const char *name;
} classes[] = {
	{CLASS_ADMIN, "AdminVM"},	    {CLASS_TEMPLATE, "TemplateVM"}, {CLASS_APP, "AppVM"},
	{CLASS_STANDALONE, "StandaloneVM"}, {CLASS_DISP, "DispVM"},
};

const char *vm_class_name(enum vm_class class)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if (classes[i].class == class)
			return classes[i].name;
	abort();
}

enum vm_class vm_class_parse(struct blob name)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if (blob_eq_str(name, classes[i].name))
			return classes[i].class;
	return 0;
}

const char *vm_power_name(enum vm_power power)
{
	static const char *const names[] = {
		[POWER_HALTED] = "Halted",   [POWER_TRANSIENT] = "Transient",
		[POWER_RUNNING] = "Running", [POWER_PAUSED] = "Paused",
		[POWER_SUSPENDED] = "Suspended",
		[POWER_HALTING] = "Halting", [POWER_DYING] = "Dying",
		[POWER_CRASHED] = "Crashed",
	};

	return names[power];
}

bool vm_has_domain(const struct vm *vm)
{
	return vm->class == CLASS_ADMIN || vm->power != POWER_HALTED;
}

struct model *model_empty(void)
{
	return xcalloc(1, sizeof(struct model));
}

struct model *model_new(void)
{
	struct model *m = model_empty();
	struct vm *dom0 = vm_new(CLASS_ADMIN, "dom0");
	struct pool *p;

	for (int i = 0; i < LABEL_INDEX_STANDARD; i++)
		model_label_add(m, i + 1, standard_labels[i].name, standard_labels[i].color);
	p = model_pool_add(m, "varlibqubes");
	kv_set(&p->config, "driver", "file-reflink");
	kv_set(&p->config, "dir_path", "/var/lib/qubes");
	p = model_pool_add(m, "linux-kernel");
	kv_set(&p->config, "driver", "linux-kernel");
	kv_set(&p->config, "dir_path", "/var/lib/qubes/vm-kernels");
	kv_set(&m->props, "default_pool_kernel", "linux-kernel");
	dom0->qid = 0;
	kv_set(&dom0->props, "label", "black");
	model_add(m, dom0);
	return m;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_vms; i++)
		vm_unref(m->vms[i]);
	free(m->vms);
	for (size_t i = 0; i < m->n_labels; i++) {
		free(m->labels[i].name);
		free(m->labels[i].color);
	}
	free(m->labels);
	for (size_t i = 0; i < m->n_pools; i++) {
		free(m->pools[i].name);
		kv_free(&m->pools[i].config);
	}
	free(m->pools);
	kv_free(&m->props);
	kv_free(&m->foreign);
	free(m->saved);
	free(m);
}

struct vm *model_find(const struct model *m, struct blob name)
{
	bool by_uuid = blob_has_prefix(name, "uuid:");

	if (by_uuid)
		name = (struct blob){name.p + 5, name.n - 5};
	for (size_t i = 0; i < m->n_vms; i++)
		if (blob_eq_str(name, by_uuid ? m->vms[i]->uuid : m->vms[i]->name))
			return m->vms[i];
	return NULL;
}

struct vm *model_find_name(const struct model *m, const char *name)
{
	for (size_t i = 0; name && *name && i < m->n_vms; i++)
		if (!strcmp(m->vms[i]->name, name))
			return m->vms[i];
	return NULL;
}

struct vm *model_find_uuid(const struct model *m, const char *uuid)
{
	for (size_t i = 0; i < m->n_vms; i++)
		if (!strcmp(m->vms[i]->uuid, uuid))
			return m->vms[i];
	return NULL;
}

struct vm *model_find_qid(const struct model *m, int qid)
{
	for (size_t i = 0; i < m->n_vms; i++)
		if (m->vms[i]->qid == qid)
			return m->vms[i];
	return NULL;
}

static bool is_foreign(const struct model *m, int qid)
{
	for (size_t i = 0; i < m->foreign.n; i++)
		if (atoi(m->foreign.v[i].value) == qid)
			return true;
	return false;
}

/* The list is sorted, so the first gap is the lowest free qid; 0 is dom0's. */
static int model_free_qid(const struct model *m)
{
	int qid = 1;

	for (size_t i = 0; i < m->n_vms; i++) {
		while (is_foreign(m, qid))
			qid++;
		if (m->vms[i]->qid > qid)
			break;
		if (m->vms[i]->qid == qid)
			qid++;
	}
	while (is_foreign(m, qid))
		qid++;
	return qid <= VM_QID_MAX ? qid : -ENOSPC;
}

int model_add(struct model *m, struct vm *vm)
{
	size_t at = 0;

	if (vm->qid < 0)
		vm->qid = model_free_qid(m);
	if (vm->qid < 0)
		return vm->qid;
	if (model_find_name(m, vm->name) || kv_get(&m->foreign, vm->name) ||
	    is_foreign(m, vm->qid) || model_find_uuid(m, vm->uuid) ||
	    model_find_qid(m, vm->qid))
		return -EEXIST;
	while (at < m->n_vms && m->vms[at]->qid < vm->qid)
		at++;
	m->vms = xreallocarray(m->vms, m->n_vms + 1, sizeof(*m->vms));
	memmove(m->vms + at + 1, m->vms + at, (m->n_vms - at) * sizeof(*m->vms));
	m->vms[at] = vm;
	m->n_vms++;
	return 0;
}

void model_remove(struct model *m, struct vm *vm)
{
	for (size_t i = 0; i < m->n_vms; i++) {
		if (m->vms[i] != vm)
			continue;
		m->n_vms--;
		memmove(m->vms + i, m->vms + i + 1, (m->n_vms - i) * sizeof(*m->vms));
		return;
	}
}

static void uuid_make(char out[VM_UUID_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char b[16];
	char *p = out;

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		abort();
	b[6] = (b[6] & 0x0f) | 0x40; /* RFC 9562, version 4 */
	b[8] = (b[8] & 0x3f) | 0x80;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digits[b[i] >> 4];
		*p++ = digits[b[i] & 15];
	}
	*p = 0;
}

struct vm *vm_new(enum vm_class class, const char *name)
{
	struct vm *vm = xcalloc(1, sizeof(*vm));

	vm->refs = 1;
	vm->class = class;
	vm->name = xstrdup(name);
	vm->qid = -1;
	vm->domid = -1;
	if (class == CLASS_ADMIN) {
		vm->power = POWER_RUNNING;
		vm->domid = 0;
		strcpy(vm->uuid, "00000000-0000-0000-0000-000000000000");
	} else {
		uuid_make(vm->uuid);
	}
	return vm;
}

struct vm *vm_ref(struct vm *vm)
{
	if (vm)
		vm->refs++;
	return vm;
}

void vm_unref(struct vm *vm)
{
	if (!vm || --vm->refs)
		return;
	free(vm->name);
	free(vm->importing);
	free(vm->import_file);
	kv_free(&vm->props);
	kv_free(&vm->features);
	strv_free(&vm->tags);
	for (size_t i = 0; i < vm->n_volumes; i++) {
		free(vm->volumes[i].name);
		kv_free(&vm->volumes[i].attrs);
	}
	free(vm->volumes);
	while (vm->n_assignments)
		vm_assignment_remove(vm, &vm->assignments[vm->n_assignments - 1]);
	free(vm->assignments);
	while (vm->n_attached)
		vm_attached_remove(vm, &vm->attached[vm->n_attached - 1]);
	free(vm->attached);
	free(vm);
}

struct volume *vm_volume(const struct vm *vm, const char *name)
{
	for (size_t i = 0; i < vm->n_volumes; i++)
		if (!strcmp(vm->volumes[i].name, name))
			return &vm->volumes[i];
	return NULL;
}

struct volume *vm_volume_add(struct vm *vm, const char *name)
{
	struct volume *v = vm_volume(vm, name);

	if (v)
		return v;
	vm->volumes = xreallocarray(vm->volumes, vm->n_volumes + 1, sizeof(*vm->volumes));
	v = &vm->volumes[vm->n_volumes++];
	*v = (struct volume){.name = xstrdup(name)};
	return v;
}

struct assignment *vm_assignment(const struct vm *vm, const char *class, const char *backend,
				 const char *port)
{
	for (size_t i = 0; i < vm->n_assignments; i++) {
		struct assignment *as = &vm->assignments[i];

		if (!strcmp(as->class, class) && !strcmp(as->backend, backend) &&
		    !strcmp(as->port, port))
			return as;
	}
	return NULL;
}

struct assignment *vm_assignment_add(struct vm *vm, const char *class, const char *backend,
				     const char *port)
{
	struct assignment *as;

	vm->assignments =
		xreallocarray(vm->assignments, vm->n_assignments + 1, sizeof(*vm->assignments));
	as = &vm->assignments[vm->n_assignments++];
	*as = (struct assignment){
		.class = xstrdup(class), .backend = xstrdup(backend), .port = xstrdup(port)};
	return as;
}

void vm_assignment_remove(struct vm *vm, struct assignment *as)
{
	size_t after = (size_t)(vm->assignments + vm->n_assignments - as) - 1;

	free(as->class);
	free(as->backend);
	free(as->port);
	kv_free(&as->attrs);
	kv_free(&as->options);
	memmove(as, as + 1, after * sizeof(*as));
	vm->n_assignments--;
}

void vm_attached_add(struct vm *vm, const struct attached *at)
{
	vm->attached = xreallocarray(vm->attached, vm->n_attached + 1, sizeof(*vm->attached));
	vm->attached[vm->n_attached++] = (struct attached){
		.backend = xstrdup(at->backend),
		.port = xstrdup(at->port),
		.id = xstrdup(at->id),
		.node = xstrdup(at->node),
		.frontend = xstrdup(at->frontend),
		.read_only = at->read_only,
	};
}

void vm_attached_remove(struct vm *vm, struct attached *at)
{
	size_t after = (size_t)(vm->attached + vm->n_attached - at) - 1;

	free(at->backend);
	free(at->port);
	free(at->id);
	free(at->node);
	free(at->frontend);
	memmove(at, at + 1, after * sizeof(*at));
	vm->n_attached--;
}

bool vm_has_assigned(const struct vm *vm, const char *class)
{
	for (size_t i = 0; i < vm->n_assignments; i++)
		if (!strcmp(vm->assignments[i].class, class))
			return true;
	return false;
}

bool vm_needs_pv(const struct model *m, const struct vm *vm)
{
	return m->pv_only || vm_has_assigned(vm, "pci");
}

struct vm *vm_template(const struct model *m, const struct vm *vm)
{
	if (!(vm->class & (CLASS_APP | CLASS_DISP)))
		return NULL;
	return model_find_name(m, kv_get(&vm->props, "template"));
}

bool vm_tag_add(struct vm *vm, const char *tag)
{
	if (strv_contains(&vm->tags, tag))
		return false;
	strv_push(&vm->tags, tag);
	return true;
}

bool vm_tag_remove(struct vm *vm, const char *tag)
{
	for (size_t i = 0; i < vm->tags.n; i++) {
		if (strcmp(vm->tags.v[i], tag) != 0)
			continue;
		free(vm->tags.v[i]);
		memmove(vm->tags.v + i, vm->tags.v + i + 1, (vm->tags.n - i) * sizeof(char *));
		vm->tags.n--;
		return true;
	}
	return false;
}

bool vm_name_valid(struct blob name)
{
	static const char *const reserved[] = {"none", "default", "Domain-0", "lost+found"};

	if (!name.n || name.n > VM_NAME_MAX || !isalpha((unsigned char)name.p[0]))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!isalnum((unsigned char)name.p[i]) && !strchr("._-", name.p[i]))
			return false;
	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		if (blob_eq_str(name, reserved[i]))
			return false;
	return !blob_has_suffix(name, "-dm"); /* Xen's name for a qube's device model */
}

const struct label *model_label(const struct model *m, const char *name)
{
	for (size_t i = 0; name && i < m->n_labels; i++)
		if (!strcmp(m->labels[i].name, name))
			return &m->labels[i];
	return NULL;
}

const struct label *model_label_index(const struct model *m, int index)
{
	for (size_t i = 0; i < m->n_labels; i++)
		if (m->labels[i].index == index)
			return &m->labels[i];
	return NULL;
}

void model_label_add(struct model *m, int index, const char *name, const char *color)
{
	m->labels = xreallocarray(m->labels, m->n_labels + 1, sizeof(*m->labels));
	m->labels[m->n_labels++] = (struct label){index, xstrdup(name), xstrdup(color)};
}

void model_label_remove(struct model *m, const char *name)
{
	for (size_t i = 0; i < m->n_labels; i++) {
		if (strcmp(m->labels[i].name, name) != 0)
			continue;
		free(m->labels[i].name);
		free(m->labels[i].color);
		m->n_labels--;
		memmove(m->labels + i, m->labels + i + 1, (m->n_labels - i) * sizeof(*m->labels));
		return;
	}
}

const struct pool *model_pool(const struct model *m, const char *name)
{
	for (size_t i = 0; name && i < m->n_pools; i++)
		if (!strcmp(m->pools[i].name, name))
			return &m->pools[i];
	return NULL;
}

struct pool *model_pool_add(struct model *m, const char *name)
{
	m->pools = xreallocarray(m->pools, m->n_pools + 1, sizeof(*m->pools));
	m->pools[m->n_pools] = (struct pool){.name = xstrdup(name)};
	return &m->pools[m->n_pools++];
}

void model_pool_remove(struct model *m, const char *name)
{
	for (size_t i = 0; i < m->n_pools; i++) {
		if (strcmp(m->pools[i].name, name) != 0)
			continue;
		free(m->pools[i].name);
		kv_free(&m->pools[i].config);
		m->n_pools--;
		memmove(m->pools + i, m->pools + i + 1, (m->n_pools - i) * sizeof(*m->pools));
		return;
	}
}
