/* qvm-start, -shutdown, -kill, -pause, -unpause. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/clock.h"
#include "runtime/qvm/qvm.h"

static bool all, wait_down, force, dry_run, skip_if_running, timing, suspend, windows_tools;
static const char *drive, *hard_disk, *cdrom;
static long timeout = -1;
static struct strv excluded;

/* Options and operands to names; 0, or *exit_code is what to end with. */
static bool prepare(const struct command_line *cmd, int argc, char **argv, struct qvm_list *list,
		    struct strv *names, int *exit_code)
{
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(cmd, argc, argv, &operands);

	*exit_code = parsed == OPTIONS_HELP ? 0 : parsed;
	if (parsed != OPTIONS_OK)
		return false;
	*exit_code = qvm_list_read(list);
	if (*exit_code == 0)
		*exit_code = qvm_select(list, &operands, all, &excluded, names);
	return *exit_code == 0;
}

/* What to call for a qube in its state. */
typedef const char *(*method_fn)(const struct qvm_vm *vm);

static const char *kill_method(const struct qvm_vm *vm)
{
	(void)vm;
	return "admin.vm.Kill";
}

static const char *pause_method(const struct qvm_vm *vm)
{
	(void)vm;
	return suspend ? "admin.vm.Suspend" : "admin.vm.Pause";
}

static const char *unpause_method(const struct qvm_vm *vm)
{
	return strcmp(vm->state, "Suspended") ? "admin.vm.Unpause" : "admin.vm.Resume";
}

/* A call for each name; the worst exit code. */
static int each(const struct command_line *cmd, int argc, char **argv, method_fn method)
{
	_cleanup_list_ struct qvm_list list = {0};
	_cleanup_strv_ struct strv names = {0};
	int result, r;

	if (!prepare(cmd, argc, argv, &list, &names, &result))
		return result;
	for (size_t i = 0; i < names.n; i++) {
		r = qvm_call(names.v[i], method(qvm_list_find(&list, names.v[i])), NULL, NULL,
			     NULL);
		result = r > result ? r : result;
	}
	return result;
}

#define MULTI                                                                                      \
	{"all", 0, OPTION_FLAG, &all, NULL, "every qube but dom0"},                                \
	{                                                                                          \
		"exclude", 0, OPTION_LIST, &excluded, "VM", "with --all: not this one"             \
	}

int qvm_kill(int argc, char **argv)
{
	static const struct option_def options[] = {QVM_COMMON, MULTI, {0}};
	static const struct command_line cmd = {"qvm-kill", "VM...", "Stop qubes at once.",
						NULL,	    options, false};

	return each(&cmd, argc, argv, kill_method);
}

int qvm_pause(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		MULTI,
		{"suspend", 'S', OPTION_FLAG, &suspend, NULL, "suspend them; qvm-unpause wakes them"},
		{0},
	};
	static const struct command_line cmd = {"qvm-pause", "VM...", "Pause qubes.",
						NULL,	     options, false};

	return each(&cmd, argc, argv, pause_method);
}

int qvm_unpause(int argc, char **argv)
{
	static const struct option_def options[] = {QVM_COMMON, MULTI, {0}};
	static const struct command_line cmd = {"qvm-unpause", "VM...", "Let paused qubes go on.",
						NULL,	       options, false};

	return each(&cmd, argc, argv, unpause_method);
}

/* `step 12 ms, ...` as lines, and their sum. */
static void print_timing(const char *vm, struct blob text)
{
	unsigned long long sum = 0;
	struct blob one, word, name;
	uint64_t ms;

	printf("%s\n", vm);
	while (blob_token(&text, ',', &one)) {
		if (!blob_word(&one, &name) || !blob_word(&one, &word) ||
		    !blob_to_u64(word, UINT32_MAX, &ms))
			continue;
		printf("  %-10.*s %6llu ms\n", BLOB_ARG(name), (unsigned long long)ms);
		sum += ms;
	}
	printf("  %-10s %6llu ms\n", "all", sum);
}

static int start(const char *vm)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	int r = qvm_call(vm, "admin.vm.Start", timing ? "timing" : "warning", NULL, &out);

	if (!r && timing)
		print_timing(vm, strbuf_blob(&out));
	else if (!r && out.n && !qvm_quiet)
		fprintf(stderr, "qvm-start: warning: %s\n", out.p);
	return r;
}

/* The one drive of the options, as qvm_drive_assign() takes it; NULL without one. Allocated. */
static char *drive_wanted(void)
{
	if (windows_tools)
		return xstrdup("cdrom:dom0:/usr/lib/qubes/qubes-windows-tools.iso");
	if (hard_disk)
		return xasprintf("hd:%s", hard_disk);
	if (cdrom)
		return xasprintf("cdrom:%s", cdrom);
	return drive ? xstrdup(drive) : NULL;
}

/* The drive stays until the qube is down, the assignment only for this start. */
static int start_with_drive(const char *vm)
{
	_cleanup_free_ char *wanted = drive_wanted(), *device = NULL;
	_cleanup_close_ int held = -1;
	int r = QVM_FAILED, gone = 0;
	sigset_t before;

	if (!wanted)
		return start(vm);
	held = qvm_hold_signals(&before);
	device = qvm_drive_assign(vm, wanted);
	if (device) {
		r = start(vm);
		gone = qvm_drive_unassign(vm, device);
	}
	/* One that came ends us here. */
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r ? r : gone;
}

/* Those that are up are passed over or are an error. */
static int start_all(const struct qvm_list *list, const struct strv *names)
{
	int result = 0, r;

	for (size_t i = 0; i < names->n; i++) {
		const struct qvm_vm *vm = qvm_list_find(list, names->v[i]);

		if (!strcmp(vm->state, "Running") || !strcmp(vm->state, "Paused")) {
			if (skip_if_running)
				continue;
			fprintf(stderr, "qvm-start: domain %s is already running\n", vm->name);
			result = QVM_FAILED;
			continue;
		}
		r = start_with_drive(vm->name);
		result = r > result ? r : result;
	}
	return result;
}

int qvm_start(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		MULTI,
		{"skip-if-running", 0, OPTION_FLAG, &skip_if_running, NULL,
		 "a qube that runs is fine"},
		{"timing", 0, OPTION_FLAG, &timing, NULL, "print how long each step took"},
		{"drive", 0, OPTION_STRING, &drive, "DRIVE",
		 "with this drive until it is shut down: [hd:|cdrom:]VM:DEVICE or VM:/FILE (default cdrom:)"},
		{"hddisk", 0, OPTION_STRING, &hard_disk, "DRIVE", "the same as --drive hd:DRIVE"},
		{"cdrom", 0, OPTION_STRING, &cdrom, "DRIVE", "the same as --drive cdrom:DRIVE"},
		{"install-windows-tools", 0, OPTION_FLAG, &windows_tools, NULL,
		 "with dom0's medium of the tools for Windows"},
		{0},
	};
	static const struct command_line cmd = {
		"qvm-start",
		"VM...",
		"Start qubes and wait until they answer.",
		"Exit codes: 1 a qube did not start, 2 usage, 3 qubesd is offline (start it at "
		"first boot).",
		options,
		false,
	};
	_cleanup_list_ struct qvm_list list = {0};
	_cleanup_strv_ struct strv names = {0};
	int result;

	if (!prepare(&cmd, argc, argv, &list, &names, &result))
		return result;
	if ((drive != NULL) + (hard_disk != NULL) + (cdrom != NULL) + windows_tools > 1)
		return options_wrong(&cmd, "one drive is all that it takes");
	return start_all(&list, &names);
}

/* How many of the names have a domain; they are moved to *left. Negative: exit code. */
static int still_up(const struct strv *names, struct strv *left)
{
	_cleanup_list_ struct qvm_list list = {0};
	int r = qvm_list_read(&list);

	if (r)
		return -r;
	for (size_t i = 0; i < names->n; i++) {
		const struct qvm_vm *vm = qvm_list_find(&list, names->v[i]);

		if (vm && strcmp(vm->state, "Halted") != 0)
			strv_push(left, names->v[i]);
	}
	return (int)left->n;
}

/* Each event is a reason to look again; what it says does not matter. */
static void wait_event(int events, long ms)
{
	struct pollfd fd = {.fd = events, .events = POLLIN};
	char buf[4096];

	if (poll(&fd, 1, ms > 1000 ? 1000 : (int)ms) > 0 && read(events, buf, sizeof(buf)) <= 0)
		poll(NULL, 0, 200); /* qubesd is gone: do not spin */
}

/* Until all are down or the time is over; those left are killed. The number that could not be
 * stopped. */
static int wait_all(const struct strv *names, long seconds, int events)
{
	long end = now_ms() + seconds * 1000;

	for (;;) {
		_cleanup_strv_ struct strv left = {0};
		long remaining = end - now_ms();
		int n = still_up(names, &left), failed = 0;

		if (n <= 0)
			return -n;
		if (remaining > 0) {
			wait_event(events, remaining);
			continue;
		}
		for (size_t i = 0; i < left.n; i++) {
			fprintf(stderr,
				"qvm-shutdown: %s: did not shut down in %ld s, killing it\n",
				left.v[i], seconds);
			failed += qvm_call(left.v[i], "admin.vm.Kill", NULL, NULL, NULL) != 0;
		}
		return failed;
	}
}

/* The longest shutdown_timeout of them. */
static long default_timeout(const struct strv *names)
{
	uint64_t longest = 0, n;

	for (size_t i = 0; i < names->n; i++) {
		_cleanup_strbuf_ struct strbuf out = {0};
		struct admin_property v;

		if (qvm_call(names->v[i], "admin.vm.property.Get", "shutdown_timeout", NULL,
			     &out) == 0 &&
		    admin_property_parse(strbuf_blob(&out), &v) && blob_to_u64(v.value, 86400, &n) &&
		    n > longest)
			longest = n;
	}
	return longest ? (long)longest : 60;
}

/* All go down: there is nobody left to need a netvm. With --wait they do so in their order. */
static const char *shutdown_argument(void)
{
	return force || (all && !excluded.n && !wait_down) ? "force" : NULL;
}

/* Sends the request. With --wait a qube that others need may wait for them: *later, and nothing is said. */
static int send_shutdown(const char *vm, bool *later)
{
	_cleanup_admin_error_ struct admin_error err = {0};
	int r = admin_call(&qvm_admin, vm, "admin.vm.Shutdown", shutdown_argument(), (struct blob){0}, NULL, &err);

	*later = r == -EREMOTEIO && wait_down && !strcmp(err.type, "QubesVMInUseError");
	return *later ? 0 : qvm_report(vm, r, &err);
}

/* Those that no other qube of the names needs any more; the number of failures. Moves the others to *left. */
static int shut_down_round(const struct strv *names, struct strv *left, int events)
{
	_cleanup_strv_ struct strv sent = {0};
	int failed = 0;

	for (size_t i = 0; i < names->n; i++) {
		bool later;

		/* One that cannot be asked is waited for all the same, and killed. */
		if (send_shutdown(names->v[i], &later) && !wait_down)
			failed++;
		else
			strv_push(later ? left : &sent, names->v[i]);
	}
	if (!wait_down)
		return failed;
	if (sent.n)
		return failed + wait_all(&sent, timeout < 0 ? default_timeout(&sent) : timeout, events);
	/* Nothing that they wait for goes down: now it is an error. */
	for (size_t i = 0; i < left->n; i++)
		failed += qvm_call(left->v[i], "admin.vm.Shutdown", NULL, NULL, NULL) != 0;
	strv_free(left);
	return failed;
}

/* Clients before their netvms. */
static int shut_down(struct strv *names)
{
	_cleanup_close_ int events = wait_down ? admin_events(&qvm_admin, "dom0") : -1;
	int failed = 0;

	while (names->n) {
		struct strv left = {0};

		failed += shut_down_round(names, &left, events);
		strv_free(names);
		*names = left;
		if (!wait_down)
			break;
	}
	return failed;
}

int qvm_shutdown(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		MULTI,
		{"wait", 0, OPTION_FLAG, &wait_down, NULL,
		 "wait until they are down, clients before their netvms; kill those that are too slow"},
		{"timeout", 0, OPTION_NUMBER, &timeout, "SECONDS",
		 "with --wait: how long (their shutdown_timeout)"},
		{"force", 0, OPTION_FLAG, &force, NULL, "also a qube that others depend on"},
		{"dry-run", 0, OPTION_FLAG, &dry_run, NULL, "only print the names"},
		{0},
	};
	static const struct command_line cmd = {
		"qvm-shutdown",
		"VM...",
		"Shut qubes down.",
		"The exit code is the number of qubes whose shutdown was refused or, with --wait, that could\n"
		"not even be killed. --all without --exclude and --wait is meant for netvms, too.",
		options,
		false};
	_cleanup_list_ struct qvm_list list = {0};
	_cleanup_strv_ struct strv names = {0};
	_cleanup_strv_ struct strv running = {0};
	int result;

	if (!prepare(&cmd, argc, argv, &list, &names, &result))
		return result;
	for (size_t i = 0; i < names.n; i++) {
		const struct qvm_vm *vm = qvm_list_find(&list, names.v[i]);

		if (!strcmp(vm->state, "Halted") || !strcmp(vm->class, "AdminVM"))
			continue;
		if (dry_run)
			printf("%s\n", vm->name);
		else
			strv_push(&running, vm->name);
	}
	return shut_down(&running);
}
