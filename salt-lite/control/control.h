/* qubesctl: the state engine's front in dom0 (ref/distro.md 5.4). */
#pragma once

#include "common/base/blob.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"

struct control {
	bool show_output, force_color, skip_dom0, skip_top_check, sync_extmods, dom0_only;
	bool all, templates, standalones, app;
	const char *targets, *srv, *engine, *socket, *log_folder, *policy_folder, *run_folder;
	long max_concurrency;
	struct strv engine_options, words;
};

enum { CONTROL_USAGE = 64 };

/*
 * The folders of a tree that the engine looks into: SRV/salt and SRV/formulas/base/NAME, or the pillar's. Returns the
 * number of those; those that follow are of the environment user: SRV/user_salt, or SRV/user_pillar.
 */
size_t control_roots(const struct control *c, bool pillar, struct strv *roots);
/* argv of the engine up to its command: its options and roots. */
void control_engine(const struct control *c, struct strv *argv);
/* Adds the command's words, "a,b" as two. */
void control_words(const struct control *c, struct strv *argv);

/* top.enable and the others of the family; words[0] is the command. Returns the exit code. */
int control_top(const struct control *c);

/* Whether the command is one that applies states: state.highstate, state.apply, state.sls. */
bool control_applies(const struct control *c);
/* Whether qubes are asked for. */
bool control_has_targets(const struct control *c);
/* Applies the command in the qubes that are asked for, templates first. Returns the worst exit code. */
int control_apply_targets(const struct control *c);
