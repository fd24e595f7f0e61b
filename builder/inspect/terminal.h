/* A terminal of its own for a program that does not get ours. */
#pragma once

#include "common/base/error.h"

/*
 * Runs fn(fd, arg) in a process of its own, with fd a new terminal, while what is typed here goes
 * there and what is written there comes here. *status: what fn returned, 0 to 255. Without a
 * terminal on stdin it is called with fd -1, and nothing is carried.
 */
int terminal_run(int (*fn)(int fd, void *arg), void *arg, int *status, struct error *err);
