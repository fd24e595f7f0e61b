#pragma once
/* Calls to qubesd as dom0, over its UNIX sockets (ref: runtime.md 7.1). */
#include <stddef.h>

#include "common/base/error.h"
#include "common/base/strbuf.h"

#define QUBESD_SOCKET "/var/run/qubesd.sock"
#define QUBESD_INTERNAL_SOCKET "/var/run/qubesd.internal.sock"

/*
 * One request; waits for the answer, whose data is appended to *out, `max` bytes at most. `method` may carry +ARGUMENT, `payload`
 * may be NULL. 0; -EREMOTEIO for an exception, whose name then is in *out and whose message in *err; another -errno.
 */
int admin_call(const char *socket, const char *method, const char *target, const char *payload, size_t max,
	       struct strbuf *out, struct error *err);
