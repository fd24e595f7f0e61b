#include <fcntl.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "installer/account.h"
#include "installer/copy.h"
#include "installer/run.h"

/* The files as the image has them, and no home: an earlier try may have come to any of them. */
static int start_over(const struct install *in, struct error *err)
{
	static const char *const files[] = {"passwd", "shadow", "group", "gshadow"};
	_cleanup_free_ char *source = xasprintf("%s/etc", in->plan->places.source);
	_cleanup_free_ char *target = install_path(in, "etc");
	_cleanup_free_ char *below = xasprintf("home/%s", in->plan->answers->user);
	_cleanup_free_ char *home = install_path(in, below);
	_cleanup_close_ int from = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int to = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = from < 0 || to < 0 ? -errno : 0;

	if (r < 0)
		return error_errno(err, r, target, "cannot open");
	for (size_t i = 0; r == 0 && i < sizeof(files) / sizeof(*files); i++)
		r = copy_one(from, to, files[i], err);
	if (r == 0 && (r = remove_tree(AT_FDCWD, home)) < 0)
		error_errno(err, r, home, "cannot remove");
	return r;
}

/* root stays locked, as the image has it: whoever administers dom0 does so with sudo. */
int step_user(struct install *in, struct error *err)
{
	static const char *const groups[] = {"sudo", "qubes", NULL};
	const struct answers *answers = in->plan->answers;
	int r = in->again ? start_over(in, err) : 0;

	return r < 0 ? r : account_create(in->plan->places.target, answers->user, &answers->password, groups, err);
}
