/*
 * Lines between qubesd and qubesd-xl, a short-lived helper that is run once for each operation:
 *
 *   qubesd-xl create            the domain is read from stdin, see below; `ok DOMID`, it is paused
 *   qubesd-xl unpause DOMID     `ok`
 *   qubesd-xl pause DOMID       `ok`
 *   qubesd-xl shutdown DOMID    asks the guest to shut down and returns: `ok`
 *   qubesd-xl destroy DOMID     `ok`, also when there is no such domain any more
 *   qubesd-xl info DOMID        `ok mem=KIB maxmem=KIB cputime=NANOSECONDS`
 *   qubesd-xl console DOMID     `ok PATH` of its first console's terminal
 *   qubesd-xl stats             `stat DOMID MEM_KIB CPU_NS VCPUS` for each domain, then `ok`
 *   qubesd-xl network DOMID     makes the domain's interface what a nic= line on stdin says, or
 *                               removes it when there is none; nothing is done if it is so: `ok`
 *   qubesd-xl attach DOMID      adds the disk= of stdin; a disk of another domain once that
 *                               says that it gives it: `ok`; after an error it is not there
 *   qubesd-xl detach DOMID      removes it: `ok`, also when it is not there
 *   qubesd-xl watch             stays; see below
 *
 * Every operation ends with one line on stdout, `ok ...` (exit 0) or `error TEXT` (exit 1). stderr
 * is for the log. create may end with `short NEED FREE` (exit 1) instead: the machine has only FREE
 * MiB of the memory it needs.
 *
 * create reads KEY=VALUE lines up to the end of input; name, uuid, type (pvh, pv, hvm), memory and
 * maxmem in MiB are needed; vcpus, kernel, ramdisk, cmdline, e820_host (1, or auto: if a kernel fits
 * below the first hole of the machine's memory map), driver_domain (1), permit_without_iommu (1)
 * may follow, and
 *   disk=DEVICE MODE PATH [DOMID]       DEVICE xvda..., MODE rw or ro, PATH an image file or block
 *                                       device, in the domain DOMID if that is not 0; any number
 *   nic=MAC DOMID SCRIPT IP [IP6]       at most one; DOMID of the netvm
 *   pci=SBDF [permissive] [no-strict-reset]   any number
 *
 * watch writes what domains the machine can run, a line for each domain but dom0, then `ready`,
 * then a line for each change:
 *   machine TYPE IOMMU          TYPE hvm, or pv without VT-x or AMD-V; IOMMU iommu or no-iommu
 *   domain DOMID UUID STATE     STATE running, paused, shutdown, crashed or dying
 *   gone DOMID
 */
#pragma once

#define XL_OK "ok"
#define XL_ERROR "error"
#define XL_SHORT "short"
#define XL_READY "ready"
#define XL_STAT "stat"
#define XL_MACHINE "machine"
#define XL_DOMAIN "domain"
#define XL_GONE "gone"
