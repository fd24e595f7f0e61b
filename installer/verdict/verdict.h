/*
 * Can qubes be kept apart on this machine? A pure function of the facts. Each feature is judged from what independent
 * sources say: the processor, the firmware's tables, Linux, Xen; the strongest word wins and is named. Besides the four
 * features there are findings: things to know that forbid nothing.
 */
#pragma once

#include "installer/facts/facts.h"

enum verdict_feature { FEATURE_HVM, FEATURE_SLAT, FEATURE_IOMMU, FEATURE_REMAP, FEATURES };
enum verdict_state {
	STATE_ENABLED, /* in use */
	STATE_PRESENT, /* there; nothing says it is not used */
	STATE_UNKNOWN, /* no source could be asked */
	STATE_UNUSED,  /* there, but Xen does not use it */
	STATE_OFF,     /* there, but switched off in the firmware's setup, or probably so */
	STATE_ABSENT,
};

struct verdict_item {
	enum verdict_state state;
	const char *because; /* which source said what; lives in the arena */
};

struct verdict {
	struct verdict_item item[FEATURES];
	const char *const *findings; /* NULL-terminated sentences; may be NULL */
	bool usb_keyboard_only;
};

void verdict_make(const struct facts *facts, struct arena *a, struct verdict *out);
/* For people: state, reason, and for what is missing its consequence and what to look for in the setup menu. */
void verdict_write(const struct verdict *verdict, struct strbuf *out);
/* The fields of a hardware compatibility list entry as YAML (ref/distro.md 4). */
void verdict_hcl(const struct facts *facts, const struct verdict *verdict, struct strbuf *out);

/* "hvm", "slat", "iommu", "remap": also the words of the answer accept-missing. */
const char *verdict_feature_key(enum verdict_feature feature);
/* Is this a state that somebody has to accept before installing? */
bool verdict_is_missing(enum verdict_state state);
/* -EPERM naming the first feature that is missing and not in the NULL-terminated list `accepted` (may be NULL). */
int verdict_accepted(const struct verdict *verdict, const char *const *accepted, struct error *err);
