/*
 * One scenario on one machine: QEMU, its channels and the run's folder. Each verb returns 0 or -errno with a cause
 * that says what was awaited, for how long, and what was seen last.
 */
#pragma once

#include <sys/types.h>

#include "common/base/yaml.h"
#include "qa/channel.h"
#include "qa/machine.h"
#include "qa/network.h"

struct timeouts; /* qa/timeouts.yaml: name -> seconds, scaled where there is no KVM */

struct timeouts *timeouts_load(struct arena *a, const char *path, struct error *err);
/* Seconds; -ENOENT with the name as the object when the table has none. */
int timeouts_get(const struct timeouts *t, const char *name, int64_t *seconds, struct error *err);

struct run {
	struct arena *arena;
	const struct machine *machine;
	const struct timeouts *timeouts;
	const char *dir;     /* absolute */
	const char *qa_dir;  /* absolute: machines/, scenarios/ ... */
	const char *scratch; /* short path for sockets and disks */
	struct network network;
	pid_t qemu;	     /* 0: off */
	struct channel serial, events, qmp;
	unsigned boots, commands, qmp_commands;
	bool shell_answers; /* since the machine started */
};

int run_boot(struct run *r, struct machine_boot *boot, struct error *err);
/* Text on the first serial port, behind what was matched before. */
int run_expect(struct run *r, const char *text, const char *timeout, struct error *err);
int run_send(struct run *r, const char *text, struct error *err);
/*
 * An event on the second serial port: its name, and a map of the members it must have (NULL: any). An event
 * *.failed that comes first ends the wait with what it says.
 */
int run_wait_event(struct run *r, const char *name, const struct yaml_node *with, const char *timeout,
		   struct error *err);
/* Waits until the machine has powered itself off. */
int run_wait_off(struct run *r, const char *timeout, struct error *err);
/* Logs in at a login prompt that is on the screen or comes (no password: it does so by itself), and makes the shell quiet and wide. */
int run_login(struct run *r, const char *user, const char *password, const char *timeout, struct error *err);
/*
 * Runs a command in the shell on the serial line; *output (may be NULL) gets what it printed, of more than 4 MiB the
 * end. Exit code or -errno.
 */
int run_command(struct run *r, const char *command, const char *timeout, struct strbuf *output, struct error *err);
/* Until then (CLOCK_MONOTONIC, ms), or until the run is stopped. */
bool run_waits(int64_t deadline);
/* Reads all channels; waits at most `ms` when nothing is there. */
void run_pump(struct run *r, int ms);
/* The error of a wait for `what` that was in vain: it shows the end of the serial line. */
int run_timed_out(struct run *r, struct error *err, const char *what, int64_t seconds);
/* A PNG or PPM of the screen in the run's folder. */
void run_screenshot(struct run *r, const char *name);
/* True once QEMU has ended; its status is reaped. */
bool run_is_off(struct run *r);
/* Pulls the plug. */
void run_cut_power(struct run *r);
/* Connects this terminal to the serial line until Ctrl-]. */
void run_shell(struct run *r);
