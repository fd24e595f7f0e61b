/* The tools: one binary, the name it is called by picks the command. */
#pragma once

#include <signal.h>

#include "common/base/arena.h"
#include "common/base/strv.h"
#include "common/ui/options.h"
#include "runtime/qubesadmin/include/qubesadmin-values.h"
#include "runtime/qubesadmin/include/qubesadmin.h"

/* Options that every tool has; they come first in its table. */
#define QVM_COMMON                                                                                 \
	{"verbose", 'v', OPTION_FLAG, &qvm_verbose, NULL, "say more"},                             \
		{"quiet", 'q', OPTION_FLAG, &qvm_quiet, NULL, "say less"},                         \
		{"version", 0, OPTION_VERSION, &qvm_version, NULL, "show the version"},            \
	{                                                                                          \
		"socket", 0, OPTION_STRING, &qvm_admin.socket, "PATH",                             \
			"socket of qubesd to talk to"                                              \
	}

enum {
	QVM_FAILED = 1,
	QVM_USAGE = 2,
	QVM_OFFLINE = 3, /* qubesd has no hypervisor: the qube can start at first boot */
};

extern bool qvm_verbose, qvm_quiet;
extern const char *qvm_version;
extern struct admin qvm_admin;
/* The name of the running tool, for messages. */
extern const char *qvm_name;

/*
 * admin_call() that prints what went wrong as `tool: message`. 0, or an exit code of the tool.
 * `out` may be NULL.
 */
int qvm_call(const char *dest, const char *method, const char *argument, const char *payload,
	     struct strbuf *out);
/* Prints a failed admin_call(); returns the exit code. */
int qvm_report(const char *dest, int r, const struct admin_error *err);

/* A qube as admin.vm.List tells. */
struct qvm_vm {
	char *name, *class, *state, *uuid;
};

struct qvm_list {
	struct qvm_vm *v;
	size_t n;
};

/* All qubes by name; 0, or an exit code after a message. */
int qvm_list_read(struct qvm_list *list);
void qvm_list_free(struct qvm_list *list);
#define _cleanup_list_ _cleanup_(qvm_list_free)
const struct qvm_vm *qvm_list_find(const struct qvm_list *list, const char *name);

/*
 * The qubes that a tool's operands mean: names, or with `all` every one but dom0 and those
 * excluded. 0, or an exit code after a message for a name that is none.
 */
int qvm_select(const struct qvm_list *list, const struct strv *operands, bool all,
	       const struct strv *excluded, struct strv *names);

/* Of lines `key=value`, as volumes and pools are told of; allocated, NULL without that key. */
char *qvm_info_value(const struct strbuf *info, const char *key);

/* Of a line `NAME key='value'...`, as devices are told of; from the arena, NULL without that key. */
const char *qvm_line_value(struct arena *a, struct blob line, const char *wanted);
/* backend+port+id, with `:` as `+` and `*` as `_` in it (ref/runtime.md 7.7); allocated. */
char *qvm_device_argument(const char *backend, const char *port, const char *id);
/* Is `word` one of these? b and c may be NULL. */
bool qvm_word(const char *word, const char *a, const char *b, const char *c);
/* ` pool=P` and ` pool:VOLUME=P`... of the options --pool-all and --pool VOLUME=POOL. */
void qvm_pool_words(struct strbuf *payload, const char *pool, const struct strv *volumes);
/* What a new qube is to be like; class and label NULL: as the other one's. */
struct qvm_clone {
	const char *from, *to, *class, *label;
	const char *pool;	  /* of all volumes, or NULL */
	const struct strv *pools; /* VOLUME=POOL */
	bool without_private, ignore_errors;
};
/* Makes it; nothing of it stays after a failure. Exit code. */
int qvm_clone_make(const struct qvm_clone *c);
/* Copies the committed data of a volume of one qube to one of another; exit code. */
int qvm_copy_volume(const char *from, const char *from_volume, const char *to, const char *to_volume);
/* Fills a volume with what the descriptor yields; size 0: as it is. Exit code. */
int qvm_import(const char *vm, const char *volume, int fd, uint64_t size);
/*
 * Holds back what would end us, but not what is ignored, until the mask is set to *before: what was begun is ended first.
 * It can be read from the descriptor instead, or -1; the caller closes it.
 */
int qvm_hold_signals(sigset_t *before);

/*
 * Assigns a drive for one start: [hd:|cdrom:]BACKEND:DEVICE or BACKEND:/FILE, as cdrom without a word for it. The device
 * as qvm_drive_unassign() takes it, allocated; NULL after a message.
 */
char *qvm_drive_assign(const char *vm, const char *drive);
int qvm_drive_unassign(const char *vm, const char *device);

/* Cells row by row, as many columns as there are names in head (up to NULL). */
struct qvm_table {
	const char *const *head;
	char **cells;
	size_t n;
};
/* Copies the cell; NULL is empty. */
void qvm_table_add(struct qvm_table *t, const char *cell);
/* Rows of two cells from lines `key=value`. */
void qvm_table_add_info(struct qvm_table *t, const struct strbuf *info);
void qvm_table_print(const struct qvm_table *t, bool as_json, bool with_head);
void qvm_table_free(struct qvm_table *t);
#define _cleanup_table_ _cleanup_(qvm_table_free)

int qvm_clone(int argc, char **argv);
int qvm_volume(int argc, char **argv);
int qvm_pool(int argc, char **argv);
int qvm_firewall(int argc, char **argv);
int qvm_device(int argc, char **argv);
int qvm_check(int argc, char **argv);
int qvm_service(int argc, char **argv);
int qvm_console(int argc, char **argv);
int qvm_template_postprocess(int argc, char **argv);
int service_import(int argc, char **argv);
int service_import_with_size(int argc, char **argv);
int qvm_ls(int argc, char **argv);
int qvm_create(int argc, char **argv);
int qvm_remove(int argc, char **argv);
int qvm_start(int argc, char **argv);
int qvm_shutdown(int argc, char **argv);
int qvm_kill(int argc, char **argv);
int qvm_pause(int argc, char **argv);
int qvm_unpause(int argc, char **argv);
int qvm_prefs(int argc, char **argv);
int qubes_prefs(int argc, char **argv);
int qvm_features(int argc, char **argv);
int qvm_tags(int argc, char **argv);
int qvm_run(int argc, char **argv);
int qubesd_query(int argc, char **argv);
