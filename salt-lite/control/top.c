/* top.*: which top files are enabled: links NAME.top in _tops/ENVIRONMENT of the tree's first root. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "salt-lite/control/control.h"

#include "common/sys/file.h"

/* pillar=True says the pillar's tree. */
static bool of_pillar(const struct control *c)
{
	return strv_contains(&c->words, "pillar=True") || strv_contains(&c->words, "pillar=true");
}

/* saltenv=user says the user's; NULL: there is no such one. */
static const char *environment(const struct control *c)
{
	const char *name = "base";

	for (size_t i = 1; i < c->words.n; i++)
		if (blob_has_prefix(blob_of(c->words.v[i]), "saltenv="))
			name = c->words.v[i] + strlen("saltenv=");
	return !strcmp(name, "base") || !strcmp(name, "user") ? name : NULL;
}

static void links_folder(const struct control *c, struct strbuf *path)
{
	strbuf_printf(path, "%s/%s/_tops/%s", c->srv, of_pillar(c) ? "pillar" : "salt", environment(c));
}

/* "qvm.vault" is qvm/vault.top below one of the roots, of which those of the environment come first. */
static bool find_top(const struct control *c, const char *name, struct strbuf *found)
{
	_cleanup_strv_ struct strv roots = {0};
	size_t base = control_roots(c, of_pillar(c), &roots), first = strcmp(environment(c), "user") ? 0 : base;

	for (size_t i = 0; i < roots.n; i++) {
		size_t start;

		strbuf_reset(found);
		strbuf_printf(found, "%s/", roots.v[(first + i) % roots.n]);
		start = found->n;
		strbuf_printf(found, "%s.top", name);
		for (size_t k = start; k < found->n - strlen(".top"); k++)
			found->p[k] = found->p[k] == '.' ? '/' : found->p[k];
		if (access(found->p, F_OK) == 0)
			return true;
	}
	return false;
}

static bool name_safe(const char *name)
{
	return name[0] && name[0] != '.' && !strchr(name, '/') && !strstr(name, "..");
}

static int enable(const struct control *c, const char *name)
{
	_cleanup_strbuf_ struct strbuf link = {0}, target = {0};
	int r;

	if (!name_safe(name) || !find_top(c, name, &target)) {
		fprintf(stderr, "qubesctl: %s: there is no such top file below %s; check the name\n", name, c->srv);
		return 1;
	}
	links_folder(c, &link);
	strbuf_printf(&link, "/%s.top", name);
	r = mkdir_parents(AT_FDCWD, link.p, 0755);
	if (r < 0 || (symlink(target.p, link.p) < 0 && errno != EEXIST)) {
		fprintf(stderr, "qubesctl: %s: cannot be enabled: %s\n", name, strerror(r < 0 ? -r : errno));
		return 1;
	}
	return 0;
}

static int disable(const struct control *c, const char *name)
{
	_cleanup_strbuf_ struct strbuf link = {0};

	if (!name_safe(name))
		return fprintf(stderr, "qubesctl: %s: this is no name of a top file\n", name), 1;
	links_folder(c, &link);
	strbuf_printf(&link, "/%s.top", name);
	if (unlink(link.p) == 0 || errno == ENOENT)
		return 0;
	fprintf(stderr, "qubesctl: %s: cannot be disabled: %s\n", name, strerror(errno));
	return 1;
}

static bool is_enabled(const struct control *c, const char *name)
{
	_cleanup_strbuf_ struct strbuf link = {0};

	links_folder(c, &link);
	strbuf_printf(&link, "/%s.top", name);
	return access(link.p, F_OK) == 0;
}

static int show_enabled(const struct control *c, const char *name)
{
	bool yes = is_enabled(c, name);

	puts(yes ? "True" : "False");
	return !yes;
}

static void list_enabled(const struct control *c)
{
	_cleanup_strbuf_ struct strbuf path = {0};
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_strv_ struct strv names = {0};
	struct dirent *entry;

	links_folder(c, &path);
	dir = opendir(path.p);
	while (dir && (entry = readdir(dir)))
		if (blob_has_suffix(blob_of(entry->d_name), ".top"))
			strv_pushf(&names, "%.*s", (int)strlen(entry->d_name) - 4, entry->d_name);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		puts(names.v[i]);
}

int control_top(const struct control *c)
{
	static const struct {
		const char *command;
		int (*each)(const struct control *c, const char *name);
	} commands[] = {{"top.enable", enable}, {"top.disable", disable}, {"top.is_enabled", show_enabled}};
	int code = 0;

	if (!environment(c)) {
		fprintf(stderr, "qubesctl: the environments are base and user; check saltenv=\n");
		return CONTROL_USAGE;
	}
	if (!strcmp(c->words.v[0], "top.enabled"))
		return list_enabled(c), 0;
	for (size_t k = 0; k < sizeof(commands) / sizeof(commands[0]); k++) {
		if (strcmp(c->words.v[0], commands[k].command))
			continue;
		for (size_t i = 1; i < c->words.n; i++)
			if (!strchr(c->words.v[i], '='))
				code |= commands[k].each(c, c->words.v[i]);
		return code;
	}
	fprintf(stderr, "qubesctl: the command %s is not supported; see qubesctl(1)\n", c->words.v[0]);
	return CONTROL_USAGE;
}
