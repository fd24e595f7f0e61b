#pragma once
/* qrexec-client: what its three jobs share. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/qrexec/protocol.h"

#define CLIENT_SOCKET_DIR "/var/run/qubes"

struct client {
	const char *domain, *local, *service_call, *socket_dir, *prefix;
	bool just_exec, wait_end, kill_end, no_exit_code, filter_out, filter_err, socket_stdin;
	long timeout;
	const char *command;
	int daemon;
};

/* Prints it with the qube's name; returns -1. */
int client_fail(const struct client *c, const char *what);
/* Connects c->daemon to the daemon of a qube, named as in its socket. 0 or -1. */
int client_connect(struct client *c, const char *qube);
/* One question to it: *where and data out, *where of the answer back. 0 or -1. */
int client_ask(struct client *c, uint32_t type, struct exec_params *where, const void *data, size_t n);

/* client_serve.c */
/* A service of dom0, called from dom0. Returns the exit code, or does not return: it becomes the service. */
int client_run_here(struct client *c);
/* Answers the call IDENT,NAME,DOMID that a qube made: by a service of dom0 or by another qube. */
int client_answer(struct client *c);
