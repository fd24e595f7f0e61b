#include "installer/report.h"

#include <string.h>
#include <sys/klog.h>
#include <sys/utsname.h>
#include <time.h>

#include "common/base/alloc.h"

enum { KERNEL_LOG_READ = 3, KERNEL_LOG_MAX = 64 << 10 };

static void add_head(const struct plan *plan, struct strbuf *out)
{
	const struct facts *f = plan->facts;
	struct utsname kernel = {0};
	char when[64] = "";
	time_t now = time(NULL);
	struct tm utc;

	if (gmtime_r(&now, &utc))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &utc);
	uname(&kernel);
	strbuf_printf(out, "Bulkhead %s\ndate: %s\nkernel: %s\nXen: %s\nmachine: %s %s, firmware %s\nuser: %s\n",
		      BULKHEAD_VERSION, when, kernel.release, f->hardware.xen_version ? f->hardware.xen_version : "none",
		      f->hardware.vendor ? f->hardware.vendor : "", f->hardware.model ? f->hardware.model : "",
		      f->hardware.bios ? f->hardware.bios : "unknown", plan->answers->user ? plan->answers->user : "");
	for (const char *const *t = plan->templates; t && *t; t++)
		strbuf_printf(out, "template: %s\n", *t);
	for (const char *const *k = f->guest_kernels; k && *k; k++)
		strbuf_printf(out, "kernel of the qubes: %s\n", *k);
}

void report_write(const struct plan *plan, const struct strv *skipped, struct strbuf *out)
{
	add_head(plan, out);
	strbuf_add_str(out, "\n== Verdict\n");
	verdict_write(&plan->verdict, out);
	strbuf_add_str(out, "\n== What was done\n");
	plan_write(plan, out);
	if (!skipped || !skipped->n)
		return;
	strbuf_add_str(out, "\n== What was not done\n");
	for (size_t i = 0; i < skipped->n; i++)
		strbuf_printf(out, "%s\n", skipped->v[i]);
}

void report_answers(const struct plan *plan, struct strbuf *out)
{
	struct answers a = *plan->answers;
	const struct disk *d = plan->disk;

	/* In the dialogue it is chosen by a name that another start may give to another disk. */
	if (a.disk == DISK_BY_NAME && (d->serial || d->id)) {
		a.disk = d->serial ? DISK_BY_SERIAL : DISK_BY_ID;
		a.disk_value = d->serial ? d->serial : d->id;
		a.erase = a.erase ? a.disk_value : NULL;
	}
	answers_write(&a, out);
}

void report_whole(const struct plan *plan, const struct strv *skipped, struct strbuf *out)
{
	report_write(plan, skipped, out);
	strbuf_add_str(out, "\n== Answers\n");
	report_answers(plan, out);
	strbuf_add_str(out, "\n== Hardware compatibility list\n");
	verdict_hcl(plan->facts, &plan->verdict, out);
}

static void add_kernel_log(struct strbuf *out)
{
	_cleanup_free_ char *log = xmalloc(KERNEL_LOG_MAX);
	int n = klogctl(KERNEL_LOG_READ, log, KERNEL_LOG_MAX);

	strbuf_add_str(out, "\n== The kernel's last messages\n");
	if (n > 0)
		strbuf_add(out, log, (size_t)n);
}

void report_failure(const struct plan *plan, const struct step *step, const struct error *failure, struct strbuf *out)
{
	strbuf_printf(out, "The step '%s' failed: %s: %s\n", step->id, failure->object, failure->cause);
	if (failure->remedy)
		strbuf_printf(out, "  %s\n", failure->remedy);
	report_write(plan, NULL, out);
	strbuf_add_str(out, "\n== Facts\n");
	facts_write(plan->facts, out);
	add_kernel_log(out);
}
