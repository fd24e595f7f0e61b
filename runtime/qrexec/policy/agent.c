/*
 * qrexec-policy-agent --tty: asks the user about calls for which the policy says `ask` (ref: runtime.md 3.8), on a terminal, one question at
 * a time. Nobody there, no time, or anything but a clear yes: no.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-login.h>
#include <termios.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "common/sys/socket.h"
#include "common/ui/options.h"
#include "runtime/qrexec/policy/decide.h"
#include "runtime/qrexec/policy/question.h"

#define REQUEST_MAX (1 << 20)
#define ANSWER_SECONDS 60
/* How long a client may take for its request. */
#define REQUEST_SECONDS 5

struct agent {
	const char *socket_path, *tty_path;
	long seconds;
	int tty;
	FILE *out;
};

/* The terminal of who is logged in at the machine, when we have none of our own. */
static char *users_terminal(void)
{
	_cleanup_free_ char *session = NULL;
	char *tty = NULL, *path;

	if (isatty(0))
		return xstrdup("/dev/tty");
	if (sd_seat_get_active("seat0", &session, NULL) < 0 || sd_session_get_tty(session, &tty) < 0)
		return NULL;
	path = xasprintf("/dev/%s", tty);
	free(tty);
	return path;
}

static bool open_terminal(struct agent *a)
{
	_cleanup_free_ char *path = a->tty_path ? xstrdup(a->tty_path) : users_terminal();

	a->tty = path ? open(path, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
	if (a->tty < 0) {
		fprintf(stderr, "qrexec-policy-agent: %s: no terminal to ask on\n", path ? path : "nobody is logged in");
		return false;
	}
	a->out = fdopen(dup(a->tty), "w");
	return a->out != NULL;
}

static void close_terminal(struct agent *a)
{
	if (a->out)
		fclose(a->out);
	if (a->tty >= 0)
		close(a->tty);
	a->out = NULL;
	a->tty = -1;
}

/* One typed line without its end; false when the time is over, the terminal hangs up, or who asked has gone. */
static bool read_answer(struct agent *a, int client, int64_t deadline, char *line, size_t size)
{
	size_t n = 0;

	for (;;) {
		struct pollfd p[2] = {{a->tty, POLLIN, 0}, {client, 0, 0}};
		int64_t left = deadline - now_ms();

		if (left <= 0 || poll(p, 2, (int)left) <= 0 || p[1].revents || read(a->tty, line + n, 1) != 1)
			return false;
		if (line[n] == '\n') {
			line[n] = '\0';
			return true;
		}
		/* What does not fit is no answer to any question. */
		n += n + 1 < size;
	}
}

static void show(struct agent *a, const struct question *q)
{
	fprintf(a->out, "\r\n--- %s wants to call %s\r\n", q->source, q->service);
	for (size_t i = 0; i < q->targets.n && q->targets.n > 1; i++)
		fprintf(a->out, "  %zu) %s%s\r\n", i + 1, q->targets.v[i],
			strcmp(q->targets.v[i], q->default_target) == 0 ? " (default)" : "");
}

/* The number typed, or the default for an empty line; NULL for none. */
static const char *choose(struct agent *a, int client, int64_t deadline, const struct question *q)
{
	char line[16];
	uint64_t i;

	if (q->targets.n == 1)
		return q->targets.v[0];
	fprintf(a->out, "target, 1 to %zu, anything else: none: ", q->targets.n);
	fflush(a->out);
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

	/* What was typed before the question is no answer to it. */
	tcflush(a->tty, TCIFLUSH);
	show(a, q);
	target = choose(a, client, deadline, q);
	if (target) {
		fprintf(a->out, "allow %s to call %s in %s? [y/n] ", q->source, q->service, target);
		fflush(a->out);
		if (!read_answer(a, client, deadline, line, sizeof(line)) || strcmp(line, "y") != 0)
			target = NULL;
	}
	fprintf(a->out, "%s\r\n", target ? "allowed" : "denied");
	return target;
}

static void take(struct agent *a, int client, const struct question *q)
{
	_cleanup_free_ char *answer = NULL;
	const char *target = NULL;

	if (open_terminal(a)) {
		if (q->notification)
			fprintf(a->out, "\r\n--- %s: %s -> %s: %s\r\n", q->service, q->source, q->target, q->resolution);
		else
			target = ask(a, client, q);
	}
	close_terminal(a);
	if (q->notification)
		return;
	answer = target ? xasprintf("allow:%s\n", target) : xstrdup("deny\n");
	if (send(client, answer, strlen(answer), MSG_NOSIGNAL) < 0)
		fprintf(stderr, "qrexec-policy-agent: the answer was not taken: %s\n", strerror(errno));
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
	struct agent a = {.socket_path = POLICY_AGENT_SOCKET, .seconds = ANSWER_SECONDS, .tty = -1};
	bool tty = false;
	const struct option_def options[] = {
		{"tty", 0, OPTION_FLAG, &tty, NULL, "ask on the terminal; there is no other way yet"},
		{"tty-path", 0, OPTION_STRING, &a.tty_path, "PATH", "ask on this one (our own, or where the user is logged in)"},
		{"timeout", 0, OPTION_NUMBER, &a.seconds, "SECONDS", "how long to wait for an answer (60)"},
		{"socket-path", 0, OPTION_STRING, &a.socket_path, "PATH", "where the policy daemon asks"},
		{.name = NULL},
	};
	const struct command_line cmd = {
		.program = "qrexec-policy-agent",
		.operands = "",
		.summary = "Asks the user whether a call between qubes is allowed.",
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
	signal(SIGPIPE, SIG_IGN);
	return serve(&a);
}
