/* Lines in tables of the system: cron, mount, pkgrepo. */
#include <fcntl.h>

#include "common/sys/file.h"
#include "salt-lite/states/state.h"

/* cron: a line of crontab(5) after one that names it. */

static const char *cron_mark(struct salt *s, struct chunk *c)
{
	const char *comment = arg_text(s, c, "comment", NULL);

	return arena_printf(s->h.arena, "# %s%sSALT_CRON_IDENTIFIER:%s", comment ? comment : "", comment ? " " : "",
			    arg_text(s, c, "identifier", c->name));
}

static struct blob crontab(struct salt *s, const char *user)
{
	struct blob out;
	struct tool t;

	tool_start(s, &t, "crontab");
	tool_words(s, &t, "-u", user, "-l", NULL);
	/* A user without one: exit code 1 and a sentence. */
	return tool_run(s, &t, BLOB(""), &out) == 0 ? out : BLOB("");
}

static const char *cron_line(struct salt *s, struct chunk *c)
{
	const char *special = arg_text(s, c, "special", NULL);

	if (special)
		return arena_printf(s->h.arena, "%s %s", special, c->name);
	return arena_printf(s->h.arena, "%s %s %s %s %s %s", arg_text(s, c, "minute", "*"), arg_text(s, c, "hour", "*"),
			    arg_text(s, c, "daymonth", "*"), arg_text(s, c, "month", "*"), arg_text(s, c, "dayweek", "*"),
			    c->name);
}

/* The table without the state's line, which follows its mark; *found: it was there as it should be. */
static struct blob cron_without(struct salt *s, struct chunk *c, struct blob table, bool *had, bool *same)
{
	const char *id = arena_printf(s->h.arena, "SALT_CRON_IDENTIFIER:%s", arg_text(s, c, "identifier", c->name));
	struct text t = {0};
	struct blob line;

	*had = *same = false;
	while (blob_token(&table, '\n', &line)) {
		if (blob_has_prefix(line, "#") && blob_has_suffix(line, id)) {
			struct blob after = table, job;
			/* A comment in its place is somebody else's. */
			bool there = blob_token(&after, '\n', &job) && !blob_has_prefix(job, "#");

			*had = true;
			*same = there && blob_eq_str(line, cron_mark(s, c)) && blob_eq_str(job, cron_line(s, c));
			if (there)
				table = after;
			continue;
		}
		text_printf(&s->h, &t, "%.*s\n", BLOB_ARG(line));
	}
	return text_blob(&t);
}

static void cron_store(struct salt *s, struct chunk *c, const char *user, struct blob table)
{
	struct tool t;

	tool_start(s, &t, "crontab");
	tool_words(s, &t, "-u", user, "-", NULL);
	if (tool_do(s, c, &t, table))
		result_say(s, c, "Cron %s of %s %s", c->name, user, s->test ? "would be changed" : "changed");
}

static void cron(struct salt *s, struct chunk *c, bool want)
{
	const char *user = arg_text(s, c, "user", "root");
	bool had, same;
	struct blob rest = cron_without(s, c, crontab(s, user), &had, &same);
	struct text t = {0};

	if (want ? same : !had) {
		result_say(s, c, "Cron %s is %s", c->name, want ? "already present" : "already absent");
		return;
	}
	text_add(&s->h, &t, rest);
	if (want)
		text_printf(&s->h, &t, "%s\n%s\n", cron_mark(s, c), cron_line(s, c));
	result_change(s, c, user, value_string(&s->h, c->name));
	cron_store(s, c, user, t.n ? text_blob(&t) : BLOB("\n"));
}

static void cron_present(struct salt *s, struct chunk *c) { cron(s, c, true); }
static void cron_absent(struct salt *s, struct chunk *c) { cron(s, c, false); }

/* mount */

static bool mounted_there(struct blob line, const void *data)
{
	struct blob word;

	return blob_word(&line, &word) && word.p[0] != '#' && blob_word(&line, &word) && blob_eq_str(word, data);
}

static bool is_mounted(struct salt *s, const char *path)
{
	struct blob text, line;

	file_content(s, "/proc/mounts", &text);
	while (blob_token(&text, '\n', &line))
		if (mounted_there(line, path))
			return true;
	return false;
}

static void keep_fstab(struct salt *s, struct chunk *c, const char *line)
{
	const char *path = arg_text(s, c, "config", "/etc/fstab");
	struct blob old;
	bool existed;

	if (!arg_bool(c, "persist", line != NULL) || c->result.value == RESULT_FALSE)
		return;
	existed = file_content(s, path, &old);
	file_store(s, c, path, old, lines_set(s, old, mounted_there, c->name, line), existed);
}

static const char *mount_options(struct salt *s, struct chunk *c)
{
	const char *options = list_joined(&s->h, arg_list(s, c, "opts"));

	return *options ? options : "defaults";
}

static void mount_mounted(struct salt *s, struct chunk *c)
{
	const char *device = arg_text(s, c, "device", NULL), *type = arg_text(s, c, "fstype", NULL);
	const char *options = mount_options(s, c);
	struct tool t;

	if (!device || !type) {
		result_fail(s, c, "mount.mounted needs device and fstype");
		return;
	}
	if (arg_bool(c, "mkmnt", false) && !s->test)
		mkdir_p(AT_FDCWD, rooted(s, c->name), 0755);
	if (arg_bool(c, "mount", true) && !is_mounted(s, c->name)) {
		result_change(s, c, "mount", value_bool(true));
		tool_start(s, &t, "mount");
		tool_words(s, &t, "-t", type, "-o", options, device, c->name, NULL);
		tool_do(s, c, &t, BLOB(""));
	}
	keep_fstab(s, c, arena_printf(s->h.arena, "%s\t\t%s\t%s\t%s\t%s %s", device, c->name, type, options,
				      arg_text(s, c, "dump", "0"), arg_text(s, c, "pass_num", "0")));
	file_finish(s, c, "Target was already mounted");
}

static void mount_unmounted(struct salt *s, struct chunk *c)
{
	struct tool t;

	if (is_mounted(s, c->name)) {
		result_change(s, c, "umount", value_bool(true));
		tool_start(s, &t, "umount");
		tool_add(s, &t, c->name);
		tool_do(s, c, &t, BLOB(""));
	}
	keep_fstab(s, c, NULL);
	file_finish(s, c, "Target was already unmounted");
}

/* pkgrepo */

static bool debian(struct salt *s)
{
	return value_is_str(map_get_str(s->grains, "os_family"), "Debian");
}

static bool is_line(struct blob line, const void *data)
{
	struct blob rest = blob_of(data), word, other;

	/* The same words, however they are spaced. */
	while (blob_word(&rest, &word))
		if (!blob_word(&line, &other) || !blob_eq(word, other))
			return false;
	return !blob_word(&line, &other);
}

static const char *repo_file(struct salt *s, struct chunk *c)
{
	const char *file = arg_text(s, c, "file", NULL);

	if (file)
		return file;
	if (debian(s))
		heap_fail(&s->h, "pkgrepo of '%s' needs a file such as /etc/apt/sources.list.d/NAME.list", c->id);
	return arena_printf(s->h.arena, "/etc/yum.repos.d/%s.repo", c->name);
}

/* The file of a repository of dnf(8): its section alone, which is ours. */
static struct blob dnf_section(struct salt *s, struct chunk *c)
{
	static const char *const keys[] = {"baseurl", "mirrorlist", "metalink", "gpgcheck", "gpgkey", "priority",
					   "skip_if_unavailable"};
	struct text t = {0};

	text_printf(&s->h, &t, "[%s]\nname=%s\nenabled=%d\n", c->name, arg_text(s, c, "humanname", c->name),
		    arg_bool(c, "enabled", !arg_bool(c, "disabled", false)));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct value *v = arg(c, keys[i]);

		if (v && v->kind == V_BOOL)
			text_printf(&s->h, &t, "%s=%d\n", keys[i], v->b);
		else if (v)
			text_printf(&s->h, &t, "%s=%s\n", keys[i], value_cstr(&s->h, v));
	}
	return text_blob(&t);
}

static void pkgrepo_managed(struct salt *s, struct chunk *c)
{
	const char *path = repo_file(s, c), *off = arena_printf(s->h.arena, "# %s", c->name);
	struct blob old, new;
	bool existed = file_content(s, path, &old);

	if (!debian(s)) {
		new = dnf_section(s, c);
	} else {
		bool disabled = arg_bool(c, "disabled", false);

		new = arg_bool(c, "clean_file", false) ? BLOB("") : old;
		new = lines_drop(s, new, is_line, disabled ? c->name : off);
		new = lines_set(s, new, is_line, disabled ? off : c->name, disabled ? off : c->name);
	}
	file_store(s, c, path, old, new, existed);
	if (!blob_eq(old, new) && arg_bool(c, "refresh", true))
		s->refreshed = false;
	file_finish(s, c, "Package repo is already configured");
}

static void pkgrepo_absent(struct salt *s, struct chunk *c)
{
	const char *path = repo_file(s, c);
	struct blob old, new;
	int r;

	if (!file_content(s, path, &old)) {
		result_say(s, c, "Package repo %s is absent", c->name);
		return;
	}
	new = debian(s) ? lines_drop(s, old, is_line, c->name) : BLOB("");
	if (new.n) {
		file_store(s, c, path, old, new, true);
	} else {
		result_change(s, c, "removed", value_string(&s->h, path));
		r = s->test ? 0 : remove_tree(AT_FDCWD, rooted(s, path));
		if (r < 0)
			result_fail(s, c, "%s cannot be removed: %s", path, strerror(-r));
	}
	file_finish(s, c, "Package repo is absent");
}

const struct state_function table_states[] = {
	{"cron", "present", cron_present,
	 "user minute hour daymonth month dayweek special identifier comment", NULL},
	{"cron", "absent", cron_absent, "user identifier", NULL},
	{"mount", "mounted", mount_mounted, "device fstype opts mkmnt mount persist config dump pass_num", NULL},
	{"mount", "unmounted", mount_unmounted, "device persist config", NULL},
	{"pkgrepo", "managed", pkgrepo_managed,
	 "file humanname baseurl mirrorlist metalink gpgcheck gpgkey priority skip_if_unavailable enabled disabled "
	 "clean_file refresh",
	 NULL},
	{"pkgrepo", "absent", pkgrepo_absent, "file", NULL},
	{0},
};
