/* admin.pool.*: where volumes lie. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/sys/file.h"
#include "runtime/qubesd/call.h"
#include "runtime/qubesd/image.h"
#include "runtime/qubesd/property.h"
#include "runtime/qubesd/storage.h"

enum { POOL_NAME_MAX = 31 };

static const struct {
	const char *name, *parameters[5];
} drivers[] = {
	{"file-reflink", {"dir_path", "setup_check", "revisions_to_keep", "ephemeral_volatile"}},
	{"linux-kernel", {"dir_path"}},
};

static const struct pool *named(struct call *c)
{
	const struct pool *p = model_pool(c->d->model, call_argument(c));

	if (!p)
		call_raise(c, "QubesPoolNotFoundError", "No such pool: '%s'", call_argument(c));
	return p;
}

static enum call_result pool_list(struct call *c)
{
	for (size_t i = 0; i < c->d->model->n_pools; i++)
		strbuf_printf(&c->out, "%s\n", c->d->model->pools[i].name);
	return CALL_DONE;
}

static enum call_result list_drivers(struct call *c)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(*drivers); i++) {
		strbuf_add_str(&c->out, drivers[i].name);
		for (const char *const *p = drivers[i].parameters; *p; p++)
			strbuf_printf(&c->out, " %s", *p);
		strbuf_add_char(&c->out, '\n');
	}
	return CALL_DONE;
}

static bool space(struct call *c, const struct pool *p, struct statvfs *fs)
{
	const char *dir = kv_get(&p->config, "dir_path");

	return dir && statvfs(arena_printf(c->arena, "%s%s", c->d->root, dir), fs) == 0;
}

static unsigned long long size_of(const struct statvfs *fs)
{
	return (unsigned long long)fs->f_blocks * fs->f_frsize;
}

static unsigned long long usage_of(const struct statvfs *fs)
{
	return (unsigned long long)(fs->f_blocks - fs->f_bfree) * fs->f_frsize;
}

static enum call_result pool_info(struct call *c)
{
	const struct pool *p = named(c);
	struct statvfs fs;

	if (!p)
		return CALL_DONE;
	for (size_t i = 0; i < p->config.n; i++)
		strbuf_printf(&c->out, "%s=%s\n", p->config.v[i].key, p->config.v[i].value);
	if (space(c, p, &fs))
		strbuf_printf(&c->out, "size=%llu\nusage=%llu\n", size_of(&fs), usage_of(&fs));
	return CALL_DONE;
}

static enum call_result usage_details(struct call *c)
{
	const struct pool *p = named(c);
	struct statvfs fs;

	if (p && storage_is_file_pool(p) && space(c, p, &fs))
		strbuf_printf(&c->out, "data_size=%llu\ndata_usage=%llu\n", size_of(&fs),
			      usage_of(&fs));
	return CALL_DONE;
}

static enum call_result volume_list(struct call *c)
{
	const struct pool *p = named(c);
	const struct model *m = c->d->model;

	for (size_t i = 0; p && i < m->n_vms; i++)
		for (size_t k = 0; k < m->vms[i]->n_volumes; k++) {
			const struct kvlist *attrs = &m->vms[i]->volumes[k].attrs;
			const char *pool = kv_get(attrs, "pool"), *vid = kv_get(attrs, "vid");

			if (pool && vid && *vid && !strcmp(pool, p->name))
				strbuf_printf(&c->out, "%s\n", vid);
		}
	return CALL_DONE;
}

static bool name_ok(const char *name)
{
	if (!isalpha((unsigned char)*name) || strlen(name) > POOL_NAME_MAX)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("_.-", *name))
			return false;
	return true;
}

/* An absolute path that means what it says, and that is one word in the lines to qubesd-xl. */
static bool dir_ok(const char *dir)
{
	struct blob rest = blob_of(dir), part;

	if (*dir != '/')
		return false;
	while (blob_token(&rest, '/', &part))
		if (blob_eq_str(part, "..") || blob_eq_str(part, "."))
			return false;
	for (; *dir; dir++)
		if (!isgraph((unsigned char)*dir))
			return false;
	return true;
}

static bool value_ok(struct call *c, const char *key, const char *value)
{
	const char *on = property_bool(blob_of(value));
	uint64_t n;

	if (!strcmp(key, "dir_path") && !dir_ok(value))
		call_raise(c, "QubesValueError", "dir_path has to be an absolute path without blanks");
	else if (!strcmp(key, "revisions_to_keep") &&
		 !blob_to_u64(blob_of(value), STORAGE_REVISIONS_MAX, &n))
		call_raise(c, "QubesValueError",
			   "revisions_to_keep is 0 (none) to %d; writing to the volume itself (-1) is not there",
			   STORAGE_REVISIONS_MAX);
	else if ((!strcmp(key, "setup_check") || !strcmp(key, "ephemeral_volatile")) &&
		 !on)
		call_raise(c, "QubesValueError", "%s is True or False", key);
	else if (!strcmp(key, "ephemeral_volatile") && !strcmp(on, "True"))
		call_raise(c, "QubesNotImplementedError",
			   "Volumes cannot be encrypted with a key of their own yet");
	return !c->exception;
}

static const char *const *parameters(struct call *c)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(*drivers); i++)
		if (blob_eq_str(c->request.argument, drivers[i].name))
			return drivers[i].parameters;
	call_raise(c, "QubesException", "unexpected driver name: %s", call_argument(c));
	return NULL;
}

static bool known(const char *const *list, const char *key)
{
	while (*list && strcmp(*list, key) != 0)
		list++;
	return *list;
}

/* Lines key=value, each once; the name apart. */
static bool take_config(struct call *c, const char *const *allowed, const char **name,
			struct kvlist *config)
{
	struct blob rest = c->request.payload, line, key;

	*name = NULL;
	while (blob_token(&rest, '\n', &line)) {
		const char *k, *v;

		if (!memchr(line.p, '=', line.n))
			return call_raise(c, "ProtocolError", "lines have to be key=value"), false;
		blob_token(&line, '=', &key);
		k = arena_strndup(c->arena, key.p, key.n);
		v = arena_strndup(c->arena, line.p, line.n);
		if (!strcmp(k, "name") && !*name)
			*name = v;
		else if (!known(allowed, k) || kv_get(config, k))
			return call_raise(c, "QubesException", "unexpected driver options: %s", k),
			       false;
		else if (!value_ok(c, k, v))
			return false;
		else
			kv_set(config, k, v);
	}
	return true;
}

/* Its directory is there; asked for, it is one that can clone. */
static bool dir_ready(struct call *c, const struct kvlist *config)
{
	const char *check = kv_get(config, "setup_check");
	const char *dir = arena_printf(c->arena, "%s%s", c->d->root, kv_get(config, "dir_path"));
	const char *on = check ? property_bool(blob_of(check)) : NULL;
	_cleanup_close_ int fd = -1;
	int r = mkdir_p(AT_FDCWD, dir, 0770);

	if (r == 0 && (fd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC)) < 0)
		r = -errno;
	if (r < 0)
		call_raise(c, "StoragePoolException", "%s: %s", dir, strerror(-r));
	else if (on && !strcmp(on, "True") && !image_can_clone(dir))
		call_raise(c, "StoragePoolException",
			   "%s: its file system cannot clone files; with setup_check=no they are "
			   "copied",
			   kv_get(config, "dir_path"));
	return !c->exception;
}

static bool pool_ok(struct call *c, const char *name, const struct kvlist *config)
{
	if (!name || !name_ok(name))
		call_raise(c, "QubesValueError", "Invalid pool name: '%s'", name ? name : "");
	else if (model_pool(c->d->model, name))
		call_raise(c, "QubesException", "pool already exists: %s", name);
	else if (!kv_get(config, "dir_path"))
		call_raise(c, "QubesException", "missing driver option: dir_path");
	return !c->exception && dir_ready(c, config);
}

static enum call_result pool_add(struct call *c)
{
	const char *const *allowed = parameters(c);
	struct kvlist config = {0};
	const char *name;

	if (allowed && take_config(c, allowed, &name, &config) && pool_ok(c, name, &config)) {
		struct pool *p = model_pool_add(c->d->model, name);

		kv_set(&p->config, "driver", call_argument(c));
		for (size_t i = 0; i < config.n; i++)
			kv_set(&p->config, config.v[i].key, config.v[i].value);
		if (!call_save(c))
			model_pool_remove(c->d->model, name);
		else
			event_send(c->d, NULL, "pool-add", "name", name, NULL);
	}
	kv_free(&config);
	return CALL_DONE;
}

/* What needs the pool, from the arena; NULL: nothing. */
static const char *user_of(struct call *c, const struct pool *p)
{
	const struct model *m = c->d->model;
	struct property_ctx global = {m, NULL, c->arena};

	for (const struct property_def *d = global_properties; d->name; d++)
		if (!strncmp(d->name, "default_pool", 12) &&
		    !strcmp(property_value(&global, d->name), p->name))
			return d->name;
	for (size_t i = 0; i < m->n_vms; i++)
		for (size_t k = 0; k < m->vms[i]->n_volumes; k++) {
			const char *pool = kv_get(&m->vms[i]->volumes[k].attrs, "pool");

			if (pool && !strcmp(pool, p->name))
				return arena_printf(c->arena, "%s:%s", m->vms[i]->name,
						    m->vms[i]->volumes[k].name);
		}
	return NULL;
}

static enum call_result pool_remove(struct call *c)
{
	const struct pool *p = named(c);

	if (!p)
		return CALL_DONE;
	if (user_of(c, p))
		return call_raise(c, "QubesPoolInUseError", "Storage pool is in use: '%s'; see %s",
				  p->name, user_of(c, p));
	event_send(c->d, NULL, "pool-pre-delete", "name", p->name, NULL);
	model_pool_remove(c->d->model, call_argument(c));
	if (call_save(c))
		event_send(c->d, NULL, "pool-delete", "name", call_argument(c), NULL);
	return CALL_DONE;
}

static enum call_result set(struct call *c, const char *key)
{
	const struct pool *p = named(c);

	if (!p)
		return CALL_DONE;
	if (!storage_is_file_pool(p))
		return call_raise(c, "QubesNotImplementedError", "Pool '%s' has no %s", p->name,
				  key);
	if (!value_ok(c, key, call_payload(c)))
		return CALL_DONE;
	call_save_value(c, &c->d->model->pools[p - c->d->model->pools].config, key, call_payload(c));
	return CALL_DONE;
}

static enum call_result set_revisions(struct call *c)
{
	return set(c, "revisions_to_keep");
}

static enum call_result set_ephemeral(struct call *c)
{
	return set(c, "ephemeral_volatile");
}

const struct call_method pool_methods[] = {
	{"admin.pool.List", TO_DOM0, pool_list},
	{"admin.pool.ListDrivers", TO_DOM0, list_drivers},
	{"admin.pool.Info", TO_DOM0 | ARGUMENT, pool_info},
	{"admin.pool.UsageDetails", TO_DOM0 | ARGUMENT, usage_details},
	{"admin.pool.Add", TO_DOM0 | ARGUMENT | PAYLOAD, pool_add},
	{"admin.pool.Remove", TO_DOM0 | ARGUMENT, pool_remove},
	{"admin.pool.volume.List", TO_DOM0 | ARGUMENT, volume_list},
	{"admin.pool.Set.revisions_to_keep", TO_DOM0 | ARGUMENT | PAYLOAD, set_revisions},
	{"admin.pool.Set.ephemeral_volatile", TO_DOM0 | ARGUMENT | PAYLOAD, set_ephemeral},
	{0},
};
