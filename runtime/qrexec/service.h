#pragma once
/* Which file a service is, and what its rpc-config says (ref: runtime.md 3.5). */
#include <stdbool.h>

struct command;

enum service_kind {
	SERVICE_PROGRAM,
	SERVICE_SOCKET, /* UNIX */
	SERVICE_TCP,
};

struct service {
	enum service_kind kind;
	char *path; /* of program or socket */
	char *host, *port;
	/* rpc-config */
	bool wait_for_session;
	char *force_user; /* or NULL */
	bool skip_descriptor;
	bool exit_on_client_eof;
	bool exit_on_service_eof;
};

/*
 * Looks the service of a QUBESRPC command up along QREXEC_SERVICE_PATH and its configuration along QUBES_RPC_CONFIG_PATH.
 * 0, or the exit code of the call: QREXEC_EXIT_NOT_FOUND, QREXEC_EXIT_PROBLEM. *why then is a constant text for the log.
 * Release with service_free() in all cases.
 */
int service_find(const struct command *c, struct service *s, const char **why);
void service_free(struct service *s);

/* Reads one rpc-config text. False, and *why, on any error. Exposed for the tests and the fuzzer. */
bool service_config_parse(const char *text, unsigned long n, struct service *s, const char **why);
/* Splits the target of a /dev/tcp link. `argument` may be NULL. */
bool service_tcp_parse(const char *link, const char *argument, struct service *s, const char **why);
