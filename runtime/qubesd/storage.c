#include "runtime/qubesd/storage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/qubesd/property.h"

static const char *pool_dir(const struct model *m, const char *pool)
{
	const struct pool *p = model_pool(m, pool);
	const char *dir = p ? kv_get(&p->config, "dir_path") : NULL;

	return dir && dir[0] == '/' ? dir : NULL;
}

bool storage_is_file_pool(const struct pool *p)
{
	const char *driver = kv_get(&p->config, "driver");

	return driver && !strcmp(driver, "file-reflink");
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

/* The volume whose data a snapshot starts with: of the template, or of the template's template. */
static const struct volume *origin_of(const struct model *m, const struct vm *vm, const char *name)
{
	const struct volume *v = NULL;
	const char *snap = "True";

	/* The template of a disposable has a root that is a snapshot itself. */
	for (int depth = 0; depth < 3 && snap && !strcmp(snap, "True"); depth++) {
		vm = vm_template(m, vm);
		v = vm ? vm_volume(vm, name) : NULL;
		if (!v)
			return NULL;
		snap = kv_get(&v->attrs, "snap_on_start");
	}
	return v;
}

static const char *pool_of(const struct property_ctx *ctx, const struct kvlist *pools,
			   const char *name)
{
	const char *chosen = pools ? kv_get(pools, name) : NULL;
	struct property_ctx global = {ctx->m, NULL, ctx->arena};

	return chosen ? chosen
		      : property_value(&global,
				       arena_printf(ctx->arena, "default_pool_%s", name));
}

static struct volume *configure_volume(const struct property_ctx *ctx, struct vm *vm,
				       const struct kvlist *pools, const char *name, uint64_t gib)
{
	struct volume *v = vm_volume_add(vm, name);

	kv_set(&v->attrs, "pool", pool_of(ctx, pools, name));
	kv_set(&v->attrs, "vid",
	       arena_printf(ctx->arena, "%s/%s/%s", vm_subdir(vm), vm->name, name));
	kv_set(&v->attrs, "rw", "True");
	kv_set(&v->attrs, "size",
	       arena_printf(ctx->arena, "%llu", (unsigned long long)gib * STORAGE_GIB));
	return v;
}

/* A snapshot lives in the pool of its source: only there it costs nothing. */
static void configure_source(struct volume *v, const struct volume *from)
{
	static const char *const same[] = {"pool", "size"};

	if (!from) {
		kv_set(&v->attrs, "save_on_stop", "True");
		return;
	}
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		if (kv_get(&from->attrs, same[i]))
			kv_set(&v->attrs, same[i], kv_get(&from->attrs, same[i]));
	kv_set(&v->attrs, "source", kv_get(&from->attrs, "vid"));
	kv_set(&v->attrs, "snap_on_start", "True");
}

void storage_configure(const struct model *m, struct vm *vm, const struct kvlist *pools)
{
	_cleanup_arena_ struct arena *a = arena_new();
	struct property_ctx ctx = {m, vm, a};
	bool disposable = vm->class == CLASS_DISP;
	struct volume *v;

	if (vm->class == CLASS_ADMIN)
		return;
	configure_source(configure_volume(&ctx, vm, pools, "root", 10),
			 origin_of(m, vm, "root"));
	configure_source(configure_volume(&ctx, vm, pools, "private", 2),
			 disposable ? origin_of(m, vm, "private") : NULL);
	configure_volume(&ctx, vm, pools, "volatile", disposable ? 12 : 10);
	v = vm_volume_add(vm, "kernel");
	kv_set(&v->attrs, "pool", pool_of(&ctx, pools, "kernel"));
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

/* A kept number of the volume, of its pool, or the driver's. */
static unsigned revisions_to_keep(const struct model *m, const struct volume *v)
{
	const struct pool *p = model_pool(m, kv_get(&v->attrs, "pool"));
	const char *text = kv_get(&v->attrs, "revisions_to_keep");
	uint64_t n;

	if (!text && p)
		text = kv_get(&p->config, "revisions_to_keep");
	return text && blob_to_u64(blob_of(text), STORAGE_REVISIONS_MAX, &n) ? (unsigned)n : 1;
}

static int plan_source(const struct model *m, const struct vm *vm, const struct volume *from,
		       const char *root, struct arena *a, struct storage_volume *v,
		       struct error *err)
{
	/* The template may have changed since this was written: its volume is the source, whatever
	 * the file says. */
	const struct volume *origin = origin_of(m, vm, from->name);
	const char *vid = kv_get(origin ? &origin->attrs : &from->attrs, origin ? "vid" : "source");
	const char *dir = pool_dir(m, kv_get(origin ? &origin->attrs : &from->attrs, "pool"));

	if (!vid || !dir || !vid_valid(vid))
		return error_set(err, -ENOENT, arena_printf(a, "%s:%s", vm->name, from->name), NULL,
				 "is a snapshot without a source");
	v->source = image_path(a, root, dir, vid, "");
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
	const char *size = kv_get(&from->attrs, "size");
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
	v->import = image_path(a, root, dir, vid, "-import");
	v->image = v->dirty;
	v->left = access(v->dirty, F_OK) == 0;
	v->revisions_to_keep = v->save_on_stop ? revisions_to_keep(m, from) : 0;
	return v->snap_on_start ? plan_source(m, vm, from, root, a, v, err) : 0;
}

const char *storage_dir(const struct model *m, const struct vm *vm, const char *root,
			struct arena *a)
{
	const char *dir = pool_dir(m, "varlibqubes");

	return arena_printf(a, "%s%s/%s/%s", root, dir ? dir : "/var/lib/qubes", vm_subdir(vm),
			    vm->name);
}

/* Only a directory of the qube's own name is its own. */
static void plan_dir(struct storage *s, const char *name, const char *clean, struct arena *a)
{
	const char *dir = arena_strndup(a, clean, (size_t)(strrchr(clean, '/') - clean));

	if (strcmp(strrchr(dir, '/') + 1, name) != 0)
		return;
	for (size_t i = 0; i < s->n_dirs; i++)
		if (!strcmp(s->dirs[i], dir))
			return;
	s->dirs[s->n_dirs++] = dir;
}

int storage_plan(const struct model *m, const struct vm *vm, const char *root, const char *kernel,
		 struct arena *a, struct storage *out, struct error *err)
{
	*out = (struct storage){
		.dir = storage_dir(m, vm, root, a),
		.volumes = arena_alloc(a, (vm->n_volumes + 1) * sizeof(*out->volumes)),
		.dirs = arena_alloc(a, (vm->n_volumes + 1) * sizeof(*out->dirs)),
	};
	out->dirs[out->n_dirs++] = out->dir;
	for (size_t i = 0; i < vm->n_volumes; i++) {
		int r = plan_volume(m, vm, &vm->volumes[i], root, kernel, a, &out->volumes[i], err);

		if (r < 0)
			return r;
		if (out->volumes[i].clean)
			plan_dir(out, vm->name, out->volumes[i].clean, a);
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
