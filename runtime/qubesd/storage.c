#include "runtime/qubesd/storage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/qubesd/property.h"

static const char *pool_dir(const struct model *m, const char *pool)
{
	const struct pool *p = model_pool(m, pool);
	const char *dir = p ? kv_get(&p->config, "dir_path") : NULL;

	return dir && dir[0] == '/' ? dir : NULL;
}

static const char *vm_subdir(const struct vm *vm)
{
	return vm->class == CLASS_TEMPLATE ? "vm-templates" : "appvms";
}

static bool attr_true(const struct volume *v, const char *key)
{
	const char *value = kv_get(&v->attrs, key);

	return value && !strcmp(value, "True");
}

static struct volume *configure_volume(const struct property_ctx *ctx, struct vm *vm,
				       const char *name, uint64_t gib)
{
	struct volume *v = vm_volume_add(vm, name);
	struct property_ctx global = {ctx->m, NULL, ctx->arena};

	kv_set(&v->attrs, "pool",
	       property_value(&global, arena_printf(ctx->arena, "default_pool_%s", name)));
	kv_set(&v->attrs, "vid",
	       arena_printf(ctx->arena, "%s/%s/%s", vm_subdir(vm), vm->name, name));
	kv_set(&v->attrs, "rw", "True");
	kv_set(&v->attrs, "size",
	       arena_printf(ctx->arena, "%llu", (unsigned long long)gib * STORAGE_GIB));
	return v;
}

void storage_configure(const struct model *m, struct vm *vm)
{
	_cleanup_arena_ struct arena *a = arena_new();
	struct property_ctx ctx = {m, vm, a};
	const struct vm *template = vm_template(m, vm);
	const struct volume *from = template ? vm_volume(template, "root") : NULL;
	struct volume *v;

	if (vm->class == CLASS_ADMIN)
		return;
	v = configure_volume(&ctx, vm, "root", 10);
	if (from) {
		/* A snapshot lives in the pool of its source: only there it costs nothing. */
		kv_set(&v->attrs, "pool", kv_get(&from->attrs, "pool"));
		kv_set(&v->attrs, "size", kv_get(&from->attrs, "size"));
		kv_set(&v->attrs, "source", kv_get(&from->attrs, "vid"));
		kv_set(&v->attrs, "snap_on_start", "True");
	} else {
		kv_set(&v->attrs, "save_on_stop", "True");
	}
	v = configure_volume(&ctx, vm, "private", 2);
	kv_set(&v->attrs, "save_on_stop", "True");
	configure_volume(&ctx, vm, "volatile", vm->class == CLASS_DISP ? 12 : 10);
	v = vm_volume_add(vm, "kernel");
	kv_set(&v->attrs, "pool",
	       property_value(&(struct property_ctx){m, NULL, a}, "default_pool_kernel"));
	kv_set(&v->attrs, "vid", "");
}

/* A vid names a file below the pool; nothing in it may lead out of there. */
static bool vid_valid(const char *vid)
{
	struct blob rest = blob_of(vid), part;

	if (!*vid || *vid == '/')
		return false;
	while (blob_token(&rest, '/', &part))
		if (!part.n || part.p[0] == '.')
			return false;
	return true;
}

static const char *image_path(struct arena *a, const char *root, const char *dir, const char *vid,
			      const char *end)
{
	return arena_printf(a, "%s%s/%s%s.img", root, dir, vid, end);
}

static int plan_kernel(const char *dir, const char *root, const char *kernel, struct arena *a,
		       struct storage_volume *v)
{
	v->device = "xvdd";
	v->size = 0;
	if (!*kernel)
		v->device = NULL; /* the qube boots its own kernel and has its own modules */
	else
		v->image = arena_printf(a, "%s%s/%s/modules.img", root, dir, kernel);
	return 0;
}

static int plan_volume(const struct model *m, const struct vm *vm, const struct volume *from,
		       const char *root, const char *kernel, struct arena *a,
		       struct storage_volume *v, struct error *err)
{
	static const char *const devices[][2] = {
		{"root", "xvda"}, {"private", "xvdb"}, {"volatile", "xvdc"}};
	const char *object = arena_printf(a, "%s:%s", vm->name, from->name);
	const char *pool = kv_get(&from->attrs, "pool"), *vid = kv_get(&from->attrs, "vid");
	const char *source = kv_get(&from->attrs, "source"), *size = kv_get(&from->attrs, "size");
	const char *dir = pool_dir(m, pool);
	uint64_t bytes = 0;

	*v = (struct storage_volume){.name = arena_strdup(a, from->name),
				     .rw = attr_true(from, "rw")};
	if (!dir)
		return error_set(err, -ENOENT, object, NULL, "there is no pool %s with a directory",
				 pool ? pool : "(none)");
	if (!strcmp(from->name, "kernel"))
		return plan_kernel(dir, root, kernel, a, v);
	if (!vid || !vid_valid(vid))
		return error_set(err, -EINVAL, object, NULL, "the volume id is not usable");
	if (size && !blob_to_u64(blob_of(size), INT64_MAX, &bytes))
		return error_set(err, -EINVAL, object, NULL, "the size is no number");
	for (size_t i = 0; i < 3; i++)
		if (!strcmp(from->name, devices[i][0]))
			v->device = devices[i][1];
	v->size = bytes;
	v->save_on_stop = attr_true(from, "save_on_stop");
	v->snap_on_start = attr_true(from, "snap_on_start");
	v->clean = image_path(a, root, dir, vid, "");
	v->dirty = image_path(a, root, dir, vid, "-dirty");
	v->image = v->dirty;
	if (!v->snap_on_start)
		return 0;
	/* The template may have changed since this was written: its root is the source, whatever
	 * the file says. */
	if (!strcmp(from->name, "root") && vm_template(m, vm) &&
	    vm_volume(vm_template(m, vm), "root"))
		source = kv_get(&vm_volume(vm_template(m, vm), "root")->attrs, "vid");
	if (!source || !vid_valid(source))
		return error_set(err, -ENOENT, object, NULL, "is a snapshot without a source");
	v->source = image_path(a, root, dir, source, "");
	return 0;
}

const char *storage_dir(const struct model *m, const struct vm *vm, const char *root,
			struct arena *a)
{
	const char *dir = pool_dir(m, "varlibqubes");

	return arena_printf(a, "%s%s/%s/%s", root, dir ? dir : "/var/lib/qubes", vm_subdir(vm),
			    vm->name);
}

int storage_plan(const struct model *m, const struct vm *vm, const char *root, const char *kernel,
		 struct arena *a, struct storage *out, struct error *err)
{
	*out = (struct storage){
		.dir = storage_dir(m, vm, root, a),
		.volumes = arena_alloc(a, (vm->n_volumes + 1) * sizeof(*out->volumes)),
	};
	for (size_t i = 0; i < vm->n_volumes; i++) {
		int r = plan_volume(m, vm, &vm->volumes[i], root, kernel, a, &out->volumes[i], err);

		if (r < 0)
			return r;
		out->n++;
	}
	return 0;
}

uint64_t storage_usage(const struct storage_volume *v)
{
	struct stat st;

	if (!v->clean || (stat(v->dirty, &st) < 0 && stat(v->clean, &st) < 0))
		return 0;
	return (uint64_t)st.st_blocks * 512;
}
