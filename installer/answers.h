/*
 * The answer file: what the person wants, docs/unattended.md. Read once into a value; the secrets go into locked
 * memory and are wiped from everything that was parsed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/error.h"
#include "installer/secret.h"

#define ANSWERS_LABEL "BULKHEAD_ANS"
#define ANSWERS_FILE "answers.yaml"

enum disk_choice { DISK_UNSET, DISK_BY_SERIAL, DISK_BY_ID };
enum answers_after { AFTER_POWEROFF, AFTER_REBOOT, AFTER_STAY };

struct answers {
	struct arena *arena;
	const char *file; /* for messages */
	bool unattended;
	enum disk_choice disk;
	const char *disk_value;
	unsigned disk_line;
	struct secret passphrase;
	const char *user;
	struct secret password;
	const char *const *accept_missing; /* features of the hardware verdict; NULL-terminated or NULL */
	bool insecure_test;	 /* small argon2 parameters, for nested tests only */
	uint64_t dom0_memory;	 /* MiB; 0: chosen from the facts */
	uint64_t qrexec_timeout; /* seconds; 0: qubesd's default */
	enum answers_after after;
};

/* Unknown and repeated keys, wrong types and impossible values are -EINVAL with file:line. Secrets may be missing. */
int answers_load(const char *path, struct answers *out, struct error *err);
/*
 * From the volume labelled BULKHEAD_ANS, mounted read-only for the moment. -ENXIO when there is no such volume,
 * -ENOTUNIQ when there are two.
 */
int answers_load_volume(struct answers *out, struct error *err);
/* -EINVAL naming the first question that has no answer, as `unattended: yes` demands. */
int answers_complete(const struct answers *answers, struct error *err);
/* Wipes the secrets. */
void answers_free(struct answers *answers);

#define _cleanup_answers_ _cleanup_(answers_free)
