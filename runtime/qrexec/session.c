#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <security/pam_appl.h>

#include "common/base/strv.h"
#include "runtime/qrexec/launch.h"
#include "runtime/qrexec/protocol.h"
#include "runtime/qrexec/session.h"

/* Nobody is there to answer a question. */
static int no_conversation(int n, const struct pam_message **messages, struct pam_response **responses, void *data)
{
	(void)n;
	(void)messages;
	(void)responses;
	(void)data;
	return PAM_CONV_ERR;
}

static pam_handle_t *open_session(const struct passwd *pw)
{
	static const struct pam_conv conv = {no_conversation, NULL};
	pam_handle_t *pam = NULL;
	int r = pam_start("qrexec", pw->pw_name, &conv, &pam);
	const char *step = "pam_start";

	if (r == PAM_SUCCESS) {
		step = "pam_acct_mgmt";
		pam_set_item(pam, PAM_RUSER, "root");
		pam_set_item(pam, PAM_TTY, "qrexec");
		r = pam_acct_mgmt(pam, 0);
	}
	if (r == PAM_SUCCESS && initgroups(pw->pw_name, pw->pw_gid) < 0)
		r = PAM_CRED_ERR;
	if (r == PAM_SUCCESS) {
		step = "pam_setcred";
		r = pam_setcred(pam, PAM_ESTABLISH_CRED);
	}
	if (r == PAM_SUCCESS) {
		step = "pam_open_session";
		r = pam_open_session(pam, 0);
	}
	if (r == PAM_SUCCESS)
		return pam;
	fprintf(stderr, "qrexec-agent: session of %s: %s: %s\n", pw->pw_name, step, pam_strerror(pam, r));
	if (pam)
		pam_end(pam, r);
	return NULL;
}

static void add_login(struct strv *env, const struct passwd *pw, pam_handle_t *pam)
{
	char **pam_env = pam_getenvlist(pam);
	bool path = false;

	for (char **e = pam_env; e && *e; e++) {
		path |= strncmp(*e, "PATH=", 5) == 0;
		strv_push(env, *e);
	}
	strv_pushf(env, "HOME=%s", pw->pw_dir);
	strv_pushf(env, "SHELL=%s", pw->pw_shell);
	strv_pushf(env, "USER=%s", pw->pw_name);
	strv_pushf(env, "LOGNAME=%s", pw->pw_name);
	if (!path)
		strv_push(env, "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games");
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return QREXEC_EXIT_PROBLEM;
	return launch_exit_code(status);
}

/* The agent's own variables stay out of the session, except what describes the call. */
static bool of_the_call(const char *variable)
{
	return strncmp(variable, "QREXEC", 6) == 0 || strncmp(variable, "LANG", 4) == 0 || strncmp(variable, "TZ=", 3) == 0;
}

/*
 * The program's streams become those of this process, so that what PAM says reaches the caller; nothing else of the agent
 * stays open: neither this process nor what PAM starts may keep other calls' streams from ending.
 */
static void take_streams(const int fds[3])
{
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			_exit(QREXEC_EXIT_PROBLEM);
	close_range(3, ~0U, 0);
}

/* The streams must end when the program's do. */
static void drop_streams(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++)
		dup2(null, i);
}

static void run_session(const struct passwd *pw, const char *path, char *const *argv, char *const *env)
{
	static const int fds[3] = {0, 1, 2};
	struct strv all = {0};
	pam_handle_t *pam = open_session(pw);
	pid_t pid;
	int code;

	if (!pam)
		_exit(QREXEC_EXIT_PROBLEM);
	for (; *env; env++)
		if (of_the_call(*env))
			strv_push(&all, *env);
	add_login(&all, pw, pam);
	pid = fork();
	if (pid == 0) {
		if (setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
			_exit(QREXEC_EXIT_PROBLEM);
		launch_exec(fds, pw->pw_dir, path, argv, all.v);
	}
	drop_streams();
	code = pid < 0 ? QREXEC_EXIT_PROBLEM : wait_for(pid);
	pam_close_session(pam, 0);
	pam_setcred(pam, PAM_DELETE_CRED);
	pam_end(pam, PAM_SUCCESS);
	_exit(code);
}

pid_t session_start(const struct passwd *pw, const int fds[3], const char *path, char *const *argv, char *const *env)
{
	pid_t pid = fork();

	if (pid == 0) {
		sigset_t none;

		setsid();
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		launch_usual_files();
		take_streams(fds);
		run_session(pw, path, argv, env);
	}
	return pid < 0 ? -errno : pid;
}
