/*
 * qrexec-policy-agent --tty: asks the user about calls for which the policy says `ask` (ref: runtime.md 3.8), on a terminal, one question at
 * a time. Nobody there, no time, or anything but a clear yes: no.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "common/sys/socket.h"
#include "common/ui/options.h"
#include "runtime/qrexec/policy/decide.h"
#include "runtime/qrexec/policy/question.h"
#include "runtime/qrexec/policy/terminal.h"

#define REQUEST_MAX (1 << 20)
#define ANSWER_SECONDS 60
/* How long a client may take for its request. */
#define REQUEST_SECONDS 5

struct agent {
	const char *socket_path, *tty_path;
	long seconds;
	bool tell;
	struct terminal terminal;
};

static bool open_terminal(struct agent *a)
{
	const char *path = a->tty_path ? a->tty_path : isatty(STDIN_FILENO) ? "/dev/tty" : NULL;
	int r = path ? terminal_open(&a->terminal, path) : -ENOTTY;

	if (r == -EWOULDBLOCK)
		fprintf(stderr, "qrexec-policy-agent: in the background: what is typed goes to the shell; bring it to the foreground (fg), "
				"start it on another terminal, or: sudo systemctl start qubes-policy-agent@tty8\n");
	else if (r < 0)
		fprintf(stderr, "qrexec-policy-agent: %s: no terminal to ask on; start it on one, or: sudo systemctl start qubes-policy-agent@tty8\n",
			path ? path : "stdin");
	return r == 0;
}

/* Whether something was typed; says what came instead. */
static bool read_answer(struct agent *a, int client, int64_t deadline, char *line, size_t size)
{
	fflush(a->terminal.out);
	switch (terminal_line(&a->terminal, client, deadline, line, size)) {
	case TERMINAL_LINE:
		return true;
	case TERMINAL_LATE:
		fprintf(a->terminal.out, "\nno answer in %ld seconds: ", a->seconds);
		return false;
	case TERMINAL_GONE:
		fputs("\nwho called has gone: ", a->terminal.out);
		return false;
	case TERMINAL_LOST:
		return false;
	}
	return false;
}

static void show(struct agent *a, const struct question *q)
{
	fprintf(a->terminal.out, "\n--- %s wants to call %s\n", q->source, q->service);
	for (size_t i = 0; i < q->targets.n && q->targets.n > 1; i++)
		fprintf(a->terminal.out, "  %zu) %s%s\n", i + 1, q->targets.v[i],
			strcmp(q->targets.v[i], q->default_target) == 0 ? " (default)" : "");
}

/* The number typed, or the default for an empty line; NULL for none. */
static const char *choose(struct agent *a, int client, int64_t deadline, const struct question *q)
{
	char line[16];
	uint64_t i;

	if (q->targets.n == 1)
		return q->targets.v[0];
	fprintf(a->terminal.out, "target, 1 to %zu, anything else: none: ", q->targets.n);
	if (!read_answer(a, client, deadline, line, sizeof(line)))
		return NULL;
	if (!*line && strv_contains(&q->targets, q->default_target))
		return q->default_target;
	return blob_to_u64(blob_trim(blob_of(line)), q->targets.n, &i) && i > 0 ? q->targets.v[i - 1] : NULL;
}

/* The chosen target, or NULL. */
static const char *ask(struct agent *a, int client, const struct question *q)
{
	int64_t deadline = now_ms() + a->seconds * 1000;
	const char *target;
	char line[16] = "";

	if (a->tell) {
		const char *own = ttyname(STDIN_FILENO);
		_cleanup_free_ char *text = xasprintf("--- %s wants to call %s: answer on %s", q->source, q->service,
						      own ? own : a->tty_path);

		terminal_tell_sessions(text);
	}
	/* What was typed before the question is no answer to it. */
	terminal_begin(&a->terminal);
	show(a, q);
	target = choose(a, client, deadline, q);
	if (target) {
		fprintf(a->terminal.out, "allow %s to call %s in %s? [y/n] ", q->source, q->service, target);
		if (!read_answer(a, client, deadline, line, sizeof(line)) || strcmp(line, "y") != 0)
			target = NULL;
	}
	return target;
}

static bool send_answer(int client, const char *target)
{
	_cleanup_free_ char *answer = target ? xasprintf("allow:%s\n", target) : xstrdup("deny\n");

	/* The daemon takes an answer at its end. */
	if (send(client, answer, strlen(answer), MSG_NOSIGNAL) >= 0 && shutdown(client, SHUT_WR) == 0)
		return true;
	fprintf(stderr, "qrexec-policy-agent: the answer was not taken: %s\n", strerror(errno));
	return false;
}

static void take(struct agent *a, int client, const struct question *q)
{
	const char *target;
	bool sent;

	if (!open_terminal(a)) {
		if (!q->notification)
			send_answer(client, NULL);
		return;
	}
	if (q->notification) {
		fprintf(a->terminal.out, "\r\n--- %s: %s -> %s: %s\r\n", q->service, q->source, q->target, q->resolution);
	} else {
		target = ask(a, client, q);
		/* Before it is shown: a user who reads "allowed" may end us. */
		sent = send_answer(client, target);
		fprintf(a->terminal.out, "%s\n", target && sent ? "allowed" : "denied");
	}
	terminal_close(&a->terminal);
}

static void serve_one(struct agent *a, int client)
{
	static const struct timeval limit = {.tv_sec = REQUEST_SECONDS};
	_cleanup_strbuf_ struct strbuf text = {0};
	struct question q = {0};

	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (read_fd(client, REQUEST_MAX, &text) == 0 && question_parse(strbuf_blob(&text), &q))
		take(a, client, &q);
	else
		fprintf(stderr, "qrexec-policy-agent: malformed question\n");
	question_free(&q);
}

static int serve(struct agent *a)
{
	_cleanup_close_ int other = socket_connect(a->socket_path, 0), fd = -1;

	if (other >= 0) {
		fprintf(stderr, "qrexec-policy-agent: %s: another agent answers there\n", a->socket_path);
		return 1;
	}
	/* For the group of the folder, which is "qubes". */
	fd = socket_listen(a->socket_path, 0770, 0, 16);
	if (fd < 0) {
		fprintf(stderr, "qrexec-policy-agent: %s: %s\n", a->socket_path, strerror(-fd));
		return 1;
	}
	for (;;) {
		_cleanup_close_ int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (client >= 0)
			serve_one(a, client);
	}
}

int main(int argc, char **argv)
{
	struct agent a = {.socket_path = POLICY_AGENT_SOCKET, .seconds = ANSWER_SECONDS, .terminal = {.fd = -1}};
	bool tty = false;
	const struct option_def options[] = {
		{"tty", 0, OPTION_FLAG, &tty, NULL, "ask on the terminal; there is no other way yet"},
		{"tty-path", 0, OPTION_STRING, &a.tty_path, "PATH", "ask on this one, which nobody else reads (our own)"},
		{"tell", 0, OPTION_FLAG, &a.tell, NULL, "tell the terminals of all sessions where a question waits"},
		{"timeout", 0, OPTION_NUMBER, &a.seconds, "SECONDS", "how long to wait for an answer (60)"},
		{"socket-path", 0, OPTION_STRING, &a.socket_path, "PATH", "where the policy daemon asks"},
		{.name = NULL},
	};
	const struct command_line cmd = {
		.program = "qrexec-policy-agent",
		.operands = "",
		.summary = "Asks the user whether a call between qubes is allowed.",
		.notes = "It belongs into the foreground of a terminal of its own: in the background of a shell nobody could answer.\n"
			 "Without a second terminal at hand: sudo systemctl start qubes-policy-agent@tty8, which asks on Ctrl+Alt+F8.",
		.options = options,
	};
	_cleanup_strv_ struct strv operands = {0};

	switch (options_parse(&cmd, argc, argv, &operands)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_HELP:
		return 0;
	case OPTIONS_WRONG:
		return 2;
	}
	if (operands.n || !tty || a.seconds < 1 || a.seconds > 3600)
		return options_wrong(&cmd, "wants --tty");
	/* Now, and not only with the first question. */
	if (!open_terminal(&a))
		return 1;
	terminal_close(&a.terminal);
	signal(SIGPIPE, SIG_IGN);
	/* Put into the background in the middle of a question: a read that fails, not a stop that lasts. */
	signal(SIGTTIN, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	return serve(&a);
}
