/*
 * PCI devices of this machine, by what /sys says or a file of facts, and those that a qube gets
 * when it starts (ref/runtime.md 7.7). Results come from the arena.
 */
#pragma once

#include "common/base/arena.h"
#include "common/base/strbuf.h"
#include "runtime/qubesd/daemon.h"
#include "runtime/qubesd/property.h"

struct pci_device {
	const char *sbdf;   /* 0000:00:04.0 */
	const char *port;   /* 00_04.0; behind bridges the chain of slots, joined by `-` */
	const char *vendor; /* 0x8086 */
	const char *product;
	const char *class; /* 020000: base class, sub-class, interface */
	const char *id;	   /* 0x8086:0x10d3::p020000 */
	const char *name;  /* for people, by pci_add_names(); NULL where only numbers are known */
};

struct pci_list {
	struct pci_device *v;
	size_t n;
};

/*
 * With facts (a path): lines `SBDF VENDOR:DEVICE CLASS [PORT]` in hexadecimal, as of another machine
 * or another time; else /sys. What is not understood is left out.
 */
void pci_scan(const char *facts, struct arena *a, struct pci_list *out);
/* What people call the devices of this machine, from systemd's hardware database where there is one. */
void pci_add_names(struct arena *a, struct pci_list *l);
/* By port, also by a plain 00_04.0 or 0000_00_04.0; NULL: there is none. */
const struct pci_device *pci_find(const struct pci_list *l, const char *port);
/* The qube that runs with the device, other than `but` (may be NULL); NULL: none does. */
const struct vm *pci_user(const struct model *m, const struct vm *but, const struct pci_list *l,
			  const struct pci_device *dev);
/*
 * The kind of domain that the qube is started as. While there is no stub domain for a device model, hvm (what Qubes OS's
 * formulas say for qubes with devices) is pv with PCI devices and pvh without.
 */
const char *pci_domain_type(const struct property_ctx *ctx);
/* -ENODEV, -EBUSY or -EPERM with *err when the qube cannot start with the devices it has. */
int pci_check(const struct qubesd *d, const struct vm *vm, struct arena *a, struct error *err);
/* What a person should know of a qube that runs: it gives network to others and has no way out. NULL: nothing. */
const char *pci_warning(const struct qubesd *d, const struct vm *vm, struct arena *a);
/* Adds the lines of xl/protocol.h for its devices. */
void pci_lines(const struct qubesd *d, const struct vm *vm, struct arena *a, struct strbuf *out);
