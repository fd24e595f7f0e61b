#pragma once
/*
 * What is to be run, as it stands in an exec message (ref: runtime.md 3.4):
 *
 *	<user>:[nogui:]<shell command>
 *	<user>:[nogui:]QUBESRPC <service>[+<argument>] <source> [name|keyword <target>]
 */
#include <stdbool.h>

struct command {
	char *user;
	bool nogui;
	char *line;	   /* behind user and nogui: the shell command, or the whole QUBESRPC ... */
	bool is_service;
	char *service;	   /* name+argument as called; always with its '+' once one was given */
	char *name;	   /* up to the first '+' */
	char *argument;	   /* behind it; "" */
	bool has_argument; /* there was a '+' */
	char *source;
	char *target_type; /* "name", "keyword" or "" */
	char *target;	   /* "" */
};

/* 0, or -EINVAL for a line that is neither form. `c` is released with command_free() in both cases. */
int command_parse(const char *text, struct command *c);
void command_free(struct command *c);

/*
 * The environment a service gets: `base` without its QREXEC* variables (except QREXEC_SERVICE_PATH), QREXEC_AGENT_PID and,
 * for services, who calls what. NULL-terminated; `env` belongs to the caller.
 */
struct strv;
void command_environment(const struct command *c, char *const *base, struct strv *env);
