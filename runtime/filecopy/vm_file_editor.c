/*
 * vm-file-editor: qubes.OpenInVM. Stores the file that comes on stdin in a folder of its own, opens it, and sends it back when it
 * was changed.
 */
#include <ctype.h>
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
#include "runtime/filecopy/names.h"
#include "runtime/filecopy/open.h"

static const char *opener = "xdg-open", *above = "/tmp";

static const struct option_def options[] = {
	{"opener", 0, OPTION_STRING, &opener, "PROGRAM", "opens the file and ends with it (xdg-open)"},
	{"folder", 0, OPTION_STRING, &above, "DIR", "keep the file below it (/tmp)"},
	{0},
};

static const struct command_line usage = {
	.program = "vm-file-editor",
	.operands = "",
	.summary = "Open the file that another qube sends on stdin, and send it back if it was changed.",
	.notes = "Exit codes: 0 done, 1 not, 2 wrong use.",
	.options = options,
};

struct file {
	char name[OPEN_NAME_SIZE];
	const char *base; /* in name */
	bool view_only;
	char *folder, *path;
	struct stat stored;
};

static void file_free(struct file *f)
{
	if (f->folder)
		remove_tree(AT_FDCWD, f->folder);
	free(f->folder);
	free(f->path);
}

/* One component of harmless characters, whatever the other side calls it. */
static int read_name(struct file *f, struct error *err)
{
	int r = read_full(STDIN_FILENO, f->name, sizeof(f->name));

	if (r < 0)
		return error_errno(err, r, "the name", "cannot read");
	if (f->name[sizeof(f->name) - 1])
		return error_set(err, -EBADMSG, "the name", NULL, "has no end");
	f->view_only = !strncmp(f->name, OPEN_VIEW_ONLY, strlen(OPEN_VIEW_ONLY));
	f->base = f->name + (f->view_only ? strlen(OPEN_VIEW_ONLY) : 0);
	for (char *p = f->name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._+@-", *p))
			*p = '_';
	if (!*f->base || !strcmp(f->base, ".") || !strcmp(f->base, ".."))
		return error_set(err, -EBADMSG, "the name", NULL, "is not that of a file");
	return 0;
}

static int store(struct file *f, struct error *err)
{
	const char *source = getenv("QREXEC_REMOTE_DOMAIN");
	_cleanup_close_ int fd = -1;
	int64_t n;

	if (!source || !name_is_qube(blob_of(source)))
		return error_set(err, -EINVAL, "QREXEC_REMOTE_DOMAIN", NULL, "is not the name of a qube");
	f->folder = xasprintf("%s/%s-XXXXXX", above, source);
	if (!mkdtemp(f->folder)) {
		int e = errno;

		free(take_ptr(f->folder));
		return error_errno(err, -e, above, "cannot make a folder there");
	}
	f->path = xasprintf("%s/%s", f->folder, f->base);
	fd = open(f->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, f->view_only ? 0400 : 0600);
	if (fd < 0)
		return error_errno(err, -errno, f->path, "cannot create");
	n = copy_fd(STDIN_FILENO, fd);
	if (n < 0)
		return error_errno(err, (int)n, f->path, "cannot write");
	/* Times of before, so that a change within the resolution of the clock is one. */
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};
	if (futimens(fd, times) < 0 || fstat(fd, &f->stored) < 0)
		return error_errno(err, -errno, f->path, "cannot write");
	return 0;
}

/* stdout is the other side's: what the opener says belongs to stderr. */
static int edit(const struct file *f, struct error *err)
{
	const char *argv[] = {opener, f->path, NULL};
	int code = process_run(&(struct process){.argv = argv, .null_stdin = 1, .stdout_fd = STDERR_FILENO});

	if (code < 0)
		return error_errno(err, code, opener, "cannot start");
	return code ? error_set(err, -EIO, opener, NULL, "ended with code %d", code) : 0;
}

static int give_back(const struct file *f, struct error *err)
{
	_cleanup_close_ int fd = open(f->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int64_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, -errno, f->path, "cannot read");
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, f->path, NULL, "is no longer a file");
	if (f->view_only || (st.st_mtim.tv_sec == f->stored.st_mtim.tv_sec && st.st_mtim.tv_nsec == f->stored.st_mtim.tv_nsec))
		return 0;
	n = copy_fd(fd, STDOUT_FILENO);
	return n < 0 ? error_errno(err, (int)n, f->path, "cannot send") : 0;
}

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_error_ struct error err = {0};
	_cleanup_(file_free) struct file f = {0};
	enum options_result parsed = options_parse(&usage, argc, argv, &operands);

	if (parsed)
		return parsed == OPTIONS_HELP ? 0 : 2;
	signal(SIGPIPE, SIG_IGN);
	umask(0077);
	if (read_name(&f, &err) < 0 || store(&f, &err) < 0 || edit(&f, &err) < 0 || give_back(&f, &err) < 0) {
		error_print(usage.program, &err);
		return 1;
	}
	return 0;
}
