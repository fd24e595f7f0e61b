#include "installer/facts/source.h"

#include <fcntl.h>

#include "common/base/alloc.h"

/*
 * Linux makes /sys/firmware/efi when it was started by UEFI, under Xen too: dom0 sees the EFI tables through
 * XENPF_firmware_info.
 */
void facts_firmware(const struct facts_source *from, struct facts *facts)
{
	_cleanup_free_ char *efi = xasprintf("%s/firmware/efi", from->sys);
	_cleanup_free_ char *hypervisor = xasprintf("%s/hypervisor/type", from->sys);
	const char *type = facts_line(facts->arena, AT_FDCWD, hypervisor);

	facts->firmware = access(efi, F_OK) ? FIRMWARE_BIOS : FIRMWARE_UEFI;
	facts->xen = type && !strcmp(type, "xen");
}
