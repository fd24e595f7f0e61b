#define _XOPEN_SOURCE 700
#include "installer/localise.h"

#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/sys/process.h"

#define CONSOLE "/dev/tty0"

enum { OPEN_FOLDERS = 16, KEYMAP_MAX = 1 << 20 };

/* nftw() carries nothing for its caller. */
static struct {
	const char *name;
	bool found;
} looked_for;

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	static const char *const ends[] = {".kmap.gz", ".map.gz", ".kmap", ".map", NULL};
	const char *base = path + ftw->base;
	size_t n = strlen(looked_for.name);

	(void)st;
	if (type != FTW_F || strncmp(base, looked_for.name, n) != 0)
		return 0;
	for (const char *const *e = ends; *e; e++)
		looked_for.found |= !strcmp(base + n, *e);
	return looked_for.found;
}

static bool has_keymap(const char *source, const char *name)
{
	_cleanup_free_ char *folder = xasprintf("%s/usr/share/keymaps", source);

	looked_for.name = name;
	looked_for.found = false;
	nftw(folder, visit, OPEN_FOLDERS, FTW_PHYS);
	return looked_for.found;
}

/* "de_DE.UTF-8" lies in de_DE.utf8. */
static bool has_locale(const char *source, const char *name)
{
	const char *dot = strchr(name, '.');
	_cleanup_free_ char *folder = xasprintf("%s/usr/lib/locale/%.*s.utf8", source,
						(int)(dot ? dot - name : (long)strlen(name)), name);

	return !strcmp(name, "C") || !strcmp(name, "POSIX") || !access(folder, F_OK);
}

static bool has_zone(const char *source, const char *name)
{
	_cleanup_free_ char *file = xasprintf("%s/usr/share/zoneinfo/%s", source, name);
	struct stat st;

	return !stat(file, &st) && S_ISREG(st.st_mode);
}

int localise_check(const char *source, const char *key, const char *value, struct error *err)
{
	const struct {
		const char *key, *what;
		bool (*has)(const char *source, const char *name);
	} known[] = {{"keymap", "keyboard layout", has_keymap},
		     {"locale", "locale", has_locale},
		     {"timezone", "time zone", has_zone}};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(known[i].key, key) && !known[i].has(source, value))
			return error_set(err, -ENOENT, key, "choose another; nothing was written",
					 "the system on the medium has no %s '%s'", known[i].what, value);
	return 0;
}

int localise_load_keymap(const char *name, struct error *err)
{
	const char *const argv[] = {"loadkeys", "--quiet", "--console=" CONSOLE, name, NULL};

	return access(CONSOLE, F_OK) ? 0 : process_check(argv, err);
}

int localise_dump_keymap(struct strbuf *out, struct error *err)
{
	static const char *const argv[] = {"dumpkeys", "--console=" CONSOLE, NULL};
	int r = access(CONSOLE, F_OK) ? 0 : process_capture(argv, KEYMAP_MAX, out);

	return r ? error_set(err, r < 0 ? r : -EIO, "dumpkeys", NULL, "cannot read the keyboard layout from the kernel") : 0;
}
