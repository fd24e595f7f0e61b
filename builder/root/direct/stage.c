#include "builder/root/direct/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builder/archive/unpack.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

enum { WORKERS_MAX = 16 };

/* Where a worker leaves why it failed: memory that it shares with its parent. */
struct report {
	int result;
	size_t n;
	char packed[2048]; /* as much of the error as there is room for */
};

struct pool {
	const struct workplace *workplace;
	const char *stage;
	struct report *reports;
	pid_t pids[WORKERS_MAX];
	size_t n;
	int feed; /* one message a package: its place in the lock */
};

int stage_conffiles(struct blob text, struct strmap *names)
{
	struct blob line;

	while (blob_token(&text, '\n', &line)) {
		_cleanup_free_ char *name = NULL;

		line = blob_trim(line);
		if (!line.n)
			continue;
		if (line.p[0] != '/' || line.n == 1)
			return -EBADMSG;
		name = blob_dup((struct blob){line.p + 1, line.n - 1});
		strmap_put(names, name, names);
	}
	return 0;
}

static int write_control_file(int control, const struct deb_control_file *f)
{
	const struct timespec times[2] = {{f->mtime, 0}, {f->mtime, 0}};
	_cleanup_close_ int fd = openat(control, f->name,
					O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : write_all(fd, f->text.p ? f->text.p : "", f->text.n);

	if (r < 0)
		return r;
	return fchmod(fd, f->mode & 0777) < 0 || futimens(fd, times) < 0 ? -errno : 0;
}

static int stage_control(int place, const struct deb_control *c)
{
	_cleanup_close_ int control = -1;
	int r = mkdirat(place, "control", 0755) < 0 ? -errno : 0;

	if (r == 0 && (control = openat(place, "control", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		r = -errno;
	for (size_t i = 0; r == 0 && i < c->n; i++)
		r = write_control_file(control, &c->files[i]);
	return r;
}

static int stage_files(int fd, int place, const char *label, const struct unpack_limits *limits,
		       const struct strmap *conffiles, struct error *err)
{
	_cleanup_strbuf_ struct strbuf names = {0}, folders = {0};
	const struct unpack_shared shared = {
		.staged = conffiles, .names = &names, .folders = &folders};
	_cleanup_close_ int files = -1;
	int r = mkdirat(place, "files", 0755) < 0 ? -errno : 0;

	if (r == 0 && (files = openat(place, "files", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		r = -errno;
	if (r < 0)
		return error_errno(err, r, label, "cannot make its folder");
	r = unpack_deb_shared(fd, files, label, limits, &shared, err);
	if (r < 0)
		return r;
	if ((r = write_file(place, "names", names.p ? names.p : "", names.n, 0644)) < 0 ||
	    (r = write_file(place, "folders", folders.p ? folders.p : "", folders.n, 0644)) < 0)
		return error_errno(err, r, label, "cannot write the list of its files");
	return 0;
}

int stage_deb(int fd, int place, const char *label, const struct unpack_limits *limits, struct error *err)
{
	_cleanup_(deb_control_free) struct deb_control control = {0};
	_cleanup_strmap_ struct strmap conffiles = {0};
	const struct deb_control_file *f;
	int r = deb_control_read(fd, label, &control, err);

	if (r < 0)
		return r;
	/* One with flags is for dpkg; the names are of no use then. */
	f = deb_control_find(&control, "conffiles");
	if (f && stage_conffiles(strbuf_blob(&f->text), &conffiles) < 0)
		strmap_free(&conffiles);
	r = stage_control(place, &control);
	return r < 0 ? error_errno(err, r, label, "cannot keep its control files")
		     : stage_files(fd, place, label, limits, &conffiles, err);
}

static int stage_one(const struct lock_package *p, int place, struct error *err)
{
	const char *label = lock_package_file(p);
	_cleanup_close_ int fd = workplace_open_package(p);

	return fd < 0 ? error_errno(err, fd, label, "cannot open") : stage_deb(fd, place, label, NULL, err);
}

struct worker {
	const struct lock *lock;
	int feed;
};

/* In the sandbox: whatever place comes from the feed, until it ends. */
static int work(void *arg, struct error *err)
{
	const struct worker *w = arg;
	_cleanup_close_ int stage = open("/target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint32_t i;

	if (stage < 0)
		return error_errno(err, -errno, "/target", "cannot open");
	for (;;) {
		ssize_t n = recv(w->feed, &i, sizeof(i), 0);
		char name[16];
		_cleanup_close_ int place = -1;
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return 0;
		if (n != sizeof(i) || i >= w->lock->n_packages)
			return error_errno(err, n < 0 ? -errno : -EBADMSG, "packages",
					   "cannot learn which is next");
		snprintf(name, sizeof(name), "%u", i);
		if (mkdirat(stage, name, 0755) < 0 ||
		    (place = openat(stage, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
			return error_errno(err, -errno, name, "cannot make the folder");
		r = stage_one(&w->lock->packages[i], place, err);
		if (r < 0)
			return r;
	}
}

static _Noreturn void worker_main(const struct pool *p, int feed, struct report *report)
{
	const struct workplace *w = p->workplace;
	const struct sandbox_bind binds[] = {
		{.source = p->stage, .target = "/target", .writable = true},
		{.source = w->cache, .target = CACHE_INSIDE}};
	const struct sandbox sb = {
		.binds = binds, .n_binds = 2, .epoch = (uint64_t)lock_epoch(w->job->lock)};
	struct worker worker = {.lock = w->job->lock, .feed = feed};
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf packed = {0};

	report->result = sandbox_call(&sb, work, &worker, &err);
	error_pack(&err, &packed);
	report->n = packed.n < sizeof(report->packed) ? packed.n : sizeof(report->packed);
	memcpy(report->packed, packed.p, report->n);
	_exit(report->result < 0 ? 1 : 0);
}

static int pool_start(struct pool *p, struct error *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t wanted = cpus < 1 ? 1 : cpus > WORKERS_MAX ? WORKERS_MAX : (size_t)cpus;
	_cleanup_close_ int theirs = -1;
	int fds[2];

	p->reports = mmap(NULL, WORKERS_MAX * sizeof(*p->reports), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->reports == MAP_FAILED)
		return error_errno(err, -errno, "unpacking", "memory");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_errno(err, -errno, "unpacking", "socketpair");
	p->feed = fds[0];
	theirs = fds[1];
	fflush(NULL);
	for (; p->n < wanted; p->n++) {
		pid_t pid = fork();

		if (pid < 0)
			return error_errno(err, -errno, "unpacking", "fork");
		if (pid == 0) {
			close(p->feed);
			worker_main(p, theirs, &p->reports[p->n]);
		}
		p->pids[p->n] = pid;
	}
	return 0;
}

static int pool_feed(void *arg, size_t item)
{
	const struct pool *p = arg;
	const uint32_t place = (uint32_t)item;
	ssize_t n;

	while ((n = send(p->feed, &place, sizeof(place), MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	return n < 0 ? -errno : 0;
}

static int worker_result(const struct report *report, int status, struct error *err)
{
	if (report->result < 0)
		return error_unpack(err, report->result, (struct blob){report->packed, report->n});
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return error_set(err, -EIO, "unpacking", NULL,
				 "a process that unpacks ended early");
	return 0;
}

/* Tells them that no more comes, and waits. A worker's own failure says more than what followed
 * from it. */
static int pool_end(struct pool *p, int result, struct error *err)
{
	if (p->feed >= 0)
		close(p->feed);
	for (size_t i = 0; i < p->n; i++) {
		_cleanup_error_ struct error why = {0};
		int status = 0, r;

		while (waitpid(p->pids[i], &status, 0) < 0 && errno == EINTR)
			;
		r = worker_result(&p->reports[i], status, &why);
		if (r < 0 && (result == 0 || result == -EPIPE)) {
			result = r;
			error_set(err, r, why.object, why.remedy, "%s", why.cause);
		}
	}
	if (p->reports && p->reports != MAP_FAILED)
		munmap(p->reports, WORKERS_MAX * sizeof(*p->reports));
	return result;
}

int stage_packages(const struct workplace *w, const struct fetch_options *fetch, const char *stage,
		   struct error *err)
{
	struct pool pool = {.workplace = w, .stage = stage, .feed = -1};
	struct fetch_options options = *fetch;
	int r = mkdir_p(AT_FDCWD, stage, 0755);

	if (r < 0)
		return error_errno(err, r, stage, "cannot make the folder");
	options.ready = pool_feed;
	options.ready_arg = &pool;
	r = pool_start(&pool, err);
	if (r == 0)
		r = fetch_lock(&options, w->job->lock, err);
	return pool_end(&pool, r, err);
}
