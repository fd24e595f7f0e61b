#include "runtime/guest/setup/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

static bool ends_in_rc(const char *name)
{
	size_t n = strlen(name);

	return n > 3 && !strcmp(name + n - 3, ".rc");
}

void setup_run_hook(struct setup *s, const char *path)
{
	struct process p = {.argv = (const char *const[]){path, NULL}, .null_stdin = 1};
	int r;

	if (access(path, X_OK) < 0)
		return;
	r = process_run(&p);
	/* A script without its first line is run by the shell, as a shell would do; an empty one does nothing. */
	if (r == -ENOEXEC) {
		p.argv = (const char *const[]){"/bin/sh", path, NULL};
		r = process_run(&p);
	}
	if (r)
		setup_complain(s, path, r < 0 ? "cannot be run: %s" : "failed%s",
			       r < 0 ? strerror(-r) : "");
}

int setup_misc_post(struct setup *s)
{
	_cleanup_closedir_ DIR *dir = opendir("/rw/config/rc.local.d");
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_strv_ struct strv hooks = {0};
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (ends_in_rc(entry->d_name))
			strv_pushf(&hooks, "/rw/config/rc.local.d/%s", entry->d_name);
	strv_sort(&hooks);
	for (size_t i = 0; i < hooks.n; i++)
		setup_run_hook(s, hooks.v[i]);

	/* Starting a shell only to read comments is not worth it. */
	if (read_file(AT_FDCWD, "/rw/config/rc.local", 1 << 20, &text) < 0 ||
	    !blob_eq_str(strbuf_blob(&text), setup_default_rc_local))
		setup_run_hook(s, "/rw/config/rc.local");
	return 0;
}
