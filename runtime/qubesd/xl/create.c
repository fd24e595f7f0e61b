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
	PCI_MAX = 64,
};

/* What stdin asks for: libxl's own record and what it has no place for. */
struct request {
	libxl_domain_config config;
	int strict[PCI_MAX]; /* reset of each PCI device */
	int permit_without_iommu;
};

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

static int add_disk(libxl_domain_config *c, struct blob value)
{
	c->disks = xreallocarray(c->disks, (size_t)c->num_disks + 1, sizeof(*c->disks));
	libxl_device_disk_init(&c->disks[c->num_disks]);
	return xl_parse_disk(value, &c->disks[c->num_disks++]);
}

static int add_nic(libxl_domain_config *c, struct blob value)
{
	if (c->num_nics)
		return -EINVAL;
	c->nics = xreallocarray(NULL, 1, sizeof(*c->nics));
	libxl_device_nic_init(&c->nics[c->num_nics]);
	return xl_parse_nic(value, &c->nics[c->num_nics++]);
}

static int add_pci(struct request *q, struct blob value)
{
	libxl_domain_config *c = &q->config;
	int strict = 0, r;

	if (c->num_pcidevs == PCI_MAX)
		return -EINVAL;
	c->pcidevs = xreallocarray(c->pcidevs, (size_t)c->num_pcidevs + 1, sizeof(*c->pcidevs));
	libxl_device_pci_init(&c->pcidevs[c->num_pcidevs]);
	r = xl_parse_pci(value, &c->pcidevs[c->num_pcidevs], &strict);
	q->strict[c->num_pcidevs++] = strict;
	return r;
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

static int apply(libxl_ctx *ctx, struct request *q, struct blob key, struct blob value)
{
	libxl_domain_config *c = &q->config;
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
	else if (blob_eq_str(key, "nic"))
		return add_nic(c, value);
	else if (blob_eq_str(key, "pci"))
		return add_pci(q, value);
	else if (blob_eq_str(key, "permit_without_iommu"))
		q->permit_without_iommu = blob_eq_str(value, "1");
	else if (blob_eq_str(key, "driver_domain"))
		libxl_defbool_set(&c->c_info.driver_domain, blob_eq_str(value, "1"));
	else if (blob_eq_str(key, "e820_host")) {
		if (c->c_info.type != LIBXL_DOMAIN_TYPE_PV)
			return -EINVAL; /* it would write into another type's half of the union */
		libxl_defbool_set(&c->b_info.u.pv.e820_host,
				  blob_eq_str(value, "1") || (blob_eq_str(value, "auto") && xl_map_has_room()));
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
static int apply_lines(libxl_ctx *ctx, struct request *q, struct blob input, int types)
{
	struct blob line;

	while (blob_token(&input, '\n', &line)) {
		struct blob key, whole = line;

		if (!blob_token(&line, '=', &key))
			return -EINVAL;
		if (blob_eq_str(key, "type") != types)
			continue;
		if (apply(ctx, q, key, line) < 0) {
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

static int prepare_devices(libxl_ctx *ctx, struct request *q)
{
	for (int i = 0; i < q->config.num_pcidevs; i++)
		if (xl_pci_prepare(ctx, &q->config.pcidevs[i], q->strict[i],
				   q->permit_without_iommu))
			return 1;
	return 0;
}

/* In KiB, before there is a domain: one that failed may still hold some of it. What is not known is 0. */
struct memory {
	uint64_t need, free;
};

static struct memory memory_of(libxl_ctx *ctx, libxl_domain_config *c)
{
	struct memory m = {0};

	if (libxl_domain_need_memory(ctx, c, 0, &m.need) || libxl_get_free_memory(ctx, &m.free))
		return (struct memory){0};
	return m;
}

/* libxl tells of it only in its log, among much else. */
static int failed(const struct memory *m, int code)
{
	if (m->need <= m->free)
		return xl_fail("building the domain failed, see the log of qubesd", code);
	printf(XL_SHORT " %llu %llu\n", (unsigned long long)m->need >> 10, (unsigned long long)m->free >> 10);
	return 1;
}

static int build(libxl_ctx *ctx, struct request *q)
{
	libxl_domain_config *c = &q->config;
	struct memory memory;
	uint32_t domid = 0;
	int r;

	if (!c->c_info.name || libxl_uuid_is_nil(&c->c_info.uuid) || !c->b_info.target_memkb)
		return xl_fail("name, uuid, type and memory are needed", 0);
	if (prepare_devices(ctx, q))
		return 1;
	finish(c);
	memory = memory_of(ctx, c);
	r = libxl_domain_create_new(ctx, c, &domid, NULL, NULL);
	if (r)
		return failed(&memory, r);
	printf(XL_OK " %u\n", domid);
	return 0;
}

int xl_create(libxl_ctx *ctx, uint32_t unused)
{
	_cleanup_strbuf_ struct strbuf input = {0};
	struct request q = {0};
	int r = 1;

	(void)unused;
	if (read_fd(STDIN_FILENO, INPUT_MAX, &input) < 0)
		return xl_fail("cannot read the domain from stdin", 0);
	libxl_domain_config_init(&q.config);
	if (apply_lines(ctx, &q, strbuf_blob(&input), 1) == 0 &&
	    apply_lines(ctx, &q, strbuf_blob(&input), 0) == 0)
		r = build(ctx, &q);
	libxl_domain_config_dispose(&q.config);
	return r;
}
