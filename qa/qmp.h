/* QEMU's monitor protocol: one command, its own answer. */
#pragma once

#include <jansson.h>

#include "qa/run.h"

/* Takes `command` over; *reply (may be NULL) gets what it returned. QEMU's refusal is -EIO with its words. */
int qmp_command(struct run *r, json_t *command, json_t **reply, struct error *err);
