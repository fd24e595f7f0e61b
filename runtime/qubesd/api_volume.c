/* admin.vm.volume.*: volumes looked at, changed, copied; importing is in api_import.c. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/alloc.h"
#include "runtime/qubesd/child.h"
#include "runtime/qubesd/property.h"
#include "runtime/qubesd/volume.h"

enum { TOKEN_LEN = 32, TOKENS_MAX = 64, RESIZE_TIMEOUT = 120 };

/* What CloneFrom promised to CloneTo; the oldest gives way. */
static struct token {
	char text[TOKEN_LEN + 1];
	char uuid[VM_UUID_LEN + 1];
	char *volume;
} tokens[TOKENS_MAX];

static unsigned next_token;

static enum call_result volume_list(struct call *c)
{
	for (size_t i = 0; i < c->target->n_volumes; i++)
		strbuf_printf(&c->out, "%s\n", c->target->volumes[i].name);
	return CALL_DONE;
}

static const char *flag(bool value)
{
	return value ? "True" : "False";
}

static enum call_result volume_info(struct call *c)
{
	struct volume *entry;
	struct storage_volume *v = volume_of(c, &entry);
	struct property_ctx ctx = {c->d->model, c->target, c->arena};
	const char *source, *pool;

	if (!v)
		return CALL_DONE;
	source = kv_get(&entry->attrs, "source");
	pool = kv_get(&entry->attrs, "pool");
	strbuf_printf(&c->out, "pool=%s\nvid=%s\nsize=%llu\nusage=%llu\nrw=%s\nsource=%s\n",
		      pool ? pool : "",
		      v->clean ? kv_get(&entry->attrs, "vid") : property_value(&ctx, "kernel"),
		      (unsigned long long)v->size, (unsigned long long)storage_usage(v),
		      flag(v->rw), source ? source : "");
	strbuf_printf(&c->out,
		      "path=%s\nsave_on_stop=%s\nsnap_on_start=%s\nrevisions_to_keep=%u\n"
		      "ephemeral=False\n",
		      v->image ? v->image : "", flag(v->save_on_stop), flag(v->snap_on_start),
		      v->revisions_to_keep);
	if (v->snap_on_start && c->target->domid > 0)
		strbuf_printf(&c->out, "is_outdated=%s\n", flag(volume_outdated(c->target, v)));
	return CALL_DONE;
}

static enum call_result list_snapshots(struct call *c)
{
	struct volume *entry;
	struct storage_volume *v = volume_of(c, &entry);
	_cleanup_strv_ struct strv names = {0};

	if (!v)
		return CALL_DONE;
	storage_revisions(v, &names);
	for (size_t i = 0; i < names.n; i++)
		strbuf_printf(&c->out, "%s\n", names.v[i]);
	return CALL_DONE;
}

static int work_revert(const struct storage_volume *v, const void *arg, struct error *err)
{
	return storage_revert(v, arg, err);
}

/* An image that came from elsewhere may have another size. */
static void on_changed(struct call *c, void *user, const char *failure)
{
	if (!failure)
		volume_size_from_file(c, user);
	call_finish(c);
}

/* Without a payload: to the newest. */
static enum call_result volume_revert(struct call *c)
{
	struct volume *entry;
	struct storage_volume *v = volume_changeable(c, &entry);
	_cleanup_strv_ struct strv have = {0};
	const char *name = call_payload(c);

	if (!v)
		return CALL_DONE;
	storage_revisions(v, &have);
	if (!*name && have.n)
		name = arena_strdup(c->arena, have.v[have.n - 1]);
	if (!strv_contains(&have, name))
		return call_raise(c, "QubesVolumeRevisionNotFoundError",
				  "No such revision of '%s:%s': '%s'", c->target->name, v->name,
				  name);
	return volume_run(c, v, work_revert, name, on_changed, v);
}

static int work_clear(const struct storage_volume *v, const void *arg, struct error *err)
{
	(void)arg;
	return storage_clear(v, err);
}

static enum call_result volume_clear(struct call *c)
{
	struct volume *entry;
	struct storage_volume *v = volume_changeable(c, &entry);

	return v ? volume_run(c, v, work_clear, NULL, NULL, NULL) : CALL_DONE;
}

static void token_make(char out[TOKEN_LEN + 1])
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char raw[TOKEN_LEN];

	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		abort();
	for (int i = 0; i < TOKEN_LEN; i++)
		out[i] = letters[raw[i] & 63];
	out[TOKEN_LEN] = 0;
}

static enum call_result clone_from(struct call *c)
{
	struct volume *entry;
	struct storage_volume *v = volume_of(c, &entry);
	struct token *t = &tokens[next_token % TOKENS_MAX];

	if (!v)
		return CALL_DONE;
	if (!v->clean || !v->save_on_stop)
		return call_raise(c, "StoragePoolException", "%s:%s: has no data of its own",
				  c->target->name, v->name);
	next_token++;
	free(t->volume);
	t->volume = xstrdup(v->name);
	strcpy(t->uuid, c->target->uuid);
	token_make(t->text);
	strbuf_add_str(&c->out, t->text);
	return CALL_DONE;
}

/* The committed image that the token of the payload stands for; each serves once. */
static const struct storage_volume *token_take(struct call *c)
{
	for (struct token *t = tokens; t < tokens + TOKENS_MAX; t++) {
		_cleanup_free_ char *name = NULL;
		const struct vm *vm;
		struct storage s;

		if (!t->volume || !blob_eq_str(c->request.payload, t->text))
			continue;
		name = take_ptr(t->volume);
		vm = model_find_uuid(c->d->model, t->uuid);
		if (!vm || !vm_volume(vm, name) ||
		    storage_plan(c->d->model, vm, c->d->root, "", c->arena, &s, NULL) < 0)
			break;
		return &s.volumes[vm_volume(vm, name) - vm->volumes];
	}
	call_raise(c, "QubesVolumeCopyTokenNotFoundError", "Unknown or used token");
	return NULL;
}

static int work_copy(const struct storage_volume *v, const void *arg, struct error *err)
{
	return storage_copy(v, arg, err);
}

static enum call_result clone_to(struct call *c)
{
	struct volume *entry;
	struct storage_volume *v = volume_changeable(c, &entry);
	const struct storage_volume *from;

	if (!v)
		return CALL_DONE;
	from = token_take(c);
	return from ? volume_run(c, v, work_copy, from->clean, on_changed,
				 v)
		    : CALL_DONE;
}

static int work_resize(const struct storage_volume *v, const void *arg, struct error *err)
{
	(void)arg;
	return storage_resize(v, err);
}

static void on_told(void *user, int status, const char *out)
{
	struct call *c = user;

	(void)out;
	if (status != 0)
		call_raise(c, "StoragePoolException",
			   "%s: the volume has grown, but the qube did not take it (qubes.ResizeDisk)",
			   c->target->name);
	call_finish(c);
}

/* The file system in the qube grows with it. */
static void tell_qube(struct call *c, const char *volume)
{
	const char *const argv[] = {qubesd_program(c->d, c->arena, "/usr/bin/qrexec-client"),
				    "-d",
				    c->target->name,
				    "root:QUBESRPC qubes.ResizeDisk dom0",
				    NULL};

	if (c->target->power != POWER_RUNNING || c->target->job ||
	    child_start(c->d->event,
			&(struct child_spec){.argv = argv,
					     .input = blob_of(volume),
					     .capture = true,
					     .timeout = RESIZE_TIMEOUT},
			on_told, c, NULL) < 0)
		call_finish(c);
}

static void on_resized(struct call *c, void *user, const char *failure)
{
	const struct storage_volume *v = user;

	if (!failure && volume_set_size(c, v->name, v->size) && vm_has_domain(c->target))
		tell_qube(c, v->name);
	else
		call_finish(c);
}

static enum call_result volume_resize(struct call *c)
{
	struct volume *entry;
	struct storage_volume *v = volume_of(c, &entry);
	uint64_t size;

	if (!v)
		return CALL_DONE;
	if (!blob_to_u64(c->request.payload, INT64_MAX, &size))
		return call_raise(c, "ProtocolError", "the size has to be a number of bytes");
	if (!v->clean || !v->rw)
		return call_raise(c, "StoragePoolException", "%s:%s: is read-only",
				  c->target->name, v->name);
	if (size < v->size)
		return call_raise(c, "StoragePoolException",
				  "%s:%s: cannot shrink from %llu to %llu bytes", c->target->name,
				  v->name, (unsigned long long)v->size, (unsigned long long)size);
	if (c->target->job || c->target->changing)
		return call_raise(c, "QubesVolumeCopyInUseError",
				  "'%s' is being started, stopped or changed", c->target->name);
	v->size = size;
	return volume_run(c, v, work_resize, NULL, on_resized, v);
}

static enum call_result set_attribute(struct call *c, struct volume *entry, const char *name,
				      const char *value)
{
	call_save_value(c, &entry->attrs, name, value);
	return CALL_DONE;
}

static enum call_result set_revisions(struct call *c)
{
	struct volume *entry;
	struct storage_volume *v = volume_of(c, &entry);
	uint64_t n;

	if (!v)
		return CALL_DONE;
	if (!blob_to_u64(c->request.payload, STORAGE_REVISIONS_MAX, &n))
		return call_raise(c, "QubesValueError",
				  "revisions_to_keep is 0 (none) to %d; writing to the volume itself (-1) is not there",
				  STORAGE_REVISIONS_MAX);
	return set_attribute(c, entry, "revisions_to_keep", call_payload(c));
}

static enum call_result set_rw(struct call *c)
{
	struct volume *entry;
	struct storage_volume *v = volume_of(c, &entry);
	const char *value = property_bool(c->request.payload);

	if (!v)
		return CALL_DONE;
	if (!value)
		return call_raise(c, "QubesValueError", "rw is True or False");
	return call_halted(c) ? set_attribute(c, entry, "rw", value) : CALL_DONE;
}

static enum call_result set_ephemeral(struct call *c)
{
	struct volume *entry;
	struct storage_volume *v = volume_of(c, &entry);
	const char *value = property_bool(c->request.payload);

	if (!v)
		return CALL_DONE;
	if (!value)
		return call_raise(c, "QubesValueError", "ephemeral is True or False");
	if (!strcmp(value, "True"))
		return call_raise(c, "QubesNotImplementedError",
				  "Volumes cannot be encrypted with a key of their own yet");
	return CALL_DONE;
}

const struct call_method volume_methods[] = {
	{"admin.vm.volume.List", TO_VM, volume_list},
	{"admin.vm.volume.Info", TO_VM | ARGUMENT, volume_info},
	{"admin.vm.volume.ListSnapshots", TO_VM | ARGUMENT, list_snapshots},
	{"admin.vm.volume.Revert", TO_VM | ARGUMENT | PAYLOAD_OPTIONAL, volume_revert},
	{"admin.vm.volume.Clear", TO_VM | ARGUMENT, volume_clear},
	{"admin.vm.volume.CloneFrom", TO_VM | ARGUMENT, clone_from},
	{"admin.vm.volume.CloneTo", TO_VM | ARGUMENT | PAYLOAD, clone_to},
	{"admin.vm.volume.Resize", TO_VM | ARGUMENT | PAYLOAD, volume_resize},
	{"admin.vm.volume.Set.revisions_to_keep", TO_VM | ARGUMENT | PAYLOAD, set_revisions},
	{"admin.vm.volume.Set.rw", TO_VM | ARGUMENT | PAYLOAD, set_rw},
	{"admin.vm.volume.Set.ephemeral", TO_VM | ARGUMENT | PAYLOAD, set_ephemeral},
	{0},
};
