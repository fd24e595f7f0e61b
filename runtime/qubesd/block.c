#include "runtime/qubesd/block.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qubesd/hypervisor.h"
#include "runtime/qubesd/qdbread.h"

enum { PORT_MAX = 64, NOTES_MAX = 64 << 10, DEVICES_MAX = 256 /* of each backend */ };

static const char prefix[] = "/qubes-block-devices/";

const char *block_prefix(void)
{
	return prefix;
}

/* It becomes a path below /dev of the backend (node_of()) and a part of arguments: no name in it begins with a dot. */
static bool port_ok(struct blob port)
{
	if (!port.n || port.n > PORT_MAX)
		return false;
	for (size_t i = 0; i < port.n; i++)
		if ((!isalnum((unsigned char)port.p[i]) && !strchr("_-.", port.p[i])) ||
		    (port.p[i] == '.' && (!i || port.p[i - 1] == '_')))
			return false;
	return true;
}

/* A port has _ for the / of a name such as cciss/c0d0. */
static const char *node_of(struct arena *a, const char *port)
{
	char *node = arena_printf(a, "/dev/%s", port);

	for (char *p = node; (p = strchr(p, '_'));)
		*p = '/';
	return node;
}

static struct device *entry(struct device_list *l, struct arena *a, struct blob vm,
			    struct blob port)
{
	struct device *d;
	size_t same = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (!blob_eq_str(vm, l->v[i].backend))
			continue;
		if (blob_eq_str(port, l->v[i].port))
			return &l->v[i];
		same++;
	}
	if (same == DEVICES_MAX)
		return NULL;
	d = device_add(l, a);
	d->class = "block";
	d->backend = arena_strndup(a, vm.p, vm.n);
	d->port = arena_strndup(a, port.p, port.n);
	d->node = node_of(a, d->port);
	d->interfaces = BLOCK_INTERFACES;
	return d;
}

/* What tells one disk from another that is in the same place later. */
static const char *identity(const struct device *d, struct arena *a)
{
	char *id = arena_printf(a, "%s_%s::" BLOCK_INTERFACES, d->size ? d->size : "0",
				d->name ? d->name : "");

	for (char *p = id; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(":*._-", *p))
			*p = '_';
	return id;
}

void block_parse(struct blob text, struct arena *a, struct device_list *out)
{
	struct qdb_entry e;
	struct blob port;
	uint64_t n;

	while (qdb_next(&text, &e)) {
		const char *value;
		struct device *d;

		if (!blob_has_prefix(e.path, prefix))
			continue;
		e.path = (struct blob){e.path.p + strlen(prefix), e.path.n - strlen(prefix)};
		blob_token(&e.path, '/', &port);
		d = port_ok(port) ? entry(out, a, e.vm, port) : NULL;
		if (!d)
			continue;
		value = arena_strndup(a, e.value.p, e.value.n);
		if (blob_eq_str(e.path, "desc"))
			d->name = value;
		else if (blob_eq_str(e.path, "size") && blob_to_u64(e.value, INT64_MAX, &n))
			d->size = value;
		else if (blob_eq_str(e.path, "mode"))
			d->mode = *value == 'w' ? "w" : "r";
		else if (blob_eq_str(e.path, "parent"))
			d->parent = value;
	}
	for (size_t i = 0; i < out->n; i++)
		out->v[i].id = identity(&out->v[i], a);
}

struct attached *block_attached(const struct vm *vm, const char *backend, const char *port)
{
	for (size_t i = 0; i < vm->n_attached; i++)
		if (!strcmp(vm->attached[i].backend, backend) &&
		    !strcmp(vm->attached[i].port, port))
			return &vm->attached[i];
	return NULL;
}

const struct vm *block_holder(const struct model *m, const char *backend, const char *port)
{
	for (size_t i = 0; i < m->n_vms; i++)
		if (block_attached(m->vms[i], backend, port))
			return m->vms[i];
	return NULL;
}

static bool frontend_used(const struct vm *vm, const char *name)
{
	for (size_t i = 0; i < vm->n_attached; i++)
		if (!strcmp(vm->attached[i].frontend, name))
			return true;
	return false;
}

/* xvda to xvdd are the qube's own, xvde to xvdh its further volumes. */
const char *block_frontend(const struct vm *vm, const char *wanted, struct arena *a)
{
	if (wanted)
		return !strncmp(wanted, "xvd", 3) && strlen(wanted) == 4 && wanted[3] >= 'e' &&
				       wanted[3] <= 'z' && !frontend_used(vm, wanted)
			       ? wanted
			       : NULL;
	for (char letter = 'i'; letter <= 'z'; letter++) {
		const char *name = arena_printf(a, "xvd%c", letter);

		if (!frontend_used(vm, name))
			return name;
	}
	return NULL;
}

bool block_devtype(const char *value, bool *read_only)
{
	bool cdrom = !strcmp(value, "cdrom");

	*read_only |= cdrom;
	return cdrom || !strcmp(value, "disk");
}

bool block_backend_runs(const struct model *m, const char *backend)
{
	const struct vm *vm = model_find_name(m, backend);

	return vm && (vm->class == CLASS_ADMIN || (vm->domid > 0 && !vm->job));
}

const char *block_line(const struct model *m, const struct attached *at, struct arena *a)
{
	const struct vm *backend = model_find_name(m, at->backend);

	return arena_printf(a, "disk=%s %s %s %d\n", at->frontend, at->read_only ? "ro" : "rw",
			    at->node, backend && backend->domid > 0 ? backend->domid : 0);
}

static char *notes_path(const struct qubesd *d, const struct vm *vm)
{
	return xasprintf("%s/block.%s", d->run_dir, vm->name);
}

static void save(struct qubesd *d, const struct vm *vm)
{
	_cleanup_free_ char *path = notes_path(d, vm);
	_cleanup_strbuf_ struct strbuf s = {0};
	int r;

	if (!vm->n_attached) {
		unlink(path);
		return;
	}
	for (size_t i = 0; i < vm->n_attached; i++) {
		const struct attached *at = &vm->attached[i];

		strbuf_printf(&s, "%s\t%s\t%s\t%s\t%s\t%s\n", at->backend, at->port, at->id,
			      at->node, at->frontend, at->read_only ? "ro" : "rw");
	}
	r = mkdir_parents(AT_FDCWD, path, 0755);
	if (r == 0)
		r = write_atomic(AT_FDCWD, path, s.p, s.n, 0640);
	if (r < 0)
		fprintf(stderr, "qubesd: %s: %s\n", path, strerror(-r));
}

void block_add(struct qubesd *d, struct vm *vm, const struct attached *at)
{
	vm_attached_add(vm, at);
	save(d, vm);
}

void block_remove(struct qubesd *d, struct vm *vm, struct attached *at)
{
	vm_attached_remove(vm, at);
	save(d, vm);
}

static void tell(struct qubesd *d, struct vm *vm, const struct attached *at)
{
	_cleanup_free_ char *text = xasprintf("%s:%s", at->backend, at->port);

	event_send(d, vm, "device-detach:block", "port", text, NULL);
}

/* A disk whose backend has stopped, on its way out of the domain that has it. */
struct farewell {
	struct qubesd *d;
	struct vm *vm;
	int domid;
	char *backend, *port;
};

static void on_taken(void *user, int status, const char *out)
{
	_cleanup_arena_ struct arena *a = arena_new();
	struct farewell *f = user;
	struct attached *at = f->vm->domid == f->domid ? block_attached(f->vm, f->backend, f->port) : NULL;
	const char *cause;

	if (!hypervisor_answer(a, status, out, &cause))
		fprintf(stderr, "qubesd: %s: %s:%s: %s\n", f->vm->name, f->backend, f->port, cause);
	if (at) {
		tell(f->d, f->vm, at);
		block_remove(f->d, f->vm, at);
	}
	vm_unref(f->vm);
	free(f->backend);
	free(f->port);
	free(f);
}

/* Its name in the qube is free when the qube has let go of it. */
static void take_away(struct qubesd *d, struct vm *vm, const struct attached *at)
{
	_cleanup_arena_ struct arena *a = arena_new();
	struct farewell *f = xcalloc(1, sizeof(*f));

	*f = (struct farewell){d, vm_ref(vm), vm->domid, xstrdup(at->backend), xstrdup(at->port)};
	if (hypervisor_run(d, "detach", vm->domid, blob_of(block_line(d->model, at, a)), on_taken, f, NULL) < 0)
		on_taken(f, -1, "");
}

/* The k-th that the qube has is of a backend that runs no more. */
static void lose(struct qubesd *d, struct vm *vm, size_t k)
{
	if (vm->domid > 0) {
		take_away(d, vm, &vm->attached[k]);
		return;
	}
	tell(d, vm, &vm->attached[k]);
	block_remove(d, vm, &vm->attached[k]);
}

void block_stopped(struct qubesd *d, struct vm *vm)
{
	while (vm->n_attached)
		vm_attached_remove(vm, &vm->attached[vm->n_attached - 1]);
	save(d, vm);
	for (size_t i = 0; i < d->model->n_vms; i++)
		for (size_t k = d->model->vms[i]->n_attached; k-- > 0;)
			if (!strcmp(d->model->vms[i]->attached[k].backend, vm->name))
				lose(d, d->model->vms[i], k);
}

void block_listed(struct qubesd *d)
{
	for (size_t i = 0; i < d->model->n_vms; i++)
		for (size_t k = d->model->vms[i]->n_attached; k-- > 0;) {
			const struct vm *backend = model_find_name(d->model, d->model->vms[i]->attached[k].backend);

			if (!backend || backend->domid < 0)
				lose(d, d->model->vms[i], k);
		}
}

void block_load(struct qubesd *d, struct vm *vm)
{
	_cleanup_free_ char *path = notes_path(d, vm);
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;

	if (vm->n_attached || read_file(AT_FDCWD, path, NOTES_MAX, &text) < 0)
		return;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		_cleanup_arena_ struct arena *a = arena_new();
		const char *field[6] = {0};
		struct blob word;
		size_t n = 0;

		while (n < 6 && blob_token(&line, '\t', &word))
			field[n++] = arena_strndup(a, word.p, word.n);
		if (n != 6)
			continue;
		vm_attached_add(vm, &(struct attached){.backend = arena_strdup(a, field[0]),
					   .port = arena_strdup(a, field[1]),
					   .id = arena_strdup(a, field[2]),
					   .node = arena_strdup(a, field[3]),
					   .frontend = arena_strdup(a, field[4]),
					   .read_only = !strcmp(field[5], "ro")});
	}
}
