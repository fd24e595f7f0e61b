/*
 * qvm-open-in-vm VM FILE|URL, qvm-open-in-dvm FILE|URL: the file is opened in the other qube; when it was changed there it is
 * replaced here, once all of it has arrived.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/error.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/ui/options.h"
#include "runtime/filecopy/call.h"
#include "runtime/filecopy/open.h"

enum { FIRST_BYTES = 4096 };

static bool view_only;

static const struct option_def options[] = {
	{"view-only", 0, OPTION_FLAG, &view_only, NULL, "it cannot be changed there"},
	{0},
};

static struct command_line usage = {
	.program = "qvm-open-in-vm",
	.operands = "VM FILE|URL",
	.summary = "Open a file or an address in the qube VM.",
	.notes = "A file that was changed there is replaced by what it became.\n"
		 "Exit codes: 0 done, 1 not, 2 wrong use.",
	.options = options,
};

static int end_call(pid_t pid, const char *target, struct error *err)
{
	int code = process_wait(pid);

	return code ? error_set(err, -EREMOTEIO, target, NULL, "the call ended with code %d", code) : 0;
}

static int open_url(const char *target, const char *url, struct error *err)
{
	int in, out, r;
	pid_t pid = call_start(target, "qubes.OpenURL", &in, &out);

	if (pid < 0)
		return error_errno(err, pid, target, "cannot call");
	r = write_all(out, url, strlen(url));
	if (!r)
		r = write_all(out, "\n", 1);
	close(out);
	close(in);
	/* Why the other side would not read is in the code of the call. */
	r = end_call(pid, target, err) < 0 ? -EREMOTEIO : r;
	return r == -EPIPE ? error_errno(err, r, target, "did not read the address") : r;
}

static int send_file(int out, int file, const char *path, struct error *err)
{
	char name[OPEN_NAME_SIZE] = "";
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	int64_t copied;
	int r;

	if (snprintf(name, sizeof(name), "%s%s", view_only ? OPEN_VIEW_ONLY : "", base) >= (int)sizeof(name))
		return error_errno(err, -ENAMETOOLONG, path, "cannot send");
	r = write_all(out, name, sizeof(name));
	copied = r < 0 ? r : copy_fd(file, out);
	r = copied < 0 ? (int)copied : 0;
	return r < 0 && r != -EPIPE ? error_errno(err, r, path, "cannot send") : r;
}

/*
 * What comes back, in a file beside the old one, which is made when the first of it comes: a folder in which nothing can
 * be written is none of our business before. 1: there is some, 0: nothing came, or -errno.
 */
static int store_answer(int in, const char *path, char **temporary, int *fd)
{
	char first[FIRST_BYTES];
	ssize_t n;
	int64_t r;

	do
		n = read(in, first, sizeof(first));
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	if (view_only)
		return -EPROTO;
	*temporary = xasprintf("%s.XXXXXX", path);
	*fd = mkostemp(*temporary, O_CLOEXEC);
	if (*fd < 0)
		return -errno;
	r = write_all(*fd, first, (size_t)n);
	if (r == 0)
		r = copy_fd(in, *fd);
	return r < 0 ? (int)r : 1;
}

/* The new content takes the old one's place when the call has ended well. */
static int receive_file(int from, pid_t pid, const char *target, const char *path, const struct stat *old,
			struct error *err)
{
	_cleanup_close_ int in = from, fd = -1;
	_cleanup_free_ char *temporary = NULL;
	int stored = store_answer(in, path, &temporary, &fd), r;

	/* Nobody reads it any more: a call that still writes must not wait for that. */
	close(take_fd(&in));
	r = end_call(pid, target, err);
	if (stored == -EPROTO)
		r = error_set(err, stored, target, NULL, "sent a change of what it may only look at");
	else if (stored < 0)
		r = error_errno(err, stored, path, "cannot store what came back");
	else if (!r && stored && (fchmod(fd, old->st_mode & 07777) < 0 || fsync(fd) < 0 || rename(temporary, path) < 0))
		r = error_errno(err, -errno, path, "cannot replace");
	if (fd >= 0)
		unlink(temporary); /* gone when it was renamed */
	return r;
}

static int open_file(const char *target, const char *name, struct error *err)
{
	_cleanup_free_ char *path = realpath(name, NULL);
	_cleanup_close_ int file = path ? open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC) : -1;
	struct stat st;
	int in, out, r;
	pid_t pid;

	if (file < 0 || fstat(file, &st) < 0)
		return error_errno(err, -errno, name, "cannot open");
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, name, "copy a folder by qvm-copy", "is not a file");
	pid = call_start(target, "qubes.OpenInVM", &in, &out);
	if (pid < 0)
		return error_errno(err, pid, target, "cannot call");
	r = send_file(out, file, path, err);
	close(out);
	if (r < 0 && r != -EPIPE) {
		close(in);
		kill(pid, SIGTERM);
		process_wait(pid);
		return r;
	}
	return receive_file(in, pid, target, path, &st, err);
}

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_error_ struct error err = {0};
	const char *slash = strrchr(argv[0], '/'), *target, *what;
	bool disposable;

	usage.program = slash ? slash + 1 : argv[0];
	disposable = strstr(usage.program, "dvm");
	if (disposable) {
		usage.operands = "FILE|URL";
		usage.summary = "Open a file or an address in a disposable qube.";
	}

	enum options_result parsed = options_parse(&usage, argc, argv, &operands);
	if (parsed)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n != (disposable ? 1 : 2))
		return options_wrong(&usage, "%s", disposable ? "one file or address" : "a qube, and one file or address");
	target = disposable ? "@dispvm" : operands.v[0];
	what = operands.v[operands.n - 1];
	signal(SIGPIPE, SIG_IGN);
	if ((open_is_url(what) ? open_url(target, what, &err) : open_file(target, what, &err)) == 0)
		return 0;
	error_print(usage.program, &err);
	return 1;
}
