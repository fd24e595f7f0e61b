#include "runtime/dom0update/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "runtime/dom0update/sources.h"

/* A line for each file: where it is, and the name it is to have; an empty line ends them. */
static int send_request(int fd, const struct strv *uris)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	for (size_t i = 0; i < uris->n; i++)
		strbuf_printf(&text, "%s %s\n", uris->v[i], sources_path(uris->v[i]));
	strbuf_add_char(&text, '\n');
	return write_all(fd, text.p, text.n);
}

static int close_and_wait(int *fd, pid_t pid)
{
	close(*fd);
	*fd = -1;
	return process_wait(pid);
}

/* How many entries what was named makes at most: the file, and each folder above it, which is sent twice. */
static size_t entries(const struct strv *uris)
{
	size_t n = 0;

	for (size_t i = 0; i < uris->n; i++) {
		n++;
		for (const char *p = sources_path(uris->v[i]); (p = strchr(p, '/')); p++)
			n += 2;
	}
	return n;
}

/* Nothing that is not counted may come: empty files, folders and links fill a disk too. */
static int receive(const struct fetch_from *from, const struct strv *uris, int in, int out)
{
	_cleanup_free_ char *bytes = xasprintf("%llu", (unsigned long long)from->max_bytes);
	_cleanup_free_ char *files = xasprintf("%zu", entries(uris));
	const char *const argv[] = {from->unpacker, "--max-bytes", bytes, "--max-files", files, "--no-symlinks", "0",
				    from->incoming, NULL};
	const struct process p = {.argv = argv, .stdin_fd = in, .stdout_fd = out};

	return process_run(&p);
}

static int call(const struct fetch_from *from, const struct strv *uris, struct error *err)
{
	const char *const argv[] = {from->call, "--pass-io", "--no-gui", "--service", "--", from->qube, FETCH_SERVICE, NULL};
	int to_qube[2] = {-1, -1}, from_qube[2] = {-1, -1}, r, received;
	pid_t pid;

	if (pipe2(to_qube, O_CLOEXEC) < 0)
		return error_errno(err, -errno, from->qube, "cannot make a pipe");
	if (pipe2(from_qube, O_CLOEXEC) < 0) {
		r = error_errno(err, -errno, from->qube, "cannot make a pipe");
		close(to_qube[0]);
		close(to_qube[1]);
		return r;
	}
	pid = process_spawn(&(struct process){.argv = argv, .stdin_fd = to_qube[0], .stdout_fd = from_qube[1]});
	close(to_qube[0]);
	close(from_qube[1]);
	r = pid < 0 ? pid : send_request(to_qube[1], uris);
	received = r < 0 ? -1 : receive(from, uris, from_qube[0], to_qube[1]);
	close(from_qube[0]);
	if (pid > 0 && close_and_wait(&to_qube[1], pid) != 0)
		return error_set(err, -EIO, from->qube, "look at its network, and at what it says above",
				 "has not sent everything");
	if (to_qube[1] >= 0)
		close(to_qube[1]);
	if (r < 0)
		return error_errno(err, r, from->call, "cannot be started");
	return received ? error_set(err, -EIO, from->qube, NULL, "sent what was not taken") : 0;
}

/* Only a plain file, and reached without a link: the qube has chosen what lies there. */
static int check_plain(int incoming, const char *path)
{
	_cleanup_close_ int fd =
		open_within(incoming, path, O_RDONLY | O_NONBLOCK, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return fchmod(fd, 0644) < 0 || fchown(fd, geteuid(), getegid()) < 0 ? -errno : 0;
}

static int take(const struct fetch_from *from, const struct strv *uris, struct error *err)
{
	_cleanup_close_ int incoming = open(from->incoming, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int mirror = open(from->mirror, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (incoming < 0 || mirror < 0)
		return error_errno(err, -errno, incoming < 0 ? from->incoming : from->mirror, "cannot open");
	for (size_t i = 0; i < uris->n; i++) {
		const char *path = sources_path(uris->v[i]);
		int r = check_plain(incoming, path);

		if (r == 0)
			r = mkdir_parents(mirror, path, 0755);
		if (r == 0 && renameat(incoming, path, mirror, path) < 0)
			r = -errno;
		if (r < 0)
			return error_set(err, r, uris->v[i], NULL, "%s has not sent it: %s", from->qube, strerror(-r));
	}
	return 0;
}

int fetch_files(const struct fetch_from *from, const struct strv *uris, struct error *err)
{
	int r, removed;

	signal(SIGPIPE, SIG_IGN);
	if ((r = remove_tree(AT_FDCWD, from->incoming)) < 0 || (r = mkdir_p(AT_FDCWD, from->incoming, 0700)) < 0 ||
	    (r = mkdir_p(AT_FDCWD, from->mirror, 0755)) < 0)
		return error_errno(err, r, from->incoming, "cannot prepare");
	r = call(from, uris, err);
	if (r == 0)
		r = take(from, uris, err);
	removed = remove_tree(AT_FDCWD, from->incoming);
	return r == 0 && removed < 0 ? error_errno(err, removed, from->incoming, "cannot remove") : r;
}
