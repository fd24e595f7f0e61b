#include "common/sys/hook.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/sys/process.h"

void hook_list(const char *dir, const char *suffix, struct strv *paths)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && (!suffix || blob_has_suffix(blob_of(e->d_name), suffix)))
			strv_pushf(paths, "%s/%s", dir, e->d_name);
	strv_sort(paths);
}

int hook_run(const char *const *argv)
{
	const char *by_shell[HOOK_WORDS + 2] = {"/bin/sh"};
	struct process p = {.argv = argv, .null_stdin = 1};
	struct stat st;
	int r;

	if (stat(argv[0], &st) < 0 || !S_ISREG(st.st_mode) || access(argv[0], X_OK) < 0)
		return 0;
	r = process_run(&p);
	if (r != -ENOEXEC)
		return r;
	for (size_t i = 0; i < HOOK_WORDS && argv[i]; i++)
		by_shell[i + 1] = argv[i];
	p.argv = by_shell;
	return process_run(&p);
}
