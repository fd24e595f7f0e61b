#pragma once
/* A program in a PAM session of its user. */
#include <pwd.h>
#include <sys/types.h>

/*
 * Forks a process that opens the session, starts the program in it as that user, in the home directory, and ends with its
 * exit code once the session is closed. `env` is what goes beside the variables of PAM and of the login. The pid or -errno.
 */
pid_t session_start(const struct passwd *pw, const int fds[3], const char *path, char *const *argv, char *const *env);
