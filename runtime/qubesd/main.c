/* qubesd: keeps the qubes of this machine and answers the Admin API. */
#include <errno.h>
#include <fcntl.h>
#include <libxml/parser.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/ui/options.h"
#include "runtime/qubesd/hypervisor.h"
#include "runtime/qubesd/server.h"
#include "runtime/qubesd/state.h"
#include "runtime/qubesd/storage.h"
#include "runtime/qubesd/sync.h"

static const char *root = "", *socket_dir, *programs, *pci_facts;
static bool offline, restore;

static const struct option_def options[] = {
	{"root", 0, OPTION_STRING, &root, "DIR",
	 "directory that stands for / (state, volumes, sockets)"},
	{"offline", 0, OPTION_FLAG, &offline, NULL,
	 "no hypervisor: qubes are recorded but cannot start"},
	{"socket-dir", 0, OPTION_STRING, &socket_dir, "DIR",
	 "where qubesd.sock is made (/var/run below the root)"},
	{"programs", 0, OPTION_STRING, &programs, "DIR",
	 "take qubesd-xl and the other helpers from there"},
	{"restore-previous", 0, OPTION_FLAG, &restore, NULL,
	 "put the version before the last change in place of a qubes.xml that cannot be read, and end"},
	{"pci", 0, OPTION_STRING, &pci_facts, "FILE",
	 "PCI devices from there (lines SBDF VENDOR:DEVICE CLASS [PORT]), not from /sys"},
	{0},
};

static const struct command_line command = {
	.program = "qubesd",
	.operands = "",
	.summary = "Keep the qubes of this machine and answer the Admin API.",
	.options = options,
	.notes = "The state is in /var/lib/qubes/qubes.xml; the version before the last change in "
		 "qubes.xml.bak.",
};

int qubesd_save(struct qubesd *d, struct error *err)
{
	int r = state_save(d->model, d->state_path, err);

	if (r < 0)
		error_print("qubesd", err);
	return r;
}

void qubesd_ready(void)
{
	/* Children must not take part in our notifications, so it is only sent once. */
	sd_notify(1, "READY=1");
}

const char *qubesd_program(const struct qubesd *d, struct arena *a, const char *installed)
{
	if (!d->programs)
		return installed;
	return arena_printf(a, "%s/%s", d->programs, strrchr(installed, '/') + 1);
}

/* The file stays as it is; every request is answered with what is wrong with it. */
static int broken(struct qubesd *d, struct error *err)
{
	static char *text;

	error_print("qubesd", err);
	text = xasprintf("%s: %s; %s", err->object, err->cause, err->remedy ? err->remedy : "");
	d->broken = text;
	d->model = model_new();
	error_free(err);
	return 0;
}

/* A machine without qubes.xml is a new one; a file that cannot be read is never replaced. */
static int load(struct qubesd *d, struct error *err)
{
	int r = mkdir_parents(AT_FDCWD, d->state_path, 0775);

	if (r < 0)
		return error_errno(err, r, d->state_path, "cannot make its directory");
	if (access(d->state_path, F_OK) == 0) {
		r = state_load(d->state_path, &d->model, err);
		if (r == -EINVAL)
			return broken(d, err);
		/* Whatever an earlier qubesd made them for is over, unless they run. */
		for (size_t i = 0; r == 0 && i < d->model->n_vms; i++)
			d->model->vms[i]->used = true;
		return r;
	}
	d->model = model_new();
	return state_save(d->model, d->state_path, err);
}

static int work_sweep(const void *arg, struct error *err)
{
	return storage_sweep(arg, err);
}

static void on_swept(void *user, int status, const char *out)
{
	(void)user;
	if (status != 0)
		fprintf(stderr, "qubesd: %s\n", out);
}

/* Nobody waits for it. */
static void sweep(struct qubesd *d)
{
	_cleanup_arena_ struct arena *a = arena_new();
	const char **dirs = arena_alloc(a, (d->model->n_pools + 1) * sizeof(*dirs));
	size_t n = 0;

	for (size_t i = 0; i < d->model->n_pools; i++) {
		const char *dir = kv_get(&d->model->pools[i].config, "dir_path");

		if (dir && storage_is_file_pool(&d->model->pools[i]))
			dirs[n++] = arena_printf(a, "%s%s", d->root, dir);
	}
	child_start(d->event, &(struct child_spec){.work = work_sweep, .arg = dirs}, on_swept,
		    NULL, NULL);
}

static int serve(struct qubesd *d, const char *socket_path, struct error *err)
{
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = sd_event_default(&d->event);
	if (r >= 0)
		r = sd_event_add_signal(d->event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(d->event, NULL, SIGINT, NULL, NULL);
	if (r < 0)
		return error_errno(err, r, "event loop", "cannot set up");
	r = server_listen(d, socket_path, err);
	if (r < 0)
		return r;
	d->model->unheard = !d->offline;
	if (!d->offline) {
		r = hypervisor_watch(d);
		if (r < 0)
			return error_errno(err, r, "qubesd-xl", "cannot start");
	}
	if (!d->broken)
		sweep(d);
	if (d->offline)
		qubesd_ready();
	r = sd_event_loop(d->event);
	unlink(socket_path);
	return r < 0 ? error_errno(err, r, "event loop", "failed") : 0;
}

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_error_ struct error err = {0};
	enum options_result parsed = options_parse(&command, argc, argv, &operands);
	struct qubesd d = {0};
	char *socket_path, *internal;
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n)
		return options_wrong(&command, "takes no operand: '%s'", operands.v[0]);
	d = (struct qubesd){
		.offline = offline,
		.root = root,
		.programs = programs,
		.pci_facts = pci_facts,
		.state_path = xasprintf("%s/var/lib/qubes/qubes.xml", root),
		.run_dir = xasprintf("%s/var/run/qubes", root),
	};
	socket_path = socket_dir ? xasprintf("%s/qubesd.sock", socket_dir)
				 : xasprintf("%s/var/run/qubesd.sock", root);
	internal = xasprintf("%.*s/qubesd.internal.sock", (int)(strrchr(socket_path, '/') - socket_path), socket_path);
	umask(0007);
	xmlInitParser();
	if (restore) {
		r = state_restore(d.state_path, &err);
		if (r < 0)
			error_print("qubesd", &err);
		else
			printf("%s: the previous version is in place, the broken one in %s.broken\n",
			       d.state_path, d.state_path);
		return r < 0;
	}
	r = mkdir_parents(AT_FDCWD, socket_path, 0755);
	if (r < 0)
		error_errno(&err, r, socket_path, "cannot make its directory");
	if (r == 0)
		r = load(&d, &err);
	/* Where dom0's own programs look: whoever may use the one may use the other. */
	if (r == 0) {
		unlink(internal);
		r = symlink("qubesd.sock", internal) < 0 ? error_errno(&err, -errno, internal, "cannot be made") : 0;
	}
	if (r == 0)
		r = serve(&d, socket_path, &err);
	if (r < 0)
		error_print("qubesd", &err);
	server_close(&d);
	sync_close(&d);
	state_free(d.model);
	xmlCleanupParser();
	sd_event_unref(d.event);
	hypervisor_watch_free(&d);
	free(d.state_path);
	free(d.run_dir);
	unlink(internal);
	free(internal);
	free(socket_path);
	return r < 0;
}
