#pragma once
#include <stdbool.h>
#include <sys/types.h>

/* One set of programs, and two qubes that run them: "vm" (7) and "other" (8). */
struct set {
	char *bin; /* our copy of the programs */
	char *dir; /* sockets */
	bool has_policy;
	pid_t agent, daemon, agent2, daemon2, policy, qubesd; /* the last two: 0 without a policy daemon */
};

double bench_now(void); /* ms */
void bench_die(const char *what) __attribute__((noreturn));
pid_t bench_spawn(const char *const *argv, int in, int out);
/* Until the file is there. */
void bench_wait_for(const char *path);

/* bench_policy.c */
void bench_policy_start(struct set *s);
/* A call from qube to qube, in ms; 0 without a policy daemon. */
double bench_policy_call(const struct set *s, unsigned *failures);
void bench_policy_print(const struct set *s);
