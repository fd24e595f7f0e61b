#include "qa/qmp.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/clock.h"

/* 1: the line answers the command with this number. Events and answers to others pass. */
static int judge_line(json_t *line, json_int_t id, json_t **reply, const char *name, struct error *err)
{
	json_t *failed = json_object_get(line, "error");

	if (!json_is_integer(json_object_get(line, "id")) || json_integer_value(json_object_get(line, "id")) != id)
		return 0;
	if (failed) {
		const char *why = json_string_value(json_object_get(failed, "desc"));

		return error_set(err, -EIO, name, NULL, "QEMU refuses: %s", why ? why : "no reason given");
	}
	if (reply)
		*reply = json_incref(json_object_get(line, "return"));
	return 1;
}

static int await_answer(struct run *r, json_int_t id, json_t **reply, const char *name, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int64_t seconds, deadline;
	int e = timeouts_get(r->timeouts, "qemu-start", &seconds, err);

	for (deadline = now_ms() + seconds * 1000; e == 0 && run_waits(deadline);) {
		json_t *line;

		if (!channel_line(&r->qmp, &text)) {
			if (r->qmp.fd < 0)
				return error_set(err, -EPIPE, name, NULL, "the machine is off");
			run_pump(r, 200);
			continue;
		}
		line = json_loadb(text.p, text.n, 0, NULL);
		e = judge_line(line, id, reply, name, err);
		json_decref(line);
	}
	if (e == 0)
		e = error_set(err, -ETIMEDOUT, name, NULL, "QEMU does not answer within %lld s", (long long)seconds);
	return e < 0 ? e : 0;
}

int qmp_command(struct run *r, json_t *command, json_t **reply, struct error *err)
{
	json_int_t id = ++r->qmp_commands;
	const char *name = json_string_value(json_object_get(command, "execute"));
	_cleanup_free_ char *text = NULL, *line = NULL, *object = xasprintf("qmp %s", name ? name : "?");
	int e;

	json_object_set_new(command, "id", json_integer(id));
	text = json_dumps(command, JSON_COMPACT);
	json_decref(command);
	line = xasprintf("%s\n", text ? text : "");
	e = channel_send(&r->qmp, line, strlen(line));
	if (e < 0)
		return error_errno(err, e, object, "cannot be sent");
	return await_answer(r, id, reply, object, err);
}
