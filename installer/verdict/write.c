/* The verdict in words. Texts about a feature stand in one table. */
#include <string.h>

#include "installer/verdict/verdict.h"

static const struct {
	const char *key, *name, *consequence, *look_for;
} features[FEATURES] = {
	[FEATURE_HVM] = {"hvm", "Hardware virtualisation (VT-x, AMD-V)",
			 "Qubes run paravirtualised only (virt_mode pv), which confines them less.",
			 "Intel Virtualization Technology, VT-x, Vanderpool; SVM Mode, AMD-V (under CPU or Security)"},
	[FEATURE_SLAT] = {"slat", "Second level address translation (EPT, NPT)",
			  "Qubes are slow: Xen keeps their page tables itself.",
			  "nothing of its own: it comes with VT-x or AMD-V on processors since about 2010"},
	[FEATURE_IOMMU] = {"iommu", "IOMMU (VT-d, AMD-Vi)",
			   "A network card or USB controller that is broken into can read all memory: "
			   "sys-net and sys-usb confine nothing.",
			   "VT-d, Intel VT for Directed I/O, IOMMU, AMD-Vi, SVM IOMMU (under Chipset, North Bridge, System "
			   "Agent or Security)"},
	[FEATURE_REMAP] = {"remap", "Interrupt remapping",
			   "A qube with a device can raise interrupts that belong to others: a way around the IOMMU for a "
			   "determined attacker.",
			   "Interrupt Remapping, X2APIC Opt Out (must be off); otherwise a firmware update"},
};

const char *verdict_feature_key(enum verdict_feature feature)
{
	return features[feature].key;
}

static const char *state_name(enum verdict_state state)
{
	static const char *const names[] = {
		[STATE_ENABLED] = "enabled", [STATE_PRESENT] = "present", [STATE_UNKNOWN] = "unknown",
		[STATE_UNUSED] = "present, not used", [STATE_OFF] = "switched off in firmware",
		[STATE_ABSENT] = "absent"};

	return names[state];
}

bool verdict_is_missing(enum verdict_state state)
{
	return state == STATE_UNUSED || state == STATE_OFF || state == STATE_ABSENT;
}

void verdict_write(const struct verdict *verdict, struct strbuf *out)
{
	for (size_t i = 0; i < FEATURES; i++) {
		const struct verdict_item *item = &verdict->item[i];

		strbuf_printf(out, "%s: %s\n  %s\n", features[i].name, state_name(item->state), item->because);
		if (!verdict_is_missing(item->state))
			continue;
		strbuf_printf(out, "  %s\n", features[i].consequence);
		if (item->state == STATE_UNUSED)
			strbuf_add_str(out, "  Was the boot menu's entry without IOMMU chosen?\n");
		else
			strbuf_printf(out, "  Look in the firmware setup for: %s\n", features[i].look_for);
	}
	for (const char *const *f = verdict->findings; f && *f; f++)
		strbuf_printf(out, "%s\n", *f);
}

int verdict_accepted(const struct verdict *verdict, const char *const *accepted, struct error *err)
{
	for (size_t i = 0; i < FEATURES; i++) {
		bool found = !verdict_is_missing(verdict->item[i].state);

		for (const char *const *a = accepted; !found && a && *a; a++)
			found = !strcmp(*a, features[i].key);
		if (!found)
			return error_set(err, -EPERM, features[i].name,
					 "switch it on, or accept that with the answer 'accept-missing'", "%s (%s): %s",
					 state_name(verdict->item[i].state), features[i].key,
					 features[i].consequence);
	}
	return 0;
}
