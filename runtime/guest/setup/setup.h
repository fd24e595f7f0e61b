/*
 * What a qube sets up at boot, after dom0's wishes in qubesdb (ref/runtime.md 8.3). One program,
 * one process per systemd unit, no shell. Each part takes the root folder to work on and the
 * values, so that tests run it on a folder of their own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/base/strbuf.h"
#include "common/base/strmap.h"
#include "common/base/strv.h"

struct setup {
	int root;	      /* descriptor of "/" */
	struct strmap values; /* key -> value (char *) of qubesdb; empty when the part needs none */
	char **pairs;	      /* what the values lie in; to the end of the program */
	const char *argument; /* of the command, or NULL */
	bool failed;	      /* somebody complained */
	bool testing;	      /* no owners, no mounts, nothing of the kernel's */
};

/* The value of a key, or NULL. */
const char *setup_value(const struct setup *s, const char *key);
/* Prints `qubes-guest-setup: object: cause` and remembers that something failed. */
void setup_complain(struct setup *s, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* /run/qubes, /run/qubes-service with a file per service that is on, what kind of qube this is, the
 * random seed. */
int setup_sysinit(struct setup *s);

/*
 * Host name, /etc/hosts, time zone, apt's proxy; files listed in protected-files.d stay as they are. Then the user's early
 * hooks: /rw/config/rc.local-early.d/(*).rc and /rw/config/rc.local-early.
 */
int setup_early_config(struct setup *s);
/* May a script change this file? `path` begins with '/'. */
bool setup_file_protected(const struct setup *s, const char *path);
/* Writes the file, which `path` names from '/', if it says something else and is not protected. */
void setup_put_file(struct setup *s, const char *path, const char *text);
/* The same; a link in its place gives way. */
void setup_replace_file(struct setup *s, const char *path, const char *text);
/* `hosts` with its 127.0.1.1 line naming `name`; allocated. */
char *setup_hosts(const char *hosts, const char *name);

/*
 * The private volume: /dev/xvdb gets a file system if it is empty, is checked, mounted on /rw,
 * grown to its disk and given its folders. The root is grown to its disk.
 */
int setup_mount_dirs(struct setup *s);
/*
 * qubes.ResizeDisk: dom0 has made the volume larger that stdin names, `private` or `root`. Its file system gets as large, the
 * root's partition before it. setup_mount_dirs() does the same for both with what was made larger meanwhile.
 */
int setup_resize(struct setup *s);
/* The folders alone, in the mounted /rw. */
int setup_rw_folders(struct setup *s);
/* Copies a file, link or tree with owners, modes, times and links; `to` appears whole or not at all. */
int setup_copy_tree(int root, const char *from, const char *to);

enum volume_state {
	VOLUME_EMPTY, /* all zero where a file system would begin */
	VOLUME_CLEAN, /* ext4, and nothing asks for a check */
	VOLUME_DIRTY, /* ext4 that wants fsck */
	VOLUME_OTHER,
};

/* What lies on the disk or file; -errno when it cannot be read. */
int setup_volume_state(int fd);

/* The user's own hooks: /rw/config/rc.local.d/(*).rc, then /rw/config/rc.local. */
int setup_misc_post(struct setup *s);
/* Runs one of the user's scripts and waits for it; one that is absent or not executable is left out. */
void setup_run_hook(struct setup *s, const char *path);
/* Those of the folder whose names end in .rc. */
void setup_run_hooks(struct setup *s, const char *dir);
/* What a new /rw/config/rc.local says: one that still says just that is not run. */
extern const char setup_default_rc_local[];

/*
 * The way to the qube's netvm (ref/runtime.md 8.4): address, gateway and resolvers of the interface that is the
 * argument, or of every network device Xen offers, which are waited for. What is already so stays so.
 */
int setup_uplink(struct setup *s);
/* Appends the lines for `ip -batch`; -ENOENT when dom0 gives this interface no address. */
int setup_uplink_commands(struct setup *s, const char *iface, const char *mac, struct strbuf *out);
/* Tells systemd-resolved where it runs, else /etc/resolv.conf. */
int setup_resolvers(struct setup *s, const char *iface);
/*
 * /etc/resolv.conf of a qube whose network cards systemd-networkd looks after, without systemd-resolved: the name
 * servers of its leases.
 */
int setup_lease(struct setup *s);

/* The user's `binds`: paths that live on in /rw/bind-dirs (see docs/guest-boot.md), each mounted over the root's. */
int setup_bind_dirs(struct setup *s);
/*
 * Reads the shell's arrays of one configuration file: binds+=(...), binds=(...) with words, quoted or not, over
 * several lines; comments. False, with the number of the line, at anything else.
 */
bool setup_binds_parse(struct blob text, struct strv *paths, unsigned *line);
/* Where the copy of `path` that stays is, from the root: rw/bind-dirs/..., rw/home/..., rw/usrlocal/...; allocated. */
char *setup_bind_source(const char *path);
/* Copies the root's file or tree there, if it is not there; -ENOENT when neither exists. */
int setup_bind_prepare(struct setup *s, const char *path);
