#include "installer/facts/source.h"

#include <fcntl.h>
#include <stdlib.h>

#include "common/base/alloc.h"

static const char *hex_id(struct arena *a, int dir, const char *device, const char *file)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", device, file);
	const char *text = facts_line(a, dir, path);

	/* "0x8086" */
	return text && !strncmp(text, "0x", 2) ? text + 2 : NULL;
}

static void add_device(struct facts *facts, int dir, const char *address)
{
	struct arena *a = facts->arena;
	const char *code = hex_id(a, dir, address, "class"), *vendor = hex_id(a, dir, address, "vendor");
	const char *device = hex_id(a, dir, address, "device");
	struct pci_device d, *copy, **at = &facts->hardware.pci;

	if (!code || !vendor || !device)
		return;
	d = (struct pci_device){.address = facts_clean(a, blob_of(address)),
				.class_code = (uint32_t)strtoul(code, NULL, 16) & 0xffffff,
				.id = arena_printf(a, "%s:%s", vendor, device)};
	if (pci_class_of(&d) != PCI_NETWORK && pci_class_of(&d) != PCI_DISPLAY && pci_subclass_of(&d) != PCI_RAID &&
	    pci_subclass_of(&d) != PCI_USB && pci_subclass_of(&d) != PCI_HOST_BRIDGE)
		return;
	while (*at && strcmp((*at)->address, d.address) < 0)
		at = &(*at)->next;
	d.next = *at;
	copy = arena_alloc(a, sizeof(*copy));
	*copy = d;
	*at = copy;
}

void facts_pci(const struct facts_source *from, struct facts *facts)
{
	_cleanup_free_ char *path = xasprintf("%s/bus/pci/devices", from->sys);
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			add_device(facts, dirfd(dir), e->d_name);
}
