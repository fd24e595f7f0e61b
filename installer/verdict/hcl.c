#include <inttypes.h>
#include <sys/utsname.h>

#include "installer/verdict/verdict.h"

/* SMBIOS 7.4.1, the types that people know apart. */
static const char *chassis_name(uint64_t type)
{
	switch (type) {
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
	case 13:
	case 35:
		return "desktop";
	case 8:
	case 9:
	case 10:
	case 14:
	case 31:
	case 32:
		return "notebook";
	case 17:
	case 23:
	case 28:
		return "server";
	default:
		return "unknown";
	}
}

static void field(struct strbuf *out, const char *name, const char *value)
{
	strbuf_printf(out, "%s:\n  '", name);
	for (; value && *value; value++)
		strbuf_add_str(out, *value == '\'' ? "''" : (const char[]){*value, '\0'});
	strbuf_add_str(out, "'\n");
}

static void answer(struct strbuf *out, const char *name, enum verdict_state state)
{
	/* Blank, as the list's own tool leaves it, when nobody could tell. */
	field(out, name, state == STATE_UNKNOWN ? "" : verdict_is_missing(state) ? "no" : "yes");
}

static void devices(struct strbuf *out, const struct hardware *hw, const char *name, uint32_t code, unsigned shift)
{
	strbuf_printf(out, "%s: |\n", name);
	for (const struct pci_device *d = hw->pci; d; d = d->next)
		if (d->class_code >> shift == code)
			strbuf_printf(out, "  %s [%06x] [%s]\n", d->address, d->class_code, d->id);
}

static void storage(struct strbuf *out, const struct facts *facts, const char *name, bool nvme)
{
	strbuf_printf(out, "%s: |\n", name);
	for (const struct disk *d = facts->disks; d; d = d->next)
		if (!d->medium && nvme == (d->transport && !strcmp(d->transport, "nvme")))
			strbuf_printf(out, "  %s\n", d->model ? d->model : d->name);
}

void verdict_hcl(const struct facts *facts, const struct verdict *verdict, struct strbuf *out)
{
	const struct hardware *hw = &facts->hardware;
	struct utsname kernel = {0};
	uint64_t memory = hw->xen_memory ? hw->xen_memory : facts->memory;
	unsigned usb = 0;

	for (const struct pci_device *d = hw->pci; d; d = d->next)
		usb += pci_subclass_of(d) == PCI_USB;
	uname(&kernel);
	strbuf_add_str(out, "---\n");
	field(out, "layout", "hcl");
	field(out, "type", chassis_name(hw->chassis));
	answer(out, "hvm", verdict->item[FEATURE_HVM].state);
	answer(out, "iommu", verdict->item[FEATURE_IOMMU].state);
	answer(out, "slat", verdict->item[FEATURE_SLAT].state);
	field(out, "tpm", hw->tpm ? hw->tpm : "unknown");
	answer(out, "remap", verdict->item[FEATURE_REMAP].state);
	field(out, "brand", hw->vendor);
	field(out, "model", hw->model);
	field(out, "bios", hw->bios);
	field(out, "cpu", hw->cpu_model);
	field(out, "cpu-short", "FIXME");
	devices(out, hw, "chipset", PCI_HOST_BRIDGE, 8);
	field(out, "chipset-short", "FIXME");
	devices(out, hw, "gpu", PCI_DISPLAY, 16);
	field(out, "gpu-short", "FIXME");
	devices(out, hw, "network", PCI_NETWORK, 16);
	strbuf_printf(out, "memory:\n  '%" PRIu64 "'\n", memory >> 20);
	storage(out, facts, "scsi", false);
	storage(out, facts, "nvme", true);
	strbuf_printf(out, "usb:\n  '%u'\n", usb);
	field(out, "certified", "no");
	strbuf_printf(out,
		      "versions:\n- works:\n    'FIXME:yes|no|partial'\n  qubes: |\n    Bulkhead %s\n  xen: |\n    %s\n"
		      "  kernel: |\n    %s\n  remark: |\n    FIXME\n  credit: |\n    FIXAUTHOR\n  link: |\n    FIXLINK\n",
		      BULKHEAD_VERSION, hw->xen_version ? hw->xen_version : "none", kernel.release);
}
