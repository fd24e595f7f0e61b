#include <fcntl.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "installer/report.h"
#include "installer/run.h"

static int write_one(const struct install *in, const char *name, const struct strbuf *text, struct error *err)
{
	_cleanup_free_ char *below = xasprintf(REPORT_FOLDER "/%s", name);
	_cleanup_free_ char *path = install_path(in, below);
	int r = mkdir_parents(AT_FDCWD, path, 0755);

	if (r == 0)
		r = write_atomic(AT_FDCWD, path, text->p, text->n, 0600);
	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}

int step_report(struct install *in, struct error *err)
{
	_cleanup_strbuf_ struct strbuf report = {0}, answers = {0}, facts = {0}, hcl = {0};
	int r;

	report_write(in->plan, &in->skipped, &report);
	report_answers(in->plan, &answers);
	facts_write(in->plan->facts, &facts);
	verdict_hcl(in->plan->facts, &in->plan->verdict, &hcl);
	if ((r = write_one(in, "report.txt", &report, err)) < 0 ||
	    (r = write_one(in, "answers.yaml", &answers, err)) < 0 ||
	    (r = write_one(in, "facts.yaml", &facts, err)) < 0)
		return r;
	return write_one(in, "hcl.yaml", &hcl, err);
}
