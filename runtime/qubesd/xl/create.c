/* `qubesd-xl create`: lines from stdin to a libxl_domain_config, and the domain from that. */
#include <errno.h>
#include <libxl.h>
#include <libxl_utils.h>
#include <libxl_uuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "runtime/qubesd/xl/protocol.h"
#include "runtime/qubesd/xl/xl.h"

enum {
	INPUT_MAX = 64 << 10,
	MIB_KIB = 1024,
	VCPUS_MAX = 128,
	MEMORY_MAX = 1 << 24, /* MiB */
};

/* Makes block devices of image files, in place of Xen's shell script and of QEMU. */
static const char block_script[] = "/usr/lib/qubes/qubesd-block";

/* libxl's records are freed by libxl. */
static void set(char **field, struct blob value)
{
	free(*field);
	*field = blob_dup(value);
}

static int set_number(struct blob value, uint64_t max, uint64_t *out)
{
	return blob_to_u64(value, max, out) && *out ? 0 : -EINVAL;
}

static int set_type(libxl_domain_config *c, struct blob value)
{
	static const struct {
		const char *name;
		libxl_domain_type type;
	} types[] = {{"pvh", LIBXL_DOMAIN_TYPE_PVH},
		     {"pv", LIBXL_DOMAIN_TYPE_PV},
		     {"hvm", LIBXL_DOMAIN_TYPE_HVM}};

	for (size_t i = 0; i < 3; i++) {
		if (!blob_eq_str(value, types[i].name))
			continue;
		c->c_info.type = types[i].type;
		libxl_domain_build_info_init_type(&c->b_info, types[i].type);
		return 0;
	}
	return -EINVAL;
}

/* DEVICE MODE PATH */
static int add_disk(libxl_domain_config *c, struct blob value)
{
	struct blob device, mode;
	libxl_device_disk *d;

	if (!blob_token(&value, ' ', &device) || !blob_token(&value, ' ', &mode) || !value.n ||
	    value.p[0] != '/')
		return -EINVAL;
	if (!blob_eq_str(mode, "rw") && !blob_eq_str(mode, "ro"))
		return -EINVAL;
	c->disks = xreallocarray(c->disks, (size_t)c->num_disks + 1, sizeof(*c->disks));
	d = &c->disks[c->num_disks++];
	libxl_device_disk_init(d);
	d->backend = LIBXL_DISK_BACKEND_PHY;
	d->format = LIBXL_DISK_FORMAT_RAW;
	d->vdev = blob_dup(device);
	d->pdev_path = blob_dup(value);
	d->script = xstrdup(block_script);
	d->readwrite = blob_eq_str(mode, "rw");
	d->removable = 0;
	d->is_cdrom = 0;
	return 0;
}

static int set_vcpus(libxl_ctx *ctx, libxl_domain_config *c, uint64_t n)
{
	c->b_info.max_vcpus = (int)n;
	if (libxl_cpu_bitmap_alloc(ctx, &c->b_info.avail_vcpus, (int)n))
		return -ENOMEM;
	libxl_bitmap_set_none(&c->b_info.avail_vcpus);
	for (int i = 0; i < (int)n; i++)
		libxl_bitmap_set(&c->b_info.avail_vcpus, i);
	return 0;
}

static int apply(libxl_ctx *ctx, libxl_domain_config *c, struct blob key, struct blob value)
{
	uint64_t n = 0;

	if (blob_eq_str(key, "name"))
		set(&c->c_info.name, value);
	else if (blob_eq_str(key, "type"))
		return set_type(c, value);
	else if (blob_eq_str(key, "kernel"))
		set(&c->b_info.kernel, value);
	else if (blob_eq_str(key, "ramdisk"))
		set(&c->b_info.ramdisk, value);
	else if (blob_eq_str(key, "cmdline"))
		set(&c->b_info.cmdline, value);
	else if (blob_eq_str(key, "disk"))
		return add_disk(c, value);
	else if (blob_eq_str(key, "e820_host")) {
		if (c->c_info.type != LIBXL_DOMAIN_TYPE_PV)
			return -EINVAL; /* it would write into another type's half of the union */
		libxl_defbool_set(&c->b_info.u.pv.e820_host, blob_eq_str(value, "1"));
	} else if (blob_eq_str(key, "uuid")) {
		_cleanup_free_ char *text = blob_dup(value);

		return libxl_uuid_from_string(&c->c_info.uuid, text) ? -EINVAL : 0;
	} else if (blob_eq_str(key, "vcpus")) {
		return set_number(value, VCPUS_MAX, &n) ? -EINVAL : set_vcpus(ctx, c, n);
	} else if (blob_eq_str(key, "memory")) {
		if (set_number(value, MEMORY_MAX, &n))
			return -EINVAL;
		c->b_info.target_memkb = n * MIB_KIB;
	} else if (blob_eq_str(key, "maxmem")) {
		if (set_number(value, MEMORY_MAX, &n))
			return -EINVAL;
		c->b_info.max_memkb = n * MIB_KIB;
	} else {
		return -EINVAL;
	}
	return 0;
}

/* `type` decides which half of a union the others write to, so it is applied first. */
static int apply_lines(libxl_ctx *ctx, libxl_domain_config *c, struct blob input, int types)
{
	struct blob line;

	while (blob_token(&input, '\n', &line)) {
		struct blob key, whole = line;

		if (!blob_token(&line, '=', &key))
			return -EINVAL;
		if (blob_eq_str(key, "type") != types)
			continue;
		if (apply(ctx, c, key, line) < 0) {
			printf(XL_ERROR " not understood: %.*s\n", BLOB_ARG(whole));
			return -EINVAL;
		}
	}
	return 0;
}

/* What every qube has, whatever the lines say. */
static void finish(libxl_domain_config *c)
{
	c->on_poweroff = LIBXL_ACTION_ON_SHUTDOWN_DESTROY;
	c->on_reboot = LIBXL_ACTION_ON_SHUTDOWN_DESTROY;
	c->on_watchdog = LIBXL_ACTION_ON_SHUTDOWN_DESTROY;
	c->on_crash = LIBXL_ACTION_ON_SHUTDOWN_DESTROY;
	c->on_soft_reset = LIBXL_ACTION_ON_SHUTDOWN_DESTROY;
	libxl_defbool_set(&c->c_info.run_hotplug_scripts, true);
	if (!c->b_info.max_memkb)
		c->b_info.max_memkb = c->b_info.target_memkb;
	if (c->c_info.type == LIBXL_DOMAIN_TYPE_HVM)
		c->b_info.device_model_version = LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN;
}

int xl_create(libxl_ctx *ctx, uint32_t unused)
{
	_cleanup_strbuf_ struct strbuf input = {0};
	libxl_domain_config config;
	uint32_t domid = 0;
	int r;

	(void)unused;
	if (read_fd(STDIN_FILENO, INPUT_MAX, &input) < 0)
		return xl_fail("cannot read the domain from stdin", 0);
	libxl_domain_config_init(&config);
	if (apply_lines(ctx, &config, strbuf_blob(&input), 1) < 0 ||
	    apply_lines(ctx, &config, strbuf_blob(&input), 0) < 0) {
		r = 1;
	} else if (!config.c_info.name || libxl_uuid_is_nil(&config.c_info.uuid) ||
		   !config.b_info.target_memkb) {
		r = xl_fail("name, uuid, type and memory are needed", 0);
	} else {
		finish(&config);
		r = libxl_domain_create_new(ctx, &config, &domid, NULL, NULL);
		if (r)
			r = xl_fail("building the domain failed, see the log of qubesd", r);
		else
			printf(XL_OK " %u\n", domid);
	}
	libxl_domain_config_dispose(&config);
	return r;
}
