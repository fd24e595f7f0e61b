#include "installer/facts/source.h"

#include <dirent.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"

/* Names become paths and arguments later; one that is more than a plain word is not ours. */
static bool name_is_plain(const char *name)
{
	return *name != '.' && *name != '-' &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")];
}

static const char *const *list_names(struct arena *a, const char *medium, const char *folder)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", medium, folder);
	_cleanup_closedir_ DIR *dir = opendir(path);
	_cleanup_strv_ struct strv names = {0};
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (name_is_plain(e->d_name))
			strv_push(&names, e->d_name);
	strv_sort(&names);
	return facts_list(a, &names);
}

void facts_contents(const struct facts_source *from, struct facts *facts)
{
	if (!from->medium)
		return;
	facts->templates = list_names(facts->arena, from->medium, "templates");
	facts->guest_kernels = list_names(facts->arena, from->medium, "guest-kernel");
}
