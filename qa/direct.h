/*
 * Boot of dom0's own image without a medium to boot from: QEMU loads Xen, kernel and initramfs itself. For the short
 * loop of those who work on the runtime; what the boot loader does is not tried here.
 */
#pragma once

#include "common/base/arena.h"
#include "common/base/error.h"
#include "qa/machine.h"

/*
 * `images` holds what `bulkhead build dom0`, `... vm-kernel` and of templates leave with `-o images`; `scratch` takes
 * what is made of it: Xen unpacked (QEMU takes the bare ELF only), a volume BULKHEAD with the root and its hashes, and
 * a tar archive of templates, guest kernels and the file `setup` (NULL: none). Fills in *boot.
 */
int direct_prepare(struct arena *a, const char *images, const char *setup, const char *scratch,
		   struct machine_boot *boot, struct error *err);
