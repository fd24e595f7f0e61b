#include "qa/examine.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/clock.h"
#include "common/sys/file.h"
#include "qa/qmp.h"
#include "qa/verbs.h"

enum { SCRIPT_MAX = 64 * 1024, XEN_ANSWERS_MS = 10000, XEN_QUIET_MS = 1000 };

static const char timeout[] = "diagnosis";

/* Two looks: processors that stand still or go round in circles show the same addresses. */
static void keep_registers(struct run *r)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	for (unsigned look = 1; look <= 2 && r->qmp.fd >= 0; look++) {
		_cleanup_error_ struct error err = {0};
		json_t *reply = NULL;

		if (qmp_command(r, json_pack("{s:s, s:{s:s}}", "execute", "human-monitor-command", "arguments",
					     "command-line", "info registers -a"), &reply, &err) < 0)
			return;
		if (json_is_string(reply))
			strbuf_printf(&text, "look %u\n%s\n", look, json_string_value(reply));
		json_decref(reply);
		run_pump(r, 1000);
	}
	if (text.n)
		write_file(AT_FDCWD, arena_printf(r->arena, "%s/registers.txt", r->dir), text.p, text.n, 0644);
}

/* The login that would have come next on this boot of the machine. */
static const struct yaml_node *next_login(const struct yaml_node *step)
{
	while ((step = step->next) && step->first && strcmp(step->first->key, "boot") != 0)
		if (!strcmp(step->first->key, "login"))
			return step->first;
	return NULL;
}

static int log_in(struct run *r, const struct yaml_node *step, struct error *err)
{
	const struct yaml_node *login = next_login(step);
	const char *user = NULL, *password = NULL;
	int e = -ENOENT;

	if (login)
		e = verb_argument(r, login, "user", &user, err);
	if (e == 0)
		e = verb_argument(r, login, "password", &password, err);
	return e == 0 && user ? run_login(r, user, password, timeout, err) : e;
}

static int diagnose(struct run *r, const struct yaml_node *step, struct error *err)
{
	_cleanup_strbuf_ struct strbuf script = {0}, said = {0};
	int e = read_file(AT_FDCWD, arena_printf(r->arena, "%s/diagnose", r->qa_dir), SCRIPT_MAX, &script);

	if (e == 0 && !r->shell_answers)
		e = log_in(r, step, err);
	if (e == 0)
		e = run_command(r, arena_printf(r->arena, "(\n%s)", script.p), timeout, &said, err);
	if (e >= 0)
		write_file(AT_FDCWD, arena_printf(r->arena, "%s/diagnosis.txt", r->dir), said.p ? said.p : "", said.n, 0644);
	return e;
}

/* On the same serial line Xen takes keys after three times Ctrl-A: registers, dom0's, qubes, interrupts, MSI. */
static void ask_xen(struct run *r)
{
	_cleanup_error_ struct error err = {0};
	int64_t deadline = now_ms() + XEN_ANSWERS_MS;
	size_t before;

	if (run_send(r, "\x01\x01\x01" "d0qiM" "\x01\x01\x01", &err) < 0)
		return;
	do {
		before = r->serial.text.n;
		for (int64_t quiet = now_ms() + XEN_QUIET_MS; now_ms() < quiet;)
			run_pump(r, XEN_QUIET_MS / 10);
	} while (r->serial.text.n > before && now_ms() < deadline);
}

void examine(struct run *r, const struct yaml_node *step)
{
	_cleanup_error_ struct error err = {0};

	run_screenshot(r, "failure");
	if (run_is_off(r))
		return;
	keep_registers(r);
	if (diagnose(r, step, &err) < 0)
		ask_xen(r);
}
