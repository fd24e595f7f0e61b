/*
 * qubesdb-daemon REMOTE-DOMID [REMOTE-NAME]: the key-value store of one qube. In dom0 one runs for
 * each qube (domain id and name) and one for dom0 itself (0 dom0); in a qube one runs with the
 * domain id 0 of dom0 and no name.
 */
#include "runtime/qubesdb/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/sys/log_file.h"
#include "common/ui/options.h"
#include "runtime/domid.h"

static const char *socket_dir = "/var/run/qubes", *log_dir = "/var/log/qubes",
		  *permissions = "0666";
static bool foreground;

static const struct option_def options[] = {
	{"rw-socket-perms", 0, OPTION_STRING, &permissions, "MODE",
	 "permissions of the socket that may write (0666)"},
	{"socket-dir", 0, OPTION_STRING, &socket_dir, "DIR",
	 "where the sockets are made (/var/run/qubes)"},
	{"log-dir", 0, OPTION_STRING, &log_dir, "DIR", "where the log is written (/var/log/qubes)"},
	{"foreground", 'f', OPTION_FLAG, &foreground, NULL,
	 "stay, and log to stderr; implied under systemd"},
	{0},
};

static const struct command_line command = {
	.program = "qubesdb-daemon",
	.operands = "REMOTE-DOMID [REMOTE-NAME]",
	.summary = "Keep the key-value store of one qube; without --foreground return when it is "
		   "ready.",
	.options = options,
};

/* The write end of the pipe on which the starting process waits; -1 in the foreground. */
static int ready_fd = -1;
static char *log_path, *pid_path;
static bool logs_to_file; /* until then to the starter's stderr, where somebody reads it */

void daemon_log(const struct daemon *d, const char *fmt, ...)
{
	va_list args;

	log_file_bound(logs_to_file ? log_path : NULL);
	fprintf(stderr, "qubesdb-daemon: %s: ", d->name ? d->name : "own qube");
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

static void write_pid(void)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (write_file(AT_FDCWD, pid_path, text, (size_t)n, 0644) < 0)
		fprintf(stderr, "qubesdb-daemon: %s: %s\n", pid_path, strerror(errno));
}

/* A daemon that follows this one may have written its own meanwhile. */
static void remove_pid(void)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	uint64_t pid;

	if (read_file(AT_FDCWD, pid_path, 32, &text) == 0 &&
	    blob_to_u64(blob_trim(strbuf_blob(&text)), INT32_MAX, &pid) && (pid_t)pid == getpid())
		unlink(pid_path);
}

/* The starter may look for the pid file as soon as it hears of this. */
void daemon_ready(struct daemon *d)
{
	if (d->ready)
		return;
	d->ready = true;
	server_start(d);
	write_pid();
	sd_notify(0, "READY=1");
	if (ready_fd >= 0) {
		log_file_open(log_path);
		logs_to_file = true;
		if (write(ready_fd, "", 1) != 1)
			daemon_log(d, "the process that started this daemon has gone");
		close(take_fd(&ready_fd));
	}
}

void daemon_flush(struct daemon *d)
{
	link_flush(d);
	server_flush(d);
}

/* Forks; the parent stays until the child is ready or dead, and exits with the result. */
static int into_background(void)
{
	int fds[2];
	char byte;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		close(fds[1]);
		_exit(read(fds[0], &byte, 1) == 1 ? 0 : 1);
	}
	close(fds[0]);
	ready_fd = fds[1];
	setsid();

	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

/* /run/qubes belongs to the group qubes, whoever is first to need it. */
static void make_socket_dir(void)
{
	struct group *group;

	if (mkdir(socket_dir, 0775) < 0 || geteuid())
		return;
	group = getgrnam("qubes");
	if (group && (chown(socket_dir, 0, group->gr_gid) < 0 || chmod(socket_dir, 0775) < 0))
		fprintf(stderr, "qubesdb-daemon: %s: %s\n", socket_dir, strerror(errno));
}

static int prepare(struct daemon *d, mode_t mode)
{
	bool own = d->name && d->remote == 0, to_qube = d->name && !own;
	sigset_t signals;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);

	r = sd_event_new(&d->event);
	if (r >= 0)
		r = sd_event_add_signal(d->event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(d->event, NULL, SIGINT, NULL, NULL);
	if (r < 0) {
		daemon_log(d, "cannot make an event loop: %s", strerror(-r));
		return r;
	}
	r = server_open(d, socket_dir, mode);
	if (r < 0) {
		daemon_log(d, "cannot make the sockets in %s: %s", socket_dir, strerror(-r));
		return r;
	}
	if (!own)
		r = link_open(d, to_qube);
	if (r < 0) {
		/* The one cause that a start of dom0 by hand meets; the errno alone names nothing.
		 */
		bool no_module = r == -ENOENT && access("/proc/xen", F_OK) == 0;

		daemon_log(d, "cannot open the vchan to domain %d: %s%s", d->remote, strerror(-r),
			   no_module ? "; load the modules xen-evtchn, xen-gntdev and xen-gntalloc"
				     : "");
		return r;
	}
	/* A qube's daemon is ready when it has what dom0 has. */
	if (d->name)
		daemon_ready(d);
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	struct daemon d = {0};
	uint64_t domid;
	char *end;

	enum options_result result = options_parse(&command, argc, argv, &operands);
	if (result)
		return result == OPTIONS_HELP ? 0 : 2;
	if (operands.n < 1 || operands.n > 2)
		return options_wrong(&command, "a domain id and at most one name are needed");
	if (!blob_to_u64(blob_of(operands.v[0]), XEN_DOMID_MAX, &domid))
		return options_wrong(&command, "'%s' is not a domain id", operands.v[0]);
	long mode = strtol(permissions, &end, 8);
	if (*end || mode < 0 || mode > 0777)
		return options_wrong(&command, "'%s' is not a file mode", permissions);
	d.name = operands.n > 1 ? operands.v[1] : NULL;
	if (d.name && (!*d.name || strchr(d.name, '/')))
		return options_wrong(&command, "'%s' is not the name of a qube", d.name);
	if (domid && !d.name)
		return options_wrong(&command, "domain %s needs its name", operands.v[0]);
	d.remote = (int)domid;

	log_path =
		xasprintf("%s/qubesdb%s%s.log", log_dir, d.name ? "." : "", d.name ? d.name : "");
	pid_path = xasprintf("%s/qubesdb%s%s.pid", socket_dir, d.name ? "." : "",
			     d.name ? d.name : "");
	int r = foreground || getenv("NOTIFY_SOCKET") ? 0 : into_background();
	if (!r) {
		make_socket_dir();
		r = prepare(&d, (mode_t)mode);
	}
	if (!r) {
		r = sd_event_loop(d.event);
		remove_pid();
	}
	link_close(&d);
	server_close(&d);
	qdb_engine_free(&d.engine);
	sd_event_unref(d.event);
	free(log_path);
	free(pid_path);
	return r < 0 ? 1 : r;
}
