/* Which qubes are configured, in which order, and how many at a time. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "salt-lite/control/target.h"

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qubesadmin/include/qubesadmin-values.h"

struct target_list {
	struct target *v;
	size_t n;
};

struct job {
	pid_t pid;
	int output; /* what it prints, shown as a whole when it ends */
};

struct pool {
	struct job *jobs;
	size_t n, max;
	int worst;
};

static volatile sig_atomic_t interrupted;

static void list_free(struct target_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].class);
		free(l->v[i].state);
	}
	free(l->v);
}

bool control_has_targets(const struct control *c)
{
	return c->targets || c->all || c->templates || c->standalones || c->app;
}

static bool named(const struct control *c, const char *name)
{
	struct blob rest = blob_of(c->targets ? c->targets : ""), one;

	while (blob_token(&rest, ',', &one))
		if (blob_eq_str(blob_trim(one), name))
			return true;
	return false;
}

static bool wanted(const struct control *c, const struct target *t)
{
	if (!strcmp(t->class, "AdminVM"))
		return false;
	return named(c, t->name) || (c->all && strcmp(t->class, "DispVM") != 0) ||
	       (c->templates && !strcmp(t->class, "TemplateVM")) || (c->standalones && !strcmp(t->class, "StandaloneVM")) ||
	       (c->app && !strcmp(t->class, "AppVM"));
}

static int list_read(const struct control *c, struct target_list *l, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = {0};
	struct admin_vm vm;
	struct blob rest;
	int r = control_ask(c, "dom0", "admin.vm.List", NULL, NULL, &answer, err);

	rest = strbuf_blob(&answer);
	while (r == 0 && admin_next_vm(&rest, &vm)) {
		l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
		l->v[l->n++] = (struct target){
			.name = blob_dup(vm.name), .class = blob_dup(vm.class), .state = blob_dup(vm.state)};
	}
	return r;
}

static bool listed(const struct target_list *l, struct blob name)
{
	for (size_t i = 0; i < l->n; i++)
		if (blob_eq_str(name, l->v[i].name))
			return true;
	return false;
}

static int check_names(const struct control *c, const struct target_list *l, struct error *err)
{
	struct blob rest = blob_of(c->targets ? c->targets : ""), one;

	while (blob_token(&rest, ',', &one)) {
		_cleanup_free_ char *name = blob_dup(blob_trim(one));

		if (!listed(l, blob_trim(one)))
			return error_set(err, -ENOENT, name, "qvm-ls lists those that are there", "there is no such qube");
	}
	return 0;
}

/* The next that ends: its output and its exit code. */
static void reap(struct pool *p)
{
	int status, code;
	pid_t pid = waitpid(-1, &status, 0);

	for (size_t i = 0; i < p->n; i++) {
		struct job *j = &p->jobs[i];

		if (j->pid != pid)
			continue;
		code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		p->worst = code > p->worst ? code : p->worst;
		if (lseek(j->output, 0, SEEK_SET) == 0)
			copy_fd(j->output, STDOUT_FILENO);
		close(j->output);
		*j = p->jobs[--p->n];
		return;
	}
}

static void start(struct pool *p, const struct control *c, const struct target *t)
{
	struct job *j = &p->jobs[p->n];

	j->output = memfd_create("output", MFD_CLOEXEC);
	fflush(stdout);
	j->pid = j->output < 0 ? -1 : fork();
	if (j->pid == 0) {
		int code = dup2(j->output, STDOUT_FILENO) < 0 ? 1 : target_configure(c, t);

		fflush(stdout);
		_exit(code);
	}
	if (j->pid < 0) {
		fprintf(stderr, "qubesctl: %s: cannot be configured: %s\n", t->name, strerror(errno));
		p->worst = p->worst ? p->worst : 1;
		if (j->output >= 0)
			close(j->output);
		return;
	}
	p->n++;
}

static void run_group(struct pool *p, const struct control *c, const struct target_list *l, bool templates)
{
	for (size_t i = 0; i < l->n && !interrupted; i++) {
		if (!strcmp(l->v[i].class, "TemplateVM") != templates || !wanted(c, &l->v[i]))
			continue;
		while (p->n == p->max)
			reap(p);
		start(p, c, &l->v[i]);
	}
	while (p->n)
		reap(p);
}

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* An interrupt ends the calls, which are programs of their own; what was made for them is removed by us, after that. */
static void outlive_signals(void)
{
	static const int signals[] = {SIGINT, SIGHUP, SIGTERM};
	const struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &a, NULL);
}

int control_apply_targets(const struct control *c)
{
	_cleanup_(list_free) struct target_list list = {0};
	_cleanup_error_ struct error err = {0};
	_cleanup_free_ struct job *jobs = NULL;
	struct pool pool = {0};

	if (!control_applies(c)) {
		fprintf(stderr, "qubesctl: %s is for dom0 alone; in qubes: state.highstate, state.apply, state.sls\n",
			c->words.v[0]);
		return CONTROL_USAGE;
	}
	/* Only now: the states of dom0 may have made them. */
	if (list_read(c, &list, &err) < 0 || check_names(c, &list, &err) < 0) {
		error_print("qubesctl", &err);
		return 1;
	}
	pool.max = (size_t)c->max_concurrency < list.n ? (size_t)c->max_concurrency : list.n;
	pool.jobs = jobs = xcalloc(pool.max, sizeof(*jobs));
	outlive_signals();
	run_group(&pool, c, &list, true);
	run_group(&pool, c, &list, false);
	return interrupted && !pool.worst ? 1 : pool.worst;
}
