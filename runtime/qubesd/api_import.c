/*
 * Data for a volume from outside: internal.vm.volume.ImportBegin gives the program that has the
 * data a file to put it in, ImportEnd makes that the volume (ref/runtime.md 7.1, 7.2). As long as that program has the
 * file locked (flock(2)), the qube is neither started nor removed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qubesd/volume.h"

static int work_begin(const struct storage_volume *v, const void *arg, struct error *err)
{
	(void)arg;
	return storage_import_begin(v, err);
}

static void on_begun(struct call *c, void *user, const char *failure)
{
	const struct storage_volume *v = user;

	if (!failure) {
		const char *size = arena_printf(c->arena, "%llu", (unsigned long long)v->size);

		c->target->importing = xstrdup(v->name);
		c->target->import_file = xstrdup(v->import);
		strbuf_printf(&c->out, "%s %s", size, v->import);
		event_send(c->d, c->target,
			   arena_printf(c->arena, "domain-volume-import-begin:%s", v->name), "size",
			   size, NULL);
	}
	call_finish(c);
}

/* The payload is the new size, or nothing. */
static enum call_result import_begin(struct call *c)
{
	struct volume *entry;
	struct storage_volume *v = volume_changeable(c, &entry);

	if (!v)
		return CALL_DONE;
	if (volume_importing(c->target))
		return call_raise(c, "QubesVolumeCopyInUseError",
				  "'%s:%s' is being imported already", c->target->name,
				  c->target->importing);
	if (c->request.payload.n &&
	    (!blob_to_u64(blob_trim(c->request.payload), INT64_MAX, &v->size) || !v->size))
		return call_raise(c, "ProtocolError", "the size has to be a number of bytes");
	return volume_run(c, v, work_begin, NULL, on_begun, v);
}

static int work_end(const struct storage_volume *v, const void *arg, struct error *err)
{
	return storage_import_end(v, *(const bool *)arg, err);
}

static void on_ended(struct call *c, void *user, const char *failure)
{
	const struct storage_volume *v = user;
	bool ok = c->request.payload.n == 2;

	if (!failure && ok)
		volume_size_from_file(c, v);
	event_send(c->d, c->target,
		   arena_printf(c->arena, "domain-volume-import-end:%s", v->name), "success",
		   ok && !c->exception ? "True" : "False", NULL);
	call_finish(c);
}

/* `ok`, or `fail` and on a line of its own why. */
static enum call_result import_end(struct call *c)
{
	static const bool yes = true, no = false;
	struct volume *entry;
	struct storage_volume *v = volume_changeable(c, &entry);
	struct blob rest = c->request.payload, word = {0};
	bool ok;

	if (!v)
		return CALL_DONE;
	blob_token(&rest, '\n', &word);
	ok = blob_eq_str(word, "ok") && c->request.payload.n == 2;
	if (!ok && !blob_eq_str(word, "fail"))
		return call_raise(c, "ProtocolError", "payload has to be: ok, or fail");
	if (!c->target->importing || strcmp(c->target->importing, v->name) != 0)
		return call_raise(c, "StoragePoolException", "'%s:%s' is not being imported",
				  c->target->name, v->name);
	free(take_ptr(c->target->importing));
	free(take_ptr(c->target->import_file));
	return volume_run(c, v, work_end, ok ? &yes : &no, on_ended, v);
}

/* The data goes through a service in dom0 (docs/storage.md): a request has at most 64 KiB. */
static enum call_result import_direct(struct call *c)
{
	return call_raise(c, "QubesNotImplementedError",
			  "%.*s is a service of dom0, not a call to qubesd",
			  BLOB_ARG(c->request.method));
}

const struct call_method import_methods[] = {
	{"internal.vm.volume.ImportBegin", TO_VM | ARGUMENT | PAYLOAD_OPTIONAL, import_begin},
	{"internal.vm.volume.ImportEnd", TO_VM | ARGUMENT | PAYLOAD, import_end},
	{"admin.vm.volume.Import", TO_VM | ARGUMENT | PAYLOAD_OPTIONAL, import_direct},
	{"admin.vm.volume.ImportWithSize", TO_VM | ARGUMENT | PAYLOAD_OPTIONAL, import_direct},
	{0},
};
