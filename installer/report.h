/* What is left behind for people: a report of the installation, or of its failure. No secrets. */
#pragma once

#include "common/base/strv.h"
#include "installer/plan.h"

#define REPORT_FOLDER "var/log/bulkhead"

/* What was installed, with what, on what, and what was not done: the lines `skipped`, which may be NULL. */
void report_write(const struct plan *plan, const struct strv *skipped, struct strbuf *out);
/* That, the entry for a hardware compatibility list and the answers, in one text. */
void report_whole(const struct plan *plan, const struct strv *skipped, struct strbuf *out);
/* As an answer file that can be used again (answers_write()): the disk by its serial number or id, however it was chosen. */
void report_answers(const struct plan *plan, struct strbuf *out);
/* The failure, all of the above, and the end of the kernel's log. */
void report_failure(const struct plan *plan, const struct step *step, const struct error *failure, struct strbuf *out);
