#include "builder/lock/diff.h"

#include <string.h>

#include "common/base/alloc.h"

static void print_changed(FILE *to, const struct lock_package *old, const struct lock_package *new)
{
	if (!to)
		return;
	if (strcmp(old->version, new->version) != 0)
		fprintf(to, "~ %s %s -> %s\n", new->name, old->version, new->version);
	else
		fprintf(to, "! %s %s: same version, other bytes\n", new->name, new->version);
}

static int compare_at(const struct lock *old, size_t o, const struct lock *new, size_t n)
{
	if (o == old->n_packages)
		return 1;
	if (n == new->n_packages)
		return -1;
	return strcmp(old->packages[o].name, new->packages[n].name);
}

struct lock_changes lock_diff_print(FILE *to, const struct lock *old, const struct lock *new)
{
	struct lock_changes c = {0};
	size_t o = 0, n = 0;

	while (o < old->n_packages || n < new->n_packages) {
		const struct lock_package *a = &old->packages[o], *b = &new->packages[n];
		int order = compare_at(old, o, new, n);

		if (order < 0) {
			c.removed++;
			if (to)
				fprintf(to, "- %s %s\n", a->name, a->version);
		} else if (order > 0) {
			c.added++;
			if (to)
				fprintf(to, "+ %s %s\n", b->name, b->version);
		} else if (strcmp(a->version, b->version) != 0 ||
			   strcmp(a->sha256, b->sha256) != 0) {
			c.changed++;
			print_changed(to, a, b);
		}
		o += order <= 0;
		n += order >= 0;
	}
	return c;
}

char *lock_changes_text(const struct lock_changes *c)
{
	return xasprintf("%zu added, %zu removed, %zu changed", c->added, c->removed, c->changed);
}
