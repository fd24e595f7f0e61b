/* What several tools need; see qvm.h. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#include "common/base/alloc.h"
#include "runtime/qvm/qvm.h"

int qvm_report(const char *dest, int r, const struct admin_error *err)
{
	if (r == 0)
		return 0;
	if (r == -EREMOTEIO) {
		fprintf(stderr, "%s: %s\n", qvm_name, err->message);
		return !strcmp(err->type, "QubesOfflineError") ? QVM_OFFLINE : QVM_FAILED;
	}
	if (r == -ECONNABORTED)
		fprintf(stderr, "%s: %s: qubesd refused the request\n", qvm_name, dest);
	else
		fprintf(stderr, "%s: %s: cannot ask qubesd: %s; is qubesd.service running?\n",
			qvm_name, qvm_admin.socket ? qvm_admin.socket : "/var/run/qubesd.sock",
			strerror(-r));
	return QVM_FAILED;
}

int qvm_call(const char *dest, const char *method, const char *argument, const char *payload,
	     struct strbuf *out)
{
	_cleanup_admin_error_ struct admin_error err = {0};
	int r = admin_call(&qvm_admin, dest, method, argument, blob_of(payload), out, &err);

	return qvm_report(dest, r, &err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct qvm_vm *)a)->name, ((const struct qvm_vm *)b)->name);
}

static void vm_free(struct qvm_vm *vm)
{
	free(vm->name);
	free(vm->class);
	free(vm->state);
	free(vm->uuid);
}

int qvm_list_read(struct qvm_list *list)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	struct admin_vm vm;
	struct blob rest;
	int r = qvm_call("dom0", "admin.vm.List", NULL, NULL, &out);

	if (r)
		return r;
	rest = strbuf_blob(&out);
	while (admin_next_vm(&rest, &vm)) {
		if (!vm.class.p || !vm.state.p || !vm.uuid.p)
			continue;
		list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
		list->v[list->n++] = (struct qvm_vm){.name = blob_dup(vm.name),
						     .class = blob_dup(vm.class),
						     .state = blob_dup(vm.state),
						     .uuid = blob_dup(vm.uuid)};
	}
	if (list->n)
		qsort(list->v, list->n, sizeof(*list->v), by_name);
	return 0;
}

void qvm_list_free(struct qvm_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		vm_free(&list->v[i]);
	free(list->v);
	*list = (struct qvm_list){0};
}

const struct qvm_vm *qvm_list_find(const struct qvm_list *list, const char *name)
{
	bool by_uuid = !strncmp(name, "uuid:", 5);

	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(by_uuid ? name + 5 : name, by_uuid ? list->v[i].uuid : list->v[i].name))
			return &list->v[i];
	return NULL;
}

int qvm_select(const struct qvm_list *list, const struct strv *operands, bool all,
	       const struct strv *excluded, struct strv *names)
{
	if (all == (operands->n > 0)) {
		fprintf(stderr, "%s: %s; see '%s --help'\n", qvm_name,
			all ? "--all and names exclude each other" : "a qube has to be named",
			qvm_name);
		return 2;
	}
	for (size_t i = 0; all && i < list->n; i++)
		if (strcmp(list->v[i].class, "AdminVM") != 0 &&
		    !strv_contains(excluded, list->v[i].name))
			strv_push(names, list->v[i].name);
	for (size_t i = 0; i < operands->n; i++) {
		const struct qvm_vm *vm = qvm_list_find(list, operands->v[i]);

		if (!vm) {
			fprintf(stderr, "%s: no such domain: '%s'\n", qvm_name, operands->v[i]);
			return 2;
		}
		strv_push(names, vm->name);
	}
	return 0;
}

char *qvm_info_value(const struct strbuf *info, const char *key)
{
	struct blob rest = strbuf_blob(info), line, name;

	while (blob_token(&rest, '\n', &line))
		if (blob_token(&line, '=', &name) && blob_eq_str(name, key))
			return blob_dup(line);
	return NULL;
}

const char *qvm_line_value(struct arena *a, struct blob line, const char *wanted)
{
	const char *key, *value;

	blob_token(&line, ' ', &(struct blob){0}); /* its name */
	while (admin_next_value(a, &line, &key, &value) > 0)
		if (!strcmp(key, wanted))
			return value;
	return NULL;
}

char *qvm_device_argument(const char *backend, const char *port, const char *id)
{
	char *text = xasprintf("%s+%s+%s", backend, port, id);

	for (char *c = text; *c; c++)
		*c = *c == ':' ? '+' : *c == '*' ? '_' : *c;
	return text;
}

bool qvm_word(const char *word, const char *a, const char *b, const char *c)
{
	return !strcmp(word, a) || (b && !strcmp(word, b)) || (c && !strcmp(word, c));
}

void qvm_pool_words(struct strbuf *payload, const char *pool, const struct strv *volumes)
{
	if (pool)
		strbuf_printf(payload, " pool=%s", pool);
	for (size_t i = 0; i < volumes->n; i++)
		strbuf_printf(payload, " pool:%s", volumes->v[i]);
}

int qvm_hold_signals(sigset_t *before)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction now;
	sigset_t held;

	sigemptyset(&held);
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (sigaction(ends[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(&held, ends[i]);
	sigprocmask(SIG_BLOCK, &held, before);
	return signalfd(-1, &held, SFD_CLOEXEC);
}
