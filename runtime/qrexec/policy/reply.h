#pragma once
/* What is said about a decision: to the daemon that asked, to the log, to the policy agent. */
#include "runtime/qrexec/policy/evaluate.h"

struct strbuf;

void reply_write(struct arena *a, const struct policy_decision *d, struct strbuf *out);
/* One line; `request` is what was asked. */
void reply_log(struct arena *a, const struct policy_decision *d, const struct policy_request *request);
/* JSON for policy.Ask. Allocated. */
char *reply_question(const struct policy_decision *d, const struct system_info *s);
/* JSON for policy.Notify; `resolution` is allow, deny or fail. Allocated. */
char *reply_notification(struct arena *a, const struct policy_decision *d, const char *resolution, const char *source);
/* The name of the qube whose user is asked about calls of this source, "dom0" for the admin domain; NULL: nobody. */
const char *reply_gui_domain(const struct policy_decision *d, const struct system_info *s);
