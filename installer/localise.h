/*
 * Keyboard layout, locale and time zone: names as kbd, glibc and tzdata know them, looked up in the system that is
 * installed.
 */
#pragma once

#include "installer/run.h"

/*
 * Does the root `source` have it? `key` is one of the table's: keymap, locale, timezone; others are fine. 0, or -ENOENT
 * with the reason.
 */
int localise_check(const char *source, const char *key, const char *value, struct error *err);
/* Types with this layout from now on, on this machine's own console. */
int localise_load_keymap(const char *name, struct error *err);
/*
 * The layout as one text without includes, as it is in the kernel now: for the initramfs, which has no layouts. Empty
 * when this machine has no console of its own.
 */
int localise_dump_keymap(struct strbuf *out, struct error *err);
