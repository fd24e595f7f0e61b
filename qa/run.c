#include "qa/run.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>

#include "common/base/alloc.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "qa/qmp.h"
#include "qa/stop.h"

enum { TAIL_LINES = 12, RETRY_MS = 50, QEMU_LOG_MAX = 1 << 20, SHELL_ESCAPE = 0x1d };

void run_pump(struct run *r, int ms)
{
	struct pollfd p[] = {
		{.fd = r->serial.fd, .events = POLLIN},
		{.fd = r->events.fd, .events = POLLIN},
		{.fd = r->qmp.fd, .events = POLLIN},
	};

	poll(p, 3, ms);
	channel_pump(&r->serial);
	channel_pump(&r->events);
	channel_pump(&r->qmp);
}

bool run_waits(int64_t deadline)
{
	return !stop_asked() && now_ms() < deadline;
}

bool run_is_off(struct run *r)
{
	int status;

	if (r->qemu && waitpid(r->qemu, &status, WNOHANG) == r->qemu)
		r->qemu = 0;
	return r->qemu == 0;
}

int run_timed_out(struct run *r, struct error *err, const char *what, int64_t seconds)
{
	struct blob tail = channel_tail(&r->serial, TAIL_LINES);

	if (stop_asked())
		return error_set(err, -EINTR, what, NULL, "the run was stopped while it waited for this");
	if (run_is_off(r))
		return error_set(err, -EPIPE, what, NULL, "the machine went off; the serial line ended with:\n%.*s",
				 BLOB_ARG(tail));
	return error_set(err, -ETIMEDOUT, what, NULL, "not seen within %lld s; the serial line shows:\n%.*s",
			 (long long)seconds, BLOB_ARG(tail));
}

/* QEMU ended before its sockets were there: its own last line says why. */
static int start_failed(struct run *r, struct error *err)
{
	const char *log = arena_printf(r->arena, "%s/qemu.log", r->dir);
	_cleanup_strbuf_ struct strbuf said = {0};
	struct blob text, line, last = {0};

	read_file(AT_FDCWD, log, QEMU_LOG_MAX, &said);
	text = strbuf_blob(&said);
	while (blob_token(&text, '\n', &line))
		last = line;
	return error_set(err, -EPIPE, "qemu-system-x86_64", NULL, "ended at once: %.*s", BLOB_ARG(last));
}

/* QEMU makes its sockets one after another and waits on each: they appear as we go. */
static int open_channels(struct run *r, int64_t deadline, struct error *err)
{
	static const char *const names[] = {"serial", "events", "qmp"};
	struct channel *channels[] = {&r->serial, &r->events, &r->qmp};

	for (unsigned i = 0; i < 3; i++) {
		const char *path = arena_printf(r->arena, "%s/%s", r->scratch, names[i]);
		const char *log = arena_printf(r->arena, "%s/%s.log", r->dir, names[i]);
		int e;

		while ((e = channel_open(channels[i], names[i], path, log, err)) == -EAGAIN) {
			if (run_is_off(r))
				return start_failed(r, err);
			if (now_ms() > deadline)
				return error_set(err, -ETIMEDOUT, path, NULL, "QEMU does not listen there");
			poll(NULL, 0, RETRY_MS);
		}
		if (e < 0)
			return e;
	}
	return qmp_command(r, json_pack("{s:s}", "execute", "qmp_capabilities"), NULL, err);
}

static int start_qemu(struct run *r, struct strv *argv, struct error *err)
{
	const char *log = arena_printf(r->arena, "%s/qemu.log", r->dir);
	_cleanup_close_ int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	struct process p = {.argv = (const char *const *)argv->v, .null_stdin = 1, .stdout_fd = fd, .stderr_fd = fd};

	if (fd < 0)
		return error_errno(err, -errno, log, "cannot write");
	for (size_t i = 0; i < argv->n; i++)
		dprintf(fd, "%s%s", argv->v[i], i + 1 < argv->n ? " " : "\n");
	r->qemu = process_spawn(&p);
	if (r->qemu < 0) {
		int e = (int)r->qemu;

		r->qemu = 0;
		return error_errno(err, e, argv->v[0], "cannot start");
	}
	return 0;
}

int run_boot(struct run *r, struct machine_boot *boot, struct error *err)
{
	_cleanup_strv_ struct strv argv = {0};
	int64_t seconds;
	int e;

	boot->dir = r->scratch;
	channel_close(&r->serial);
	channel_close(&r->events);
	channel_close(&r->qmp);
	e = timeouts_get(r->timeouts, "qemu-start", &seconds, err);
	if (e == 0 && machine_in_lab(r->machine)) {
		e = network_prepare(r->arena, &r->network, err);
		network_argv(&r->network, r->machine, &argv);
	}
	if (e == 0)
		e = machine_argv(r->machine, boot, &argv, err);
	if (e == 0)
		e = start_qemu(r, &argv, err);
	if (e == 0)
		e = open_channels(r, now_ms() + seconds * 1000, err);
	r->boots++;
	r->shell_answers = false;
	return e;
}

int run_expect(struct run *r, const char *text, const char *timeout, struct error *err)
{
	int64_t seconds, deadline;
	int e = timeouts_get(r->timeouts, timeout, &seconds, err);

	if (e < 0)
		return e;
	for (deadline = now_ms() + seconds * 1000; run_waits(deadline);) {
		if (channel_match(&r->serial, text))
			return 0;
		if (r->serial.fd < 0 && run_is_off(r))
			break;
		run_pump(r, 500);
	}
	return run_timed_out(r, err, text, seconds);
}

int run_send(struct run *r, const char *text, struct error *err)
{
	int e = channel_send(&r->serial, text, strlen(text));

	return e < 0 ? error_errno(err, e, "serial line", "cannot send") : 0;
}

/* Whether the event has these members; true, false and numbers are compared as JSON writes them. */
static bool has_members(const json_t *event, const struct yaml_node *with)
{
	bool all = true;

	for (const struct yaml_node *m = with ? with->first : NULL; m && all; m = m->next) {
		const json_t *value = json_object_get(event, m->key);
		_cleanup_free_ char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

		all = m->kind == YAML_SCALAR && value &&
		      !strcmp(json_is_string(value) ? json_string_value(value) : text, m->text);
	}
	return all;
}

static int judge_event(json_t *event, const char *name, const struct yaml_node *with, char **other, struct error *err)
{
	const char *got = json_string_value(json_object_get(event, "event"));
	bool same = got && !strcmp(got, name);

	if (!got)
		return 0;
	if (same && has_members(event, with))
		return 1;
	if (same) {
		free(*other);
		*other = json_dumps(event, JSON_COMPACT);
	} else if (blob_has_suffix(blob_of(got), ".failed")) {
		_cleanup_free_ char *text = json_dumps(event, JSON_COMPACT);

		return error_set(err, -EIO, name, NULL, "instead came %s", text);
	}
	return 0;
}

/* 1: it came. 0: not yet. Lines that are no JSON (a console that talks too early) are passed over. */
static int next_event(struct run *r, const char *name, const struct yaml_node *with, char **other, struct error *err)
{
	_cleanup_strbuf_ struct strbuf line = {0};
	int found = 0;

	while (found == 0 && channel_line(&r->events, &line)) {
		json_t *event = json_loadb(line.p, line.n, 0, NULL);

		if (!event)
			continue;
		found = judge_event(event, name, with, other, err);
		json_decref(event);
	}
	return found;
}

int run_wait_event(struct run *r, const char *name, const struct yaml_node *with, const char *timeout,
		   struct error *err)
{
	_cleanup_free_ char *other = NULL;
	int64_t seconds, deadline;
	int e = timeouts_get(r->timeouts, timeout, &seconds, err);

	if (e < 0)
		return e;
	for (deadline = now_ms() + seconds * 1000; run_waits(deadline);) {
		e = next_event(r, name, with, &other, err);
		if (e)
			return e < 0 ? e : 0;
		if (r->events.fd < 0 && run_is_off(r))
			break;
		run_pump(r, 500);
	}
	if (other)
		return error_set(err, -ETIMEDOUT, name, NULL, "it came with other values: %s", other);
	return run_timed_out(r, err, name, seconds);
}

int run_wait_off(struct run *r, const char *timeout, struct error *err)
{
	int64_t seconds, deadline;
	int e = timeouts_get(r->timeouts, timeout, &seconds, err);

	if (e < 0)
		return e;
	for (deadline = now_ms() + seconds * 1000; run_waits(deadline);) {
		if (run_is_off(r))
			return 0;
		run_pump(r, 200);
	}
	return run_timed_out(r, err, "power off", seconds);
}

void run_screenshot(struct run *r, const char *name)
{
	_cleanup_error_ struct error err = {0};

	if (r->qmp.fd < 0 || run_is_off(r))
		return;
	if (qmp_command(r, json_pack("{s:s, s:{s:o, s:s}}", "execute", "screendump", "arguments", "filename",
				     json_sprintf("%s/%s.png", r->dir, name), "format", "png"), NULL, &err) < 0)
		error_print("qa/run", &err);
}

void run_cut_power(struct run *r)
{
	if (run_is_off(r))
		return;
	kill(r->qemu, SIGKILL);
	process_wait(r->qemu);
	r->qemu = 0;
}

void run_shell(struct run *r)
{
	struct termios saved, raw;
	char buf[256];

	if (run_is_off(r) || tcgetattr(STDIN_FILENO, &saved) < 0) {
		fprintf(stderr, "qa/run: no console: %s\n", r->qemu ? "this is no terminal" : "the machine is off");
		return;
	}
	fprintf(stderr, "qa/run: the machine's serial console; Ctrl-] ends it and the machine\r\n");
	raw = saved;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	while (r->serial.fd >= 0 && !stop_asked()) {
		struct pollfd p[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = r->serial.fd, .events = POLLIN}};
		size_t from = r->serial.text.n;
		ssize_t n;

		poll(p, 2, 500);
		run_pump(r, 0);
		if (r->serial.text.n > from)
			write_all(STDOUT_FILENO, r->serial.text.p + from, r->serial.text.n - from);
		if (!(p[0].revents & POLLIN))
			continue;
		n = read(STDIN_FILENO, buf, sizeof(buf));
		if (n <= 0 || memchr(buf, SHELL_ESCAPE, (size_t)n))
			break;
		channel_send(&r->serial, buf, (size_t)n);
	}
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}
