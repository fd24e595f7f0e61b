/* The parts of qubesd-xl. Each operation prints its one line and returns the exit code. */
#pragma once

#include <libxl.h>

/* Reads the domain from stdin. */
int xl_create(libxl_ctx *ctx, uint32_t unused);
/* Until stdout is closed. */
int xl_watch(libxl_ctx *ctx, uint32_t unused);
/* Prints the error line; returns 1. */
int xl_fail(const char *what, int code);
