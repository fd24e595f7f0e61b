/* user.* and group.*: the files are read here, the system's own tools change them. */
#include "salt-lite/states/state.h"

enum { PASSWD_FIELDS = 7, GROUP_FIELDS = 4, SHADOW_FIELDS = 2 };

size_t account_fields(struct salt *s, const char *file, const char *name, struct blob fields[], size_t max)
{
	struct blob rest, line;

	file_content(s, file, &rest);
	while (blob_token(&rest, '\n', &line)) {
		size_t n = 0;

		while (n < max && blob_token(&line, ':', &fields[n]))
			n++;
		if (n > 2 && blob_eq_str(fields[0], name)) {
			for (size_t i = n; i < max; i++)
				fields[i] = BLOB("");
			return n;
		}
	}
	return 0;
}

int64_t account_id(struct salt *s, const char *file, const char *name)
{
	struct blob fields[3];
	uint64_t id;

	if (blob_to_u64(blob_of(name), UINT32_MAX, &id))
		return (int64_t)id;
	return account_fields(s, file, name, fields, 3) && blob_to_u64(fields[2], UINT32_MAX, &id) ? (int64_t)id : -1;
}

static bool in_members(struct blob members, const char *name)
{
	struct blob one;

	while (blob_token(&members, ',', &one))
		if (blob_eq_str(one, name))
			return true;
	return false;
}

/* The groups that name the user as a member, as "a,b". */
static struct value *groups_of(struct salt *s, const char *user)
{
	struct value *out = list_new(&s->h);
	struct blob rest, line, name, field;

	file_content(s, "/etc/group", &rest);
	while (blob_token(&rest, '\n', &line))
		if (blob_token(&line, ':', &name) && blob_token(&line, ':', &field) && blob_token(&line, ':', &field) &&
		    in_members(line, user))
			list_push(&s->h, out, value_blob(&s->h, name));
	return out;
}

/* The groups that the user should be in; NULL: the state says nothing of them. */
static const struct value *wanted_groups(struct salt *s, struct chunk *c)
{
	const struct value *groups = arg(c, "groups") ? arg_list(s, c, "groups") : NULL;
	const struct value *optional = arg_list(s, c, "optional_groups");
	struct value *out = list_new(&s->h);

	for (size_t i = 0; groups && i < groups->list.n; i++) {
		if (account_id(s, "/etc/group", value_cstr(&s->h, groups->list.items[i])) < 0)
			heap_fail(&s->h, "the group %s does not exist", value_cstr(&s->h, groups->list.items[i]));
		list_push(&s->h, out, groups->list.items[i]);
	}
	for (size_t i = 0; i < optional->list.n; i++)
		if (account_id(s, "/etc/group", value_cstr(&s->h, optional->list.items[i])) >= 0)
			list_push(&s->h, out, optional->list.items[i]);
	return groups || optional->list.n ? out : NULL;
}

/* An option for what differs. */
static bool differs(struct salt *s, struct chunk *c, struct tool *t, const char *parameter, const char *option, struct blob now)
{
	const char *want = arg_text(s, c, parameter, NULL), *number;

	if (!want)
		return false;
	number = strcmp(parameter, "gid") ? want
					  : arena_printf(s->h.arena, "%lld", (long long)account_id(s, "/etc/group", want));
	if (blob_eq_str(now, number))
		return false;
	if (number[0] == '-' && strcmp(parameter, "fullname"))
		heap_fail(&s->h, "the group %s does not exist", want);
	result_change(s, c, parameter, value_string(&s->h, want));
	tool_words(s, t, option, want, NULL);
	return true;
}

/* usermod(8) needs to be told to keep others; useradd(8) has no such option. */
static bool groups_differ(struct salt *s, struct chunk *c, struct tool *t, bool new)
{
	const struct value *want = wanted_groups(s, c), *now = groups_of(s, c->name);
	bool only = arg_bool(c, "remove_groups", true), wrong = false;

	for (size_t i = 0; want && i < want->list.n; i++)
		wrong |= !list_holds(now, value_text(&s->h, want->list.items[i]));
	for (size_t i = 0; want && only && i < now->list.n; i++)
		wrong |= !list_holds(want, now->list.items[i]->s);
	if (!wrong)
		return false;
	result_change(s, c, "groups", value_string(&s->h, list_joined(&s->h, want)));
	if (!only && !new)
		tool_add(s, t, "-a");
	tool_words(s, t, "-G", list_joined(&s->h, want), NULL);
	return true;
}

static bool user_differs(struct salt *s, struct chunk *c, struct tool *t, const struct blob now[], bool new)
{
	bool any = false;

	any |= differs(s, c, t, "uid", "-u", now[2]);
	any |= differs(s, c, t, "gid", "-g", now[3]);
	any |= differs(s, c, t, "fullname", "-c", now[4]);
	any |= differs(s, c, t, "home", "-d", now[5]);
	any |= differs(s, c, t, "shell", "-s", now[6]);
	return groups_differ(s, c, t, new) || any;
}

/* The hash goes by the input: arguments are seen by everybody. */
static void keep_password(struct salt *s, struct chunk *c, bool new)
{
	const char *hash = arg_bool(c, "empty_password", false) ? "" : arg_text(s, c, "password", NULL);
	struct blob now[SHADOW_FIELDS] = {BLOB(""), BLOB("")}, rest, line;
	struct tool t;

	if (!hash || c->result.value == RESULT_FALSE || (!new && !arg_bool(c, "enforce_password", true)))
		return;
	file_content(s, "/etc/shadow", &rest);
	while (blob_token(&rest, '\n', &line))
		if (blob_token(&line, ':', &now[0]) && blob_eq_str(now[0], c->name) && blob_token(&line, ':', &now[1]) &&
		    blob_eq_str(now[1], hash))
			return;
	result_change(s, c, "passwd", value_string(&s->h, "XXX-REDACTED-XXX"));
	if (!hash[0]) {
		tool_start(s, &t, "passwd");
		tool_words(s, &t, "-d", c->name, NULL);
		tool_do(s, c, &t, BLOB(""));
		return;
	}
	tool_start(s, &t, "chpasswd");
	tool_add(s, &t, "-e");
	tool_do(s, c, &t, blob_of(arena_printf(s->h.arena, "%s:%s\n", c->name, hash)));
}

static void user_new(struct salt *s, struct chunk *c)
{
	static const struct blob nothing[PASSWD_FIELDS];
	struct tool t;

	tool_start(s, &t, "useradd");
	if (arg_bool(c, "system", false))
		tool_add(s, &t, "-r");
	tool_add(s, &t, arg_bool(c, "createhome", true) ? "-m" : "-M");
	if (!arg_bool(c, "unique", true))
		tool_add(s, &t, "-o");
	user_differs(s, c, &t, nothing, true);
	tool_add(s, &t, c->name);
	result_change(s, c, "name", value_string(&s->h, c->name));
	if (tool_do(s, c, &t, BLOB("")))
		result_say(s, c, "New user %s %s", c->name, s->test ? "would be created" : "created");
	keep_password(s, c, true);
}

static void user_present(struct salt *s, struct chunk *c)
{
	struct blob now[PASSWD_FIELDS];
	struct tool t;

	if (!account_fields(s, "/etc/passwd", c->name, now, PASSWD_FIELDS)) {
		user_new(s, c);
		return;
	}
	tool_start(s, &t, "usermod");
	if (user_differs(s, c, &t, now, false)) {
		tool_add(s, &t, c->name);
		tool_do(s, c, &t, BLOB(""));
	}
	keep_password(s, c, false);
	if (!c->result.comment.n)
		result_say(s, c, "User %s is %s", c->name, c->result.changes->map.n ? "changed" : "present and up to date");
}

static void absent(struct salt *s, struct chunk *c, const char *file, const char *program)
{
	struct blob fields[GROUP_FIELDS];
	struct tool t;

	if (!account_fields(s, file, c->name, fields, GROUP_FIELDS)) {
		result_say(s, c, "%s is not present", c->name);
		return;
	}
	result_change(s, c, c->name, value_string(&s->h, "removed"));
	tool_start(s, &t, program);
	if (arg_bool(c, "purge", false))
		tool_add(s, &t, "-r");
	if (arg_bool(c, "force", false))
		tool_add(s, &t, "-f");
	tool_add(s, &t, c->name);
	if (tool_do(s, c, &t, BLOB("")))
		result_say(s, c, "%s %s", c->name, s->test ? "would be removed" : "removed");
}

static void user_absent(struct salt *s, struct chunk *c) { absent(s, c, "/etc/passwd", "userdel"); }
static void group_absent(struct salt *s, struct chunk *c) { absent(s, c, "/etc/group", "groupdel"); }

static void member(struct salt *s, struct chunk *c, const char *option, const char *user)
{
	struct tool t;

	tool_start(s, &t, "gpasswd");
	tool_words(s, &t, option, user, c->name, NULL);
	tool_do(s, c, &t, BLOB(""));
}

/* `members` is all of them; addusers and delusers leave others alone. */
static void keep_members(struct salt *s, struct chunk *c, struct blob now)
{
	const struct value *all = arg(c, "members") ? arg_list(s, c, "members") : NULL;
	const struct value *add = arg_list(s, c, "addusers"), *del = arg_list(s, c, "delusers");
	const char *want = all ? list_joined(&s->h, all) : NULL;

	if (want && !blob_eq_str(now, want)) {
		result_change(s, c, "members", value_string(&s->h, want));
		member(s, c, "-M", want);
	}
	for (size_t i = 0; !all && i < add->list.n; i++)
		if (!in_members(now, value_cstr(&s->h, add->list.items[i]))) {
			result_change(s, c, "added", add->list.items[i]);
			member(s, c, "-a", value_cstr(&s->h, add->list.items[i]));
		}
	for (size_t i = 0; !all && i < del->list.n; i++)
		if (in_members(now, value_cstr(&s->h, del->list.items[i]))) {
			result_change(s, c, "deleted", del->list.items[i]);
			member(s, c, "-d", value_cstr(&s->h, del->list.items[i]));
		}
}

static void group_present(struct salt *s, struct chunk *c)
{
	const char *gid = arg_text(s, c, "gid", NULL);
	struct blob now[GROUP_FIELDS] = {BLOB(""), BLOB(""), BLOB(""), BLOB("")};
	bool there = account_fields(s, "/etc/group", c->name, now, GROUP_FIELDS) > 0;
	struct tool t;

	if (!there || (gid && !blob_eq_str(now[2], gid))) {
		tool_start(s, &t, there ? "groupmod" : "groupadd");
		if (!there && arg_bool(c, "system", false))
			tool_add(s, &t, "-r");
		if (gid)
			tool_words(s, &t, "-g", gid, NULL);
		tool_add(s, &t, c->name);
		result_change(s, c, there ? "gid" : "name", value_string(&s->h, there ? gid : c->name));
		if (!tool_do(s, c, &t, BLOB("")))
			return;
	}
	keep_members(s, c, there ? now[3] : BLOB(""));
	if (!c->result.comment.n)
		result_say(s, c, "Group %s is %s", c->name, c->result.changes->map.n ? "changed" : "present and up to date");
}

const struct state_function account_states[] = {
	{"user", "present", user_present,
	 "uid gid groups optional_groups remove_groups home createhome shell fullname password empty_password "
	 "enforce_password system unique",
	 NULL},
	{"user", "absent", user_absent, "purge force", NULL},
	{"group", "present", group_present, "gid system members addusers delusers", NULL},
	{"group", "absent", group_absent, "", NULL},
	{0},
};
