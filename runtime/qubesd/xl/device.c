/* Disks, interfaces and PCI devices: what stands on their lines, and adding them to a domain. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libxl_utils.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenstore.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "runtime/domid.h"
#include "runtime/qubesd/xl/protocol.h"
#include "runtime/qubesd/xl/xl.h"

enum { INPUT_MAX = 64 << 10, GIVE_WAIT_MS = 30000, POLL_MS = 20 };

/* Makes block devices of image files, in place of Xen's shell script and of QEMU. */
static const char block_script[] = "/usr/lib/qubes/qubesd-block";

int xl_parse_disk(struct blob value, libxl_device_disk *d)
{
	struct blob device, mode, path;
	uint64_t backend = 0;

	if (!blob_token(&value, ' ', &device) || !blob_token(&value, ' ', &mode) ||
	    !blob_token(&value, ' ', &path) || !path.n || path.p[0] != '/')
		return -EINVAL;
	if (value.n && !blob_to_u64(value, XEN_DOMID_MAX, &backend))
		return -EINVAL;
	if (!blob_eq_str(mode, "rw") && !blob_eq_str(mode, "ro"))
		return -EINVAL;
	d->backend_domid = (uint32_t)backend;
	d->backend = LIBXL_DISK_BACKEND_PHY;
	d->format = LIBXL_DISK_FORMAT_RAW;
	d->vdev = blob_dup(device);
	d->pdev_path = blob_dup(path);
	d->script = xstrdup(block_script);
	d->readwrite = blob_eq_str(mode, "rw");
	return 0;
}

static int parse_mac(struct blob text, libxl_mac mac)
{
	_cleanup_free_ char *copy = blob_dup(text);
	unsigned v[6];
	char end;

	if (sscanf(copy, "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
		   &end) != 6)
		return -EINVAL;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	return 0;
}

int xl_parse_nic(struct blob value, libxl_device_nic *nic)
{
	struct blob mac, domid, script;
	uint64_t backend;

	if (!blob_token(&value, ' ', &mac) || !blob_token(&value, ' ', &domid) ||
	    !blob_token(&value, ' ', &script) || !blob_to_u64(domid, XEN_DOMID_MAX, &backend) ||
	    script.n < 2 || script.p[0] != '/' || !value.n || parse_mac(mac, nic->mac) < 0)
		return -EINVAL;
	nic->backend_domid = (uint32_t)backend;
	nic->nictype = LIBXL_NIC_TYPE_VIF;
	nic->devid = 0;
	nic->script = blob_dup(script);
	nic->ip = blob_dup(value);
	return 0;
}

int xl_parse_pci(struct blob value, libxl_device_pci *pci, int *strict)
{
	struct blob bdf, word;
	_cleanup_free_ char *copy = NULL;
	unsigned domain, bus, dev, func;
	char end;

	if (!blob_word(&value, &bdf))
		return -EINVAL;
	copy = blob_dup(bdf);
	if (sscanf(copy, "%4x:%2x:%2x.%1x%c", &domain, &bus, &dev, &func, &end) != 4 || dev > 31 ||
	    func > 7)
		return -EINVAL;
	pci->domain = (int)domain;
	pci->bus = (uint8_t)bus;
	pci->dev = (uint8_t)dev;
	pci->func = (uint8_t)func;
	*strict = 1;
	while (blob_word(&value, &word)) {
		if (blob_eq_str(word, "permissive"))
			pci->permissive = true;
		else if (blob_eq_str(word, "no-strict-reset"))
			*strict = 0;
		else
			return -EINVAL;
	}
	return 0;
}

static int is_assignable(libxl_ctx *ctx, const libxl_device_pci *pci)
{
	int n = 0, found = 0;
	libxl_device_pci *list = libxl_device_pci_assignable_list(ctx, &n);

	for (int i = 0; list && i < n; i++)
		found |= list[i].domain == pci->domain && list[i].bus == pci->bus &&
			 list[i].dev == pci->dev && list[i].func == pci->func;
	libxl_device_pci_assignable_list_free(list, n);
	return found;
}

static int refuse(const char *sbdf, const char *why)
{
	printf(XL_ERROR " PCI device %s: %s\n", sbdf, why);
	return 1;
}

int xl_pci_prepare(libxl_ctx *ctx, libxl_device_pci *pci, int strict, int permitted)
{
	_cleanup_free_ char *sbdf = xasprintf("%04x:%02x:%02x.%u", (unsigned)pci->domain, pci->bus,
					      pci->dev, pci->func);
	_cleanup_free_ char *reset = xasprintf("/sys/bus/pci/devices/%s/reset", sbdf);
	struct xl_machine machine;

	xl_machine_read(ctx, &machine);
	if (!permitted && !machine.iommu)
		return refuse(sbdf, "this machine has no working IOMMU (VT-d, AMD-Vi), so the qube "
				    "could reach all memory with it; to accept that: qvm-features "
				    "QUBE permit-without-iommu 1");
	if (strict && access(reset, F_OK) < 0)
		return refuse(sbdf, "it cannot be reset between qubes; to accept that, assign it "
				    "with -o no-strict-reset=True");
	if (is_assignable(ctx, pci))
		return 0;
	if (libxl_device_pci_assignable_add(ctx, pci, 1))
		return refuse(sbdf, "cannot be bound to pciback");
	return 0;
}

/* The value of the first KEY= line of stdin, allocated; NULL without one. */
static char *input_value(const char *key)
{
	_cleanup_strbuf_ struct strbuf input = {0};
	struct blob rest, line;

	if (read_fd(STDIN_FILENO, INPUT_MAX, &input) < 0)
		return NULL;
	rest = strbuf_blob(&input);
	while (blob_token(&rest, '\n', &line))
		if (blob_has_prefix(line, key) && line.n > strlen(key) && line.p[strlen(key)] == '=')
			return blob_dup((struct blob){line.p + strlen(key) + 1,
						      line.n - strlen(key) - 1});
	return NULL;
}

static int same_nic(const libxl_device_nic *have, const libxl_device_nic *want)
{
	return have->backend_domid == want->backend_domid &&
	       !memcmp(have->mac, want->mac, sizeof(have->mac)) && have->ip && want->ip &&
	       !strcmp(have->ip, want->ip);
}

static int is_alive(libxl_ctx *ctx, uint32_t domid)
{
	libxl_dominfo info;
	int alive;

	libxl_dominfo_init(&info);
	alive = !libxl_domain_info(ctx, &info, domid) && !info.dying && !info.shutdown;
	libxl_dominfo_dispose(&info);
	return alive;
}

/* A backend that is gone does not take part in the farewell: it is not waited for. */
static int remove_nic(libxl_ctx *ctx, uint32_t domid, libxl_device_nic *nic)
{
	if (is_alive(ctx, nic->backend_domid) && !libxl_device_nic_remove(ctx, domid, nic, NULL))
		return 0;
	return libxl_device_nic_destroy(ctx, domid, nic, NULL);
}

/* Has the qube that provides the network said that it does not? */
static int is_refused(libxl_ctx *ctx, uint32_t domid, const libxl_device_nic *nic)
{
	_cleanup_free_ char *path = NULL, *status = NULL;
	struct xs_handle *xs = xs_open(0);
	libxl_nicinfo info;

	libxl_nicinfo_init(&info);
	if (xs && !libxl_device_nic_getinfo(ctx, domid, nic, &info) && info.backend) {
		path = xasprintf("%s/hotplug-status", info.backend);
		status = xs_read(xs, XBT_NULL, path, NULL);
	}
	libxl_nicinfo_dispose(&info);
	xs_close(xs);
	return status && !strcmp(status, "error");
}

int xl_network(libxl_ctx *ctx, uint32_t domid)
{
	_cleanup_free_ char *line = input_value("nic");
	libxl_device_nic want, *list;
	int n = 0, there = 0, r = 0;

	libxl_device_nic_init(&want);
	if (line && xl_parse_nic(blob_of(line), &want) < 0)
		return xl_fail("the nic= line is not understood", 0);
	list = libxl_device_nic_list(ctx, domid, &n);
	for (int i = 0; list && i < n && r == 0; i++) {
		/* One that was refused is made anew. */
		if (line && !there && same_nic(&list[i], &want) && !is_refused(ctx, domid, &list[i]))
			there = 1;
		else
			r = remove_nic(ctx, domid, &list[i]);
	}
	libxl_device_nic_list_free(list, n);
	if (r == 0 && line && !there)
		r = libxl_device_nic_add(ctx, domid, &want, NULL);
	libxl_device_nic_dispose(&want);
	if (r)
		return xl_fail("its backend did not answer", r);
	puts(XL_OK);
	return 0;
}

/*
 * For a backend that is not dom0 libxl runs no script and is content when that one's kernel knows of the disk; whether the
 * qube gives it, it says here. Why it does not is text of its own that nobody has looked at: its journal has it.
 */
static int wait_for_backend(const char *backend)
{
	_cleanup_free_ char *path = xasprintf("%s/hotplug-status", backend);
	struct xs_handle *xs = xs_open(0);
	int r = -ETIMEDOUT;

	for (int waited = 0; xs && r == -ETIMEDOUT && waited < GIVE_WAIT_MS; waited += POLL_MS) {
		_cleanup_free_ char *status = xs_read(xs, XBT_NULL, path, NULL);

		if (status)
			r = strcmp(status, "connected") ? -EPERM : 0;
		else
			poll(NULL, 0, POLL_MS);
	}
	xs_close(xs);
	return r;
}

/* Whether the backend gives the disk that the domain has under that name. */
static int check_given(libxl_ctx *ctx, uint32_t domid, const char *vdev)
{
	libxl_device_disk disk;
	libxl_diskinfo info;
	int r;

	libxl_device_disk_init(&disk);
	libxl_diskinfo_init(&info);
	r = libxl_vdev_to_device_disk(ctx, domid, vdev, &disk);
	if (!r)
		r = libxl_device_disk_getinfo(ctx, domid, &disk, &info);
	if (!r)
		r = wait_for_backend(info.backend);
	libxl_diskinfo_dispose(&info);
	libxl_device_disk_dispose(&disk);
	return r;
}

/* What the domain has under that name goes, without being asked. */
static void destroy_disk(libxl_ctx *ctx, uint32_t domid, const char *vdev)
{
	libxl_device_disk disk;

	libxl_device_disk_init(&disk);
	if (!libxl_vdev_to_device_disk(ctx, domid, vdev, &disk))
		libxl_device_disk_destroy(ctx, domid, &disk, NULL);
	libxl_device_disk_dispose(&disk);
}

/* libxl writes the nodes first and leaves them there when what comes after fails: a backend that is late would give the
 * disk after all. By qubesd's notes the name is free, so one that exists is left of such an attempt. */
static int add_disk(libxl_ctx *ctx, uint32_t domid, libxl_device_disk *disk, const char **what)
{
	int r = libxl_device_disk_add(ctx, domid, disk, NULL);

	if (r == ERROR_DEVICE_EXISTS) {
		destroy_disk(ctx, domid, disk->vdev);
		r = libxl_device_disk_add(ctx, domid, disk, NULL);
	}
	if (!r && disk->backend_domid && (r = check_given(ctx, domid, disk->vdev)))
		*what = "the qube that has the disk does not give it; its journal says why";
	if (r && r != ERROR_DEVICE_EXISTS)
		destroy_disk(ctx, domid, disk->vdev);
	return r;
}

/* What cannot be looked at may be there. */
static int has_disk(libxl_ctx *ctx, uint32_t domid, const char *vdev)
{
	int n = 0, found = 0;
	libxl_device_disk *list = libxl_device_disk_list(ctx, domid, &n);

	for (int i = 0; list && i < n; i++)
		found |= list[i].vdev && !strcmp(list[i].vdev, vdev);
	found |= !list;
	libxl_device_disk_list_free(list, n);
	return found;
}

/* One that is not there is gone already. */
static int remove_disk(libxl_ctx *ctx, uint32_t domid, const char *vdev)
{
	libxl_device_disk disk;
	int r;

	if (!has_disk(ctx, domid, vdev))
		return 0;
	libxl_device_disk_init(&disk);
	r = libxl_vdev_to_device_disk(ctx, domid, vdev, &disk);
	if (!r)
		r = is_alive(ctx, disk.backend_domid) ? libxl_device_disk_remove(ctx, domid, &disk, NULL)
						      : libxl_device_disk_destroy(ctx, domid, &disk, NULL);
	libxl_device_disk_dispose(&disk);
	return r;
}

static int change_disk(libxl_ctx *ctx, uint32_t domid, struct blob value, int add)
{
	const char *what = add ? "the disk could not be attached" : "the qube does not let go of the disk";
	libxl_device_disk disk;
	int r;

	libxl_device_disk_init(&disk);
	if (xl_parse_disk(value, &disk) < 0)
		return xl_fail("the disk= line is not understood", 0);
	r = add ? add_disk(ctx, domid, &disk, &what) : remove_disk(ctx, domid, disk.vdev);
	libxl_device_disk_dispose(&disk);
	return r ? xl_fail(what, r) : 0;
}

static int change(libxl_ctx *ctx, uint32_t domid, int add)
{
	_cleanup_strbuf_ struct strbuf input = {0};
	struct blob rest, line, key;
	int r = 0;

	if (read_fd(STDIN_FILENO, INPUT_MAX, &input) < 0)
		return xl_fail("cannot read the disk from stdin", 0);
	rest = strbuf_blob(&input);
	while (r == 0 && blob_token(&rest, '\n', &line)) {
		blob_token(&line, '=', &key);
		if (blob_eq_str(key, "disk"))
			r = change_disk(ctx, domid, line, add);
		else
			r = xl_fail("no disk=", 0);
	}
	if (r == 0)
		puts(XL_OK);
	return r;
}

int xl_attach(libxl_ctx *ctx, uint32_t domid)
{
	return change(ctx, domid, 1);
}

int xl_detach(libxl_ctx *ctx, uint32_t domid)
{
	return change(ctx, domid, 0);
}
