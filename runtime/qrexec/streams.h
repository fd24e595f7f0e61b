#pragma once
/* The standard streams of a program that passes them on (qrexec-client, qrexec-client-vm). */
#include <stdbool.h>

struct transfer;

/* A program of the caller's side whose streams are connected to the call instead of ours. */
struct local_program {
	const char *const *argv; /* NULL: none, our own streams are used */
	int pid;
};

/*
 * Gives the transfer our stdin, stdout and stderr, or starts the program and gives it that one's. `socket_stdin`: our stdin
 * is a socket for both directions. 0 or -errno.
 */
int streams_attach(struct transfer *t, struct local_program *local, bool socket_stdin);

/* Puts back what streams_attach() changed on descriptors shared with others. */
void streams_restore(void);
