/*
 * Machine files (qa/machines/NAME.yaml): the hardware a scenario runs on, as data. docs/qa.md describes every key.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/strv.h"
#include "common/base/yaml.h"

struct machine_disk {
	const char *id;	    /* file name of its overlay in the run's folder, and the name scenarios use */
	const char *serial; /* what the guest reads; NULL: none */
	const char *bus;    /* virtio, nvme, ahci or usb */
	uint64_t bytes;
	struct machine_disk *next;
};

struct machine_nic {
	const char *model;
	bool lab; /* in the run's network (qa/network.h); otherwise in none */
	struct machine_nic *next;
};

struct machine {
	const char *name;
	bool uefi, vtd, xhci;
	uint64_t memory_mib, cpus;
	const char *cpu_without; /* CPU features to leave out without KVM, separated by blanks; NULL: none */
	struct machine_disk *disks;
	struct machine_nic *nics;
};

/* What is put into the machine for one boot. */
struct machine_boot {
	const char *stick;    /* raw image offered as a USB stick, first in the boot order; NULL: none */
	const char *cd;	      /* the same image in a CD drive, first in the boot order; NULL: none */
	const char *answers;  /* raw image with the answer volume, as a second stick; NULL: none */
	/* Loaded by QEMU itself when there is a kernel: a multiboot one, its options, and its modules. */
	const char *kernel, *append, *initrd;
	const char *medium, *images; /* then raw images as disks with these serials, read-only */
	const struct yaml_node *disk_errors; /* map of disk to `read|write|flush [SECTOR]`: that fails with EIO; or NULL */
	const char *dir;      /* run folder: disks, firmware variables, sockets */
};

/* Loads dir/NAME.yaml; everything lives in the arena. */
int machine_load(struct arena *a, const char *dir, const char *name, struct machine **m, struct error *err);
/*
 * Makes the disks and the firmware's variable store in the run folder: empty ones, or with `from` (NULL: none)
 * overlays of the disks that an earlier run left there, which stay as they are.
 */
int machine_prepare(const struct machine *m, const char *dir, const char *from, struct error *err);
/* Keeps the disks and variables as they are under a name; the machine goes on with overlays. It must be off. */
int machine_checkpoint(const struct machine *m, const char *dir, const char *name, struct error *err);
/* Back to a checkpoint, as often as one likes. */
int machine_restore(const struct machine *m, const char *dir, const char *name, struct error *err);
/* Whether QEMU can use the host's processor: a /dev/kvm without VT-x or AMD-V is of a host that interprets its guests. */
bool machine_has_kvm(void);
/* Whether the machine needs the run's network. */
bool machine_in_lab(const struct machine *m);
/* QEMU's command line, appended: sockets `serial`, `events` and `qmp` in the run folder. */
int machine_argv(const struct machine *m, const struct machine_boot *boot, struct strv *argv, struct error *err);
/* The first of the files that is there. */
int machine_find_firmware(const char *const *paths, const char **found, struct error *err);
