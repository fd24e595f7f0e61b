/*
 * qrexec-policy check SOURCE TARGET SERVICE[+ARGUMENT]
 * qrexec-policy lint
 *
 * For people: what would happen, which line says so, and what is wrong with the files. Changes nothing, asks nobody.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/sys/file.h"
#include "common/ui/options.h"
#include "runtime/qrexec/qubesd.h"
#include "runtime/qubesadmin/include/qubesadmin.h"
#include "runtime/qrexec/policy/evaluate.h"

#define MAX_SYSTEM_INFO (16 << 20)

struct settings {
	struct strv dirs;
	const char *info_file, *socket;
	struct policy_places places;
};

static int ask_qubesd(const char *socket, struct strbuf *json, struct error *err)
{
	static const char method[] = "internal.GetSystemInfo";
	const struct admin qubesd = {socket};
	_cleanup_admin_error_ struct admin_error refused = {0};
	int r = admin_call(&qubesd, "dom0", method, NULL, (struct blob){0}, json, &refused);

	if (r == -EREMOTEIO)
		return error_set(err, r, method, NULL, "%s: %s", refused.type, refused.message);
	if (r == 0 && json->n > MAX_SYSTEM_INFO)
		r = -EFBIG;
	return r < 0 ? error_errno(err, r, socket, "cannot ask qubesd") : 0;
}

static struct system_info *get_system_info(const struct settings *o, struct error *err)
{
	_cleanup_strbuf_ struct strbuf json = {0};
	int r;

	if (o->info_file) {
		r = read_file(AT_FDCWD, o->info_file, MAX_SYSTEM_INFO, &json);
		if (r < 0)
			error_errno(err, r, o->info_file, "cannot read");
	} else {
		r = ask_qubesd(o->socket, &json, err);
	}
	return r < 0 ? NULL : system_info_parse(json.p ? json.p : "", json.n, err);
}

static void print_place(const struct policy_decision *d)
{
	if (d->rule && d->rule->line)
		printf("%s:%u", d->rule->file, d->rule->line);
	else if (d->rule)
		printf("%s (its implied end)", d->rule->file);
	else
		printf("no rule");
}

static int print_decision(struct arena *a, const struct policy_decision *d)
{
	static const char *const names[] = {[RULE_DENY] = "deny", [RULE_ALLOW] = "allow", [RULE_ASK] = "ask"};

	printf("%s", names[d->action]);
	if (d->action == RULE_ALLOW)
		printf(" target=%s user=%s autostart=%s", place_text(a, &d->target), d->user ? d->user : "DEFAULT",
		       d->autostart ? "yes" : "no");
	if (d->action == RULE_ALLOW && d->rewritten)
		printf(" service=%s", d->rewritten);
	printf("  [");
	print_place(d);
	printf("]\n");
	if (d->reason)
		printf("  because %s\n", d->reason);
	for (size_t i = 0; d->action == RULE_ASK && i < d->n_choices; i++)
		printf("  %s%s\n", d->choices[i], d->choices[i] == d->default_choice ? " (default)" : "");
	return d->action == RULE_DENY ? 1 : 0;
}

static int check(const struct settings *o, const struct strv *operands)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_policy_ struct policy *p = policy_load(&o->places);
	_cleanup_system_info_ struct system_info *s = NULL;
	_cleanup_error_ struct error err = {0};
	const struct policy_request r = {
		.source = operands->v[1], .target = operands->v[2], .service = operands->v[3]};
	struct policy_decision d;

	s = get_system_info(o, &err);
	if (!s) {
		error_print("qrexec-policy", &err);
		return 2;
	}
	for (size_t i = 0; i < p->errors.n; i++)
		fprintf(stderr, "qrexec-policy: %s\n", p->errors.v[i]);
	policy_evaluate(p, s, &r, a, &d);
	return print_decision(a, &d);
}

static int lint(const struct settings *o)
{
	_cleanup_policy_ struct policy *p = policy_load(&o->places);

	for (size_t i = 0; i < p->errors.n; i++)
		printf("%s\n", p->errors.v[i]);
	if (p->errors.n)
		printf("%zu errors: everything is denied until they are gone\n", p->errors.n);
	else
		printf("%zu rules, no errors\n", p->n);
	return p->errors.n ? 1 : 0;
}

static int dispatch(const struct command_line *cmd, struct settings *o, struct strv *operands)
{
	const char *verb = operands->n ? operands->v[0] : "";

	if (strcmp(verb, "check") == 0 && operands->n == 4)
		return check(o, operands);
	if (strcmp(verb, "lint") == 0 && operands->n == 1)
		return lint(o);
	return options_wrong(cmd, "wants 'check SOURCE TARGET SERVICE[+ARGUMENT]' or 'lint'");
}

int main(int argc, char **argv)
{
	struct settings o = {.socket = QUBESD_INTERNAL_SOCKET, .places = policy_standard_places};
	const struct option_def options[] = {
		{"policy-path", 0, OPTION_LIST, &o.dirs, "DIR", "read this folder instead; may be repeated, the first wins"},
		{"legacy-path", 0, OPTION_STRING, &o.places.legacy, "DIR", "what !compat-4.0 reads"},
		{"system-info", 0, OPTION_STRING, &o.info_file, "FILE", "qubes as JSON, instead of asking qubesd"},
		{"qubesd-socket", 0, OPTION_STRING, &o.socket, "PATH", "where qubesd is asked"},
		{.name = NULL},
	};
	const struct command_line cmd = {
		.program = "qrexec-policy",
		.operands = "check SOURCE TARGET SERVICE[+ARGUMENT] | lint",
		.summary = "Says what the policy would decide about a call and which line decides it, or finds errors.",
		.notes = "Exit code: check: 0 allowed or asked, 1 denied; lint: 0 no errors, 1 errors; 2 wrong usage or no qubesd.",
		.options = options,
	};
	_cleanup_strv_ struct strv operands = {0};
	int code = 2;

	switch (options_parse(&cmd, argc, argv, &operands)) {
	case OPTIONS_OK:
		if (o.dirs.n)
			o.places.dirs = (const char *const *)o.dirs.v;
		code = dispatch(&cmd, &o, &operands);
		break;
	case OPTIONS_HELP:
		code = 0;
		break;
	case OPTIONS_WRONG:
		break;
	}
	strv_free(&o.dirs);
	return code;
}
