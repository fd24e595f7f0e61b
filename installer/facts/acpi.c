#include "installer/facts/source.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/file.h"

enum { TABLE_MAX = 64 << 10 };

static void read_table(const char *folder, const char *name, struct facts *facts)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
	_cleanup_strbuf_ struct strbuf bytes = {0};
	struct acpi_table *t, **at = &facts->hardware.tables;
	char *copy;

	if (read_file(AT_FDCWD, path, TABLE_MAX, &bytes) < 0)
		return;
	t = arena_alloc(facts->arena, sizeof(*t));
	t->name = arena_strdup(facts->arena, name);
	copy = arena_alloc(facts->arena, bytes.n + 1);
	if (bytes.n)
		memcpy(copy, bytes.p, bytes.n);
	t->bytes = (struct blob){copy, bytes.n};
	while (*at)
		at = &(*at)->next;
	*at = t;
}

void facts_acpi(const struct facts_source *from, struct facts *facts)
{
	/* Xen renames DMAR when it uses it, so that dom0 does not try to. */
	static const char *const names[] = {"DMAR", "RMAD", "IVRS", NULL};
	_cleanup_free_ char *folder = xasprintf("%s/firmware/acpi/tables", from->sys);
	_cleanup_free_ char *iommu = xasprintf("%s/class/iommu", from->sys);
	_cleanup_closedir_ DIR *dir = opendir(iommu);
	_cleanup_strv_ struct strv iommus = {0};
	struct dirent *e;

	for (const char *const *n = names; *n; n++)
		read_table(folder, *n, facts);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.') {
			const char *name = facts_clean(facts->arena, blob_of(e->d_name));

			if (name)
				strv_push(&iommus, name);
		}
	strv_sort(&iommus);
	facts->hardware.iommus = facts_list(facts->arena, &iommus);
}
