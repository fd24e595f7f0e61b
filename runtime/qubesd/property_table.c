/* The tables of properties; values and order after ref/runtime.md 7.4. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/qubesd/denied.h"
#include "runtime/qubesd/property.h"
#include "runtime/qubesd/property_net.h"

enum {
	EVERY = CLASS_ADMIN | CLASS_TEMPLATE | CLASS_APP | CLASS_STANDALONE | CLASS_DISP,
	GUESTS = EVERY & ~CLASS_ADMIN,
	BASED = CLASS_APP | CLASS_DISP,
	NOT_TEMPLATE = GUESTS & ~CLASS_TEMPLATE,
};

static const char *get_name(const struct property_ctx *ctx)
{
	return ctx->vm->name;
}

static const char *get_qid(const struct property_ctx *ctx)
{
	return arena_printf(ctx->arena, "%d", ctx->vm->qid);
}

static const char *get_uuid(const struct property_ctx *ctx)
{
	return ctx->vm->uuid;
}

static const char *get_klass(const struct property_ctx *ctx)
{
	return vm_class_name(ctx->vm->class);
}

static const char *get_icon(const struct property_ctx *ctx)
{
	const char *kind = "appvm";

	if (ctx->vm->class == CLASS_ADMIN)
		kind = "adminvm";
	else if (ctx->vm->class == CLASS_TEMPLATE)
		kind = "templatevm";
	else if (ctx->vm->class == CLASS_STANDALONE)
		kind = "standalonevm";
	else if (ctx->vm->class == CLASS_DISP)
		kind = "dispvm";
	else if (!strcmp(property_value(ctx, "template_for_dispvms"), "True"))
		kind = "templatevm";
	return arena_printf(ctx->arena, "%s-%s", kind, property_value(ctx, "label"));
}

static const char *get_updateable(const struct property_ctx *ctx)
{
	return ctx->vm->class & BASED ? "False" : "True";
}

static const char *get_xid(const struct property_ctx *ctx)
{
	return arena_printf(ctx->arena, "%d", ctx->vm->domid);
}

static const char *get_start_time(const struct property_ctx *ctx)
{
	if (ctx->vm->class == CLASS_ADMIN || !ctx->vm->start_time)
		return NULL;
	return arena_printf(ctx->arena, "%ld.0", ctx->vm->start_time);
}

/* No balancing of memory yet: 0 says so, as on a system without it. */
static const char *get_maxmem(const struct property_ctx *ctx)
{
	(void)ctx;
	return "0";
}

/* PV reaches devices through the IOMMU without a device model, which pvh cannot and hvm would need
 * a stub domain for; and it is all that a machine without VT-x or AMD-V can run. */
static const char *get_virt_mode(const struct property_ctx *ctx)
{
	return vm_needs_pv(ctx->m, ctx->vm) ? "pv" : NULL;
}

/* Devices reach only memory that the kernel knows to be contiguous for the machine. */
static const char *get_kernelopts(const struct property_ctx *ctx)
{
	return vm_has_assigned(ctx->vm, "pci") ? "iommu=soft swiotlb=8192" : NULL;
}

/* What the template has for the qubes based on it. */
static const char *get_bootmode(const struct property_ctx *ctx)
{
	struct property_ctx up = *ctx;

	while (up.vm && up.vm->class != CLASS_TEMPLATE)
		up.vm = vm_template(ctx->m, up.vm);
	return up.vm && up.vm != ctx->vm ? property_value(&up, "appvm_default_bootmode") : NULL;
}

static const char *check_template(const struct property_ctx *ctx, struct blob value)
{
	const struct vm *t = model_find(ctx->m, value);

	if (!t)
		return "a template is needed";
	if (ctx->vm && (vm_has_domain(ctx->vm) || ctx->m->unheard))
		return "cannot be changed while the qube runs";
	if (ctx->vm && ctx->vm->class == CLASS_DISP) {
		struct property_ctx up = {ctx->m, t, ctx->arena};

		return strcmp(property_value(&up, "template_for_dispvms"), "True")
			       ? "is no qube that disposables can be made from"
			       : NULL;
	}
	return t->class == CLASS_TEMPLATE ? NULL : "is no TemplateVM";
}

static const char *check_disposables(const struct property_ctx *ctx, struct blob value)
{
	if (!ctx->vm || blob_eq_str(value, "True"))
		return NULL;
	for (size_t i = 0; i < ctx->m->n_vms; i++)
		if (ctx->m->vms[i]->class == CLASS_DISP &&
		    vm_template(ctx->m, ctx->m->vms[i]) == ctx->vm)
			return arena_printf(ctx->arena, "the disposable %s is made from it",
					    ctx->m->vms[i]->name);
	return NULL;
}

static const char *get_template_name(const struct property_ctx *ctx)
{
	return ctx->vm->class == CLASS_DISP ? kv_get(&ctx->vm->props, "template") : NULL;
}

/* Of a disposable that goes there is nothing to keep. */
static const char *get_include_in_backups(const struct property_ctx *ctx)
{
	return ctx->vm->class == CLASS_DISP &&
			       !strcmp(property_value(ctx, "auto_cleanup"), "True")
		       ? "False"
		       : "True";
}

static const char *get_stubdom_xid(const struct property_ctx *ctx)
{
	(void)ctx;
	return "-1"; /* no qube has one yet */
}

static const char *check_pool(const struct property_ctx *ctx, struct blob value)
{
	return model_pool(ctx->m, arena_strndup(ctx->arena, value.p, value.n)) ? NULL
									      : "is no pool";
}

static const char *check_codes(const struct property_ctx *ctx, struct blob value)
{
	(void)ctx;
	for (size_t i = 0; i < value.n; i += DENIED_CODE)
		if (value.n - i < DENIED_CODE ||
		    !denied_code_valid((struct blob){value.p + i, DENIED_CODE}))
			return "is no list of interface codes";
	return NULL;
}

/* layout+variant+options, of the characters that XKB has in them. */
static const char *check_keyboard(const struct property_ctx *ctx, struct blob value)
{
	int plus = 0;

	(void)ctx;
	for (size_t i = 0; i < value.n; i++) {
		plus += value.p[i] == '+';
		if (!isalnum((unsigned char)value.p[i]) && !strchr("+_-,:", value.p[i]))
			return "is no layout+variant+options";
	}
	return value.n && value.p[0] != '+' && plus == 2 ? NULL : "is no layout+variant+options";
}

/* A feature boot-mode.kernelopts.NAME of the qube or its template says what it means. */
static const char *check_bootmode(const struct property_ctx *ctx, struct blob value)
{
	const char *feature = arena_printf(ctx->arena, "boot-mode.kernelopts.%.*s", BLOB_ARG(value));

	return blob_eq_str(value, "default") ||
			       (ctx->vm && net_feature(ctx->m, ctx->vm, feature))
		       ? NULL
		       : "is no boot mode of the qube";
}

static const char *check_virt_mode(const struct property_ctx *ctx, struct blob value)
{
	(void)ctx;
	if (blob_eq_str(value, "pvh") || blob_eq_str(value, "pv") || blob_eq_str(value, "hvm"))
		return NULL;
	return "is none of pvh, pv, hvm";
}

static const char *check_positive(const struct property_ctx *ctx, struct blob value)
{
	(void)ctx;
	return blob_eq_str(value, "0") ? "has to be above zero" : NULL;
}

/* A directory name below vm-kernels, or empty. */
static const char *check_kernel(const struct property_ctx *ctx, struct blob value)
{
	(void)ctx;
	if (memchr(value.p, '/', value.n) || (value.n && value.p[0] == '.'))
		return "is no name of a kernel directory";
	return NULL;
}

/* A POSIX user name: it ends up in command lines of the qube. */
static const char *check_user(const struct property_ctx *ctx, struct blob value)
{
	(void)ctx;
	if (!value.n || value.n > 32)
		return "is no user name";
	for (size_t i = 0; i < value.n; i++)
		if (!isalnum((unsigned char)value.p[i]) && !strchr("._-", value.p[i]))
			return "is no user name";
	return value.p[0] == '-' ? "is no user name" : NULL;
}

#define STR(n, cl, ...)                                                                            \
	{                                                                                          \
		.name = n, .type = PROPERTY_STR, .classes = cl, __VA_ARGS__                        \
	}
#define INT(n, cl, ...)                                                                            \
	{                                                                                          \
		.name = n, .type = PROPERTY_INT, .classes = cl, __VA_ARGS__                        \
	}
#define BOOL(n, cl, ...)                                                                           \
	{                                                                                          \
		.name = n, .type = PROPERTY_BOOL, .classes = cl, __VA_ARGS__                       \
	}
#define VM(n, cl, ...)                                                                             \
	{                                                                                          \
		.name = n, .type = PROPERTY_VM, .classes = cl, __VA_ARGS__                         \
	}
#define COMPUTED .access = PROPERTY_COMPUTED
#define ONCE .access = PROPERTY_ONCE
#define INHERIT .from_template = true

const struct property_def vm_properties[] = {
	STR("name", EVERY, ONCE, .compute = get_name, .help = "name of the qube"),
	INT("qid", EVERY, ONCE, .compute = get_qid,
	    .help = "internal, persistent number of the qube"),
	STR("uuid", EVERY, ONCE, .compute = get_uuid, .help = "UUID of the qube and of its domain"),
	STR("klass", EVERY, COMPUTED, .compute = get_klass, .help = "class of the qube"),
	{.name = "label", .type = PROPERTY_LABEL, .classes = EVERY, .help = "colour of the qube"},
	STR("icon", EVERY, COMPUTED, .compute = get_icon, .help = "name of the icon"),
	VM("template", BASED, .check = check_template, .help = "template whose root the qube uses"),
	BOOL("template_for_dispvms", CLASS_APP | CLASS_STANDALONE, .constant = "False", .check = check_disposables,
	     .help = "whether disposables may be made from this qube"),
	STR("virt_mode", GUESTS, INHERIT, .first = get_virt_mode, .constant = "pvh",
	    .check = check_virt_mode, .help = "pvh, pv or hvm"),
	INT("memory", EVERY, INHERIT, .constant = "400", .check = check_positive,
	    .help = "memory at start, MiB"),
	INT("maxmem", EVERY, .compute = get_maxmem,
	    .help = "upper limit of balanced memory, MiB; 0: not balanced"),
	INT("stubdom_mem", GUESTS, .help = "memory of the stub domain, MiB"),
	INT("vcpus", EVERY, INHERIT, .constant = "2", .check = check_positive,
	    .help = "number of virtual CPUs"),
	STR("kernel", GUESTS, INHERIT, .global = "default_kernel", .check = check_kernel,
	    .help = "kernel version from dom0; empty: the kernel on the qube's disk"),
	STR("kernelopts", GUESTS, INHERIT, .first = get_kernelopts, .constant = "",
	    .help = "further words for the kernel command line"),
	STR("bootmode", GUESTS, .first = get_bootmode, .constant = "default", .check = check_bootmode,
	    .help = "boot mode, which adds the feature boot-mode.kernelopts.MODE to the kernel command line"),
	STR("appvm_default_bootmode", CLASS_TEMPLATE, .constant = "default",
	    .check = check_bootmode, .help = "boot mode of qubes based on this template"),
	BOOL("debug", GUESTS, .constant = "False", .help = "whether to start with debugging aids"),
	STR("default_user", GUESTS, INHERIT, .constant = "user", .check = check_user,
	    .help = "user that commands run as"),
	INT("qrexec_timeout", GUESTS, INHERIT, .global = "default_qrexec_timeout", .constant = "60",
	    .check = check_positive, .help = "seconds to wait for the qube's agent at start"),
	INT("shutdown_timeout", GUESTS, INHERIT, .global = "default_shutdown_timeout",
	    .constant = "60", .check = check_positive, .help = "seconds to wait for a shutdown"),
	BOOL("autostart", GUESTS, .constant = "False",
	     .help = "whether the qube starts with the machine"),
	INT("dispid", CLASS_DISP, ONCE, .help = "number of the disposable, for its name and address"),
	BOOL("auto_cleanup", CLASS_DISP, .constant = "False",
	     .help = "whether the disposable goes as soon as it has stopped"),
	BOOL("is_preload", CLASS_DISP, COMPUTED, .constant = "False",
	     .help = "whether it was made in advance"),
	BOOL("include_in_backups", EVERY, .compute = get_include_in_backups,
	     .help = "whether backups contain it by default"),
	INT("backup_timestamp", GUESTS, .help = "time of the last backup, seconds since 1970"),
	BOOL("installed_by_rpm", GUESTS, .constant = "False",
	     .help = "whether a package owns the qube"),
	BOOL("updateable", EVERY, COMPUTED, .compute = get_updateable,
	     .help = "whether it has a root of its own"),
	STR("devices_denied", GUESTS, .constant = "", .check = check_codes,
	    .help = "interface codes that may not be attached"),
	STR("keyboard_layout", EVERY, .constant = "us++", .check = check_keyboard, .help = "layout+variant+options"),
	VM("guivm", GUESTS, .global = "default_guivm",
	   .help = "qube that shows this qube's windows"),
	VM("audiovm", GUESTS, .global = "default_audiovm",
	   .help = "qube that plays this qube's sound"),
	VM("netvm", GUESTS, .compute = net_netvm, .check = net_check_netvm,
	   .help = "qube that gives network"),
	BOOL("provides_network", NOT_TEMPLATE, .constant = "False",
	     .check = net_check_provides_network, .help = "whether it may be a netvm"),
	STR("mac", GUESTS, .constant = "00:16:3e:5e:6c:00", .check = net_check_mac,
	    .help = "address of the network interface"),
	STR("ip", GUESTS, .compute = net_ip, .check = net_check_ip, .help = "IPv4 address"),
	STR("ip6", GUESTS, .compute = net_ip6, .check = net_check_ip6, .help = "IPv6 address"),
	STR("gateway", GUESTS, COMPUTED, .compute = net_gateway,
	    .help = "IPv4 gateway that clients of this qube use"),
	STR("gateway6", GUESTS, COMPUTED, .compute = net_gateway6,
	    .help = "IPv6 gateway that clients of this qube use"),
	STR("netmask", GUESTS, COMPUTED, .compute = net_netmask, .help = "IPv4 netmask"),
	STR("dns", GUESTS, COMPUTED, .compute = net_dns, .help = "name servers"),
	STR("visible_ip", GUESTS, COMPUTED, .compute = net_visible_ip,
	    .help = "IPv4 address as the qube sees it"),
	STR("visible_ip6", GUESTS, COMPUTED, .compute = net_visible_ip6,
	    .help = "IPv6 address as the qube sees it"),
	STR("visible_gateway", GUESTS, COMPUTED, .compute = net_visible_gateway,
	    .help = "IPv4 gateway as the qube sees it"),
	STR("visible_gateway6", GUESTS, COMPUTED, .compute = net_visible_gateway6,
	    .help = "IPv6 gateway as the qube sees it"),
	STR("visible_netmask", GUESTS, COMPUTED, .compute = net_visible_netmask,
	    .help = "netmask as the qube sees it"),
	INT("xid", EVERY, COMPUTED, .compute = get_xid,
	    .help = "number of the Xen domain, -1 when halted"),
	INT("stubdom_xid", GUESTS, COMPUTED, .compute = get_stubdom_xid,
	    .help = "number of the domain that has its device model"),
	STR("stubdom_uuid", GUESTS, COMPUTED, .constant = "",
	    .help = "UUID of that domain"),
	STR("start_time", EVERY, COMPUTED, .compute = get_start_time,
	    .help = "start, seconds since 1970"),
	VM("default_dispvm", EVERY, .first = get_template_name, .global = "default_dispvm",
	   .help = "disposable template for services"),
	VM("management_dispvm", GUESTS, INHERIT, .global = "management_dispvm",
	   .help = "disposable template for management"),
	{0},
};

const struct property_def global_properties[] = {
	VM("default_netvm", 0, .constant = "", .check = net_check_netvm, .help = "netvm of new qubes"),
	VM("default_template", 0, .constant = "", .help = "template of new qubes"),
	VM("default_dispvm", 0, .constant = "", .help = "disposable template of new qubes"),
	VM("management_dispvm", 0, .constant = "", .help = "disposable template for management"),
	VM("default_guivm", 0, .constant = "dom0", .help = "default GUI domain"),
	VM("default_audiovm", 0, .constant = "dom0", .help = "default audio domain"),
	VM("updatevm", 0, .constant = "", .help = "qube that downloads dom0's updates"),
	VM("clockvm", 0, .constant = "", .help = "qube that gives the time"),
	STR("default_kernel", 0, .constant = "", .check = check_kernel,
	    .help = "kernel version of new qubes"),
	STR("default_pool", 0, .constant = "varlibqubes", .check = check_pool, .help = "pool of new volumes"),
	STR("default_pool_root", 0, .global = "default_pool", .check = check_pool, .help = "pool of new root volumes"),
	STR("default_pool_private", 0, .global = "default_pool", .check = check_pool,
	    .help = "pool of new private volumes"),
	STR("default_pool_volatile", 0, .global = "default_pool", .check = check_pool,
	    .help = "pool of new volatile volumes"),
	STR("default_pool_kernel", 0, .constant = "linux-kernel", .check = check_pool, .help = "pool of kernels"),
	INT("default_qrexec_timeout", 0, .constant = "60", .check = check_positive,
	    .help = "seconds to wait for a qube's agent"),
	INT("default_shutdown_timeout", 0, .constant = "60", .check = check_positive,
	    .help = "seconds to wait for a shutdown"),
	INT("stats_interval", 0, .constant = "3", .check = check_positive,
	    .help = "seconds between statistics"),
	BOOL("check_updates_vm", 0, .constant = "True", .help = "whether qubes look for updates"),
	{0},
};
