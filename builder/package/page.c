#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builder/package/stage.h"
#include "common/base/alloc.h"

static const char *const folders[] = {"/usr/bin/", "/usr/sbin/", "/usr/lib/qubes/", NULL};
static const char sections[] = "18"; /* man(1): commands; what administrators run */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_program(const struct package_file *f)
{
	size_t folder = (size_t)(base_name(f->path) - f->path);

	if (f->kind == PACKAGE_DIR || f->kind == PACKAGE_TREE)
		return false;
	for (const char *const *p = folders; *p; p++)
		if (folder == strlen(*p) && !strncmp(f->path, *p, folder))
			return true;
	return false;
}

/* The section of the program's page, or '\0'. */
static char section_of(const char *man_dir, const char *program)
{
	for (const char *section = sections; *section; section++) {
		_cleanup_free_ char *path = xasprintf("%s/%s.%c.gz", man_dir, program, *section);

		if (access(path, F_OK) == 0)
			return *section;
	}
	return '\0';
}

bool package_page(const char *man_dir, const struct package_file *f, struct package_file *page)
{
	const char *name = base_name(f->path), *of = name;
	char section;

	if (!is_program(f))
		return false;
	section = section_of(man_dir, of);
	if (!section && f->kind == PACKAGE_LINK) {
		of = base_name(f->source);
		section = section_of(man_dir, of);
	}
	if (!section)
		return false;
	*page = (struct package_file){.path = xasprintf("/usr/share/man/man%c/%s.%c.gz", section, name, section),
				      .source = xasprintf("%s.%c.gz", of, section),
				      .mode = 0644,
				      .kind = of == name ? PACKAGE_PAGE : PACKAGE_LINK};
	return true;
}
