/* The daemon as one value, and what its parts need of each other. One thread, one event loop. */
#pragma once

#include <systemd/sd-event.h>

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/strv.h"
#include "runtime/qubesd/model.h"

struct call;
struct connection;

struct qubesd {
	sd_event *event;
	struct model *model;
	bool offline;
	const char *root;     /* "" or the directory that stands for / */
	const char *programs; /* directory that all helpers are taken from, or NULL for the
				 installed ones */
	char *state_path;     /* qubes.xml */
	const char *pci_facts; /* file that stands for /sys, or NULL (pci.h) */
	char *run_dir;	      /* /var/run/qubes, below root */
	struct connection *connections;
	struct watch *watch;
	const char *broken; /* why qubes.xml cannot be read: nothing is done but to say so. NULL: it can */
	bool domains_known; /* the watcher has told of all there are */
	struct call **early;  /* starts that wait for that */
	size_t n_early;
	struct job *building; /* whose domain is being made: one at a time */
};

/* Writes qubes.xml; on failure one line is also said on stderr. */
int qubesd_save(struct qubesd *d, struct error *err);
/* Tells systemd, once, that what comes after qubesd can rely on the states of qubes, as far as they can be known. */
void qubesd_ready(void);
/* Path of a helper program; from the arena or constant. */
const char *qubesd_program(const struct qubesd *d, struct arena *a, const char *installed);

/*
 * Tells every subscriber of admin.Events: subject is the qube (NULL: the system), then key, value
 * pairs of strings, ended by NULL.
 */
void event_send(struct qubesd *d, const struct vm *vm, const char *event, ...)
	__attribute__((sentinel));
