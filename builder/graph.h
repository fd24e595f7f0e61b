/*
 * A build as a graph of steps over the store: from the images that are asked for to everything they
 * need.
 *
 * A step's key is known as soon as those of its inputs are, so a finished result is found without
 * looking at (or having) what it was made from. One input is taken by content instead: our own
 * packages, whose digests are known once they are made; a change in a program that does not change
 * a package ends there.
 *
 * Each step runs in a process of its own, which locks its store entry, makes it and ends: nothing
 * is shared, nothing leaks, and what is killed leaves a folder that the next build removes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "builder/definition.h"
#include "builder/fetch/fetch.h"
#include "builder/lock/lock.h"
#include "builder/store.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"

enum step_kind { STEP_PACKAGES, STEP_BASE, STEP_ROOT, STEP_FOLDER, STEP_OUTPUT };

enum { STEP_DEPS_MAX = 256, GRAPH_STEPS_MAX = 1024, GRAPH_IMAGES_MAX = 32 };

struct step;

struct image {
	struct definition *definition;
	struct definition *medium; /* whose digests its root holds; NULL: none */
	struct lock *lock; /* NULL: family iso */
	bool relocked;	   /* the lock is not the one beside the definition */
	bool loading;	   /* its steps are still being added */
	struct step *base, *root, *folder;
	struct step **outputs; /* as in the definition */
};

struct step {
	char *id;	/* "dom0:root" */
	char *sentence; /* what it does, for people */
	enum step_kind kind;
	struct image *image; /* NULL: packages */
	const struct definition_output *output;
	struct step *deps[STEP_DEPS_MAX];
	size_t n_deps;

	bool known; /* the key is */
	char key[SHA256_HEX];
	struct strbuf inputs; /* the text under the key */
	bool present;	      /* in the store */
	bool needed;	      /* by the goals, in this round */
	int pid;	      /* of the process that makes it; 0: none */
	int report_fd;
	int64_t started; /* milliseconds */
	int64_t last_ms; /* what the last run took; 0: not known */
	int pid_fd;	 /* becomes readable when the process ends */
	char *reason;	 /* why it runs, once it does */
	struct fetch_status *fetch_status; /* shared with the process; NULL: it fetches nothing */
};

struct graph_options {
	const char *source_root, *version; /* absolute; text of VERSION */
	const char *out;		   /* folder of results */
	struct fetch_options fetch;
	const char *keyring;
	bool dpkg;   /* packages are unpacked by the root's dpkg, not by us */
	bool relock; /* resolve anew what cannot be fetched any more */
	unsigned jobs;
	unsigned timeout_s; /* of package scripts; 0: an hour */
	bool quiet;
};

struct graph {
	const struct graph_options *options;
	struct arena *arena;
	struct store *store;
	struct image *images[GRAPH_IMAGES_MAX];
	size_t n_images;
	struct step *steps[GRAPH_STEPS_MAX]; /* each after those it needs */
	size_t n_steps;
	struct step *packages; /* our own; NULL when nobody needs them */
};

/* The store stays the caller's. Freed with graph_free. */
struct graph *graph_new(const struct graph_options *o, struct store *s);
void graph_free(struct graph *g);

/* Adds the image (name or path) with all its steps, and what they need. The same image twice is
 * one. -ELOOP: it needs itself. */
int graph_add_image(struct graph *g, const char *image, struct image **out, struct error *err);
/* An output that the definition does not have (--format). */
int graph_add_output(struct graph *g, struct image *image, const char *name, enum output_kind kind,
		     struct step **out, struct error *err);

/* Does the image's lock fit? -ENOENT: it has none; -ESTALE. What options->relock leaves to the caller. */
int graph_check_lock(const struct graph *g, const struct image *image, struct error *err);

/* Computes the key if all its inputs are known, and looks into the store. 0, or -errno with err. */
int graph_resolve(struct graph *g, struct step *s, struct error *err);
/* Marks what must be made for the goals to be present. 0, or -errno. */
int graph_mark(struct graph *g, struct step *const *goals, size_t n, struct error *err);

/* Makes the goals (builder/graph_run.c). Prints a line for each step that ran. */
int graph_run(struct graph *g, struct step *const *goals, size_t n, struct error *err);
/* Prints all steps of the goals, with whether they would run and why (builder/graph_plan.c). */
int graph_plan(struct graph *g, struct step *const *goals, size_t n, bool json, struct error *err);
/* Why a step that is needed runs: what differs from its last build. Nothing for one that does not. */
void step_reasons(const struct graph *g, const struct step *s, struct strv *reasons);

/* Does the step's work, in the calling process: STORE entry made and committed (builder/steps.c). */
int step_make(struct graph *g, struct step *s, struct error *err);
/* Path of the step's result `name` in the store; it must be present. The caller's. */
char *step_result(const struct graph *g, const struct step *s, const char *name);

static inline void cleanup_graph(struct graph **g)
{
	graph_free(*g);
}
#define _cleanup_graph_ _cleanup_(cleanup_graph)
