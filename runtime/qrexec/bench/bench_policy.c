/* The part of the bench under a policy: 1,000 rules, of which the last one decides. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "runtime/qrexec/bench/bench.h"
#include "runtime/qrexec/policy/answer.h"
#include "runtime/qrexec/policy/evaluate.h"

#define RULES 1000
#define QUBES 50
#define TRIPS 2000

static void write_or_die(const char *dir, const char *name, const char *text, mode_t mode)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	if (write_file(AT_FDCWD, path, text, strlen(text), mode) < 0)
		bench_die(path);
}

static char *rules_text(void)
{
	struct strbuf text = {0};

	for (unsigned i = 0; i < RULES - 1; i++)
		strbuf_printf(&text, "bench.Service * @tag:t%u @anyvm deny\n", i);
	strbuf_add_str(&text, "bench.Service * vm other allow\n");
	return strbuf_steal(&text);
}

static char *qubes_text(void)
{
	struct strbuf text = {0};
	static const char *const names[] = {"dom0", "vm", "other"};

	strbuf_add_str(&text, "{\"domains\": {");
	for (unsigned i = 0; i < QUBES; i++) {
		_cleanup_free_ char *name = i < 3 ? xstrdup(names[i]) : xasprintf("qube%u", i);

		strbuf_printf(&text, "%s\"%s\": {\"type\": \"%s\", \"tags\": [\"created-by-dom0\"], \"internal\": false, "
			      "\"template_for_dispvms\": false, \"guivm\": \"dom0\", \"power_state\": \"Running\"}",
			      i ? ", " : "", name, i ? "AppVM" : "AdminVM");
	}
	strbuf_add_str(&text, "}}");
	return strbuf_steal(&text);
}

void bench_policy_start(struct set *s)
{
	_cleanup_free_ char *etc = xasprintf("%s/etc", s->dir), *socket = xasprintf("%s/qubesd", s->dir);
	_cleanup_free_ char *qubesd = xasprintf("%s/fake-qubesd", s->bin), *daemon = xasprintf("%s/qrexec-policy-daemon", s->bin);
	_cleanup_free_ char *info = xasprintf("%s/info", s->dir), *gui = xasprintf("%s/gui", s->dir);
	_cleanup_free_ char *path_option = xasprintf("--policy-path=%s", etc);
	_cleanup_free_ char *socket_option = xasprintf("--socket-path=%s/policy.sock", s->dir);
	_cleanup_free_ char *eval_option = xasprintf("--eval-socket-path=%s/eval", s->dir);
	_cleanup_free_ char *gui_option = xasprintf("--gui-socket-path=%s", gui);
	_cleanup_free_ char *qubesd_option = xasprintf("--qubesd-socket=%s", socket);
	_cleanup_free_ char *rules = rules_text(), *qubes = qubes_text();
	const char *const qubesd_argv[] = {qubesd, socket, info, "/bin/false", NULL};
	const char *const daemon_argv[] = {daemon, path_option, socket_option, eval_option, gui_option, qubesd_option, NULL};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	const struct process p = {.argv = daemon_argv, .null_stdin = 1, .stderr_fd = null};

	if (!s->has_policy)
		return;
	mkdir(etc, 0755);
	write_or_die(etc, "10-bench.policy", rules, 0644);
	write_or_die(s->dir, "info", qubes, 0644);
	write_or_die(s->dir, "bench.Service", "#!/bin/sh\nexit 0\n", 0755);
	s->qubesd = bench_spawn(qubesd_argv, 0, 0);
	bench_wait_for(socket);
	s->policy = process_spawn(&p);
	close(null);
	bench_wait_for(gui);
}

double bench_policy_call(const struct set *s, unsigned *failures)
{
	_cleanup_free_ char *client = xasprintf("%s/qrexec-client-vm", s->bin), *agent = xasprintf("%s/agent7", s->dir);
	const char *const argv[] = {client, "-a", agent, "other", "bench.Service", NULL};
	double begin = bench_now();

	if (!s->policy)
		return 0;
	setenv("VCHAN_SOCKET_DIR", s->dir, 1);
	setenv("VCHAN_DOMAIN", "7", 1);
	if (process_wait(bench_spawn(argv, 0, 0)) != 0)
		(*failures)++;
	setenv("VCHAN_DOMAIN", "0", 1);
	return bench_now() - begin;
}

/* One byte there and back between two processes, in us. */
static double round_trip(void)
{
	int pair[2];
	double begin;
	char c = 'x';
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		bench_die("socketpair");
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		while (read(pair[1], &c, 1) == 1 && write(pair[1], &c, 1) == 1)
			;
		_exit(0);
	}
	close(pair[1]);
	begin = bench_now();
	for (unsigned i = 0; i < TRIPS; i++)
		if (write(pair[0], &c, 1) != 1 || read(pair[0], &c, 1) != 1)
			bench_die("round trip");
	begin = (bench_now() - begin) / TRIPS * 1e3;
	close(pair[0]);
	waitpid(pid, NULL, 0);
	return begin;
}

static double evaluation(const struct set *s)
{
	_cleanup_free_ char *etc = xasprintf("%s/etc", s->dir), *qubes = qubes_text();
	const char *dirs[] = {etc, NULL};
	const struct policy_places places = {dirs, "/nonexistent"};
	_cleanup_policy_ struct policy *p = policy_load(&places);
	_cleanup_system_info_ struct system_info *info = system_info_parse(qubes, strlen(qubes), NULL);
	const struct policy_request r = {.source = "vm", .target = "other", .service = "bench.Service"};
	double begin = bench_now();

	for (unsigned i = 0; i < TRIPS; i++) {
		_cleanup_arena_ struct arena *a = arena_new();
		struct policy_decision d;

		policy_evaluate(p, info, &r, a, &d);
		if (d.action != RULE_ALLOW)
			bench_die("the bench's policy does not allow");
	}
	return (bench_now() - begin) / TRIPS * 1e3;
}

/* A whole question to the daemon, which asks qubesd in turn. */
static double answer(const struct set *s)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const struct policy_query q = {.source = "vm", .intended_target = "other", .service = "bench.Service+"};
	_cleanup_strbuf_ struct strbuf text = {0};
	double begin = bench_now();

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/policy.sock", s->dir);
	policy_query_write(&q, &text);
	for (unsigned i = 0; i < TRIPS / 10; i++) {
		_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		_cleanup_strbuf_ struct strbuf got = {0};

		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || write_all(fd, text.p, text.n) < 0 ||
		    read_fd(fd, POLICY_ANSWER_MAX, &got) < 0 || !got.n)
			bench_die("policy daemon");
	}
	return (bench_now() - begin) / (TRIPS / 10) * 1e3;
}

void bench_policy_print(const struct set *s)
{
	double trip, alone;

	if (!s->policy)
		return;
	trip = round_trip();
	alone = evaluation(s);
	printf("  %-32s %10.1f us   %5.2f x UNIX round trip of %.1f us (at most 2.00)\n", "evaluation, 1,000 rules", alone,
	       alone / trip, trip);
	printf("  %-32s %10.1f us   with its question to qubesd\n", "answer of the policy daemon", answer(s));
}
