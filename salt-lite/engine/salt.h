/*
 * The state engine: state files become an ordered plan of states (chunks), which is printed or run. One struct salt is
 * one run; everything lives in its heap.
 */
#pragma once

#include <sys/types.h>

#include "common/base/strbuf.h"
#include "common/base/strv.h"
#include "salt-lite/jinja/jinja.h"

enum outcome { OUTCOME_NONE, OUTCOME_SKIPPED, OUTCOME_FAILED, OUTCOME_SAME, OUTCOME_CHANGED };

/* What a state function reports. result null: test=True and something would change. */
struct result {
	enum { RESULT_TRUE, RESULT_FALSE, RESULT_WOULD } value;
	struct value *changes;
	struct text comment;
};

enum { REQUISITE_KINDS = 7 };

/* Environments: where files are looked for. `user` begins with the user's own roots, `base` ends with them. */
enum environment { ENV_BASE, ENV_USER, ENVIRONMENTS };

struct chunk {
	const char *sls, *id, *name, *module, *function;
	enum environment environment;
	struct value *args; /* parameters and requisites, by name */
	int64_t order;
	size_t position;
	enum { CHUNK_NEW, CHUNK_VISITING, CHUNK_DONE } mark;
	enum outcome outcome;
	struct result result;
	/* Those that have this one as their prereq: they run before it. */
	struct chunk **first;
	size_t n_first, cap_first;
	struct value *grown[REQUISITE_KINDS]; /* requisites that others added with _in */
	struct value *used;		      /* parameters that it has by `use` */
	pid_t pid;			      /* while it runs by itself, and where that process tells its result */
	int report;
};

/* A name that requisites use for a state: its ID, its name or its state file. */
struct index_entry {
	const char *text;
	bool sls;
	struct chunk *chunk;
};

struct salt {
	struct heap h;
	struct jinja jinja;
	const char *root; /* "" for the real one */
	const char *id;
	const char *qubesd; /* its socket, or NULL: the usual one */
	struct strv file_roots[ENVIRONMENTS], pillar_roots[ENVIRONMENTS];
	const char *saltenv, *pillarenv; /* the one that is asked for, or NULL: both */
	const struct value *grains, *pillar;
	bool test, failhard, quiet;
	bool absent; /* s->id is another machine than this one: of its grains only the id is known */
	const struct strv *roots; /* where templates are looked for now: of this environment */
	enum environment environment;
	/* What templates asked for, until the plan runs or something of ours may have changed it (p NULL: not asked). */
	struct blob qubes;
	struct value *imported; /* path: text of a template that others import */
	bool running;
	struct arena *contents; /* of the files that the state which runs looks at; NULL: none yet */
	/* compiled */
	struct value *high;	/* id: {key: body}; of all state files, in order */
	struct value *loaded;	/* path of a state file: true */
	struct value *extends;	/* list of maps */
	struct value *excludes; /* list */
	struct chunk **chunks;
	size_t n_chunks, cap_chunks;
	struct chunk **plan;
	size_t n_plan;
	struct index_entry *index; /* sorted by text */
	size_t n_index;
	unsigned depth; /* of the chain of requisites that is followed now */
	int lock;
	int journal;
	bool journal_failed;
	/* of the run; what listens runs once more */
	size_t ran, failed, changed;
	bool stop; /* failhard */
	/* of this run: what is installed (NULL: not asked yet), whether the lists of packages are new */
	struct value *packages;
	bool refreshed;
};

/* Fills what templates see (salt, grains, pillar ...). Grains are gathered unless they are set. */
void salt_prepare(struct salt *s);
/* A template of the file roots, rendered: the text. */
struct blob salt_render(struct salt *s, const char *name);
/* Renders the pillar's top file and what it names for s->id. */
void salt_load_pillar(struct salt *s);
/* pillar['qubes']: type, template and netvm of s->id, if there is a qubesd and it knows this qube. */
void salt_external_pillar(struct salt *s);
/* A mapping over what the pillar holds. */
void salt_pillar_add(struct salt *s, const struct value *more);
/* Loads state files (dotted names) or, with none, those that the top file names; then orders them into s->plan. */
void salt_compile(struct salt *s, const struct strv *sls);
/* Runs the plan; prints what each state did. Returns the number of failed states. */
size_t salt_run(struct salt *s, size_t *changed);
/* The plan as JSON, a state a line. */
void salt_show(struct salt *s);
const struct value *grains_gather(struct salt *s);

extern const char *const environment_names[ENVIRONMENTS];
/* "base" or "user"; ENVIRONMENTS: neither. */
enum environment environment_find(struct blob name);
/* Files are read from the roots of that environment until the next call. */
void environment_enter(struct salt *s, const struct strv roots[ENVIRONMENTS], enum environment environment);
/* From the file roots again, of the environment that is asked for. */
void environment_leave(struct salt *s);

/* Names of state files, by environment. */
struct top_names {
	struct strv v[ENVIRONMENTS];
};

/* What the top files name for s->id, from `roots`; only of that environment (NULL: of both). */
void top_matches(struct salt *s, const struct strv roots[ENVIRONMENTS], const char *only, struct top_names *names);
void top_names_free(struct top_names *names);
/* Reads "a.b" from a/b.sls or a/b/init.sls; false: nowhere. */
bool salt_read_sls(struct salt *s, const char *sls, struct blob *text, const char **path);
bool salt_read(struct salt *s, const char *name, struct blob *text, const char **path);
/*
 * The content of a file of at most 64 MiB: it lives until contents_forget(), since all that states look at in a run would
 * not fit into the heap. 0 or -errno.
 */
int content_read(struct salt *s, const char *path, struct blob *text);
void contents_forget(struct salt *s);
/* As salt_read(), for the source of a state: a content. */
bool salt_read_source(struct salt *s, const char *name, struct blob *text, const char **path);
/* The rendered text of an SLS file, a mapping; NULL: it is empty. `what` it is, for messages, which name `path` from here on. */
const struct value *salt_document(struct salt *s, const char *what, const char *sls, const char *path, struct blob text);
/* The whole names that `include` of a state or pillar file has, in order. */
const struct value *salt_includes(struct salt *s, const char *sls, const char *path, const struct value *doc);
struct blob salt_template(struct salt *s, const char *name, const char *sls, struct blob text,
			  const struct value *context);

/* Calls each() for every state that a member of a requisite names, in their order; returns how many there were. */
size_t requisite_targets(struct salt *s, const struct value *item,
			 void (*each)(struct salt *s, struct chunk *target, void *data), void *data);
/* Makes the index that requisite_targets() looks into, of the chunks as they are now. */
void requisite_index(struct salt *s);
/* Parameters that every state has: requisites, conditions, order and the like. */
bool parameter_common(const char *key);

/* State functions. */
struct state_function {
	const char *module, *function;
	void (*run)(struct salt *s, struct chunk *c);
	const char *parameters; /* separated by blanks; "*": any */
	void (*watched)(struct salt *s, struct chunk *c); /* mod_watch, or NULL */
};

/* Each state that there is, a line, with its parameters ("*": others judge them). */
void salt_show_states(void);
const struct state_function *state_find(const char *module, const char *function);
extern const struct state_function file_states[], edit_states[], command_states[], qvm_states[], pkg_states[],
	service_states[], account_states[], system_states[], table_states[];

/* A parameter of the state, or NULL. */
const struct value *arg(const struct chunk *c, const char *name);
const char *arg_text(struct salt *s, const struct chunk *c, const char *name, const char *otherwise);
bool arg_bool(const struct chunk *c, const char *name, bool otherwise);
/* A mode or umask (0644, '0644', '0o644'); false when it is not given. Fails when it is none. */
bool arg_mode(struct salt *s, const struct chunk *c, const char *name, mode_t *mode);
/* A scalar as a list of one; absent: an empty list. */
const struct value *arg_list(struct salt *s, const struct chunk *c, const char *name);
void result_say(struct salt *s, struct chunk *c, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void result_fail(struct salt *s, struct chunk *c, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Notes a change; in test mode the result becomes "would". */
void result_change(struct salt *s, struct chunk *c, const char *what, const struct value *value);

/* `path` below the root, in the heap. */
const char *rooted(struct salt *s, const char *path);
struct shell {
	const char *command, *user, *cwd; /* user and cwd: NULL: as here */
	long timeout;			  /* seconds; 0: no bound */
	const struct value *env;	  /* a map, a list of maps, or NULL */
};

struct process;
/*
 * Runs a program; what it prints to both outputs is added to *out, at most `max` bytes. What comes after that is read
 * too, and dropped: a closed pipe would end it in the middle of its work. The exit code, or -errno.
 */
int output_run(struct process *p, size_t max, struct strbuf *out);
/* Runs a shell command; its output is added to *out. The exit code, or -errno. */
int shell_run(struct salt *s, const struct shell *shell, struct strbuf *out);

/* An execution function, by its whole name. */
const struct value *execution_call(struct salt *s, const char *name, const struct call *call);
/* salt['name']: an execution function. */
const struct value *execution_library(struct salt *s);
/* "a:b:c" in nested maps, or NULL. */
const struct value *value_path(struct heap *h, const struct value *v, struct blob path, char separator);
