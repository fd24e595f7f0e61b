/*
 * The executor: walks a plan's steps in order, says each on the console and as an event, stops at the first failure
 * and lets go of whatever is open. What a step needs from an earlier one is in struct install.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "installer/plan.h"

enum { UUID_TEXT = 37 };

struct install {
	const struct plan *plan;
	const struct step *step; /* running */
	char luks_uuid[UUID_TEXT], boot_uuid[UUID_TEXT], root_uuid[UUID_TEXT], esp_uuid[UUID_TEXT];
	pid_t qubesd; /* in offline mode, during the step that talks to it; else 0 */
	/* Progress of the running step, in bytes. */
	uint64_t done, total, shown_at, shown_percent;
};

/* Runs all steps. On failure the error names object, cause and remedy, everything is unmounted and closed. */
int install_run(const struct plan *plan, struct error *err);
/* A step with bytes to count: sets the total, and then adds to it; speaks at most once a second or per 5 %. */
void install_progress_total(struct install *in, uint64_t total);
void install_progress_add(struct install *in, uint64_t bytes);
/* Path below the target, allocated. */
char *install_path(const struct install *in, const char *path);

/* The steps, a file or more each under steps/. */
int step_check(struct install *in, struct error *err);
int step_release(struct install *in, struct error *err);
int step_partition(struct install *in, struct error *err);
int step_encrypt(struct install *in, struct error *err);
int step_mount(struct install *in, struct error *err);
int step_copy(struct install *in, struct error *err);
int step_boot_files(struct install *in, struct error *err);
int step_configure(struct install *in, struct error *err);
int step_user(struct install *in, struct error *err);
int step_boot_menu(struct install *in, struct error *err);
int step_guest_kernels(struct install *in, struct error *err);
int step_templates(struct install *in, struct error *err);
int step_qubes(struct install *in, struct error *err);
int step_qubes_after(struct install *in, struct error *err);
int step_finish(struct install *in, struct error *err);
