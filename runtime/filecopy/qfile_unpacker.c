/*
 * qfile-unpacker [OPTION...] [UID] [DIR]: receives files on stdin, answers on stdout. Set-uid root in a qube, so that it can make
 * its folder the root of all it sees; started as /etc/qubes-rpc/qubes.Filecopy it is that service.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/ui/options.h"
#include "runtime/filecopy/jail.h"
#include "runtime/filecopy/names.h"
#include "runtime/filecopy/receive.h"

static bool verbose, no_symlinks, all_names, only_safe_names, unsafe_symlinks, safe_symlinks;
static long wait_for_space, max_bytes, max_files;

static const struct option_def options[] = {
	{"verbose", 'v', OPTION_FLAG, &verbose, NULL, "print what arrives, and which walls hold"},
	{"wait-for-space", 'w', OPTION_NUMBER, &wait_for_space, "N", "wait while fewer than N bytes are free"},
	{"max-bytes", 0, OPTION_NUMBER, &max_bytes, "N", "refuse more than N bytes of content"},
	{"max-files", 0, OPTION_NUMBER, &max_files, "N", "refuse more than N entries; each folder comes twice"},
	{"no-symlinks", 0, OPTION_FLAG, &no_symlinks, NULL, "refuse all links"},
	{"allow-all-names", 0, OPTION_FLAG, &all_names, NULL, "take names of any characters"},
	{"no-allow-all-names", 0, OPTION_FLAG, &only_safe_names, NULL, "refuse them (the default)"},
	{"allow-unsafe-symlinks", 0, OPTION_FLAG, &unsafe_symlinks, NULL, "take links that point anywhere"},
	{"no-allow-unsafe-symlinks", 0, OPTION_FLAG, &safe_symlinks, NULL, "refuse them (the default)"},
	{0},
};

static const struct command_line usage = {
	.program = "qfile-unpacker",
	.operands = "[UID] [DIR]",
	.summary = "Receive files into DIR, otherwise into ~/QubesIncoming/SOURCE.",
	.notes = "Exit codes: 0 done, 1 not all was received, 2 wrong use.",
	.options = options,
};

static int fail(const struct error *err)
{
	error_print(usage.program, err);
	return 1;
}

/* Whose files they become: root may say, others are themselves. */
static int find_user(const char *text, struct passwd **user, struct error *err)
{
	uint64_t uid = getuid();

	if (*text && (!blob_to_u64(blob_of(text), UINT32_MAX - 1, &uid) || (getuid() && uid != getuid())))
		return error_set(err, -EPERM, text, NULL, "is not the user id of the caller");
	errno = 0;
	*user = getpwuid((uid_t)uid);
	return *user ? 0 : error_set(err, -ENOENT, text, NULL, "there is no user %llu", (unsigned long long)uid);
}

/* ~/QubesIncoming/SOURCE, each step of it made and entered without following a link. */
static int open_incoming(const struct passwd *user, struct error *err)
{
	const char *source = getenv("QREXEC_REMOTE_DOMAIN"), *home = getenv("HOME");
	const char *const steps[] = {"QubesIncoming", source};

	if (getuid() != user->pw_uid || geteuid() != getuid() || !home || *home != '/')
		home = user->pw_dir;
	/* dom0's names need not be those of qubes, but they are one component. */
	if (!source || !name_is_qube(blob_of(source)))
		return error_set(err, -EINVAL, "QREXEC_REMOTE_DOMAIN", "name a folder", "is not the name of a qube");

	int fd = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; fd >= 0 && i < 2; i++) {
		_cleanup_close_ int above = fd;

		mkdirat(above, steps[i], 0700);
		fd = openat(above, steps[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	return fd < 0 ? error_errno(err, -errno, home, "cannot open QubesIncoming there") : fd;
}

/* As the user: what root may open is none of his business. */
static int open_folder(const struct passwd *user, const char *dir, struct error *err)
{
	bool root = geteuid() == 0;
	int fd;

	if (root && (setegid(user->pw_gid) < 0 || seteuid(user->pw_uid) < 0))
		return error_errno(err, -errno, user->pw_name, "cannot become this user");
	umask(0);
	if (dir) {
		mkdir(dir, 0700);
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			fd = error_errno(err, -errno, dir, "cannot open");
	} else {
		fd = open_incoming(user, err);
	}
	if (root && (seteuid(0) < 0 || setegid(0) < 0))
		return error_errno(err, -errno, "root", "cannot go back");
	return fd;
}

static int unpack(const struct passwd *user, int folder)
{
	_cleanup_error_ struct error err = {0};
	struct receive *r = xcalloc(1, sizeof(*r));
	struct jail jail = {0};
	bool done;

	signal(SIGPIPE, SIG_IGN);
	fcntl(0, F_SETPIPE_SZ, FILECOPY_BUFFER);
	receive_init(r, 0, folder);
	r->verbose = verbose;
	r->wait_for_space = (uint64_t)wait_for_space;
	r->max_bytes = (uint64_t)max_bytes;
	r->max_files = (uint64_t)max_files;
	r->allow_symlinks = !no_symlinks;
	r->name_flags = (all_names && !only_safe_names ? NAME_ALLOW_UNSAFE_CHARACTERS : 0) |
			(unsafe_symlinks && !safe_symlinks ? NAME_ALLOW_UNSAFE_SYMLINKS : 0);
	if (jail_enter(&jail, folder, user->pw_uid, user->pw_gid, &err) < 0 || jail_seal(&jail, &err) < 0)
		return fail(&err);
	if (verbose)
		fprintf(stderr, "%s: mount namespace %s, Landlock %s, seccomp %s\n", usage.program,
			jail.namespace ? "yes" : "no", jail.landlock ? "yes" : "no", jail.seccomp ? "yes" : "no");
	done = receive_run(r);
	if (receive_answer(r, 1) < 0)
		done = false;
	if (verbose && !done)
		fprintf(stderr, "%s: ended with code %d\n", usage.program, (int)r->error_code);
	receive_free(r);
	free(r);
	/* There is nothing left to see, to the end of the process not even /proc. */
	_exit(!done);
}

/* The forms of old: UID DIR [-v] [-w [N]]. */
static bool take_service_argument(int *argc, char **argv)
{
	const char *base = strrchr(argv[0], '/');

	if (strncmp(base ? base + 1 : argv[0], "qubes.Filecopy", 14))
		return true;
	if (*argc > 1 && *argv[1] && strcmp(argv[1], "allow-all-names"))
		return false;
	all_names = *argc > 1 && *argv[1];
	*argc = 1;
	return true;
}

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_error_ struct error err = {0};
	struct passwd *user;

	if (!take_service_argument(&argc, argv)) {
		fprintf(stderr, "qubes.Filecopy: the only argument is allow-all-names\n");
		return 1;
	}
	/* "-w" at the end has no number: then what is asked for is that anything fits. */
	bool bare_wait = argc > 1 && !strcmp(argv[argc - 1], "-w");
	enum options_result parsed = options_parse(&usage, argc - bare_wait, argv, &operands);
	if (parsed)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n > 2)
		return options_wrong(&usage, "at most a user and a folder");
	if (bare_wait)
		wait_for_space = FILECOPY_BUFFER;
	if (find_user(operands.n ? operands.v[0] : "", &user, &err) < 0)
		return fail(&err);

	_cleanup_close_ int folder = open_folder(user, operands.n > 1 ? operands.v[1] : NULL, &err);
	return folder < 0 ? fail(&err) : unpack(user, folder);
}
