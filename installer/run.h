/*
 * The executor: walks a plan's steps in order, says each on the console and as an event, and notes each that is finished
 * on the target (record.h). A failure stops it, or the step is tried again; whatever is open is let go of in the end.
 * What a step needs from an earlier one is in struct install.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "installer/record.h"

struct install {
	const struct plan *plan;
	const struct step *step; /* running */
	struct uuids uuid;
	/* What an earlier run of this plan had finished; NULL: nothing. */
	const struct record *earlier;
	bool again; /* the running step may find what an earlier try of it left half-done */
	int record; /* descriptor of the log on the target; -1: not there yet */
	struct strv skipped; /* steps that were not done, each with its reason and what to do instead */
	pid_t qubesd; /* in offline mode, during the step that talks to it; else 0 */
	/* Progress of the running step, in bytes. */
	uint64_t done, total, shown_at, shown_percent;
};

/* What to do about a step that failed. */
enum install_choice {
	INSTALL_RETRY,
	INSTALL_LEAVE, /* everything is closed; the installation can be gone on with */
	INSTALL_UNDO,  /* the same, and what can be taken back is: see plan_can_undo() */
};

struct install_options {
	const struct record *earlier; /* go on from here; NULL: from the beginning */
	struct strv *skipped; /* gets what struct install has of them; NULL: nobody asks */
	/* `code` is the step's, a negative errno. NULL: leave. */
	enum install_choice (*failed)(void *data, const struct step *step, int code, const struct error *err);
	void *data;
};

/* Runs all steps. On failure the error names object, cause and remedy; everything is unmounted and closed. */
int install_run(const struct plan *plan, const struct install_options *options, struct error *err);
/* A step with bytes to count: sets the total, and then adds to it; speaks at most once a second or per 5 %. */
void install_progress_total(struct install *in, uint64_t total);
void install_progress_add(struct install *in, uint64_t bytes);
/* The same for a struct copy_watch, whose data is the struct install. */
void install_count(void *data, uint64_t bytes);
/* Path below the target, allocated. */
char *install_path(const struct install *in, const char *path);

/* The steps, a file or more each under steps/. Those named _again stand in for a step that was finished earlier. */
int step_check(struct install *in, struct error *err);
int step_release(struct install *in, struct error *err);
int step_partition(struct install *in, struct error *err);
int step_partition_again(struct install *in, struct error *err);
int step_encrypt(struct install *in, struct error *err);
int step_encrypt_again(struct install *in, struct error *err);
int step_mount(struct install *in, struct error *err);
int step_mount_again(struct install *in, struct error *err);
int step_copy(struct install *in, struct error *err);
int step_compare(struct install *in, struct error *err);
int step_boot_files(struct install *in, struct error *err);
/* Is what that one copies there, and what the boot menu names? -ENOENT, -EBADMSG when not. */
int boot_files_check(const struct plan *plan, struct error *err);
int step_configure(struct install *in, struct error *err);
int step_user(struct install *in, struct error *err);
int step_boot_menu(struct install *in, struct error *err);
int step_guest_kernels(struct install *in, struct error *err);
int step_templates(struct install *in, struct error *err);
/* Is what these two copy on the medium, and known to the verified root? -ENOENT, -EBADMSG when not. */
int images_check(const struct plan *plan, struct error *err);
int step_qubes(struct install *in, struct error *err);
int step_qubes_after(struct install *in, struct error *err);
/* A qubesd that an earlier installer left running on the target, when it was ended itself. */
void qubes_end_stale(void);
int step_report(struct install *in, struct error *err);
int step_finish(struct install *in, struct error *err);
