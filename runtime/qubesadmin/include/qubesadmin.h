/*
 * Client of the Admin API: one connection per call (ref/runtime.md 7.1). Used by the tools and
 * exported as libqubesadmin. Where there is no socket of qubesd, in a management qube, a call is one
 * of qrexec: `qrexec-client-vm DEST METHOD+ARGUMENT`, under dom0's policy.
 */
#pragma once

#include <stdbool.h>

#include "common/base/blob.h"
#include "common/base/strbuf.h"

/* What qubesd answered instead of a result; empty strings for a failure before it. */
struct admin_error {
	char *type;    /* exception, e.g. QubesVMNotFoundError */
	char *message; /* for a person, terminal-safe */
};

struct admin {
	const char *socket; /* NULL: /var/run/qubesd.sock */
};

/* Is a call one of qrexec? */
bool admin_is_remote(const struct admin *a);
/*
 * METHOD[+ARGUMENT] to the qube DEST ("dom0" for the system); argument may be NULL. The answer is
 * appended to *out. 0; -EREMOTEIO: an exception, see *err; -ECONNABORTED: refused without a reason;
 * or another -errno. Free *err.
 */
int admin_call(const struct admin *a, const char *dest, const char *method, const char *argument,
	       struct blob payload, struct strbuf *out, struct admin_error *err);
/*
 * The same with what the descriptor yields up to its end after the payload, for data that qubesd does not take itself
 * (admin.vm.volume.Import). Only where calls are remote; -ENOTSUP elsewhere.
 */
int admin_call_from(const struct admin *a, const char *dest, const char *method, const char *argument,
		    struct blob payload, int fd, struct strbuf *out, struct admin_error *err);
/* One of many calls of the same method: filled in are dest before, the rest after; r is as of admin_call(). */
struct admin_query {
	const char *dest;
	int r;
	struct strbuf out;
	struct admin_error err;
};

/* The same to many qubes, without waiting for one answer before the next is asked for. */
void admin_call_each(const struct admin *a, const char *method, const char *argument, struct admin_query *v, size_t n);
void admin_query_free(struct admin_query *q);
/* The descriptor of a running admin.Events call of that qube or of the system, or -errno. It ends when that is closed. */
int admin_events(const struct admin *a, const char *dest);
void admin_error_free(struct admin_error *err);
/* Sends a request and gives the raw answer; 0 or -errno. */
int admin_raw(const struct admin *a, struct blob request, struct strbuf *out);

#define _cleanup_admin_error_ _cleanup_(admin_error_free)
