/*
 * The plan: facts and answers in, a list of steps out. Making it is a pure function; printing it touches nothing; the
 * executor (run.h) walks the very same list. A step's commands are run as printed; its calls say in words what the
 * function `run` does in this process.
 */
#pragma once

#include "common/sys/hash.h"
#include "installer/answers.h"
#include "installer/facts/facts.h"
#include "installer/layout.h"
#include "installer/verdict/verdict.h"

#define INSTALL_SOURCE "/run/bulkhead/image"  /* the verified live root, read-only, without its RAM overlay */
#define INSTALL_MEDIUM "/run/bulkhead/medium" /* the ISO's own file system */
#define INSTALL_TARGET "/mnt/target"
#define INSTALL_SOCKET_DIR "/run/bulkhead/qubesd" /* qubesd in offline mode listens here */
#define INSTALL_MAPPING "bulkhead-target"

struct install;

struct step {
	const char *id;
	const char *sentence;
	const char *const *calls;	    /* NULL-terminated; may be NULL */
	const char *const *const *commands; /* NULL-terminated list of argv; may be NULL */
	int (*run)(struct install *in, struct error *err); /* before the commands; may be NULL */
	/* Behind the commands, also when one of them failed; may be NULL. */
	int (*after)(struct install *in, struct error *err);
	/* Instead of all that when an earlier run had finished the step; NULL: nothing is to do then. */
	int (*again)(struct install *in, struct error *err);
	bool writes;	   /* the first to change the disk */
	bool no_return;	   /* from here on what was on the disk is gone */
	const char *instead; /* its failure is told, and the next step begins: what is to be done then; NULL: it stops all */
	bool opens_record; /* behind it the target's /boot is there: see record.h */
};

struct plan_places {
	const char *source, *medium, *target;
	const char *initramfs; /* digest of the medium's, as the boot menu names it; NULL: it named none */
};

struct plan {
	struct arena *arena;
	const struct facts *facts;	/* not owned, as the next */
	const struct answers *answers;
	struct plan_places places;
	struct verdict verdict;
	const char *const *templates; /* of the medium, those to unpack, the first one the default; NULL-terminated or NULL */
	const struct disk *disk;
	struct layout layout;
	const char *root_device; /* what holds Btrfs: the mapping, or the partition itself */
	uint64_t dom0_memory; /* MiB that the installed dom0 is given */
	uint64_t argon2_kib;  /* it must be possible to unlock with that much */
	struct step *steps;
	size_t n_steps;
};

/*
 * Chooses the disk and makes the steps. Errors: an answer is missing, no such disk or more than one (-ENODEV,
 * -ENOTUNIQ), a missing feature of the machine was not accepted (-EPERM), the disk is the medium, read-only, in use, or
 * too small. `places` may be NULL.
 */
int plan_make(const struct facts *facts, const struct answers *answers, const struct plan_places *places,
	      struct plan *out, struct error *err);
/* The first disk that the answers name; NULL: they name none, or give a rule. */
const struct disk *plan_named_disk(const struct facts *facts, const struct answers *answers);
/* Is GRUB for machines that start with BIOS installed? Beside other systems only where this machine starts so. */
bool plan_has_bios_loader(const struct facts *facts, const struct answers *answers);
/* Would that GRUB overwrite the one of another system beside ours? -EEXIST then. */
int plan_check_bios_loader(struct arena *a, const struct facts *facts, const struct answers *answers,
			   const struct disk *disk, const struct layout *layout, struct error *err);
/* May it be installed on at all? -EBUSY or -EROFS when not. */
int plan_check_disk(struct arena *a, const struct disk *disk, struct error *err);
/* SHA-256 over all that makes the installed system what it is, but for secrets and for how the disk is called. */
void plan_fingerprint(const struct plan *plan, char hex[SHA256_HEX]);
/* Can what was done be taken back, but for the places that were free before? */
bool plan_can_undo(const struct plan *plan);
void plan_write(const struct plan *plan, struct strbuf *out);
/* A command as a person would type it. */
void plan_command_text(const char *const *argv, struct strbuf *out);
void plan_free(struct plan *plan);

#define _cleanup_plan_ _cleanup_(plan_free)

/* plan-steps.c: fills plan->steps from the rest of the plan. */
void plan_add_steps(struct plan *plan);
