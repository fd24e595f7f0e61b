#include "qa/shell.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/clock.h"
#include "qa/run.h"

/* Markers are written in two halves, so that an echo of the line never looks like its result. */
const char *shell_piece(const char *command, unsigned number, unsigned piece, struct strbuf *line)
{
	_cleanup_free_ char *answer = xasprintf("';echo BH-\"\"PIECE-%u-%u\n", number, piece);
	size_t room = SHELL_LINE_MAX - strlen(answer);
	size_t start = line->n;

	strbuf_add_str(line, piece == 1 ? "BH='" : "BH=$BH'");
	for (; *command && line->n - start + strlen("'\\''") <= room; command++) {
		if (*command == '\'')
			strbuf_add_str(line, "'\\''");
		else
			strbuf_add_char(line, *command);
	}
	strbuf_add_str(line, answer);
	return command;
}

/* Without input: the shell's next lines are not the command's. */
void shell_go(unsigned number, struct strbuf *line)
{
	strbuf_printf(line, "echo BH-\"\"BEGIN-%u;{ eval \"$BH\"; } </dev/null;echo BH-\"\"END-%u $?\n", number, number);
}

static int await_piece(struct run *r, const char *answer, int64_t deadline)
{
	while (run_waits(deadline)) {
		if (channel_match(&r->serial, answer))
			return 0;
		if (r->serial.fd < 0)
			return -EPIPE;
		run_pump(r, 500);
	}
	return -ETIMEDOUT;
}

static int send_command(struct run *r, const char *command, unsigned number, int64_t deadline, struct error *err)
{
	_cleanup_strbuf_ struct strbuf line = {0};
	unsigned piece = 0;

	do {
		_cleanup_free_ char *answer = xasprintf("BH-PIECE-%u-%u\r", number, ++piece);
		int e;

		strbuf_reset(&line);
		command = shell_piece(command, number, piece, &line);
		e = run_send(r, line.p, err);
		if (e == 0)
			e = await_piece(r, answer, deadline);
		if (e < 0)
			return e;
	} while (*command);
	strbuf_reset(&line);
	shell_go(number, &line);
	return run_send(r, line.p, err);
}

/* The answer is `<marker> <code> `, up to the end of its line, at *stop. NULL: not yet. */
static char *find_answer(const struct channel *c, const char *end, char **stop)
{
	size_t n = c->text.n - c->seen;
	char *at = n ? memmem(c->text.p + c->seen, n, end, strlen(end)) : NULL;

	*stop = at ? memchr(at, '\n', (size_t)(c->text.p + c->text.n - at)) : NULL;
	return *stop ? at : NULL;
}

/* Text between the two markers is the output. Of more than a channel keeps, the first of them is forgotten too. */
static int await_result(struct run *r, const char *begin, const char *end, int64_t deadline, struct strbuf *output,
			int *code)
{
	struct channel *c = &r->serial;

	while (run_waits(deadline)) {
		char *stop, *at = find_answer(c, end, &stop);

		if (at) {
			*code = atoi(at + strlen(end));
			channel_match(c, begin);
			if (output)
				strbuf_add(output, c->text.p + c->seen, (size_t)(at - c->text.p) - c->seen);
			c->seen = (size_t)(stop - c->text.p) + 1;
			return 0;
		}
		if (c->fd < 0)
			return -EPIPE;
		run_pump(r, 500);
	}
	return -ETIMEDOUT;
}

int run_command(struct run *r, const char *command, const char *timeout, struct strbuf *output, struct error *err)
{
	unsigned n = ++r->commands;
	_cleanup_free_ char *begin = xasprintf("BH-BEGIN-%u\r", n);
	_cleanup_free_ char *end = xasprintf("BH-END-%u ", n);
	int64_t seconds, deadline;
	int code = 0;
	int e = timeouts_get(r->timeouts, timeout, &seconds, err);

	if (e < 0)
		return e;
	deadline = now_ms() + seconds * 1000;
	e = send_command(r, command, n, deadline, err);
	if (e == 0)
		e = await_result(r, begin, end, deadline, output, &code);
	r->shell_answers = e == 0;
	if (e < 0)
		return run_timed_out(r, err, command, seconds);
	return code;
}

int run_login(struct run *r, const char *user, const char *password, const char *timeout, struct error *err)
{
	_cleanup_free_ char *user_line = xasprintf("%s\n", user);
	_cleanup_free_ char *password_line = xasprintf("%s\n", password ? password : "");
	int e = run_expect(r, "login: ", timeout, err);

	if (e == 0 && password)
		e = run_send(r, user_line, err);
	if (e == 0 && password)
		e = run_expect(r, "assword: ", timeout, err);
	if (e == 0 && password)
		e = run_send(r, password_line, err);
	/* Input before the prompt is lost: login(1) flushes what was typed while it checked. */
	if (e == 0)
		e = run_expect(r, strcmp(user, "root") ? "$ " : "# ", timeout, err);
	/* A shell without line editing, quiet and wide: what it prints is what the commands print. */
	if (e == 0)
		e = run_send(r, "exec sh\n", err);
	if (e == 0)
		e = run_command(r, "PS1='' PS2=''; export PAGER=cat SYSTEMD_PAGER=cat; stty cols 4000 icrnl -echo </dev/tty",
				timeout, NULL, err);
	if (e > 0)
		e = error_set(err, -EIO, user, NULL, "the shell after login answers with exit code %d", e);
	return e;
}
