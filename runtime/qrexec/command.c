#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/strv.h"
#include "runtime/qrexec/command.h"

static int parse_service(struct command *c)
{
	struct blob rest = blob_of(c->line + strlen("QUBESRPC "));
	struct blob service, source, type, target;
	const char *plus;

	if (!blob_token(&rest, ' ', &service) || !service.n || !blob_token(&rest, ' ', &source) || !source.n)
		return -EINVAL;
	c->service = blob_dup(service);
	plus = strchr(c->service, '+');
	c->has_argument = plus != NULL;
	c->name = plus ? xstrndup(c->service, (size_t)(plus - c->service)) : xstrdup(c->service);
	c->argument = xstrdup(plus ? plus + 1 : "");
	c->source = blob_dup(source);
	if (!rest.n) {
		c->target_type = xstrdup("");
		c->target = xstrdup("");
	} else {
		if (!blob_token(&rest, ' ', &type))
			return -EINVAL;
		target = rest;
		if (!blob_eq_str(type, "name") && !blob_eq_str(type, "keyword"))
			return -EINVAL;
		c->target_type = blob_dup(type);
		c->target = blob_dup(target);
	}
	/* The name becomes a file name in the service folders. */
	if (!*c->name || strchr(c->service, '/'))
		return -EINVAL;
	c->is_service = true;
	return 0;
}

int command_parse(const char *text, struct command *c)
{
	const char *colon = strchr(text, ':');

	memset(c, 0, sizeof(*c));
	if (!colon || colon == text)
		return -EINVAL;
	c->user = xstrndup(text, (size_t)(colon - text));
	text = colon + 1;
	if (strncmp(text, "nogui:", 6) == 0) {
		c->nogui = true;
		text += 6;
	}
	c->line = xstrdup(text);
	return strncmp(text, "QUBESRPC ", 9) == 0 ? parse_service(c) : 0;
}

void command_free(struct command *c)
{
	free(c->user);
	free(c->line);
	free(c->service);
	free(c->name);
	free(c->argument);
	free(c->source);
	free(c->target_type);
	free(c->target);
	memset(c, 0, sizeof(*c));
}

void command_environment(const struct command *c, char *const *base, struct strv *env)
{
	static const char keep[] = "QREXEC_SERVICE_PATH=";

	for (; *base; base++)
		if (strncmp(*base, "QREXEC", 6) != 0 || strncmp(*base, keep, sizeof(keep) - 1) == 0)
			strv_push(env, *base);
	strv_pushf(env, "QREXEC_AGENT_PID=%d", (int)getpid());
	if (!c->is_service)
		return;
	strv_pushf(env, "QREXEC_REMOTE_DOMAIN=%s", c->source);
	strv_pushf(env, "QREXEC_SERVICE_FULL_NAME=%s", c->service);
	if (*c->argument)
		strv_pushf(env, "QREXEC_SERVICE_ARGUMENT=%s", c->argument);
	strv_pushf(env, "QREXEC_REQUESTED_TARGET_TYPE=%s", c->target_type);
	if (strcmp(c->target_type, "name") == 0)
		strv_pushf(env, "QREXEC_REQUESTED_TARGET=%s", c->target);
	if (strcmp(c->target_type, "keyword") == 0)
		strv_pushf(env, "QREXEC_REQUESTED_TARGET_KEYWORD=%s", c->target);
}
