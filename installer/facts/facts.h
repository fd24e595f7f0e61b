/*
 * What is known about the machine before anything is decided. Gathered once, kept as a value, saved as YAML text and
 * loaded again: every later stage works from the value, so a machine that is not here can be installed on paper.
 *
 * All text in it is printable ASCII: what disks and firmware say about themselves is cleaned when it is gathered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "installer/facts/hardware.h"

struct partition {
	unsigned number;
	uint64_t start, size;		 /* bytes */
	const char *name;		 /* in a GPT; NULL: none */
	const char *gpt_type;		 /* a GUID in lower case; NULL: no GPT, or one that is not readable */
	const char *type, *label, *uuid; /* libblkid's names; NULL: nothing recognised */
	struct partition *next;
};

struct disk {
	const char *name, *device; /* "vda", "/dev/vda" */
	const char *model;	   /* may be NULL, as the next two */
	const char *serial;
	const char *id;		   /* world-wide id as the kernel writes it ("t10.ATA ...", "eui...", "naa...") */
	const char *transport;	   /* virtio, nvme, ata, usb, scsi, mmc, xen, other */
	uint64_t size;		   /* bytes */
	uint32_t logical, physical; /* sector sizes */
	bool removable, read_only;
	bool medium;			 /* the live system runs from it */
	const char *in_use;		 /* NULL, or "vda2 is mounted on /home" */
	const char *table;		 /* gpt, dos, ...; NULL: none */
	const char *type, *label, *uuid; /* a signature on the disk as a whole */
	bool unfinished;		 /* an installation of ours was cut short here; never gathered, see record.h */
	struct partition *partitions;	 /* in the kernel's order */
	struct disk *next;
};

enum firmware { FIRMWARE_BIOS, FIRMWARE_UEFI };

struct facts {
	struct arena *arena; /* owns all of it */
	enum firmware firmware;
	bool xen;
	uint64_t memory; /* bytes this system has; the live system is given nearly all the machine has */
	struct disk *disks; /* by name */
	/* What the medium brings; NULL-terminated, sorted, or NULL. */
	const char *const *templates, *const *guest_kernels;
	struct hardware hardware;
};

/* Where to look; tests point it elsewhere. */
struct facts_source {
	const char *sys, *proc, *dev; /* "/sys", "/proc", "/dev" */
	const char *medium;	      /* mount point of the live medium */
	bool programs;		      /* also ask programs (xl) and the processor itself, not only files */
};

/* Reads the running machine. Opens disks for reading only. */
int facts_gather(const struct facts_source *from, struct facts *out, struct error *err);
/* A bad file is -EINVAL with file:line. */
int facts_load(const char *path, struct facts *out, struct error *err);
/* Appends the YAML text that facts_load() reads. */
void facts_write(const struct facts *facts, struct strbuf *out);
void facts_free(struct facts *facts);

#define _cleanup_facts_ _cleanup_(facts_free)

/* "vda" and 1: "vda1"; "nvme0n1" and 1: "nvme0n1p1". With or without a path before it; allocated. */
char *disk_partition_device(const char *disk, unsigned number);
/* "20.0 GiB", for people; lives in the arena. */
const char *facts_size(struct arena *a, uint64_t bytes);
/* "vda (Samsung SSD 990, serial S6Z1, 931.5 GiB)". */
const char *facts_disk_name(struct arena *a, const struct disk *disk);
/* A line on its table and its signature as a whole, when it has one, and what that means to whoever erases it. */
void facts_write_signature(const struct disk *disk, struct strbuf *out);
/* The same of a partition, behind what becomes of it ("kept"; may be ""). */
void facts_write_partition(struct arena *a, const struct partition *p, const char *fate, struct strbuf *out);
