/*
 * What goes to the management qube, and from there to the target: the engine, the state files, and this one qube's
 * pillar. Both ends need a shell and tar, which every distribution has.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "salt-lite/control/target.h"

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

static const char roots_folder[] = "files", engine_name[] = "salt-lite", pillar_name[] = "pillar.yaml";

/* The engine's file: the first of that name in PATH. */
static char *engine_path(const struct control *c)
{
	const char *path = getenv("PATH");
	struct blob rest = blob_of(path ? path : "/usr/bin"), folder;

	if (strchr(c->engine, '/'))
		return realpath(c->engine, NULL);
	while (blob_token(&rest, ':', &folder)) {
		char *file = xasprintf("%.*s/%s", BLOB_ARG(folder), c->engine);

		if (access(file, X_OK) == 0)
			return file;
		free(file);
	}
	return NULL;
}

/* A folder with links to everything; tar follows them. */
static int stage(const struct control *c, int dir, struct blob pillar, struct error *err)
{
	_cleanup_free_ char *engine = engine_path(c);
	_cleanup_strv_ struct strv roots = {0};
	int r;

	if (!engine)
		return error_set(err, -ENOENT, c->engine, "install it or name it with --engine", "there is no such program");
	r = write_file(dir, pillar_name, pillar.p, pillar.n, 0600);
	if (r == 0 && (symlinkat(engine, dir, engine_name) < 0 || mkdirat(dir, roots_folder, 0700) < 0))
		r = -errno;
	control_roots(c, false, &roots);
	for (size_t i = 0; i < roots.n && r == 0; i++) {
		_cleanup_free_ char *root = realpath(roots.v[i], NULL), *link = xasprintf("%s/%zu", roots_folder, i);

		if (!root || symlinkat(root, dir, link) < 0)
			r = -errno;
	}
	return r < 0 ? error_errno(err, r, "the state files", "cannot be gathered") : 0;
}

/* What a link points to may be gone: an enabled top file of a formula that is no longer installed. */
static int archive(const char *folder, struct error *err)
{
	const char *argv[] = {"tar", "--create", "--file=-", "--dereference", "--sort=name", "--owner=0", "--group=0",
			      "--numeric-owner", "--ignore-failed-read", "--warning=no-failed-read", "--directory", folder, ".",
			      NULL};
	_cleanup_close_ int fd = memfd_create("bundle", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : process_run(&(struct process){.argv = argv, .null_stdin = 1, .stdout_fd = fd});

	if (r > 0)
		return error_set(err, -EIO, "the state files", NULL, "tar ended with %d", r);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, "the state files", "cannot be packed") : take_fd(&fd);
}

int bundle_make(const struct control *c, struct blob pillar, struct error *err)
{
	char folder[] = "/tmp/qubesctl.XXXXXX";
	_cleanup_close_ int dir = mkdtemp(folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int r = dir < 0 ? error_errno(err, -errno, folder, "cannot be made") : stage(c, dir, pillar, err);

	if (r == 0)
		r = archive(folder, err);
	if (dir >= 0)
		remove_tree(AT_FDCWD, folder);
	return r;
}

/* One line: the shell in the target reads it, and leaves the bundle behind it to tar. */
static char *target_line(const struct control *c, const char *target)
{
	_cleanup_strv_ struct strv roots = {0}, words = {0};
	struct strbuf line = {0};
	size_t base = control_roots(c, false, &roots);

	control_words(c, &words);
	strbuf_printf(&line,
		      "d=$(mktemp -d /run/salt-lite.XXXXXXXX) && trap 'rm -rf \"$d\"' EXIT && cd \"$d\" && "
		      "tar --extract --no-same-owner --file=- && ./%s --quiet --id",
		      engine_name);
	strbuf_add_char(&line, ' ');
	strbuf_add_quoted(&line, target);
	for (size_t i = 0; i < roots.n; i++)
		strbuf_printf(&line, " --%sfile-roots %s/%zu", i < base ? "" : "user-", roots_folder, i);
	strbuf_printf(&line, " --pillar-file %s apply", pillar_name);
	for (size_t i = 0; i < words.n; i++) {
		strbuf_add_char(&line, ' ');
		strbuf_add_quoted(&line, words.v[i]);
	}
	strbuf_add_str(&line, " </dev/null; exit");
	return strbuf_steal(&line);
}

/* The first call also starts the target; a qube without a root shell has one of its user, which the policy makes root's. */
char *bundle_command(const struct control *c, const char *target)
{
	_cleanup_free_ char *line = target_line(c, target);
	struct strbuf command = {0};

	strbuf_printf(&command,
		      "s=qubes.VMRootShell; exec 3<&0; qrexec-client-vm -- %s $s </dev/null >/dev/null 2>&1; "
		      "[ $? != 127 ] || s=qubes.VMShell; { printf '%%s\\n'",
		      target);
	strbuf_add_char(&command, ' ');
	strbuf_add_quoted(&command, line);
	strbuf_printf(&command, "; cat <&3; } | qrexec-client-vm -- %s $s", target);
	return strbuf_steal(&command);
}
