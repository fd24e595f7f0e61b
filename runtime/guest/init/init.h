/*
 * Parts of the guest's /init. The program runs as process 1 of a qube from its initramfs, for about
 * as long as it takes to read this: it loads the block and file-system modules, mounts the root
 * volume and hands over to it.
 *
 * What it says goes to the kernel log, so the qube's console shows it and `journalctl -k` keeps it.
 */
#pragma once

/* Opens the kernel log; before that, say() is silent. */
void say_open(void);
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Says "object: cause" as an error. */
void complain(const char *object, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Complains and powers the qube off: there is nobody who could use a shell here. */
_Noreturn void stop(const char *object, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Loads what `dir`/order lists: a file name a line, optionally followed by parameters, dependencies
 * first. A module that fails is complained about; whether it was needed shows later.
 */
void modules_load(const char *dir);

/* Swaps on `device` (at most 1 GiB of it) if it is empty or bears a swap signature; else leaves it
 * alone. */
void swap_enable(const char *device);

/*
 * Makes the file system mounted at `root` the root of everything, empties the initramfs and runs
 * `init` from the new root. Returns only on failure, -errno.
 */
int switch_root(const char *root, char *init);
