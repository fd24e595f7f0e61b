#include "qa/report.h"

#include <fcntl.h>

#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "qa/report-text.h"

void report_add_escaped(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '<')
			strbuf_add_str(out, "&lt;");
		else if (c == '&')
			strbuf_add_str(out, "&amp;");
		else if (c == '"')
			strbuf_add_str(out, "&quot;");
		else if (c == '\n' || c == '\t' || (c >= ' ' && c < 0x7f))
			strbuf_add_char(out, (char)c);
		else
			strbuf_add_char(out, '?');
	}
}

int report_junit(const char *path, const struct result *results, unsigned n, struct error *err)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	unsigned failures = 0;
	int r;

	for (unsigned i = 0; i < n; i++)
		failures += results[i].failure != NULL;
	strbuf_printf(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"qa\" tests=\"%u\" failures=\"%u\">\n",
		      n, failures);
	for (unsigned i = 0; i < n; i++) {
		strbuf_add_str(&out, "<testcase classname=\"qa\" name=\"");
		report_add_escaped(&out, results[i].scenario);
		strbuf_printf(&out, "\" time=\"%lld.%03lld\">", (long long)results[i].ms / 1000,
			      (long long)results[i].ms % 1000);
		if (results[i].failure) {
			strbuf_add_str(&out, "<failure>");
			report_add_escaped(&out, results[i].failure);
			strbuf_add_str(&out, "</failure>");
		}
		strbuf_add_str(&out, "</testcase>\n");
	}
	strbuf_add_str(&out, "</testsuite>\n");
	r = write_file(AT_FDCWD, path, out.p, out.n, 0644);
	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}
