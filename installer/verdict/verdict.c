#include "installer/verdict/verdict.h"

#include <string.h>

#include "common/base/strv.h"
#include "installer/facts/source.h"
#include "installer/verdict/iommu-table.h"

struct judge {
	const struct facts *facts;
	const struct hardware *hw;
	struct arena *arena;
	struct verdict *out;
	struct strv findings;
	struct iommu_table table; /* the best of those there are */
	const char *table_name;	  /* NULL: none was found */
};

static const char *log_line(const struct judge *j, const char *a, const char *b)
{
	for (const char *const *l = j->hw->xen_log; l && *l; l++)
		if (strcasestr(*l, a) && (!b || strcasestr(*l, b)))
			return *l;
	return NULL;
}

static void say(struct judge *j, enum verdict_feature feature, enum verdict_state state, const char *because)
{
	j->out->item[feature] = (struct verdict_item){state, because};
}

static void judge_hvm(struct judge *j)
{
	const struct hardware *hw = j->hw;
	const char *off = log_line(j, "disabled by BIOS", NULL);

	if (!off)
		off = log_line(j, "disabled in BIOS", NULL);
	if (blob_has_word(blob_of(hw->virt_caps), "hvm"))
		say(j, FEATURE_HVM, STATE_ENABLED, "Xen uses it (virt_caps: hvm)");
	else if (off)
		say(j, FEATURE_HVM, STATE_OFF, arena_printf(j->arena, "Xen's log: %s", off));
	else if (hw->virt_caps && list_has(hw->cpuid, "svm"))
		say(j, FEATURE_HVM, STATE_OFF, "the processor has it, Xen cannot use it");
	else if (hw->virt_caps)
		say(j, FEATURE_HVM, STATE_ABSENT,
		    hw->xen_log_complete ? "Xen does not find it"
					 : "Xen does not find it; the beginning of its log is gone, which would say why");
	else if (list_has(hw->cpu_flags, "vmx") || list_has(hw->cpu_flags, "svm"))
		say(j, FEATURE_HVM, STATE_PRESENT, "the processor has it and Linux finds it usable");
	else if (list_has(hw->cpuid, "vmx") || list_has(hw->cpuid, "svm"))
		say(j, FEATURE_HVM, STATE_OFF, "the processor has it, but Linux finds it locked");
	else if (hw->cpu_vendor && !j->facts->xen)
		say(j, FEATURE_HVM, STATE_ABSENT, "the processor does not have it");
	else
		say(j, FEATURE_HVM, STATE_UNKNOWN, "neither Xen nor the processor could be asked");
}

static void judge_slat(struct judge *j)
{
	const struct hardware *hw = j->hw;
	enum verdict_state hvm = j->out->item[FEATURE_HVM].state;
	const char *log = log_line(j, "Hardware Assisted Paging", NULL);

	if (blob_has_word(blob_of(hw->virt_caps), "hap") || (log && !strstr(log, "disabled") && !strstr(log, "not detected")))
		say(j, FEATURE_SLAT, STATE_ENABLED, log ? log : "Xen uses it (virt_caps: hap)");
	else if (log && strstr(log, "disabled"))
		say(j, FEATURE_SLAT, STATE_UNUSED, arena_printf(j->arena, "Xen's log: %s", log));
	else if (hvm == STATE_OFF)
		say(j, FEATURE_SLAT, STATE_OFF, "goes with hardware virtualisation, which is off");
	else if (hw->virt_caps)
		say(j, FEATURE_SLAT, STATE_ABSENT, "Xen does not find it");
	else if (list_has(hw->cpu_flags, "ept") || list_has(hw->cpu_flags, "npt") || list_has(hw->cpuid, "npt"))
		say(j, FEATURE_SLAT, STATE_PRESENT, "the processor has it");
	else if (hw->cpu_vendor && !j->facts->xen)
		say(j, FEATURE_SLAT, STATE_ABSENT, "the processor does not have it");
	else
		say(j, FEATURE_SLAT, STATE_UNKNOWN, "neither Xen nor the processor could be asked");
}

static void judge_iommu(struct judge *j)
{
	const struct hardware *hw = j->hw;
	bool capable = j->out->item[FEATURE_SLAT].state != STATE_ABSENT || j->out->item[FEATURE_HVM].state == STATE_OFF;
	const char *off = log_line(j, "I/O virtualisation", "disabled");
	const char *name = j->table_name;

	if (blob_has_word(blob_of(hw->virt_caps), "hvm_directio") || blob_has_word(blob_of(hw->virt_caps), "pv_directio"))
		say(j, FEATURE_IOMMU, STATE_ENABLED, "Xen uses it (virt_caps: directio)");
	else if (hw->iommus)
		say(j, FEATURE_IOMMU, STATE_ENABLED, arena_printf(j->arena, "Linux uses it (%s)", hw->iommus[0]));
	else if (name && j->table.units && hw->virt_caps)
		say(j, FEATURE_IOMMU, STATE_UNUSED,
		    arena_printf(j->arena, "the firmware describes it (%s), but Xen does not use it%s%s", name,
				 off ? ": " : "", off ? off : ""));
	else if (name && j->table.units)
		say(j, FEATURE_IOMMU, STATE_PRESENT, arena_printf(j->arena, "the firmware describes it (%s)", name));
	else if (name)
		say(j, FEATURE_IOMMU, STATE_OFF,
		    arena_printf(j->arena, "the firmware's table %s is of no use: %s", name, j->table.problem));
	else if (!hw->cpu_vendor && !hw->virt_caps)
		say(j, FEATURE_IOMMU, STATE_UNKNOWN, "nothing could be asked");
	else if (capable)
		say(j, FEATURE_IOMMU, STATE_OFF,
		    "the firmware describes none (no DMAR, no IVRS), though the processor is of a kind that has one");
	else
		say(j, FEATURE_IOMMU, STATE_ABSENT, "the firmware describes none (no DMAR, no IVRS)");
}

static void judge_remap(struct judge *j)
{
	const struct verdict_item *iommu = &j->out->item[FEATURE_IOMMU];
	const char *log = log_line(j, "interrupt remapping", NULL);
	bool refused = log && (strcasestr(log, "not enabled") || strcasestr(log, "disabled") ||
			       strcasestr(log, "not supported"));

	if (log && !refused)
		say(j, FEATURE_REMAP, STATE_ENABLED, arena_printf(j->arena, "Xen's log: %s", log));
	else if (verdict_is_missing(iommu->state))
		say(j, FEATURE_REMAP, iommu->state, "goes with the IOMMU");
	else if (j->table_name && !j->table.remapping)
		say(j, FEATURE_REMAP, STATE_ABSENT,
		    arena_printf(j->arena, "the firmware's table %s does not offer it", j->table_name));
	else if (log)
		say(j, FEATURE_REMAP, j->table_name ? STATE_UNUSED : STATE_ABSENT,
		    arena_printf(j->arena, "Xen's log: %s", log));
	else if (j->table_name)
		say(j, FEATURE_REMAP, STATE_PRESENT,
		    arena_printf(j->arena, "the firmware's table %s offers it", j->table_name));
	else
		say(j, FEATURE_REMAP, STATE_UNKNOWN, "neither Xen's log nor a table of the firmware tells");
}

static void choose_table(struct judge *j)
{
	for (const struct acpi_table *t = j->hw->tables; t; t = t->next) {
		struct iommu_table table;

		iommu_table_read(t->bytes, &table);
		if (table.problem)
			strv_pushf(&j->findings, "The firmware's table %s is broken: %s. A firmware update may mend it.",
				   t->name, table.problem);
		if (!j->table_name || table.units > j->table.units) {
			j->table = table;
			j->table_name = t->name;
		}
	}
}

static void find_devices(struct judge *j)
{
	const struct pci_device *raid = NULL;
	bool network = false, usb_keyboard = false, other_keyboard = false, disk = false;

	for (const struct pci_device *d = j->hw->pci; d; d = d->next) {
		network |= pci_class_of(d) == PCI_NETWORK;
		if (pci_subclass_of(d) == PCI_RAID)
			raid = d;
	}
	for (const struct disk *d = j->facts->disks; d; d = d->next)
		disk |= !d->medium && d->transport && strcmp(d->transport, "usb");
	for (const struct keyboard *k = j->hw->keyboards; k; k = k->next) {
		usb_keyboard |= !strcmp(k->bus, "usb");
		other_keyboard |= !strcmp(k->bus, "ps2") || !strcmp(k->bus, "other");
	}
	if (j->hw->pci && !network)
		strv_push(&j->findings, "No network controller was found: sys-net is made all the same and stays empty "
					"until one is attached.");
	if (raid && !disk)
		strv_pushf(&j->findings, "The controller %s (%s) is in RAID mode and no built-in disk shows: it hides them. "
					 "Set it to AHCI in the firmware setup (SATA mode, VMD, RST).",
			   raid->address, raid->id);
	j->out->usb_keyboard_only = usb_keyboard && !other_keyboard;
	if (j->out->usb_keyboard_only)
		strv_push(&j->findings, "The only keyboard is a USB one: it stays with dom0, and sys-usb is not made. Whatever "
					"is plugged into the same controller can pose as a keyboard.");
}

static void find_rest(struct judge *j)
{
	uint64_t memory = j->hw->xen_memory ? j->hw->xen_memory : j->facts->memory;

	/* A machine sold as 8 GiB shows a little less. */
	if (memory && memory < (15ULL << 29))
		strv_pushf(&j->findings, "%s of memory: at least 8 GiB are advised; few qubes will run at a time.",
			   facts_size(j->arena, memory));
	if (j->hw->clock && j->hw->clock + 86400 < j->hw->medium_date)
		strv_push(&j->findings, "The clock is behind the day this medium was made: set it in the firmware setup, "
					"or signatures and Tor will fail.");
	if (j->hw->secure_boot)
		strv_push(&j->findings, "Secure Boot is on: the installed system is not signed for it and will not start "
					"until it is switched off.");
	if (j->hw->virt_caps && !j->hw->xen_log_complete)
		strv_push(&j->findings, "The beginning of Xen's log is gone; restart for a complete verdict.");
	if (!j->facts->xen)
		strv_push(&j->findings, "This system runs without Xen: what it says is less certain.");
}

void verdict_make(const struct facts *facts, struct arena *a, struct verdict *out)
{
	struct judge j = {.facts = facts, .hw = &facts->hardware, .arena = a, .out = out};

	*out = (struct verdict){0};
	choose_table(&j);
	judge_hvm(&j);
	judge_slat(&j);
	judge_iommu(&j);
	judge_remap(&j);
	find_devices(&j);
	find_rest(&j);
	out->findings = facts_list(a, &j.findings);
	strv_free(&j.findings);
}
