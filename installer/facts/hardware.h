/*
 * What is known about the machine besides its disks: enough to say whether qubes can be kept apart on it
 * (installer/verdict/) and what it should get (sys-usb). Every source is kept as it was found, unjudged, so that a
 * recorded machine can be judged again. Text is printable ASCII; lists end in NULL; what is unknown is NULL or 0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/blob.h"

struct acpi_table {
	const char *name;  /* as the file is called: "DMAR", "RMAD" (Xen renames it), "IVRS" */
	struct blob bytes; /* the whole table, its header first */
	struct acpi_table *next;
};

struct pci_device {
	const char *address; /* "0000:00:1f.6" */
	uint32_t class_code; /* 24 bits: class, subclass, interface */
	const char *id;	     /* "8086:15bb" */
	struct pci_device *next;
};

struct keyboard {
	const char *name, *bus; /* bus: usb, ps2, bluetooth, virtual, other */
	struct keyboard *next;
};

enum pci_class { PCI_NETWORK = 0x02, PCI_DISPLAY = 0x03 };
enum pci_subclass { PCI_RAID = 0x0104, PCI_HOST_BRIDGE = 0x0600, PCI_USB = 0x0c03 };

struct hardware {
	const char *cpu_vendor, *cpu_model;
	const char *const *cpuid;     /* vmx, svm, npt: what the CPUID instruction says here */
	const char *const *cpu_flags; /* vmx, svm, ept, npt: what Linux finds usable (/proc/cpuinfo) */
	const char *vendor, *model, *bios;
	uint64_t chassis; /* SMBIOS 7.4.1 */
	const char *tpm;  /* "2.0", "1.2" */
	bool secure_boot;
	uint64_t clock, medium_date; /* seconds since 1970: now, and when the medium was made */
	const char *const *iommus;   /* /sys/class/iommu: those Linux itself uses */
	struct acpi_table *tables;
	/* `xl info` and `xl dmesg`; NULL without Xen. */
	const char *xen_version, *xen_caps, *virt_caps;
	uint64_t xen_memory;	    /* bytes of the whole machine */
	const char *const *xen_log; /* the lines that matter here */
	bool xen_log_complete;	    /* its beginning had not yet been overwritten */
	struct pci_device *pci;	    /* network, display, RAID, USB controllers and the host bridge, by address */
	struct keyboard *keyboards;
};

static inline uint32_t pci_subclass_of(const struct pci_device *d)
{
	return d->class_code >> 8;
}
static inline uint32_t pci_class_of(const struct pci_device *d)
{
	return d->class_code >> 16;
}
