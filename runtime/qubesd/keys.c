#include "runtime/qubesd/keys.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "runtime/qubesd/property.h"
#include "runtime/qubesdb/include/qubesdb-client.h"

enum { KEYS_MAX = 256 };

struct keys {
	const char *run_dir, *name;
	struct {
		const char *path, *value;
	} v[KEYS_MAX];
	size_t n;
	struct arena *arena;
};

static void add(struct keys *k, const char *path, const char *value)
{
	if (k->n == KEYS_MAX)
		return;
	k->v[k->n].path = path;
	k->v[k->n++].value = value;
}

/* Olson name: where /etc/localtime points to below zoneinfo. */
static void add_timezone(struct keys *k)
{
	char target[PATH_MAX];
	ssize_t n = readlink("/etc/localtime", target, sizeof(target) - 1);
	char *name;

	if (n <= 0)
		return;
	target[n] = 0;
	name = strstr(target, "/zoneinfo/");
	if (name)
		add(k, "/qubes-timezone", arena_strdup(k->arena, name + strlen("/zoneinfo/")));
}

/* base64 of 64 random bytes. */
static void add_seed(struct keys *k)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char in[66] = {0};
	char *out = arena_alloc(k->arena, 89), *p = out;

	if (getrandom(in, 64, 0) != 64)
		return;
	for (size_t i = 0; i < sizeof(in); i += 3) {
		unsigned v = (unsigned)in[i] << 16 | (unsigned)in[i + 1] << 8 | in[i + 2];

		for (int shift = 18; shift >= 0; shift -= 6)
			*p++ = digits[v >> shift & 63];
	}
	out[86] = out[87] = '='; /* 64 = 21 * 3 + 1 */
	add(k, "/qubes-random-seed", out);
}

static const char *vm_type(const struct property_ctx *ctx)
{
	if (ctx->vm->class == CLASS_TEMPLATE)
		return "TemplateVM";
	if (strcmp(property_value(ctx, "provides_network"), "True") != 0)
		return "AppVM";
	return *property_value(ctx, "netvm") ? "ProxyVM" : "NetVM";
}

static const char *persistence(const struct vm *vm)
{
	if (vm->class & (CLASS_TEMPLATE | CLASS_STANDALONE))
		return "full";
	return vm->class == CLASS_DISP ? "none" : "rw-only";
}

static void add_features(struct keys *k, const struct vm *vm)
{
	for (size_t i = 0; i < vm->features.n; i++) {
		const char *key = vm->features.v[i].key, *value = vm->features.v[i].value;
		struct blob name = blob_of(key);

		if (blob_has_prefix(name, "service.") && name.n - 8 <= 48)
			add(k, arena_printf(k->arena, "/qubes-service/%s", key + 8),
			    *value ? "1" : "0");
		else if (blob_has_prefix(name, "vm-config."))
			add(k, arena_printf(k->arena, "/vm-config/%s", key + 10), value);
		else if (blob_has_prefix(name, "custom-persist."))
			add(k, arena_printf(k->arena, "/persist/%s", key + 15), value);
	}
}

static void add_network(struct keys *k, const struct property_ctx *ctx)
{
	if (!*property_value(ctx, "netvm"))
		return;
	add(k, "/qubes-mac", property_value(ctx, "mac"));
	add(k, "/qubes-ip", property_value(ctx, "visible_ip"));
	add(k, "/qubes-netmask", property_value(ctx, "visible_netmask"));
	add(k, "/qubes-gateway", property_value(ctx, "visible_gateway"));
	add(k, "/qubes-primary-dns", "10.139.1.1");
	add(k, "/qubes-secondary-dns", "10.139.1.2");
}

struct keys *keys_collect(const struct qubesd *d, const struct vm *vm, struct arena *a)
{
	struct property_ctx ctx = {d->model, vm, a};
	struct keys *k = arena_alloc(a, sizeof(*k));
	const char *anonymous = kv_get(&vm->features, "anon-timezone");

	*k = (struct keys){.run_dir = d->run_dir, .name = vm->name, .arena = a};
	add(k, "/name", vm->name);
	add(k, "/type", vm_class_name(vm->class));
	add(k, "/default-user", property_value(&ctx, "default_user"));
	add(k, "/qubes-vm-type", vm_type(&ctx));
	add(k, "/qubes-vm-updateable", property_value(&ctx, "updateable"));
	add(k, "/qubes-vm-persistence", persistence(vm));
	add(k, "/qubes-debug-mode", strcmp(property_value(&ctx, "debug"), "True") == 0 ? "1" : "0");
	add(k, "/qubes-base-template", property_value(&ctx, "template"));
	add_seed(k);
	if (!anonymous || !*anonymous)
		add_timezone(k);
	add(k, "/keyboard-layout", property_value(&ctx, "keyboard_layout"));
	add(k, "/qubes-gui-enabled", "False");
	add(k, "/qubes-service/meminfo-writer",
	    strcmp(property_value(&ctx, "maxmem"), "0") ? "1" : "0");
	add_features(k, vm);
	add_network(k, &ctx);
	add(k, "/qubes-block-devices", "");
	add(k, "/qubes-usb-devices", "");
	return k;
}

int keys_write(const void *arg, struct error *err)
{
	const struct keys *k = arg;
	qdb_handle_t h = qdb_open_dir(k->run_dir, k->name);
	int r = 0;

	if (!h)
		return error_errno(err, -errno, k->name, "cannot reach its qubesdb-daemon");
	for (size_t i = 0; i < k->n && r == 0; i++)
		if (!qdb_write(h, k->v[i].path, k->v[i].value, (unsigned)strlen(k->v[i].value)))
			r = error_errno(err, -errno, k->v[i].path, "cannot write to qubesdb");
	qdb_close(h);
	return r;
}
