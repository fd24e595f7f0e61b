/*
 * The Admin API as its clients see it: the daemon itself over a directory, driven by
 * cases/NAME.case. A case is
 *
 *   # comment
 *   mode fake                        with the stand-ins of fake/ as hypervisor; otherwise offline
 *   call METHOD[+ARG] DEST [PAYLOAD] a request from dom0, and below it what is expected:
 *     ok [PATTERN]                   success; the data matches (fnmatch; \n and \0 stand for bytes)
 *     raise TYPE [PATTERN]           an exception; its message matches
 *     abort                          closed without an answer
 *   write FILE TEXT                  makes a file; paths are below the daemon's root
 *   file FILE has|lacks TEXT         TEXT is (not) in the first MiB of the file
 *   file FILE exists|absent
 *   link FILE, nolink FILE           it is (not) a symbolic link, to whatever
 *   until FILE ...                   as file, within twenty seconds
 *   key VM PATH [PATTERN]            within twenty seconds the qube's QubesDB has that value there
 *   nokey VM PATH                    or no value
 *   new METHOD[+ARG] DEST [PAYLOAD]  as call; the data of the answer is what @new stands for from then on
 *   nothing VM                       within twenty seconds there is no such qube, nor its directory
 *   unwrite FILE                     removes it
 *   as VM METHOD[+ARG] DEST [PAYLOAD] as call, from another qube
 *   setkey VM PATH VALUE             the qube writes into its QubesDB
 *   fill VM N                        it tells of N block devices there, with as many words as are taken
 *   listen METHOD DEST               admin.Events or admin.vm.Stats, from here on
 *   event TEXT                       within twenty seconds it has sent that; \0 between words
 *   restart                          kill -9, start anew
 *   start VM                         sends admin.vm.Start and does not wait
 *   send METHOD[+ARG] DEST [PAYLOAD] a request from dom0 whose answer is not waited for
 *   kill FILE                        kills the process whose number is in it
 *   lock FILE, unlock                it is locked by somebody, or no longer
 *   pause MS                         nothing, for so long
 *   wait VM STATE                    until the qube is in that state, at most twenty seconds
 */
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/tests/test.h"
#include "runtime/qubesdb/include/qubesdb-client.h"

enum { FILE_MAX = 4 << 20, HEAD_MAX = 1 << 20, PATIENCE_MS = 20000, POLL_MS = 5, CRASHES = 12 };

static const char here[] = "runtime/qubesd/tests";

struct daemon {
	const char *program; /* NULL: qubesd */
	char *root, *socket;
	char *fresh; /* @new */
	int events;  /* of `listen`, or -1 */
	int locked;  /* of `lock`, or -1 */
	struct strbuf heard;
	bool fake;
	pid_t pid;
};

static void pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

static int dial(const struct daemon *d)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", d->socket);
	return connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno
									     : take_fd(&fd);
}

static void daemon_start(struct daemon *d)
{
	const char *build = getenv("BUILD") ? getenv("BUILD") : "build";
	_cleanup_free_ char *program = xasprintf("%s/socket/bin/%s", build, d->program ? d->program : "qubesd");
	_cleanup_free_ char *programs = xasprintf("%s/fake", here),
			    *log_path = xasprintf("%s/log", d->root),
			    *facts = xasprintf("%s/pci.facts", here);
	_cleanup_close_ int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	_cleanup_strv_ struct strv argv = {0};
	int fd = -1;

	strv_push(&argv, program);
	strv_push(&argv, "--root");
	strv_push(&argv, d->root);
	strv_push(&argv, "--pci");
	strv_push(&argv, facts);
	if (d->fake) {
		strv_push(&argv, "--programs");
		strv_push(&argv, programs);
	} else {
		strv_push(&argv, "--offline");
	}
	d->pid = process_spawn(&(struct process){.argv = (const char *const *)argv.v,
						 .null_stdin = 1,
						 .stdout_fd = log,
						 .stderr_fd = log});
	for (int ms = 0; ms < PATIENCE_MS && (fd = dial(d)) < 0; ms += POLL_MS)
		pause_ms(POLL_MS);
	if (fd >= 0)
		close(fd);
	CHECK(fd >= 0);
}

/* As process_wait(); 0 when it does not run. */
static int daemon_kill(struct daemon *d, int signal_number)
{
	int status = 0;

	if (d->pid > 0) {
		kill(d->pid, signal_number);
		status = process_wait(d->pid);
	}
	d->pid = 0;
	return status;
}

/* What a sanitizer says, of it or of what it started. */
static void check_log(const struct daemon *d)
{
	static const char *const words[] = {"Sanitizer", "runtime error"};
	_cleanup_free_ char *path = xasprintf("%s/log", d->root);
	_cleanup_strbuf_ struct strbuf text = {0};

	CHECK(read_file(AT_FDCWD, path, FILE_MAX, &text) >= 0);
	for (size_t i = 0; i < 2; i++) {
		const char *found = strstr(text.p ? text.p : "", words[i]);

		if (!CHECK(!found))
			printf("%s\n", found);
	}
}

static void daemon_prepare(struct daemon *d, const char *name)
{
	_cleanup_free_ char *fake = NULL, *domains = NULL, *next = NULL, *events = NULL;

	d->events = d->locked = -1;
	d->root = xasprintf("%s/%s", test_dir(), name);
	d->socket = xasprintf("%s/var/run/qubesd.sock", d->root);
	fake = xasprintf("%s/fake", d->root);
	domains = xasprintf("%s/fake/domains", d->root);
	next = xasprintf("%s/fake/next-domid", d->root);
	events = xasprintf("%s/fake/events", d->root);
	mkdir_p(AT_FDCWD, domains, 0700);
	write_file(AT_FDCWD, next, "4\n", 2, 0600);
	write_file(AT_FDCWD, events, "", 0, 0600);
	setenv("FAKE_DIR", fake, 1);
	setenv("FAKE_ROOT", d->root, 1);
	setenv("BUILD", "build", 0);
}

/* The daemons of qubes outlive qubesd, as they must; a test leaves none. */
static void end_qubes(const struct daemon *d)
{
	_cleanup_free_ char *path = xasprintf("%s/var/run/qubes", d->root);
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		_cleanup_strbuf_ struct strbuf text = {0};
		uint64_t pid;

		if (blob_has_suffix(blob_of(e->d_name), ".pid") &&
		    read_file(dirfd(dir), e->d_name, 64, &text) >= 0 &&
		    blob_to_u64(blob_trim(strbuf_blob(&text)), INT32_MAX, &pid) && pid > 1)
			kill((pid_t)pid, SIGTERM);
	}
}

static void daemon_free(struct daemon *d)
{
	CHECK_INT(daemon_kill(d, SIGTERM), 0);
	end_qubes(d);
	check_log(d);
	free(d->root);
	free(d->socket);
	free(d->fresh);
	strbuf_free(&d->heard);
	if (d->events >= 0)
		close(d->events);
	if (d->locked >= 0)
		close(d->locked);
}

/* 0 with the raw answer, or -errno. */
static int ask_as(const struct daemon *d, const char *source, const char *method,
		  const char *dest, struct blob payload, struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf request = {0};
	_cleanup_close_ int fd = dial(d);

	if (fd < 0)
		return fd;
	strbuf_printf(&request, "%s %s name %s", method, source, dest);
	strbuf_add_char(&request, 0);
	strbuf_add(&request, payload.p ? payload.p : "", payload.n);
	if (send(fd, request.p, request.n, MSG_NOSIGNAL) != (ssize_t)request.n)
		return -EPIPE;
	shutdown(fd, SHUT_WR);
	return read_fd(fd, FILE_MAX, out);
}

static int ask(const struct daemon *d, const char *method, const char *dest, struct blob payload,
	       struct strbuf *out)
{
	return ask_as(d, "dom0", method, dest, payload, out);
}

static char *escape(struct blob text)
{
	_cleanup_strbuf_ struct strbuf s = {0};

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\n')
			strbuf_add_str(&s, "\\n");
		else if (!text.p[i])
			strbuf_add_str(&s, "\\0");
		else
			strbuf_add_char(&s, text.p[i]);
	}
	return strbuf_steal(&s);
}

static char *unescape(struct blob text)
{
	char *copy = blob_dup(text), *to = copy;

	for (const char *p = copy; *p; p++) {
		if (p[0] == '\\' && p[1] == 'n') {
			*to++ = '\n';
			p++;
		} else if (p[0] == '\\' && p[1] == 'x' && p[2] == 'f' && p[3] == 'f') {
			*to++ = (char)0xff;
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = 0;
	return copy;
}

/* The answer in the words of a case: `ok DATA`, `raise TYPE MESSAGE`, `abort`. */
static char *describe(struct blob answer)
{
	_cleanup_free_ char *data = NULL;
	struct blob type, trace, message;

	if (answer.n < 2)
		return xstrdup("abort");
	if (answer.p[0] == '0') {
		data = escape((struct blob){answer.p + 2, answer.n - 2});
		return *data ? xasprintf("ok %s", data) : xstrdup("ok");
	}
	answer = (struct blob){answer.p + 2, answer.n - 2};
	blob_token(&answer, 0, &type);
	blob_token(&answer, 0, &trace);
	blob_token(&answer, 0, &message);
	return xasprintf("raise %.*s %.*s", BLOB_ARG(type), BLOB_ARG(message));
}

static void expect(const char *where, const char *got, struct blob want)
{
	_cleanup_free_ char *pattern = blob_dup(want), *quoted = NULL;
	struct strbuf s = {0};

	/* Only * is special: backslashes and brackets stand for themselves. */
	for (const char *p = pattern; *p; p++) {
		if (strchr("\\[?", *p))
			strbuf_add_char(&s, '\\');
		strbuf_add_char(&s, *p);
	}
	quoted = strbuf_steal(&s);
	if (fnmatch(quoted, got, 0) == 0) {
		CHECK(true);
		return;
	}
	/* `raise TYPE` alone accepts any message. */
	strbuf_printf(&s, "%s *", quoted);
	if (blob_has_prefix(want, "raise ") && fnmatch(s.p, got, 0) == 0)
		CHECK(true);
	else
		test_check_str(got, pattern, where, 0, "answer");
	strbuf_free(&s);
}

static struct blob word(struct blob *rest)
{
	struct blob w = {0};

	blob_token(rest, ' ', &w);
	return w;
}

static char *path_in(const struct daemon *d, struct blob name)
{
	return xasprintf("%s/%.*s", d->root, BLOB_ARG(name));
}

static void do_write(const struct daemon *d, struct blob rest)
{
	_cleanup_free_ char *path = path_in(d, word(&rest)), *text = unescape(rest);

	mkdir_parents(AT_FDCWD, path, 0700);
	CHECK(write_file(AT_FDCWD, path, text, strlen(text), 0600) == 0);
}

/* Whether the rest of a `file` or `until` line is true now: has, lacks, exists or absent. */
static bool file_is(const char *path, struct blob how, const char *text)
{
	_cleanup_strbuf_ struct strbuf content = {0};
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (blob_eq_str(how, "absent") || blob_eq_str(how, "exists"))
		return (fd >= 0) == blob_eq_str(how, "exists");
	/* Disk images are large and empty: the beginning will do. */
	n = fd < 0 ? -1 : read(fd, strbuf_reserve(&content, HEAD_MAX), HEAD_MAX);
	return n >= 0 &&
	       !memmem(content.p, (size_t)n, text, strlen(text)) == blob_eq_str(how, "lacks");
}

static void do_file(const struct daemon *d, const char *where, struct blob rest, int patience_ms)
{
	_cleanup_free_ char *path = path_in(d, word(&rest)), *text = NULL;
	struct blob how = word(&rest);
	bool reached;

	text = unescape(rest);
	while (!(reached = file_is(path, how, text)) && (patience_ms -= POLL_MS) > 0)
		pause_ms(POLL_MS);
	test_check(reached, where, 0, *text ? text : path);
}

static void do_link(const struct daemon *d, const char *where, struct blob rest, bool wanted)
{
	_cleanup_free_ char *path = path_in(d, rest);
	struct stat st;

	test_check((lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) == wanted, where, 0, path);
}

static void do_wait(const struct daemon *d, const char *where, struct blob rest)
{
	_cleanup_free_ char *vm = blob_dup(word(&rest)),
			    *want = xasprintf("*state=%.*s *", BLOB_ARG(rest));
	bool reached = false;

	for (int ms = 0; ms < PATIENCE_MS && !reached; ms += POLL_MS) {
		_cleanup_strbuf_ struct strbuf answer = {0};
		_cleanup_free_ char *text = NULL;

		ask(d, "admin.vm.List", vm, (struct blob){0}, &answer);
		text = describe(strbuf_blob(&answer));
		reached = fnmatch(want, text, 0) == 0;
		if (!reached)
			pause_ms(POLL_MS);
	}
	test_check(reached, where, 0, want);
}

/* A qube's QubesDB through the daemon that runs for it; NULL: no such key, or *there is false. */
static char *key_read(const struct daemon *d, const char *vm, const char *path, bool *there)
{
	_cleanup_free_ char *dir = xasprintf("%s/var/run/qubes", d->root);
	qdb_handle_t h = qdb_open_dir(dir, vm);
	char *value = h ? qdb_read(h, path, NULL) : NULL;

	*there = h;
	if (h)
		qdb_close(h);
	return value;
}

static void do_key(const struct daemon *d, const char *where, struct blob rest, bool wanted)
{
	_cleanup_free_ char *vm = blob_dup(word(&rest)), *path = blob_dup(word(&rest)),
			    *pattern = unescape(rest);
	bool reached = false;

	for (int ms = 0; ms < PATIENCE_MS && !reached; ms += POLL_MS) {
		bool there;
		_cleanup_free_ char *value = key_read(d, vm, path, &there);

		reached = wanted ? value && fnmatch(pattern, value, 0) == 0 : there && !value;
		if (!reached)
			pause_ms(POLL_MS);
	}
	test_check(reached, where, 0, path);
}

static void do_send(const struct daemon *d, struct blob method, struct blob dest, struct blob payload)
{
	_cleanup_free_ char *head = xasprintf("%.*s dom0 name %.*s", BLOB_ARG(method), BLOB_ARG(dest));
	_cleanup_close_ int fd = dial(d);

	CHECK(send(fd, head, strlen(head) + 1, MSG_NOSIGNAL) > 0);
	CHECK(!payload.n || send(fd, payload.p, payload.n, MSG_NOSIGNAL) > 0);
	shutdown(fd, SHUT_WR);
}

static void do_kill(const struct daemon *d, const char *where, struct blob rest)
{
	_cleanup_free_ char *path = path_in(d, rest);
	_cleanup_strbuf_ struct strbuf text = {0};
	uint64_t pid;

	test_check(read_file(AT_FDCWD, path, 64, &text) >= 0 &&
			   blob_to_u64(blob_trim(strbuf_blob(&text)), INT32_MAX, &pid) && pid > 1 &&
			   kill((pid_t)pid, SIGKILL) == 0,
		   where, 0, path);
}

static void do_nothing(const struct daemon *d, const char *where, struct blob rest)
{
	_cleanup_free_ char *vm = blob_dup(rest), *dir = NULL;
	bool gone = false;

	dir = xasprintf("%s/var/lib/qubes/appvms/%s", d->root, vm);
	for (int ms = 0; ms < PATIENCE_MS && !gone; ms += POLL_MS) {
		_cleanup_strbuf_ struct strbuf answer = {0};
		_cleanup_free_ char *text = NULL;

		ask(d, "admin.vm.List", vm, (struct blob){0}, &answer);
		text = describe(strbuf_blob(&answer));
		gone = !strncmp(text, "raise QubesVMNotFoundError", 26) && access(dir, F_OK) < 0;
		if (!gone)
			pause_ms(POLL_MS);
	}
	test_check(gone, where, 0, vm);
}

static void do_setkey(const struct daemon *d, const char *where, struct blob rest)
{
	_cleanup_free_ char *dir = xasprintf("%s/var/run/qubes", d->root), *vm = blob_dup(word(&rest)),
			    *path = blob_dup(word(&rest)), *value = unescape(rest);
	qdb_handle_t h = qdb_open_dir(dir, vm);

	test_check(h && qdb_write(h, path, value, (unsigned)strlen(value)), where, 0, path);
	if (h)
		qdb_close(h);
}

static void do_fill(const struct daemon *d, const char *where, struct blob rest)
{
	_cleanup_free_ char *dir = xasprintf("%s/var/run/qubes", d->root), *vm = blob_dup(word(&rest));
	qdb_handle_t h = qdb_open_dir(dir, vm);
	char words[512];
	uint64_t n = 0;

	memset(words, 'x', sizeof(words));
	test_check(h && blob_to_u64(rest, 1000, &n), where, 0, "a qube that runs and a number");
	for (uint64_t i = 0; h && i < n; i++) {
		_cleanup_free_ char *path = xasprintf("/qubes-block-devices/x%llu/desc", (unsigned long long)i);

		test_check(qdb_write(h, path, words, sizeof(words)), where, 0, path);
	}
	if (h)
		qdb_close(h);
}

static void do_lock(struct daemon *d, const char *where, struct blob rest)
{
	_cleanup_free_ char *path = path_in(d, rest);

	d->locked = open(path, O_RDONLY | O_CLOEXEC);
	test_check(d->locked >= 0 && flock(d->locked, LOCK_EX | LOCK_NB) == 0, where, 0, path);
}

static void do_listen(struct daemon *d, struct blob rest)
{
	_cleanup_free_ char *method = blob_dup(word(&rest));
	_cleanup_free_ char *request = xasprintf("%s dom0 name %.*s", method, BLOB_ARG(rest));

	if (d->events >= 0)
		close(d->events);
	strbuf_reset(&d->heard);
	d->events = dial(d);
	CHECK(send(d->events, request, strlen(request) + 1, MSG_NOSIGNAL) > 0);
	shutdown(d->events, SHUT_WR);
}

static void do_event(struct daemon *d, const char *where, struct blob rest)
{
	_cleanup_free_ char *want = blob_dup(rest);
	bool heard = false;

	for (int ms = 0; ms < PATIENCE_MS && !heard; ms += POLL_MS) {
		_cleanup_free_ char *text = NULL;
		ssize_t n = recv(d->events, strbuf_reserve(&d->heard, 4096), 4096, MSG_DONTWAIT);

		d->heard.n += n > 0 ? (size_t)n : 0;
		text = escape(strbuf_blob(&d->heard));
		heard = strstr(text, want);
		if (!heard)
			pause_ms(POLL_MS);
	}
	test_check(heard, where, 0, want);
}

static char *do_call(const struct daemon *d, const char *source, struct blob rest)
{
	_cleanup_free_ char *method = blob_dup(word(&rest)), *dest = blob_dup(word(&rest)),
			    *payload = unescape(rest);
	_cleanup_strbuf_ struct strbuf answer = {0};

	if (ask_as(d, source, method, dest, blob_of(payload), &answer) < 0)
		return xstrdup("abort");
	return describe(strbuf_blob(&answer));
}

/* The line with every @new replaced. */
static char *with_new(const struct daemon *d, struct blob line)
{
	struct strbuf s = {0};

	for (size_t i = 0; i < line.n; i++) {
		if (d->fresh && line.n - i >= 4 && !memcmp(line.p + i, "@new", 4)) {
			strbuf_add_str(&s, d->fresh);
			i += 3;
		} else {
			strbuf_add_char(&s, line.p[i]);
		}
	}
	return strbuf_steal(&s);
}

/* It has heard which qubes run: none. */
static void first_start(struct daemon *d, const char *where)
{
	daemon_start(d);
	if (d->fake)
		do_file(d, where, BLOB("fake/watch.pid exists"), PATIENCE_MS);
}

static void run_line(struct daemon *d, const char *where, struct blob written, char **answer)
{
	_cleanup_free_ char *text = with_new(d, written);
	struct blob line = blob_of(text), rest = line, verb;

	if (blob_has_prefix(line, "  ")) {
		expect(where, *answer ? *answer : "(no call)",
		       (struct blob){line.p + 2, line.n - 2});
		return;
	}
	verb = word(&rest);
	if (blob_eq_str(verb, "mode"))
		d->fake = true;
	else if (blob_eq_str(verb, "write"))
		do_write(d, rest);
	else if (!d->pid)
		first_start(d, where);
	if (blob_eq_str(verb, "call") || blob_eq_str(verb, "new") || blob_eq_str(verb, "as")) {
		_cleanup_free_ char *source =
			blob_eq_str(verb, "as") ? blob_dup(word(&rest)) : xstrdup("dom0");

		free(*answer);
		*answer = do_call(d, source, rest);
		if (blob_eq_str(verb, "new")) {
			free(d->fresh);
			d->fresh = xstrdup(strncmp(*answer, "ok ", 3) ? "(none)" : *answer + 3);
		}
	} else if (blob_eq_str(verb, "setkey")) {
		do_setkey(d, where, rest);
	} else if (blob_eq_str(verb, "fill")) {
		do_fill(d, where, rest);
	} else if (blob_eq_str(verb, "listen")) {
		do_listen(d, rest);
	} else if (blob_eq_str(verb, "event")) {
		do_event(d, where, rest);
	} else if (blob_eq_str(verb, "nothing")) {
		do_nothing(d, where, rest);
	} else if (blob_eq_str(verb, "unwrite")) {
		_cleanup_free_ char *path = path_in(d, rest);

		CHECK(unlink(path) == 0);
	} else if (blob_eq_str(verb, "file")) {
		do_file(d, where, rest, 0);
	} else if (blob_eq_str(verb, "until")) {
		do_file(d, where, rest, PATIENCE_MS);
	} else if (blob_eq_str(verb, "link") || blob_eq_str(verb, "nolink")) {
		do_link(d, where, rest, blob_eq_str(verb, "link"));
	} else if (blob_eq_str(verb, "start")) {
		do_send(d, BLOB("admin.vm.Start"), rest, (struct blob){0});
	} else if (blob_eq_str(verb, "send")) {
		struct blob method = word(&rest), dest = word(&rest);

		do_send(d, method, dest, rest);
	} else if (blob_eq_str(verb, "kill")) {
		do_kill(d, where, rest);
	} else if (blob_eq_str(verb, "key") || blob_eq_str(verb, "nokey")) {
		do_key(d, where, rest, blob_eq_str(verb, "key"));
	} else if (blob_eq_str(verb, "wait")) {
		do_wait(d, where, rest);
	} else if (blob_eq_str(verb, "lock")) {
		do_lock(d, where, rest);
	} else if (blob_eq_str(verb, "unlock")) {
		close(take_fd(&d->locked));
	} else if (blob_eq_str(verb, "pause")) {
		uint64_t ms = 0;

		CHECK(blob_to_u64(rest, PATIENCE_MS, &ms));
		pause_ms((int)ms);
	} else if (blob_eq_str(verb, "restart")) {
		daemon_kill(d, SIGKILL);
		daemon_start(d);
	} else {
		test_check(blob_eq_str(verb, "mode") || blob_eq_str(verb, "write"), where, 0,
			   "a known word");
	}
}

static void run_case(const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/cases/%s", here, name), *answer = NULL;
	_cleanup_strbuf_ struct strbuf text = {0};
	struct daemon d = {0};
	struct blob rest, line;
	int number = 0;

	if (!CHECK(read_file(AT_FDCWD, path, FILE_MAX, &text) >= 0))
		return;
	daemon_prepare(&d, name);
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		_cleanup_free_ char *where = xasprintf("%s:%d", path, ++number);

		if (line.n && line.p[0] != '#')
			run_line(&d, where, line, &answer);
	}
	daemon_free(&d);
}

static int is_case(const struct dirent *e)
{
	return blob_has_suffix(blob_of(e->d_name), ".case");
}

TEST(cases)
{
	_cleanup_free_ char *dir = xasprintf("%s/cases", here);
	struct dirent **list = NULL;
	int n = scandir(dir, &list, is_case, alphasort);

	CHECK(n > 0);
	for (int i = 0; i < n; i++) {
		run_case(list[i]->d_name);
		free(list[i]);
	}
	free(list);
}

/* Does the unit have a line KEY=... with qubesd in it? */
static bool unit_says(struct blob text, const char *key)
{
	struct blob line, name;

	while (blob_token(&text, '\n', &line))
		if (blob_token(&line, '=', &name) && blob_eq_str(name, key) && memmem(line.p, line.n, "qubesd.service", 14))
			return true;
	return false;
}

/* Promise: a qubesd that ends or is started anew takes no unit with it that would shut down or start qubes. */
TEST(units_outlive_qubesd)
{
	static const char *const units[] = {"qubes-core.service", "qubes-vm@.service"};
	static const char *const bonds[] = {"Requires", "Requisite", "BindsTo", "PartOf"};

	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *path = xasprintf("%s/../units/%s", here, units[i]);
		_cleanup_strbuf_ struct strbuf text = {0};

		CHECK(read_file(AT_FDCWD, path, FILE_MAX, &text) >= 0);
		CHECK(unit_says(strbuf_blob(&text), "Wants") && unit_says(strbuf_blob(&text), "After"));
		for (size_t k = 0; k < sizeof(bonds) / sizeof(*bonds); k++)
			CHECK(!unit_says(strbuf_blob(&text), bonds[k]));
	}
}

/* A request without its end. */
static int begin(const struct daemon *d, const char *request)
{
	int fd = dial(d);

	if (fd >= 0 && send(fd, request, strlen(request) + 1, MSG_NOSIGNAL) < 0)
		close(take_fd(&fd));
	return fd;
}

/* Has the other side closed it, within the time? */
static bool ends(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char byte;

	while (poll(&p, 1, ms) > 0)
		if (recv(fd, &byte, 1, MSG_DONTWAIT) <= 0)
			return true;
	return false;
}

/* Promise: qubes that begin requests and leave them unfinished lock nobody out. */
TEST(unfinished_requests)
{
	enum { QUBES = 10, EACH = 80, ALLOWED = 64 };
	_cleanup_strbuf_ struct strbuf answer = {0};
	int fds[QUBES * EACH], refused = 0;
	struct daemon d = {0};

	daemon_prepare(&d, "unfinished");
	daemon_start(&d);
	for (int i = 0; i < QUBES * EACH; i++) {
		_cleanup_free_ char *head = xasprintf("qubes.NotifyUpdates q%d name dom0", i / EACH);

		fds[i] = begin(&d, head);
	}
	CHECK(ask(&d, "admin.vm.List", "dom0", (struct blob){0}, &answer) >= 0 && answer.n > 2);
	for (int i = 0; i < EACH; i++)
		refused += fds[i] < 0 || ends(fds[i], 0);
	CHECK_INT(refused, EACH - ALLOWED);
	for (int i = 0; i < QUBES * EACH; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	daemon_free(&d);
}

/* Promise: a request that is not ended is, after its time. */
TEST(unfinished_requests_end)
{
	struct daemon d = {.program = "qubesd-crashing"};
	_cleanup_close_ int fd = -1;

	daemon_prepare(&d, "late");
	setenv("HURRY", "100", 1);
	daemon_start(&d);
	unsetenv("HURRY");
	fd = begin(&d, "admin.vm.List dom0 name dom0");
	CHECK(fd >= 0 && ends(fd, PATIENCE_MS));
	daemon_free(&d);
}

/* Promise: work in the background holds up no other client, and does not outlive the daemon. */
TEST(work_keeps_nothing_open)
{
	_cleanup_strbuf_ struct strbuf token = {0}, answer = {0};
	_cleanup_free_ char *image = NULL;
	_cleanup_close_ int waiting = -1, work = -1;
	struct daemon d = {0};
	int again;

	daemon_prepare(&d, "work");
	image = xasprintf("%s/var/lib/qubes/appvms/from/private.img", d.root);
	daemon_start(&d);
	ask(&d, "admin.vm.Create.StandaloneVM", "dom0", BLOB("name=from label=red"), &answer);
	ask(&d, "admin.vm.Create.StandaloneVM", "dom0", BLOB("name=to label=red"), &answer);
	/* What copies it waits for somebody who writes. */
	CHECK(unlink(image) == 0 && mkfifo(image, 0600) == 0);
	ask(&d, "admin.vm.volume.CloneFrom+private", "from", (struct blob){0}, &token);
	waiting = begin(&d, "admin.vm.List dom0 name dom0");
	work = begin(&d, "admin.vm.volume.CloneTo+private dom0 name to");
	CHECK(token.n > 2 && send(work, token.p + 2, token.n - 2, MSG_NOSIGNAL) > 0);
	shutdown(work, SHUT_WR);
	CHECK(!ends(work, 500));
	shutdown(waiting, SHUT_WR);
	CHECK(ends(waiting, PATIENCE_MS));
	daemon_kill(&d, SIGKILL);
	again = dial(&d);
	CHECK(again == -ECONNREFUSED);
	if (again >= 0)
		close(again);
	CHECK(ends(work, PATIENCE_MS));
	daemon_free(&d);
}

/* Promise: qubesd killed at any moment of creating qubes comes back with those it had reported,
 * each with its files. */
TEST(killed_while_creating)
{
	struct daemon d = {0};
	_cleanup_strbuf_ struct strbuf last = {0};
	int made = 0;

	daemon_prepare(&d, "killed");
	daemon_start(&d);
	ask(&d, "admin.vm.Create.TemplateVM", "dom0", BLOB("name=t label=black"), &last);
	for (int round = 0; round < CRASHES; round++) {
		pid_t killer = fork();

		if (killer == 0) {
			pause_ms(1 + round * 3);
			kill(d.pid, SIGKILL);
			_exit(0);
		}
		for (int i = 0;; i++) {
			_cleanup_free_ char *payload = xasprintf("name=q%d-%d label=red", round, i);
			_cleanup_strbuf_ struct strbuf answer = {0};

			ask(&d, "admin.vm.Create.AppVM+t", "dom0", blob_of(payload), &answer);
			if (answer.n < 2)
				break;
			made += answer.p[0] == '0';
		}
		process_wait(killer);
		process_wait(d.pid);
		daemon_start(&d);
	}
	strbuf_reset(&last);
	ask(&d, "admin.vm.List", "dom0", (struct blob){0}, &last);
	struct blob rest = {last.p ? last.p + 2 : "", last.n > 2 ? last.n - 2 : 0}, line;
	int listed = 0, without = 0;

	while (blob_token(&rest, '\n', &line)) {
		struct blob name = word(&line);
		_cleanup_free_ char *image = xasprintf("%s/var/lib/qubes/appvms/%.*s/private.img",
						       d.root, BLOB_ARG(name));

		if (name.n && name.p[0] == 'q') {
			listed++;
			without += access(image, F_OK) < 0;
		}
	}
	/* One more a round may have been written down without its answer getting out. */
	CHECK(listed >= made);
	CHECK(listed <= made + CRASHES);
	if (listed < made || listed > made + CRASHES)
		printf("    %d listed, %d made\n", listed, made);
	CHECK_INT(without, 0);
	daemon_free(&d);
}
