#include "runtime/qubesd/dispvm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qubesd/property.h"
#include "runtime/qubesd/storage.h"
#include "runtime/qubesd/vmset.h"

enum {
	DISPID_MAX = 9999,
	REUSE_AFTER = 7 * 24 * 3600, /* seconds: what remembers a name takes it for the same qube */
	RULES_FILE_MAX = 16 << 20,
};

/* When each number was given out last, CLOCK_BOOTTIME seconds; a restart of qubesd forgets. */
static time_t given[DISPID_MAX + 1];

const char *dispvm_refused(const struct model *m, const struct vm *template, struct arena *a)
{
	struct property_ctx ctx = {m, template, a};

	if (!strcmp(property_value(&ctx, "template_for_dispvms"), "True"))
		return NULL;
	return arena_printf(a,
			    "No disposable can be made from '%s': its template_for_dispvms is False",
			    template->name);
}

static bool in_use(const struct model *m, int id, const char *name)
{
	char text[12];

	snprintf(text, sizeof(text), "%d", id);
	for (size_t i = 0; i < m->n_vms; i++) {
		const char *dispid = kv_get(&m->vms[i]->props, "dispid");

		if (dispid && !strcmp(dispid, text))
			return true;
	}
	return model_find_name(m, name);
}

/* Any one of those that are free, so that a number tells nothing. */
static int choose(const struct model *m)
{
	struct timespec now;
	uint16_t start;

	clock_gettime(CLOCK_BOOTTIME, &now);
	if (getrandom(&start, sizeof(start), 0) != sizeof(start))
		return -1;
	for (int i = 0; i <= DISPID_MAX; i++) {
		int id = (start + i) % (DISPID_MAX + 1);
		char name[16];

		snprintf(name, sizeof(name), "disp%d", id);
		/* 10.138.0.0 is no address of a host. */
		if (!id || (given[id] && now.tv_sec - given[id] < REUSE_AFTER) ||
		    in_use(m, id, name))
			continue;
		given[id] = now.tv_sec ? now.tv_sec : 1;
		return id;
	}
	return -1;
}

/* These belong to the template itself or are made for each qube. */
static bool own_property(const char *name)
{
	static const char *const own[] = {
		"name",		"uuid",		      "qid",	  "template",
		"ip",		"ip6",		      "dispid",	  "template_for_dispvms",
		"autostart",	"include_in_backups", "is_preload", "backup_timestamp",
		"auto_cleanup", "installed_by_rpm",
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (!strcmp(name, own[i]))
			return true;
	return false;
}

static void copy(struct vm *vm, const struct vm *template)
{
	for (size_t i = 0; i < template->props.n; i++)
		if (!own_property(template->props.v[i].key))
			kv_set(&vm->props, template->props.v[i].key, template->props.v[i].value);
	for (size_t i = 0; i < template->features.n; i++)
		if (strncmp(template->features.v[i].key, "preload-dispvm", 14) != 0)
			kv_set(&vm->features, template->features.v[i].key,
			       template->features.v[i].value);
	for (size_t i = 0; i < template->tags.n; i++)
		if (strncmp(template->tags.v[i], "created-by-", 11) != 0)
			vm_tag_add(vm, template->tags.v[i]);
}

struct vm *dispvm_new(const struct model *m, const struct vm *template, const char *name,
		      const char *creator)
{
	int id = choose(m);
	char text[16];
	struct vm *vm;

	if (id < 0)
		return NULL;
	snprintf(text, sizeof(text), "disp%d", id);
	vm = vm_new(CLASS_DISP, name ? name : text);
	copy(vm, template);
	kv_set(&vm->props, "template", template->name);
	kv_set(&vm->props, "dispid", text + 4);
	strv_pushf(&vm->tags, "created-by-%s", creator);
	strv_pushf(&vm->tags, "disp-created-by-%s", creator);
	if (!name)
		kv_set(&vm->props, "auto_cleanup", "True");
	return vm;
}

int dispvm_copy_rules(const struct qubesd *d, const struct vm *vm, struct error *err)
{
	_cleanup_arena_ struct arena *a = arena_new();
	const struct vm *template = vm_template(d->model, vm);
	const char *from = arena_printf(a, "%s/firewall.xml",
					storage_dir(d->model, template, d->root, a));
	const char *to = arena_printf(a, "%s/firewall.xml",
				      storage_dir(d->model, vm, d->root, a));
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = read_file(AT_FDCWD, from, RULES_FILE_MAX, &text);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = write_atomic(AT_FDCWD, to, text.p ? text.p : "", text.n, 0660);
	return r < 0 ? error_errno(err, r, to, "cannot copy the rules of its template") : 0;
}

static bool to_go(const struct model *m, const struct vm *vm, struct arena *a)
{
	struct property_ctx ctx = {m, vm, a};

	return vm->class == CLASS_DISP && vm->used && !m->unheard && vm->power == POWER_HALTED && !vm->job &&
	       !vm->vif && !vm->changing && !strcmp(property_value(&ctx, "auto_cleanup"), "True");
}

static int on_sweep(sd_event_source *source, void *user)
{
	struct qubesd *d = user;
	_cleanup_arena_ struct arena *a = arena_new();

	sd_event_source_unref(source);
	for (size_t i = d->model->n_vms; i-- > 0;) {
		struct vm *vm = d->model->vms[i];
		_cleanup_error_ struct error err = {0};

		if (!to_go(d->model, vm, a))
			continue;
		if (vmset_user(d->model, vm, a))
			fprintf(stderr, "qubesd: %s: stays, it is %s\n", vm->name,
				vmset_user(d->model, vm, a));
		else if (vmset_remove(d, vm, NULL, NULL, &err) < 0)
			error_print("qubesd", &err);
	}
	return 0;
}

void dispvm_sweep(struct qubesd *d)
{
	sd_event_add_defer(d->event, &(sd_event_source *){NULL}, on_sweep, d);
}
