#pragma once
/*
 * Starting what a call asks for, as the user it asks for.
 *
 * Not root: the user must be our own; the program is started with vfork semantics, one process creation for a call. Root
 * and another user: a child opens the PAM session (service "qrexec"), starts the program in it, waits and closes the
 * session; its exit code is the program's. Root for root: directly, in the agent's own environment. Without sessions
 * (qrexec-client, for services of dom0): always as ourselves, whatever user the call names.
 */
#include <pwd.h>
#include <stdbool.h>
#include <sys/types.h>

struct command;
struct service;
struct transfer;

struct launched {
	pid_t pid; /* 0: nothing to wait for (socket services) */
	/* Our ends; -1: none. stdin is a socket; stdout and stderr are pipes. The caller's. */
	int in_fd, out_fd, err_fd;
	/* A socket service: in_fd is its socket, for both directions; the connection may not stand yet. */
	bool connecting;
	const char *first; /* or NULL: a string of the command that goes there before the caller's input, with its NUL */
};

#define LAUNCHED_NOTHING ((struct launched){.in_fd = -1, .out_fd = -1, .err_fd = -1})

enum launch_streams {
	LAUNCH_STREAMS,	   /* all three are ours */
	LAUNCH_OWN_STDERR, /* the program shares our stderr */
	LAUNCH_DETACHED,   /* all are /dev/null */
};

/* session.h: session_start(). */
typedef pid_t (*launch_session_fn)(const struct passwd *pw, const int fds[3], const char *path, char *const *argv,
				   char *const *env);

/* Once, before the first launch: who we are. `session` may be NULL. */
void launch_setup(launch_session_fn session);

/*
 * A process that runs many calls needs more descriptors than a program may expect: about seven for each. The first raises the
 * limit, once; the second, in a child, makes it what it was (launch() itself does).
 */
void launch_many_files(void);
void launch_usual_files(void);

/* For launch_setup(): calls for other users than our own cannot be run. */
pid_t launch_own_user(const struct passwd *pw, const int fds[3], const char *path, char *const *argv, char *const *env);

/*
 * Starts the command; `service` is what service_find() found, or NULL for a shell command. `streams` is for programs. 0, or the
 * exit code of the call (QREXEC_EXIT_*), and then *why.
 */
int launch(const struct command *c, const struct service *service, enum launch_streams streams, struct launched *l,
	   const char **why);

/* Gives the transfer what launch() made, which returned `code`. */
void launched_attach(const struct launched *l, int code, struct transfer *t);

/* In the child, also of a vfork: becomes the program; never returns. */
void launch_exec(const int fds[3], const char *cwd, const char *path, char *const *argv, char *const *env)
	__attribute__((noreturn));

/* The exit code that stands for a wait status: 128 + signal for a killed program. */
int launch_exit_code(int status);
