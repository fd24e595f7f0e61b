/*
 * What the target's /boot says of the installation: a log (common/sys/journal.h) in boot/bulkhead/install.journal, from
 * which an installation that was cut short goes on. No secrets.
 *
 *   begin 1 FINGERPRINT             of the plan: plan_fingerprint()
 *   uuid luks|boot|root|esp UUID
 *   answer LINE                     the lines of the answer file that would give this plan, in order
 *   step ID                         finished, and on the disk
 *   complete                        nothing is left to do
 */
#pragma once

#include "common/base/strv.h"
#include "common/sys/hash.h"
#include "installer/plan.h"

#define RECORD_FOLDER "boot/bulkhead"
#define RECORD_FILE RECORD_FOLDER "/install.journal"

enum { UUID_TEXT = 37 };

struct uuids {
	char luks[UUID_TEXT]; /* "": not encrypted */
	char boot[UUID_TEXT], root[UUID_TEXT], esp[UUID_TEXT];
};

struct record {
	char fingerprint[SHA256_HEX];
	struct uuids uuid;
	struct strbuf answers;
	struct strv steps;
	bool complete;
};

/* -EBADMSG when it is of another make, or its beginning is missing or damaged. */
int record_parse(struct blob log, struct record *out);
bool record_has(const struct record *record, const char *step);
void record_free(struct record *record);

#define _cleanup_record_ _cleanup_(record_free)

/* What the folder, some /boot that nobody vouches for, has of a record. As record_find(). */
int record_look(const char *boot, struct record *out);
/*
 * The record on the disk's partition that has our name for /boot, mounted for the moment; the kernel replays the file
 * system's own log then. 0: there is one, perhaps a complete one; -ENOENT: our partitions, but nothing was noted yet;
 * -ENXIO: nothing that is known to be of ours.
 */
int record_find(const struct disk *disk, struct record *out);

/* On the mounted target. Both return the descriptor for record_step(), or a negative errno. */
int record_create(const struct plan *plan, const struct uuids *uuid, struct error *err);
int record_continue(const struct plan *plan, struct error *err);
/* Notes a finished step; NULL: that nothing is left to do. What it notes must be on the disk already. */
int record_step(int fd, const char *step, struct error *err);
