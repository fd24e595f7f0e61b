/* pkg.*: packages, through dpkg and apt or rpm and dnf. */
#include <fnmatch.h>

#include "salt-lite/states/state.h"

static bool is_dnf(struct salt *s)
{
	const struct value *family = map_get_str(s->grains, "os_family");

	if (!value_is_str(family, "RedHat") && !value_is_str(family, "Debian"))
		heap_fail(&s->h, "the packages of this system (os_family %s) are not supported",
			  family ? value_cstr(&s->h, family) : "unknown");
	return value_is_str(family, "RedHat");
}

/* Name to version of all that is installed; asked once and again after each change. */
static const struct value *installed(struct salt *s)
{
	struct blob out, line;
	struct tool t;
	int r;

	if (s->packages)
		return s->packages;
	tool_start(s, &t, is_dnf(s) ? "rpm" : "dpkg-query");
	if (is_dnf(s))
		tool_words(s, &t, "-qa", "--qf", "ii\\t%{NAME}\\t%{VERSION}-%{RELEASE}\\n", NULL);
	else
		tool_words(s, &t, "-W", "-f", "${db:Status-Abbrev}\\t${Package}\\t${Version}\\n", NULL);
	r = tool_run(s, &t, BLOB(""), &out);
	if (r)
		heap_fail(&s->h, "the list of packages cannot be read: exit code %d", r);
	s->packages = map_new(&s->h);
	while (blob_token(&out, '\n', &line)) {
		struct blob status, name;

		if (blob_token(&line, '\t', &status) && blob_has_prefix(status, "ii") && blob_token(&line, '\t', &name))
			map_set(&s->h, s->packages, value_blob(&s->h, name), value_blob(&s->h, line));
	}
	return s->packages;
}

/* Name to version (None: any) of what the state asks for. */
static const struct value *wanted(struct salt *s, struct chunk *c)
{
	const struct value *list = arg(c, "pkgs"), *version = arg(c, "version");
	struct value *out = map_new(&s->h);

	if (!list) {
		map_set_str(&s->h, out, c->name, version ? version : value_none());
		return out;
	}
	if (!value_is_list(list))
		heap_fail(&s->h, "pkgs of '%s' must be a list", c->id);
	for (size_t i = 0; i < list->list.n; i++) {
		const struct value *item = list->list.items[i];

		if (item->kind == V_MAP && item->map.n == 1)
			map_set(&s->h, out, item->map.pairs[0].key, item->map.pairs[0].value);
		else
			map_set_str(&s->h, out, value_cstr(&s->h, item), value_none());
	}
	return out;
}

/* Without an architecture: "foo:amd64" is listed as foo. */
static const struct value *version_now(struct salt *s, const struct value *name)
{
	const char *text = value_cstr(&s->h, name), *colon = strchr(text, ':');
	const struct value *v = map_get_str(installed(s), text);

	return v || !colon ? v : map_get_str(installed(s), arena_strndup(s->h.arena, text, (size_t)(colon - text)));
}

static bool satisfied(struct salt *s, const struct pair *want)
{
	const struct value *now = version_now(s, want->key);
	const char *pattern, *version;
	size_t n;

	if (!now || want->value->kind == V_NONE)
		return now != NULL;
	pattern = value_cstr(&s->h, want->value);
	version = value_cstr(&s->h, now);
	n = strlen(pattern);
	return !fnmatch(pattern, version, 0) || (is_dnf(s) && !strncmp(version, pattern, n) && version[n] == '-');
}

static void manager(struct salt *s, struct chunk *c, struct tool *t, const char *verb)
{
	const char *repo = arg_text(s, c, "fromrepo", NULL);
	bool dnf = is_dnf(s);

	tool_start(s, t, dnf ? "dnf" : "apt-get");
	tool_words(s, t, "-q", "-y", NULL);
	if (!dnf)
		tool_words(s, t, "-o", "DPkg::Options::=--force-confold", "-o", "DPkg::Options::=--force-confdef", NULL);
	if (arg_bool(c, "skip_verify", false))
		tool_add(s, t, dnf ? "--nogpgcheck" : "--allow-unauthenticated");
	if (!arg_bool(c, "install_recommends", true))
		tool_add(s, t, dnf ? "--setopt=install_weak_deps=False" : "--no-install-recommends");
	if (repo && dnf)
		tool_words(s, t, "--disablerepo=*", arena_printf(s->h.arena, "--enablerepo=%s", repo), NULL);
	else if (repo)
		tool_words(s, t, "-t", repo, NULL);
	tool_add(s, t, verb);
}

/* The lists of the repositories, once a run unless the state says otherwise. */
static bool refresh(struct salt *s, struct chunk *c)
{
	const struct value *asked = arg(c, "refresh");
	struct tool t;

	if (s->test || (asked ? !value_true(asked) : s->refreshed))
		return true;
	tool_start(s, &t, is_dnf(s) ? "dnf" : "apt-get");
	tool_words(s, &t, "-q", is_dnf(s) ? "makecache" : "update", NULL);
	s->refreshed = true;
	return tool_do(s, c, &t, BLOB(""));
}

static void note(struct salt *s, struct chunk *c, const char *name, const struct value *old, const struct value *new)
{
	struct value *pair = map_new(&s->h);

	map_set_str(&s->h, pair, "old", old ? old : value_string(&s->h, ""));
	map_set_str(&s->h, pair, "new", new ? new : value_string(&s->h, ""));
	result_change(s, c, name, pair);
}

/* What became different, dependencies too. */
static void note_differences(struct salt *s, struct chunk *c, const struct value *before)
{
	const struct value *after;

	s->packages = NULL;
	after = installed(s);
	for (size_t i = 0; i < after->map.n; i++) {
		const struct value *old = map_get(before, after->map.pairs[i].key);

		if (!old || !value_equal(old, after->map.pairs[i].value))
			note(s, c, value_cstr(&s->h, after->map.pairs[i].key), old, after->map.pairs[i].value);
	}
	for (size_t i = 0; i < before->map.n; i++)
		if (!map_get(after, before->map.pairs[i].key))
			note(s, c, value_cstr(&s->h, before->map.pairs[i].key), before->map.pairs[i].value, NULL);
}

static void perform(struct salt *s, struct chunk *c, struct tool *t)
{
	const struct value *before = installed(s);

	if (s->test)
		return;
	tool_do(s, c, t, BLOB(""));
	note_differences(s, c, before);
}

static void add_wanted(struct salt *s, struct tool *t, const struct pair *want)
{
	const char *name = value_cstr(&s->h, want->key);

	tool_add(s, t, want->value->kind == V_NONE
			       ? name
			       : arena_printf(s->h.arena, "%s%c%s", name, is_dnf(s) ? '-' : '=', value_cstr(&s->h, want->value)));
}

static void pkg_installed(struct salt *s, struct chunk *c)
{
	const struct value *want = wanted(s, c);
	struct tool t;
	size_t missing = 0;

	manager(s, c, &t, "install");
	for (size_t i = 0; i < want->map.n; i++) {
		const struct pair *p = &want->map.pairs[i];

		if (satisfied(s, p))
			continue;
		missing++;
		add_wanted(s, &t, p);
		if (s->test)
			note(s, c, value_cstr(&s->h, p->key), version_now(s, p->key), value_string(&s->h, "installed"));
	}
	if (!missing) {
		result_say(s, c, "All specified packages are already installed");
		return;
	}
	result_say(s, c, "%zu package(s) %s", missing, s->test ? "would be installed" : "to install");
	if (!refresh(s, c))
		return;
	perform(s, c, &t);
	for (size_t i = 0; !s->test && c->result.value == RESULT_TRUE && i < want->map.n; i++)
		if (!satisfied(s, &want->map.pairs[i]))
			result_fail(s, c, "%s was not installed", value_cstr(&s->h, want->map.pairs[i].key));
}

static void remove_packages(struct salt *s, struct chunk *c, const char *verb)
{
	const struct value *want = wanted(s, c);
	struct tool t;
	size_t there = 0;

	manager(s, c, &t, verb);
	for (size_t i = 0; i < want->map.n; i++) {
		const struct value *name = want->map.pairs[i].key, *now = version_now(s, name);

		if (!now)
			continue;
		there++;
		tool_add(s, &t, value_cstr(&s->h, name));
		if (s->test)
			note(s, c, value_cstr(&s->h, name), now, NULL);
	}
	if (!there)
		result_say(s, c, "All specified packages are already absent");
	else
		perform(s, c, &t);
}

static void pkg_removed(struct salt *s, struct chunk *c) { remove_packages(s, c, "remove"); }
static void pkg_purged(struct salt *s, struct chunk *c) { remove_packages(s, c, is_dnf(s) ? "remove" : "purge"); }

/* Whether the repositories have something newer than what is installed. */
static bool outdated(struct salt *s, const char *name, const struct value *now)
{
	struct blob out, line;
	struct tool t;
	int r;

	tool_start(s, &t, is_dnf(s) ? "dnf" : "apt-cache");
	tool_words(s, &t, "-q", is_dnf(s) ? "check-update" : "policy", name, NULL);
	r = tool_run(s, &t, BLOB(""), &out);
	if (is_dnf(s) ? r != 0 && r != 100 : r != 0)
		heap_fail(&s->h, "the newest version of %s cannot be found: exit code %d", name, r);
	if (is_dnf(s))
		return r == 100;
	while (blob_token(&out, '\n', &line)) {
		line = blob_trim(line);
		if (blob_has_prefix(line, "Candidate: "))
			return !blob_eq_str((struct blob){line.p + 11, line.n - 11}, value_cstr(&s->h, now));
	}
	return false;
}

static void pkg_latest(struct salt *s, struct chunk *c)
{
	const struct value *want = wanted(s, c);
	struct tool t;
	size_t n = 0;

	if (!refresh(s, c))
		return;
	/* An installed package is only brought up to date by dnf's "upgrade"; apt's "install" does both. */
	manager(s, c, &t, "install");
	for (size_t i = 0; i < want->map.n; i++) {
		const char *name = value_cstr(&s->h, want->map.pairs[i].key);
		const struct value *now = version_now(s, want->map.pairs[i].key);

		if (now && !outdated(s, name, now))
			continue;
		n++;
		tool_add(s, &t, name);
		if (s->test)
			note(s, c, name, now, value_string(&s->h, "latest"));
	}
	if (!n)
		result_say(s, c, "All packages are up-to-date");
	else
		perform(s, c, &t);
}

static void pkg_uptodate(struct salt *s, struct chunk *c)
{
	const char *verb = arg_bool(c, "dist_upgrade", false) ? "dist-upgrade" : "upgrade";
	struct blob out, line;
	struct tool t;
	size_t n = 0;
	int r;

	if (!refresh(s, c))
		return;
	tool_start(s, &t, is_dnf(s) ? "dnf" : "apt-get");
	tool_words(s, &t, "-q", is_dnf(s) ? "check-update" : "-s", is_dnf(s) ? NULL : verb, NULL);
	r = tool_run(s, &t, BLOB(""), &out);
	if (r && r != 100) {
		result_fail(s, c, "what is to upgrade cannot be found: exit code %d", r);
		return;
	}
	while (!is_dnf(s) && blob_token(&out, '\n', &line))
		n += blob_has_prefix(line, "Inst ");
	if (is_dnf(s) ? r != 100 : !n) {
		result_say(s, c, "System is already up-to-date");
		return;
	}
	if (s->test)
		result_change(s, c, "upgrade", value_string(&s->h, "all packages"));
	manager(s, c, &t, is_dnf(s) ? "upgrade" : verb);
	perform(s, c, &t);
}

#define COMMON "pkgs version refresh fromrepo skip_verify install_recommends"

const struct state_function pkg_states[] = {
	{"pkg", "installed", pkg_installed, COMMON, NULL}, {"pkg", "latest", pkg_latest, COMMON, NULL},
	{"pkg", "removed", pkg_removed, "pkgs", NULL},	   {"pkg", "purged", pkg_purged, "pkgs", NULL},
	{"pkg", "uptodate", pkg_uptodate, "refresh dist_upgrade fromrepo skip_verify", NULL},
	{0},
};
