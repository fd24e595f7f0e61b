/* sysctl, kmod, timezone, locale. */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "common/sys/file.h"
#include "salt-lite/states/state.h"

static void stored(struct salt *s, struct chunk *c, const char *path, struct blob old, struct blob new, bool existed)
{
	int r = s->test ? 0 : mkdir_parents(AT_FDCWD, rooted(s, path), 0755);

	if (r < 0)
		result_fail(s, c, "the folder of %s cannot be made: %s", path, strerror(-r));
	else
		file_store(s, c, path, old, new, existed);
}

/* "name = value" of sysctl.conf(5), with / or . in the name. */
static bool is_setting(struct blob line, const void *data)
{
	const char *name = data;
	struct blob key;
	size_t n = strlen(name);

	line = blob_trim(line);
	if (!blob_token(&line, '=', &key))
		return false;
	key = blob_trim(key);
	if (key.n != n || !n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (key.p[i] != name[i] && (key.p[i] != '/' || name[i] != '.'))
			return false;
	return true;
}

static void same_blanks(char *text)
{
	for (; *text; text++)
		*text = *text == '\t' ? ' ' : *text;
}

static void sysctl_present(struct salt *s, struct chunk *c)
{
	const char *value = arg_text(s, c, "value", NULL), *path = arg_text(s, c, "config", "/etc/sysctl.d/99-salt.conf");
	char *proc = arena_printf(s->h.arena, "/proc/sys/%s", c->name), *now;
	struct blob old, live;
	struct tool t;
	bool existed;

	if (!value) {
		result_fail(s, c, "sysctl.present needs a value");
		return;
	}
	for (char *p = proc + strlen("/proc/sys/"); *p; p++)
		*p = *p == '.' ? '/' : *p;
	existed = file_content(s, path, &old);
	stored(s, c, path, old, lines_set(s, old, is_setting, c->name, arena_printf(s->h.arena, "%s = %s", c->name, value)),
	       existed);
	file_content(s, proc, &live);
	live = blob_trim(live);
	now = arena_strndup(s->h.arena, live.p, live.n);
	same_blanks(now);
	if (strcmp(now, value) && c->result.value != RESULT_FALSE) {
		result_change(s, c, c->name, value_string(&s->h, value));
		tool_start(s, &t, "sysctl");
		tool_words(s, &t, "-w", arena_printf(s->h.arena, "%s=%s", c->name, value), NULL);
		tool_do(s, c, &t, BLOB(""));
	}
	file_finish(s, c, "the value is set already");
}

static bool is_word(struct blob line, const void *data)
{
	return blob_eq_str(blob_trim(line), data);
}

/* As the kernel lists it: with _ where a name may have -. */
static bool is_module(struct blob line, const void *data)
{
	const char *name = data;
	struct blob word;

	if (!blob_word(&line, &word) || word.n != strlen(name))
		return false;
	for (size_t i = 0; i < word.n; i++)
		if (word.p[i] != (name[i] == '-' ? '_' : name[i]))
			return false;
	return true;
}

static bool loaded(struct salt *s, const char *name)
{
	struct blob text, line;

	file_content(s, "/proc/modules", &text);
	while (blob_token(&text, '\n', &line))
		if (is_module(line, name))
			return true;
	return access(rooted(s, arena_printf(s->h.arena, "/sys/module/%s/initstate", name)), F_OK) == 0;
}

static void kmod_one(struct salt *s, struct chunk *c, const char *name, bool want)
{
	static const char list[] = "/etc/modules-load.d/salt_managed.conf";
	struct tool t;
	struct blob old;
	bool existed;

	if (loaded(s, name) != want) {
		result_change(s, c, name, value_string(&s->h, want ? "loaded" : "removed"));
		tool_start(s, &t, "modprobe");
		tool_words(s, &t, want ? "--" : "-r", name, NULL);
		if (!tool_do(s, c, &t, BLOB("")))
			return;
	}
	if (!arg_bool(c, "persist", false))
		return;
	existed = file_content(s, list, &old);
	if (want)
		stored(s, c, list, old, lines_set(s, old, is_word, name, name), existed);
	else if (existed)
		stored(s, c, list, old, lines_drop(s, old, is_word, name), true);
}

static void kmod(struct salt *s, struct chunk *c, bool want)
{
	const struct value *mods = arg_list(s, c, "mods");

	for (size_t i = 0; i < mods->list.n; i++)
		kmod_one(s, c, value_cstr(&s->h, mods->list.items[i]), want);
	if (!mods->list.n)
		kmod_one(s, c, c->name, want);
	file_finish(s, c, want ? "Kernel module is loaded already" : "Kernel module is not loaded");
}

static void kmod_present(struct salt *s, struct chunk *c) { kmod(s, c, true); }
static void kmod_absent(struct salt *s, struct chunk *c) { kmod(s, c, false); }

/* adjtime_config(5): its third line says whether the hardware clock is in UTC. */
static void keep_clock(struct salt *s, struct chunk *c, bool utc)
{
	const char *want = utc ? "UTC" : "LOCAL";
	struct blob old, rest, first = BLOB("0.0 0 0.0"), second = BLOB("0"), third = BLOB("UTC");
	bool existed = file_content(s, "/etc/adjtime", &old);

	rest = old;
	if (blob_token(&rest, '\n', &first) && blob_token(&rest, '\n', &second))
		blob_token(&rest, '\n', &third);
	if (!blob_eq_str(blob_trim(third), want))
		stored(s, c, "/etc/adjtime", old,
		       value_format(&s->h, "%.*s\n%.*s\n%s\n", BLOB_ARG(first), BLOB_ARG(second), want)->s, existed);
}

static void timezone_system(struct salt *s, struct chunk *c)
{
	const char *link = rooted(s, "/etc/localtime"), *zone = arena_printf(s->h.arena, "/usr/share/zoneinfo/%s", c->name);
	const char *new = arena_printf(s->h.arena, "%s.new", link);
	char now[PATH_MAX];
	ssize_t n = readlink(link, now, sizeof(now) - 1);
	struct blob old;

	now[n > 0 ? n : 0] = 0;
	if (strstr(c->name, "..") || access(rooted(s, zone), F_OK) < 0) {
		result_fail(s, c, "there is no time zone %s", c->name);
		return;
	}
	if (strlen(now) < strlen(c->name) + 1 || strcmp(now + strlen(now) - strlen(c->name), c->name)) {
		result_change(s, c, "timezone", value_string(&s->h, c->name));
		unlink(s->test ? "" : new);
		if (!s->test && (symlink(zone, new) < 0 || rename(new, link) < 0))
			result_fail(s, c, "/etc/localtime cannot be set: %s", strerror(errno));
	}
	if (file_content(s, "/etc/timezone", &old))
		stored(s, c, "/etc/timezone", old, value_format(&s->h, "%s\n", c->name)->s, true);
	if (arg(c, "utc"))
		keep_clock(s, c, arg_bool(c, "utc", true));
	file_finish(s, c, "the time zone is set already");
}

static bool is_lang(struct blob line, const void *data)
{
	return blob_has_prefix(blob_trim(line), data);
}

static const char *locale_file(struct salt *s)
{
	return value_is_str(map_get_str(s->grains, "os_family"), "Debian") ? "/etc/default/locale" : "/etc/locale.conf";
}

static void locale_system(struct salt *s, struct chunk *c)
{
	struct blob old;
	bool existed = file_content(s, locale_file(s), &old);

	stored(s, c, locale_file(s), old, lines_set(s, old, is_lang, "LANG=", arena_printf(s->h.arena, "LANG=%s", c->name)),
	       existed);
	file_finish(s, c, "the locale is set already");
}

/* "en_US.UTF-8" and "en_US.utf8" are the same. */
static void plain_locale(const char *name, char *out, size_t size)
{
	size_t n = 0;

	for (; *name && *name != ' ' && *name != '\n' && n + 1 < size; name++)
		if (*name != '-')
			out[n++] = (char)(*name >= 'A' && *name <= 'Z' ? *name + 32 : *name);
	out[n] = 0;
}

static bool has_locale(struct salt *s, const char *name)
{
	char want[64], one[64];
	struct blob out, line;
	struct tool t;

	plain_locale(name, want, sizeof(want));
	tool_start(s, &t, "locale");
	tool_add(s, &t, "-a");
	if (tool_run(s, &t, BLOB(""), &out))
		heap_fail(&s->h, "the locales of the system cannot be listed");
	while (blob_token(&out, '\n', &line)) {
		plain_locale(arena_strndup(s->h.arena, line.p, line.n), one, sizeof(one));
		if (!strcmp(one, want))
			return true;
	}
	return false;
}

/* A line of locale.gen(5), also one that is commented out. */
static bool is_locale(struct blob line, const void *data)
{
	struct blob word;

	line = blob_trim(line);
	while (line.n && (line.p[0] == '#' || line.p[0] == ' '))
		line = (struct blob){line.p + 1, line.n - 1};
	return blob_word(&line, &word) && blob_eq_str(word, data);
}

static void locale_present(struct salt *s, struct chunk *c)
{
	const char *dot = strchr(c->name, '.'), *charmap = dot ? dot + 1 : "UTF-8";
	bool debian = access(rooted(s, "/etc/locale.gen"), F_OK) == 0;
	struct blob old;
	struct tool t;

	if (has_locale(s, c->name)) {
		result_say(s, c, "Locale %s is already present", c->name);
		return;
	}
	tool_start(s, &t, debian ? "locale-gen" : "localedef");
	if (debian) {
		file_content(s, "/etc/locale.gen", &old);
		stored(s, c, "/etc/locale.gen", old,
		       lines_set(s, old, is_locale, c->name, arena_printf(s->h.arena, "%s %s", c->name, charmap)), true);
	} else {
		tool_words(s, &t, "-i", arena_strndup(s->h.arena, c->name, strcspn(c->name, ".")), "-f", charmap, c->name,
			   NULL);
	}
	result_change(s, c, "locale", value_string(&s->h, c->name));
	if (tool_do(s, c, &t, BLOB("")) && !s->test && !has_locale(s, c->name))
		result_fail(s, c, "the locale %s was not made: its name may be wrong", c->name);
	file_finish(s, c, "");
}

const struct state_function system_states[] = {
	{"sysctl", "present", sysctl_present, "value config", NULL},
	{"kmod", "present", kmod_present, "persist mods", NULL},
	{"kmod", "absent", kmod_absent, "persist mods", NULL},
	{"timezone", "system", timezone_system, "utc", NULL},
	{"locale", "system", locale_system, "", NULL},
	{"locale", "present", locale_present, "", NULL},
	{0},
};
