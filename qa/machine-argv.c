/* QEMU's command line for a machine. */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "qa/machine.h"

static const char *const ovmf_code[] = {"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd", NULL};

int machine_find_firmware(const char *const *paths, const char **found, struct error *err)
{
	for (; *paths; paths++)
		if (access(*paths, R_OK) == 0) {
			*found = *paths;
			return 0;
		}
	return error_set(err, -ENOENT, "UEFI firmware for QEMU", "install the package ovmf", "not found");
}

bool machine_has_kvm(void)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;

	if (access("/dev/kvm", R_OK | W_OK) != 0 || read_file(AT_FDCWD, "/proc/cpuinfo", 1 << 24, &text) < 0)
		return false;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line))
		if (blob_has_prefix(line, "flags"))
			return blob_has_word(line, "vmx") || blob_has_word(line, "svm");
	return false;
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

/* blkdebug lies on top of the image, so that sectors are the guest's. */
static int add_drive(struct strv *argv, const struct machine_disk *d, const struct machine_boot *boot, struct error *err)
{
	const struct yaml_node *node = yaml_get(boot->disk_errors, d->id);
	struct blob rest = node && node->kind == YAML_SCALAR ? blob_of(node->text) : BLOB(""), operation = {0}, word;
	_cleanup_strbuf_ struct strbuf errors = {0};
	uint64_t sector;

	if (!node) {
		addf(argv, "-drive", "if=none,id=%s,file=%s/%s.qcow2,format=qcow2,cache=unsafe,discard=unmap", d->id, boot->dir, d->id);
		return 0;
	}
	blob_word(&rest, &operation);
	if (!blob_eq_str(operation, "read") && !blob_eq_str(operation, "write") && !blob_eq_str(operation, "flush"))
		return yaml_error(node, err, "disk errors of '%s' are read, write or flush and perhaps a sector", d->id);
	strbuf_printf(&errors, "inject-error.0.event=none,inject-error.0.iotype=%.*s,inject-error.0.errno=5", BLOB_ARG(operation));
	if (blob_word(&rest, &word)) {
		if (!blob_to_u64(word, d->bytes / 512 - 1, &sector))
			return yaml_error(node, err, "'%.*s' is no sector of '%s'", BLOB_ARG(word), d->id);
		strbuf_printf(&errors, ",inject-error.0.sector=%llu", (unsigned long long)sector);
	}
	addf(argv, "-drive", "if=none,id=%s,driver=blkdebug,%s,image.driver=qcow2,image.file.driver=file,image.file.filename=%s/%s.qcow2",
	     d->id, errors.p, boot->dir, d->id);
	return 0;
}

static int check_disk_errors(const struct machine *m, const struct yaml_node *errors, struct error *err)
{
	if (errors && errors->kind != YAML_MAP)
		return yaml_error(errors, err, "'disk-errors' must be a map of disks");
	for (const struct yaml_node *n = errors ? errors->first : NULL; n; n = n->next) {
		const struct machine_disk *d = m->disks;

		while (d && strcmp(d->id, n->key))
			d = d->next;
		if (!d)
			return yaml_error(n, err, "the machine has no disk '%s'", n->key);
	}
	return 0;
}

static int add_disk(struct strv *argv, const struct machine_disk *d, const struct machine_boot *boot, unsigned n,
		    struct error *err)
{
	_cleanup_free_ char *serial = d->serial ? xasprintf(",serial=%s", d->serial) : xstrdup("");
	int r = add_drive(argv, d, boot, err);

	if (r < 0)
		return r;
	if (!strcmp(d->bus, "nvme"))
		addf(argv, "-device", "nvme,drive=%s,bootindex=%u%s", d->id, 10 + n, d->serial ? serial : ",serial=none");
	else if (!strcmp(d->bus, "ahci"))
		addf(argv, "-device", "ide-hd,drive=%s,bus=ide.%u,bootindex=%u%s", d->id, n, 10 + n, serial);
	else if (!strcmp(d->bus, "usb"))
		addf(argv, "-device", "usb-storage,bus=xhci.0,drive=%s,bootindex=%u%s", d->id, 10 + n, serial);
	else
		addf(argv, "-device", "virtio-blk-pci,drive=%s,bootindex=%u%s", d->id, 10 + n, serial);
	return 0;
}

static void add_raw_disk(struct strv *argv, const char *id, const char *image)
{
	addf(argv, "-drive", "if=none,id=%s,file=%s,format=raw,readonly=on", id, image);
	addf(argv, "-device", "virtio-blk-pci,drive=%s,serial=%s", id, id);
}

static int add_kernel(const struct machine *m, const struct machine_boot *boot, struct strv *argv, struct error *err)
{
	if (!boot->kernel)
		return 0;
	if (m->uefi)
		return error_set(err, -EINVAL, m->name, "use a machine with 'firmware: bios'",
				 "QEMU loads Xen directly with BIOS only");
	add(argv, "-kernel", boot->kernel);
	add(argv, "-append", boot->append);
	add(argv, "-initrd", boot->initrd);
	add_raw_disk(argv, "medium", boot->medium);
	add_raw_disk(argv, "images", boot->images);
	return 0;
}

static int add_firmware(const struct machine *m, const char *dir, struct strv *argv, struct error *err)
{
	const char *code = NULL;
	int r;

	if (!m->uefi)
		return 0;
	r = machine_find_firmware(ovmf_code, &code, err);
	if (r < 0)
		return r;
	addf(argv, "-drive", "if=pflash,format=raw,unit=0,readonly=on,file=%s", code);
	addf(argv, "-drive", "if=pflash,format=raw,unit=1,file=%s/uefi-vars.fd", dir);
	return 0;
}

/*
 * Without -smap a PV dom0 dies at its first instructions under TCG; with RDTSCP nested guests hang; with x2APIC, which
 * TCG has since QEMU 9, dom0 sees no disk or stick behind the emulated VT-d. Its XSAVE ignores CR0.TS, by which Xen on
 * AMD's processors learns that a qube wants its registers: on a busy host qubes get each other's.
 */
static void add_processor(const struct machine *m, struct strv *argv)
{
	bool kvm = machine_has_kvm();
	struct blob rest = blob_of(m->cpu_without ? m->cpu_without : ""), feature;
	_cleanup_strbuf_ struct strbuf model = {0};

	strbuf_add_str(&model, "max,-smap,-rdtscp,-x2apic,-xsave");
	while (blob_word(&rest, &feature))
		strbuf_printf(&model, ",-%.*s", BLOB_ARG(feature));
	add(argv, "-machine", "q35,kernel-irqchip=split");
	add(argv, "-accel", kvm ? "kvm" : "tcg,thread=multi");
	add(argv, "-cpu", kvm ? "host" : model.p);
	addf(argv, "-m", "%llu", (unsigned long long)m->memory_mib);
	addf(argv, "-smp", "%llu", (unsigned long long)m->cpus);
	if (m->vtd)
		add(argv, "-device", "intel-iommu,intremap=on");
}

/* Each behind a port of its own, as in real machines: through that it can be reset between qubes. */
static void add_nics(const struct machine *m, struct strv *argv)
{
	unsigned n = 0, taps = 0;

	for (const struct machine_nic *nic = m->nics; nic; nic = nic->next, n++) {
		/* With offload headers before the packets nobody could read a capture. */
		if (nic->lab)
			addf(argv, "-netdev", "tap,id=net%u,ifname=lab%u,script=no,downscript=no,vnet_hdr=off", n, taps++);
		else
			addf(argv, "-netdev", "user,id=net%u,restrict=on", n);
		addf(argv, "-device", "pcie-root-port,id=port%u,chassis=%u", n, n + 1);
		addf(argv, "-device", "%s,netdev=net%u,bus=port%u", nic->model, n, n);
	}
}

int machine_argv(const struct machine *m, const struct machine_boot *boot, struct strv *argv, struct error *err)
{
	unsigned n = 0;
	int r;

	strv_push(argv, "qemu-system-x86_64");
	add(argv, "-name", m->name);
	add_processor(m, argv);
	r = add_firmware(m, boot->dir, argv, err);
	if (r == 0)
		r = add_kernel(m, boot, argv, err);
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
	r = check_disk_errors(m, boot->disk_errors, err);
	for (const struct machine_disk *d = m->disks; r == 0 && d; d = d->next)
		r = add_disk(argv, d, boot, n++, err);
	if (r < 0)
		return r;
	add_nics(m, argv);
	return 0;
}
