/* Pools and volumes, as far as they can be looked at. */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "runtime/qubesd/call.h"
#include "runtime/qubesd/property.h"
#include "runtime/qubesd/storage.h"

static const char *argument(struct call *c)
{
	return arena_strndup(c->arena, c->request.argument.p, c->request.argument.n);
}

static enum call_result pool_list(struct call *c)
{
	for (size_t i = 0; i < c->d->model->n_pools; i++)
		strbuf_printf(&c->out, "%s\n", c->d->model->pools[i].name);
	return CALL_DONE;
}

static enum call_result pool_drivers(struct call *c)
{
	strbuf_add_str(&c->out, "file-reflink dir_path revisions_to_keep\nlinux-kernel dir_path\n");
	return CALL_DONE;
}

static enum call_result pool_info(struct call *c)
{
	const struct pool *p = model_pool(c->d->model, argument(c));
	const char *dir;
	struct statvfs fs;

	if (!p)
		return call_raise(c, "QubesPoolNotFoundError", "No such pool: '%s'", argument(c));
	for (size_t i = 0; i < p->config.n; i++)
		strbuf_printf(&c->out, "%s=%s\n", p->config.v[i].key, p->config.v[i].value);
	dir = kv_get(&p->config, "dir_path");
	if (dir && statvfs(arena_printf(c->arena, "%s%s", c->d->root, dir), &fs) == 0)
		strbuf_printf(&c->out, "size=%llu\nusage=%llu\n",
			      (unsigned long long)fs.f_blocks * fs.f_frsize,
			      (unsigned long long)(fs.f_blocks - fs.f_bfree) * fs.f_frsize);
	return CALL_DONE;
}

static enum call_result volume_list(struct call *c)
{
	for (size_t i = 0; i < c->target->n_volumes; i++)
		strbuf_printf(&c->out, "%s\n", c->target->volumes[i].name);
	return CALL_DONE;
}

static enum call_result volume_info(struct call *c)
{
	const struct volume *v = vm_volume(c->target, argument(c));
	struct property_ctx ctx = {c->d->model, c->target, c->arena};
	const char *kernel = property_value(&ctx, "kernel"), *rw;
	_cleanup_error_ struct error err = {0};
	const struct storage_volume *at;
	struct storage s;
	bool is_kernel;

	if (!v)
		return call_raise(c, "QubesVolumeNotFoundError", "No such volume: '%s:%s'",
				  c->target->name, argument(c));
	if (storage_plan(c->d->model, c->target, c->d->root, kernel, c->arena, &s, &err) < 0)
		return call_raise_error(c, "StoragePoolException", &err);
	at = &s.volumes[v - c->target->volumes];
	is_kernel = !strcmp(v->name, "kernel");
	rw = kv_get(&v->attrs, "rw");
	strbuf_printf(&c->out, "pool=%s\nvid=%s\nsize=%llu\nusage=%llu\nrw=%s\nsource=%s\n",
		      kv_get(&v->attrs, "pool"), is_kernel ? kernel : kv_get(&v->attrs, "vid"),
		      (unsigned long long)at->size, (unsigned long long)storage_usage(at),
		      rw ? rw : "False",
		      kv_get(&v->attrs, "source") ? kv_get(&v->attrs, "source") : "");
	strbuf_printf(&c->out,
		      "path=%s\nsave_on_stop=%s\nsnap_on_start=%s\nrevisions_to_keep=0\nephemeral="
		      "False\n",
		      at->image ? at->image : "", at->save_on_stop ? "True" : "False",
		      at->snap_on_start ? "True" : "False");
	return CALL_DONE;
}

const struct call_method storage_methods[] = {
	{"admin.pool.List", TO_DOM0, pool_list},
	{"admin.pool.ListDrivers", TO_DOM0, pool_drivers},
	{"admin.pool.Info", TO_DOM0 | ARGUMENT, pool_info},
	{"admin.vm.volume.List", TO_VM, volume_list},
	{"admin.vm.volume.Info", TO_VM | ARGUMENT, volume_info},
	{0},
};
