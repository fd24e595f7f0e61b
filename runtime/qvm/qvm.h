/* The tools: one binary, the name it is called by picks the command. */
#pragma once

#include "common/base/strv.h"
#include "common/ui/options.h"
#include "runtime/qubesadmin/include/qubesadmin.h"

/* Options that every tool has; they come first in its table. */
#define QVM_COMMON                                                                                 \
	{"verbose", 'v', OPTION_FLAG, &qvm_verbose, NULL, "say more"},                             \
		{"quiet", 'q', OPTION_FLAG, &qvm_quiet, NULL, "say less"},                         \
	{                                                                                          \
		"socket", 0, OPTION_STRING, &qvm_admin.socket, "PATH",                             \
			"socket of qubesd to talk to"                                              \
	}

enum {
	QVM_FAILED = 1,
	QVM_OFFLINE = 3, /* qubesd has no hypervisor: the qube can start at first boot */
};

extern bool qvm_verbose, qvm_quiet;
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
const struct qvm_vm *qvm_list_find(const struct qvm_list *list, const char *name);

/*
 * The qubes that a tool's operands mean: names, or with `all` every one but dom0 and those
 * excluded. 0, or an exit code after a message for a name that is none.
 */
int qvm_select(const struct qvm_list *list, const struct strv *operands, bool all,
	       const struct strv *excluded, struct strv *names);

/* `default=True type=str VALUE` to its parts; false when it has another form. */
struct qvm_value {
	bool is_default;
	struct blob type, value;
};
bool qvm_value_parse(struct blob text, struct qvm_value *v);

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
