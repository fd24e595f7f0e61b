/*
 * qubes-firewall: keeps a netvm's rules as dom0 wants them (rules.h). It starts with everything blocked, tells systemd
 * when the first rules are in force, and follows the changes. SIGHUP: looks at everything again.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"
#include "common/sys/hook.h"
#include "common/ui/options.h"
#include "runtime/firewall/apply.h"
#include "runtime/qubesdb/include/qubesdb-client.h"

enum { SETTLE_USEC = 20000, RETRY_USEC = 30000000, PATH_LIMIT = 63 };

static const char *qubesdb_dir;
static bool no_scripts;

static const struct option_def options[] = {
	{"qubesdb-dir", 0, OPTION_STRING, &qubesdb_dir, "DIR", "the folder with QubesDB's socket (/var/run/qubes)"},
	{"no-scripts", 0, OPTION_FLAG, &no_scripts, NULL, "leave out the scripts of qubes-firewall.d and the user's"},
	{0},
};

struct daemon {
	qdb_handle_t db;
	struct apply apply;
	sd_event *event;
	sd_event_source *settle; /* changes come in bursts */
	sd_event_source *retry;	 /* while there are names that nobody knows */
	struct strv changed;	 /* clients whose rules dom0 has written since, by their keys */
};

static void publish_host(void *user, const struct client *c, const char *host, const char *const *addresses)
{
	struct daemon *d = user;
	_cleanup_free_ char *path = xasprintf("/dns/%s/%s", c->ip, host);
	_cleanup_strbuf_ struct strbuf text = {0};

	if (!addresses)
		fprintf(stderr, "qubes-firewall: %s: cannot look up %s; rules that name it let nothing pass\n", c->ip, host);
	for (; addresses && *addresses; addresses++)
		strbuf_printf(&text, "%s%s", text.n ? " " : "", *addresses);
	/* Longer paths do not exist in QubesDB. */
	if (strlen(path) <= PATH_LIMIT)
		qdb_write(d->db, path, text.p ? text.p : "", (unsigned)text.n);
}

/* Counts up, so that whoever waits for a change to take effect can see it. */
static void publish_done(void *user, const struct client *c)
{
	struct daemon *d = user;
	_cleanup_free_ char *path = xasprintf("/qubes-firewall-handled/%s", c->ip), *old = qdb_read(d->db, path, NULL),
			    *text = xasprintf("%lu", old ? strtoul(old, NULL, 10) + 1 : 1);

	if (strlen(path) <= PATH_LIMIT)
		qdb_write(d->db, path, text, (unsigned)strlen(text));
}

static void free_pairs(char **pairs)
{
	for (char **p = pairs; p && *p; p++)
		free(*p);
	free(pairs);
}

static int on_retry(sd_event_source *s, uint64_t usec, void *user);

/* What is not there yet may come to be: the network of this qube, or the name. */
static void retry_later(struct daemon *d)
{
	d->retry = sd_event_source_disable_unref(d->retry);
	if (d->apply.names && !resolved_complete(d->apply.names))
		sd_event_add_time_relative(d->event, &d->retry, CLOCK_MONOTONIC, RETRY_USEC, 0, on_retry, d);
}

static int update(struct daemon *d, const struct resolve_what *what)
{
	_cleanup_arena_ struct arena *a = arena_new();
	char **pairs = qdb_multiread(d->db, "/", NULL, NULL);
	struct firewall f;
	int r;

	if (!pairs) {
		fprintf(stderr, "qubes-firewall: qubesdb: cannot be read: %s; the former rules hold\n", strerror(errno));
		return -EIO;
	}
	firewall_read(a, (const char *const *)pairs, &f);
	r = apply_clients(&d->apply, &f, what, publish_host, publish_done, d);
	free_pairs(pairs);
	retry_later(d);
	return r;
}

static int on_retry(sd_event_source *s, uint64_t usec, void *user)
{
	(void)s;
	(void)usec;
	update(user, &(struct resolve_what){.missing = true});
	return 0;
}

static int on_settled(sd_event_source *s, uint64_t usec, void *user)
{
	struct daemon *d = user;

	(void)s;
	(void)usec;
	d->settle = sd_event_source_disable_unref(d->settle);
	update(d, &(struct resolve_what){.clients = &d->changed});
	strv_free(&d->changed);
	return 0;
}

static void update_soon(struct daemon *d)
{
	if (!d->settle)
		sd_event_add_time_relative(d->event, &d->settle, CLOCK_MONOTONIC, SETTLE_USEC, 0, on_settled, d);
}

/* Rules count when their client's mark is written, which is its path without a name behind it. */
static bool matters(struct daemon *d, const char *path)
{
	const char *ip = !strncmp(path, "/qubes-firewall/", 16) ? path + 16 : NULL;

	if (ip && strchr(ip, '/'))
		return false;
	if (ip)
		strv_push(&d->changed, ip);
	return true;
}

static int on_change(sd_event_source *s, int fd, uint32_t events, void *user)
{
	struct daemon *d = user;
	_cleanup_free_ char *path = qdb_read_watch(d->db);

	(void)s;
	(void)fd;
	(void)events;
	if (!path) {
		fprintf(stderr, "qubes-firewall: qubesdb: the connection is lost; the rules stay as they are\n");
		return sd_event_exit(d->event, 1);
	}
	if (matters(d, path))
		update_soon(d);
	return 0;
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *user)
{
	struct daemon *d = user;
	struct timespec t;

	(void)s;
	if (si->ssi_signo != SIGHUP)
		return sd_event_exit(d->event, 0);
	clock_gettime(CLOCK_MONOTONIC, &t);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000);
	update(d, &(struct resolve_what){.all = true});
	sd_notify(0, "READY=1");
	return 0;
}

static void run_script(const char *path)
{
	int r = hook_run((const char *const[]){path, NULL});

	if (r)
		fprintf(stderr, "qubes-firewall: %s: %s\n", path, r < 0 ? strerror(-r) : "failed");
}

/* What users and packages want to add, once the tables are there. */
static void run_scripts(void)
{
	static const char *const folders[] = {"/etc/qubes/qubes-firewall.d", "/rw/config/qubes-firewall.d"};

	for (size_t i = 0; i < 2; i++) {
		_cleanup_strv_ struct strv scripts = {0};

		hook_list(folders[i], NULL, &scripts);
		for (size_t k = 0; k < scripts.n; k++)
			run_script(scripts.v[k]);
	}
	run_script("/rw/config/qubes-firewall-user-script");
}

static int start(struct daemon *d)
{
	static const char *const watched[] = {"/qubes-firewall/", "/connected-ips", "/connected-ips6",
					      "/qubes-netvm-primary-dns", "/qubes-netvm-secondary-dns"};

	d->db = qubesdb_dir ? qdb_open_dir(qubesdb_dir, NULL) : qdb_open(NULL);
	if (!d->db) {
		fprintf(stderr, "qubes-firewall: qubesdb: cannot connect: %s\n", strerror(errno));
		return -EIO;
	}
	for (size_t i = 0; i < sizeof(watched) / sizeof(*watched); i++)
		if (!qdb_watch(d->db, watched[i])) {
			fprintf(stderr, "qubes-firewall: qubesdb: cannot watch %s: %s\n", watched[i], strerror(errno));
			return -EIO;
		}
	return apply_start(&d->apply);
}

static int serve(struct daemon *d)
{
	static const int signals[] = {SIGHUP, SIGTERM, SIGINT};
	sigset_t set;
	int r;

	sigemptyset(&set);
	for (size_t i = 0; i < 3; i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r = sd_event_new(&d->event);
	if (r >= 0)
		r = sd_event_add_io(d->event, NULL, qdb_watch_fd(d->db), EPOLLIN, on_change, d);
	for (size_t i = 0; r >= 0 && i < 3; i++)
		r = sd_event_add_signal(d->event, NULL, signals[i], on_signal, d);
	if (r < 0) {
		fprintf(stderr, "qubes-firewall: cannot make an event loop: %s\n", strerror(-r));
		return 1;
	}
	update(d, &(struct resolve_what){.all = true});
	sd_notify(0, "READY=1");
	r = sd_event_loop(d->event);
	d->settle = sd_event_source_disable_unref(d->settle);
	d->retry = sd_event_source_disable_unref(d->retry);
	strv_free(&d->changed);
	sd_event_unref(d->event);
	return r;
}

static const struct command_line command = {
	.program = "qubes-firewall",
	.operands = "",
	.summary = "Keeps the firewall of the qubes behind this one as dom0 wants it.",
	.options = options,
};

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(&command, argc, argv, &operands);
	struct daemon d = {0};
	int code = 1;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n)
		return options_wrong(&command, "'%s' is too much", operands.v[0]);
	if (start(&d) == 0) {
		if (!no_scripts)
			run_scripts();
		code = serve(&d);
	}
	apply_end(&d.apply);
	if (d.db)
		qdb_close(d.db);
	return code;
}
