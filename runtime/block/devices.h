/*
 * The block devices of this system, and which of them other qubes can have (ref/runtime.md 4.3, 7.7). A device is left
 * out when the system is on its disk, when it or a part of it is in use, and when another qube has a part of it or the
 * disk that it is a part of. Model names and labels come from the device: what is told of them is printable and bounded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/strv.h"

struct block_device {
	const char *name;   /* the kernel's, such as sda1 */
	const char *port;   /* the name as others are told it: ! (a / in /dev) is _ */
	const char *number; /* MAJOR:MINOR */
	const char *parent; /* of a partition: the name of its disk; or NULL */
	const char *desc;   /* MODEL (LABEL), a mapping's name, a loop device's file */
	uint64_t size;	    /* bytes */
	bool read_only;
	bool attached;	    /* Xen's backend driver has it: another qube uses it */
	/* What the answer of block_refusal() comes from. */
	const char *unfit; /* why it is none to give, whatever it is used for; or NULL */
	bool used, system;
	struct strv slaves; /* names of the devices that it stands on */
};

struct block_list {
	struct arena *arena;
	struct block_device *v;
	size_t n;
};

/* What sysfs, udev's database and the lists of mounts and swaps below `root` (normally "") say now. */
void block_look(const char *root, struct block_list *out);
void block_list_free(struct block_list *l);
/* The device with that name or port; NULL without. */
const struct block_device *block_find(const struct block_list *l, const char *name);
const struct block_device *block_find_port(const struct block_list *l, struct blob port);
/* NULL: other qubes can have it. Else why not, for a person. */
const char *block_refusal(const struct block_list *l, const struct block_device *d);
/*
 * The device that a request for a backend names in xenstore: `params` is its path, `mode` says with a w that it is to be
 * written (both may be NULL). NULL with *why set: it is not given.
 */
const struct block_device *block_requested(const struct block_list *l, const char *params, const char *mode,
					   const char **why);

#define _cleanup_block_list_ _cleanup_(block_list_free)
