/* The parts of qubesd-xl. Each operation prints its one line and returns the exit code. */
#pragma once

#include <libxl.h>
#include <stdbool.h>

#include "common/base/blob.h"

/* Reads the domain from stdin. */
int xl_create(libxl_ctx *ctx, uint32_t unused);
/* Until stdout is closed. */
int xl_watch(libxl_ctx *ctx, uint32_t unused);
/* Reads the interface that the domain shall have from stdin. */
int xl_network(libxl_ctx *ctx, uint32_t domid);
/* Reads disk= lines from stdin. */
int xl_attach(libxl_ctx *ctx, uint32_t domid);
int xl_detach(libxl_ctx *ctx, uint32_t domid);
/* Prints the error line; returns 1. */
int xl_fail(const char *what, int code);

/* Values of nic=, pci= and disk= lines (protocol.h); 0 or -EINVAL. What they fill is libxl's to
 * free. */
int xl_parse_nic(struct blob value, libxl_device_nic *nic);
int xl_parse_pci(struct blob value, libxl_device_pci *pci, int *strict);
int xl_parse_disk(struct blob value, libxl_device_disk *disk);
/*
 * Is the device fit to be given away? Binds it to pciback if need be. 0, or 1 after the error line:
 * no IOMMU (unless permitted), no way to reset it (when strict).
 */
int xl_pci_prepare(libxl_ctx *ctx, libxl_device_pci *pci, int strict, int permitted);
struct xl_machine {
	bool hvm;   /* VT-x or AMD-V */
	bool iommu; /* VT-d or AMD-Vi, and switched on */
};

/* 0, or libxl's code with all false. */
int xl_machine_read(libxl_ctx *ctx, struct xl_machine *m);
/* Does a kernel fit below the first hole of the machine's memory map? If not, it says so on stderr. */
int xl_map_has_room(void);
