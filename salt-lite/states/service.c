/* service.*: units of systemd. */
#include "salt-lite/states/state.h"

static int systemctl(struct salt *s, struct chunk *c, const char *verb, struct blob *out)
{
	struct tool t;

	tool_start(s, &t, "systemctl");
	tool_words(s, &t, verb, c->name, NULL);
	return tool_run(s, &t, BLOB(""), out);
}

static bool active(struct salt *s, struct chunk *c)
{
	return systemctl(s, c, "is-active", NULL) == 0;
}

/* "enabled", "disabled", "masked", "static" ...; "" or "not-found": there is none. */
static struct blob enabled_state(struct salt *s, struct chunk *c)
{
	struct blob out;

	systemctl(s, c, "is-enabled", &out);
	return blob_trim(out);
}

static bool available(struct salt *s, struct chunk *c)
{
	struct blob state = enabled_state(s, c);

	if (state.n && !blob_eq_str(state, "not-found") && !memchr(state.p, ' ', state.n))
		return true;
	return active(s, c);
}

static void act(struct salt *s, struct chunk *c, const char *verb, const char *what, bool value)
{
	struct tool t;

	result_change(s, c, what, value_bool(value));
	tool_start(s, &t, "systemctl");
	tool_words(s, &t, verb, c->name, NULL);
	if (tool_do(s, c, &t, BLOB("")))
		result_say(s, c, "Service %s: %s%s", c->name, verb, s->test ? " would be done" : "");
}

static void keep_enabled(struct salt *s, struct chunk *c, bool want)
{
	struct blob state = enabled_state(s, c);
	bool on = blob_has_prefix(state, "enabled") || blob_eq_str(state, "alias");

	/* A static unit can be neither; it is as good as what is asked for. */
	if (on == want || blob_eq_str(state, "static") || blob_eq_str(state, "indirect") ||
	    (!want && blob_has_prefix(state, "masked")))
		return;
	act(s, c, want ? "enable" : "disable", "enabled", want);
}

static void finish(struct salt *s, struct chunk *c)
{
	if (!c->result.comment.n)
		result_say(s, c, "The service %s is already in the desired state", c->name);
}

static void keep(struct salt *s, struct chunk *c, bool run)
{
	const struct value *enable = arg(c, "enable");

	if (!available(s, c)) {
		if (run)
			result_fail(s, c, "The named service %s is not available", c->name);
		else
			result_say(s, c, "The named service %s is not available", c->name);
		return;
	}
	if (run && arg_bool(c, "unmask", false) && blob_has_prefix(enabled_state(s, c), "masked"))
		act(s, c, "unmask", "masked", false);
	if (active(s, c) != run)
		act(s, c, run ? "start" : "stop", c->name, run);
	if (enable && c->result.value != RESULT_FALSE)
		keep_enabled(s, c, value_true(enable));
	/* The start command of a unit may succeed and the unit still end at once. */
	if (!s->test && c->result.value == RESULT_TRUE && active(s, c) != run)
		result_fail(s, c, "Service %s %s", c->name, run ? "was started but is not active" : "is still active");
	finish(s, c);
}

static void service_running(struct salt *s, struct chunk *c) { keep(s, c, true); }
static void service_dead(struct salt *s, struct chunk *c) { keep(s, c, false); }

static void set_enabled(struct salt *s, struct chunk *c, bool want)
{
	if (!available(s, c) && want)
		result_fail(s, c, "The named service %s is not available", c->name);
	else if (available(s, c))
		keep_enabled(s, c, want);
	finish(s, c);
}

static void service_enabled(struct salt *s, struct chunk *c) { set_enabled(s, c, true); }
static void service_disabled(struct salt *s, struct chunk *c) { set_enabled(s, c, false); }

static void set_masked(struct salt *s, struct chunk *c, bool want)
{
	struct blob state = enabled_state(s, c);

	if (!state.n || blob_eq_str(state, "not-found"))
		result_fail(s, c, "The named service %s is not available", c->name);
	else if (blob_has_prefix(state, "masked") != want)
		act(s, c, want ? "mask" : "unmask", "masked", want);
	finish(s, c);
}

static void service_masked(struct salt *s, struct chunk *c) { set_masked(s, c, true); }
static void service_unmasked(struct salt *s, struct chunk *c) { set_masked(s, c, false); }

/* What it watches has changed, and it ran already. */
static void restart(struct salt *s, struct chunk *c)
{
	act(s, c, arg_bool(c, "reload", false) ? "reload" : "restart", c->name, true);
}

static void stop_watched(struct salt *s, struct chunk *c)
{
	if (active(s, c))
		act(s, c, "stop", c->name, false);
	finish(s, c);
}

const struct state_function service_states[] = {
	{"service", "running", service_running, "enable reload unmask full_restart", restart},
	{"service", "dead", service_dead, "enable", stop_watched},
	{"service", "enabled", service_enabled, "", NULL},
	{"service", "disabled", service_disabled, "", NULL},
	{"service", "masked", service_masked, "", NULL},
	{"service", "unmasked", service_unmasked, "", NULL},
	{0},
};
