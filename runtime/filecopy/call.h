/* A service of another qube, called through the program that calls are made with here. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum { CALL_WORDS = 8 };

/*
 * The command of the call, NULL at its end. There are two of these: call_qube.c asks dom0 by qrexec-client-vm, call_dom0.c starts
 * the qube if need be and goes there by qvm-run. QREXEC_CLIENT_VM and QVM_RUN in the environment name others.
 */
void call_command(const char *target, const char *service, const char *argv[CALL_WORDS]);
/* Nobody is asked when dom0 calls: a target has to be named. */
extern const bool call_needs_target;

/* The service writes to *in and reads from *out, both to be closed. Returns its pid or -errno; for process_wait(). */
pid_t call_start(const char *target, const char *service, int *in, int *out);
