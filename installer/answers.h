/*
 * The answers: what the person wants. From a file (docs/unattended.md), from the dialogue, or from both; the table in
 * questions/questions.h says what there is. The secrets lie in locked memory and are wiped from everything that was
 * parsed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "installer/secret.h"

#define ANSWERS_LABEL "BULKHEAD_ANS"
#define ANSWERS_FILE "answers.yaml"
/* On the medium and on the installed machine. */
#define ANSWERS_MANUAL "/usr/share/doc/bulkhead-dom0/unattended.md"
/* What has to be typed, word for word, for a disk without encryption. */
#define ANSWERS_NO_ENCRYPTION "anyone who gets this disk can read everything on it"

enum disk_choice { DISK_UNSET, DISK_BY_SERIAL, DISK_BY_ID, DISK_BY_NAME, DISK_BY_RULE };
enum disk_layout { DISK_WHOLE, DISK_BESIDE };
enum answers_after { AFTER_POWEROFF, AFTER_REBOOT, AFTER_STAY, AFTER_EJECT };

struct answers {
	struct arena *arena;
	const char *file; /* for messages */
	uint64_t given;	  /* a bit for each question of the table that has its answer */
	bool unattended;
	enum disk_choice disk;
	const char *disk_value; /* for a rule: only, largest, smallest */
	unsigned disk_line;	/* 0: chosen in the dialogue */
	enum disk_layout layout;
	const char *erase; /* serial, id or name of the disk that may be erased */
	bool plain;	   /* no encryption; the sentence was typed */
	struct secret passphrase;
	bool recovery;	   /* a second way to open the disk */
	struct secret recovery_key;
	const char *user;
	struct secret password;
	const char *keymap, *locale, *timezone; /* NULL: us, C.UTF-8, UTC */
	const char *const *accept_missing; /* features of the hardware verdict; NULL-terminated or NULL */
	bool skip_bootloader;
	bool insecure_test;	 /* small argon2 parameters, for nested tests only */
	uint64_t dom0_memory;	 /* MiB; 0: chosen from the facts */
	uint64_t qrexec_timeout; /* seconds; 0: qubesd's default */
	const char *const *templates; /* of the medium, the first one the default; NULL-terminated, NULL: all */
	const char *const *qubes; /* which default qubes; NULL-terminated, NULL: those that suit the machine */
	bool autostart;		  /* of sys-net and the like; true when nothing was said */
	const char *const *disposable;	/* which of them are made anew at every start; NULL-terminated or NULL */
	bool usb_with_net;		/* the USB controllers go to sys-net, and there is no sys-usb */
	bool usb_keyboard, usb_mouse; /* dom0 obeys those behind sys-usb */
	bool report_stick; /* the report also goes to a stick */
	enum answers_after after;
};

/* With what holds when nothing was said. */
static inline const char *answers_keymap(const struct answers *a)
{
	return a->keymap ? a->keymap : "us";
}
static inline const char *answers_locale(const struct answers *a)
{
	return a->locale ? a->locale : "C.UTF-8";
}
static inline const char *answers_timezone(const struct answers *a)
{
	return a->timezone ? a->timezone : "UTC";
}

/* An empty set; `name` is what messages call it ("dialogue"). */
void answers_new(struct answers *out, const char *name);
/* Unknown and repeated keys, wrong types and impossible values are -EINVAL with file:line. Answers may be missing. */
int answers_load(const char *path, struct answers *out, struct error *err);
/* The same from text; `name` is the file in messages. */
int answers_load_text(const char *name, struct blob text, struct answers *out, struct error *err);
/*
 * From the volume labelled BULKHEAD_ANS, mounted read-only for the moment. -ENXIO when there is no such volume,
 * -ENOTUNIQ when there are two.
 */
int answers_load_volume(struct answers *out, struct error *err);
/* -EINVAL naming the first needed question that has no answer, as `unattended: yes` demands. */
int answers_complete(const struct answers *answers, struct error *err);
/* As an answer file that can be used again; the secrets are left out, with a comment where they were. */
void answers_write(const struct answers *answers, struct strbuf *out);
/* Wipes the secrets. */
void answers_free(struct answers *answers);

#define _cleanup_answers_ _cleanup_(answers_free)
