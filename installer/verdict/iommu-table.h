/*
 * The firmware's description of the IOMMU: DMAR (Intel Virtualization Technology for Directed I/O, chapter 8; RMAD when
 * Xen has renamed it) and IVRS (AMD I/O Virtualization Technology, chapter 5). Firmware is known to get these wrong, so
 * the reader never trusts a length and goes on as far as it can: what is broken is told, what was read counts.
 */
#pragma once

#include <stdbool.h>

#include "common/base/blob.h"

struct iommu_table {
	bool intel;	     /* DMAR; else IVRS */
	unsigned units;	     /* remapping units with an address */
	bool remapping;	     /* interrupt remapping is offered */
	const char *problem; /* the first thing that is wrong with the table, static text; NULL: sound */
};

/* -EBADMSG: not such a table at all; *out is empty but for the problem. */
int iommu_table_read(struct blob table, struct iommu_table *out);
