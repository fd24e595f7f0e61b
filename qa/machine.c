#include "qa/machine.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/yaml.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

static int load_disk(struct arena *a, const struct yaml_node *node, struct machine_disk **out, struct error *err)
{
	static const char *const keys[] = {"id", "serial", "bus", "size", NULL};
	static const char *const buses[] = {"virtio", "nvme", "ahci", "usb", NULL};
	struct machine_disk *d = arena_alloc(a, sizeof(*d));
	const char *const *bus = buses;
	int r = yaml_check_keys(node, keys, err);

	d->bus = "virtio";
	if (r == 0)
		r = yaml_string(node, "id", &d->id, err);
	if (r == 0)
		r = yaml_string(node, "serial", &d->serial, err);
	if (r == 0)
		r = yaml_string(node, "bus", &d->bus, err);
	if (r == 0)
		r = yaml_size(node, "size", &d->bytes, err);
	if (r < 0)
		return r;
	while (*bus && strcmp(*bus, d->bus))
		bus++;
	if (!*bus)
		return yaml_error(node, err, "bus '%s' is none of virtio, nvme, ahci, usb", d->bus);
	if (!d->id || !d->bytes)
		return yaml_error(node, err, "a disk needs an id and a size");
	*out = d;
	return 0;
}

static int load_lists(struct arena *a, const struct yaml_node *root, struct machine *m, struct error *err)
{
	const struct yaml_node *disks = yaml_get(root, "disks");
	struct machine_disk **disk = &m->disks;
	const char *const *nics = NULL;
	struct machine_nic **nic = &m->nics;
	int r;

	if (disks && disks->kind != YAML_LIST)
		return yaml_error(disks, err, "'disks' must be a list");
	for (const struct yaml_node *n = disks ? disks->first : NULL; n; n = n->next, disk = &(*disk)->next) {
		r = load_disk(a, n, disk, err);
		if (r < 0)
			return r;
	}
	r = yaml_strings(a, root, "nics", &nics, err);
	for (; r == 0 && nics && *nics; nics++, nic = &(*nic)->next) {
		*nic = arena_alloc(a, sizeof(**nic));
		(*nic)->model = *nics;
	}
	return r;
}

int machine_load(struct arena *a, const char *dir, const char *name, struct machine **out, struct error *err)
{
	static const char *const keys[] = {"firmware", "memory", "cpus", "iommu", "xhci", "disks", "nics", NULL};
	const char *path = arena_printf(a, "%s/%s.yaml", dir, name);
	const char *firmware = "uefi", *iommu = "none";
	struct machine *m = arena_alloc(a, sizeof(*m));
	uint64_t memory = 2ull << 30;
	struct yaml_node *root;
	int r = yaml_load_file(a, AT_FDCWD, path, &root, err);

	m->name = arena_strdup(a, name);
	m->cpus = 2;
	if (r == 0)
		r = yaml_check_keys(root, keys, err);
	if (r == 0)
		r = yaml_string(root, "firmware", &firmware, err);
	if (r == 0)
		r = yaml_string(root, "iommu", &iommu, err);
	if (r == 0)
		r = yaml_size(root, "memory", &memory, err);
	if (r == 0)
		r = yaml_u64(root, "cpus", 64, &m->cpus, err);
	if (r == 0)
		r = yaml_bool(root, "xhci", &m->xhci, err);
	if (r == 0)
		r = load_lists(a, root, m, err);
	if (r < 0)
		return r;
	if (strcmp(firmware, "uefi") && strcmp(firmware, "bios"))
		return yaml_error(yaml_get(root, "firmware"), err, "'firmware' must be uefi or bios");
	if (strcmp(iommu, "intel") && strcmp(iommu, "none"))
		return yaml_error(yaml_get(root, "iommu"), err, "'iommu' must be intel or none");
	m->uefi = !strcmp(firmware, "uefi");
	m->vtd = !strcmp(iommu, "intel");
	m->memory_mib = memory >> 20;
	*out = m;
	return 0;
}

static int find_firmware(const char *const *paths, const char **found, struct error *err)
{
	for (; *paths; paths++)
		if (access(*paths, R_OK) == 0) {
			*found = *paths;
			return 0;
		}
	return error_set(err, -ENOENT, "UEFI firmware for QEMU", "install the package ovmf", "not found");
}

static const char *const ovmf_code[] = {"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd", NULL};
static const char *const ovmf_vars[] = {"/usr/share/OVMF/OVMF_VARS_4M.fd", "/usr/share/OVMF/OVMF_VARS.fd", NULL};

static int make_disk(const struct machine_disk *d, const char *dir, const char *from, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s.qcow2", dir, d->id);
	_cleanup_free_ char *size = xasprintf("%llu", (unsigned long long)d->bytes);
	_cleanup_free_ char *base = from ? xasprintf("%s/%s.qcow2", from, d->id) : NULL;

	if (base)
		return process_check((const char *const[]){"qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2",
							   "-b", base, path, NULL},
				     err);
	return process_check((const char *const[]){"qemu-img", "create", "-q", "-f", "qcow2", path, size, NULL}, err);
}

static int make_firmware_variables(const char *dir, const char *from, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/uefi-vars.fd", dir);
	_cleanup_free_ char *earlier = from ? xasprintf("%s/uefi-vars.fd", from) : NULL;
	_cleanup_strbuf_ struct strbuf vars = {0};
	const char *source = earlier;
	int r = source ? 0 : find_firmware(ovmf_vars, &source, err);

	if (r < 0)
		return r;
	r = read_file(AT_FDCWD, source, 16 << 20, &vars);
	if (r == 0)
		r = write_file(AT_FDCWD, path, vars.p, vars.n, 0644);
	return r < 0 ? error_errno(err, r, source, "cannot copy the firmware's variables") : 0;
}

int machine_prepare(const struct machine *m, const char *dir, const char *from, struct error *err)
{
	int r = 0;

	for (const struct machine_disk *d = m->disks; r == 0 && d; d = d->next)
		r = make_disk(d, dir, from, err);
	if (r == 0 && m->uefi)
		r = make_firmware_variables(dir, from, err);
	return r;
}

static void add(struct strv *argv, const char *option, const char *value)
{
	strv_push(argv, option);
	strv_push(argv, value);
}

static void addf(struct strv *argv, const char *option, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void addf(struct strv *argv, const char *option, const char *fmt, ...)
{
	va_list args;
	char *value;

	va_start(args, fmt);
	if (vasprintf(&value, fmt, args) < 0)
		abort();
	va_end(args);
	strv_push(argv, option);
	strv_push_take(argv, value);
}

static void add_stick(struct strv *argv, const char *id, const char *image, int boot_index)
{
	addf(argv, "-drive", "if=none,id=%s,file=%s,format=raw,snapshot=on", id, image);
	if (boot_index >= 0)
		addf(argv, "-device", "usb-storage,bus=xhci.0,drive=%s,removable=on,serial=%s,bootindex=%d", id, id, boot_index);
	else
		addf(argv, "-device", "usb-storage,bus=xhci.0,drive=%s,removable=on,serial=%s", id, id);
}

static void add_disk(struct strv *argv, const struct machine_disk *d, const char *dir, unsigned n)
{
	_cleanup_free_ char *serial = d->serial ? xasprintf(",serial=%s", d->serial) : xstrdup("");

	addf(argv, "-drive", "if=none,id=%s,file=%s/%s.qcow2,format=qcow2,cache=unsafe,discard=unmap", d->id, dir, d->id);
	if (!strcmp(d->bus, "nvme"))
		addf(argv, "-device", "nvme,drive=%s,bootindex=%u%s", d->id, 10 + n, d->serial ? serial : ",serial=none");
	else if (!strcmp(d->bus, "ahci"))
		addf(argv, "-device", "ide-hd,drive=%s,bus=ide.%u,bootindex=%u%s", d->id, n, 10 + n, serial);
	else if (!strcmp(d->bus, "usb"))
		addf(argv, "-device", "usb-storage,bus=xhci.0,drive=%s,bootindex=%u%s", d->id, 10 + n, serial);
	else
		addf(argv, "-device", "virtio-blk-pci,drive=%s,bootindex=%u%s", d->id, 10 + n, serial);
}

static int add_firmware(const struct machine *m, const char *dir, struct strv *argv, struct error *err)
{
	const char *code = NULL;
	int r;

	if (!m->uefi)
		return 0;
	r = find_firmware(ovmf_code, &code, err);
	if (r < 0)
		return r;
	addf(argv, "-drive", "if=pflash,format=raw,unit=0,readonly=on,file=%s", code);
	addf(argv, "-drive", "if=pflash,format=raw,unit=1,file=%s/uefi-vars.fd", dir);
	return 0;
}

/* Without -smap a PV dom0 dies at its first instructions under TCG; with RDTSCP nested guests hang. */
static void add_processor(const struct machine *m, struct strv *argv)
{
	bool kvm = access("/dev/kvm", R_OK | W_OK) == 0;

	add(argv, "-machine", "q35,kernel-irqchip=split");
	add(argv, "-accel", kvm ? "kvm" : "tcg,thread=multi");
	add(argv, "-cpu", kvm ? "host" : "max,-smap,-rdtscp");
	addf(argv, "-m", "%llu", (unsigned long long)m->memory_mib);
	addf(argv, "-smp", "%llu", (unsigned long long)m->cpus);
	if (m->vtd)
		add(argv, "-device", "intel-iommu,intremap=on,caching-mode=on");
}

int machine_argv(const struct machine *m, const struct machine_boot *boot, struct strv *argv, struct error *err)
{
	unsigned n = 0;
	int r;

	strv_push(argv, "qemu-system-x86_64");
	add(argv, "-name", m->name);
	add_processor(m, argv);
	r = add_firmware(m, boot->dir, argv, err);
	if (r < 0)
		return r;
	add(argv, "-display", "none");
	add(argv, "-vga", "std");
	strv_push(argv, "-nodefaults");
	strv_push(argv, "-no-reboot");
	addf(argv, "-chardev", "socket,id=serial,path=%s/serial,server=on,wait=on", boot->dir);
	addf(argv, "-chardev", "socket,id=events,path=%s/events,server=on,wait=on", boot->dir);
	add(argv, "-serial", "chardev:serial");
	add(argv, "-serial", "chardev:events");
	addf(argv, "-qmp", "unix:%s/qmp,server=on,wait=off", boot->dir);
	if (m->xhci || boot->stick || boot->answers)
		add(argv, "-device", "qemu-xhci,id=xhci");
	if (boot->stick)
		add_stick(argv, "stick", boot->stick, 1);
	if (boot->cd) {
		addf(argv, "-drive", "if=none,id=cd,file=%s,format=raw,media=cdrom,readonly=on", boot->cd);
		add(argv, "-device", "ide-cd,drive=cd,bus=ide.5,bootindex=1");
	}
	if (boot->answers)
		add_stick(argv, "answers", boot->answers, -1);
	for (const struct machine_disk *d = m->disks; d; d = d->next)
		add_disk(argv, d, boot->dir, n++);
	n = 0;
	for (const struct machine_nic *nic = m->nics; nic; nic = nic->next, n++) {
		addf(argv, "-netdev", "user,id=net%u,restrict=on", n);
		addf(argv, "-device", "%s,netdev=net%u", nic->model, n);
	}
	return 0;
}
