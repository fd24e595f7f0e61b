/* One page without anything from elsewhere but the screenshots beside it. */
#include <dirent.h>
#include <fcntl.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "qa/report-text.h"
#include "qa/report.h"

enum { TAIL_BYTES = 4096, SERIAL_MAX = 64 << 20 };

static const char head[] =
	"<!doctype html>\n<meta charset=\"utf-8\">\n<title>qa</title>\n<style>\n"
	"body{font:15px/1.5 sans-serif;margin:2em auto;max-width:70em;padding:0 1em}\n"
	"table{border-collapse:collapse}td,th{text-align:left;padding:.1em .8em .1em 0;vertical-align:top}\n"
	"td.n{text-align:right;white-space:nowrap}.bar{background:#7aa6d8;height:.7em;display:inline-block}\n"
	".passed{color:#176b2c}.failed{color:#a3161a;font-weight:bold}\n"
	"pre{background:#f4f4f4;padding:.6em;overflow:auto;max-height:30em}img{max-width:32em;border:1px solid #999}\n"
	"figure{display:inline-block;margin:.5em}\n</style>\n";

static void add_seconds(struct strbuf *out, int64_t ms)
{
	strbuf_printf(out, "%lld.%lld s", (long long)ms / 1000, (long long)ms % 1000 / 100);
}

static void add_phases(struct strbuf *out, const struct result *r)
{
	strbuf_add_str(out, "<table>\n");
	for (const struct result_step *s = r->steps; s; s = s->next) {
		strbuf_add_str(out, "<tr><td class=\"n\">");
		add_seconds(out, s->ms);
		strbuf_printf(out, "<td><span class=\"bar\" style=\"width:%lldpx\"></span><td class=\"%s\">",
			      (long long)(r->ms ? s->ms * 240 / r->ms : 0), s->failed ? "failed" : "");
		report_add_escaped(out, s->label);
		strbuf_add_char(out, '\n');
	}
	strbuf_add_str(out, "</table>\n");
}

static void add_screenshots(struct strbuf *out, const char *dir, const char *scenario)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, scenario);
	_cleanup_closedir_ DIR *files = opendir(path);
	_cleanup_strv_ struct strv names = {0};
	struct dirent *e;

	while (files && (e = readdir(files)))
		if (blob_has_suffix(blob_of(e->d_name), ".png"))
			strv_push(&names, e->d_name);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		strbuf_add_str(out, "<figure><img src=\"");
		report_add_escaped(out, scenario);
		strbuf_add_char(out, '/');
		report_add_escaped(out, names.v[i]);
		strbuf_add_str(out, "\" alt=\"screen\"><figcaption>");
		report_add_escaped(out, names.v[i]);
		strbuf_add_str(out, "</figcaption></figure>\n");
	}
}

static void add_file_tail(struct strbuf *out, const char *dir, const char *scenario, const char *file)
{
	_cleanup_free_ char *path = xasprintf("%s/%s/%s", dir, scenario, file);
	_cleanup_strbuf_ struct strbuf text = {0};

	if (read_file(AT_FDCWD, path, SERIAL_MAX, &text) < 0 || !text.n)
		return;
	strbuf_printf(out, "<h3>%s</h3>\n<pre>", file);
	/* Not all that a machine prints is text. */
	for (size_t i = 0; i < text.n; i++)
		if (!text.p[i])
			text.p[i] = '?';
	report_add_escaped(out, text.n > TAIL_BYTES ? text.p + text.n - TAIL_BYTES : text.p);
	strbuf_add_str(out, "</pre>\n");
}

static void add_scenario(struct strbuf *out, const char *dir, const struct result *r)
{
	strbuf_add_str(out, "<h2 id=\"");
	report_add_escaped(out, r->scenario);
	strbuf_printf(out, "\" class=\"%s\">", r->failure ? "failed" : "passed");
	report_add_escaped(out, r->scenario);
	strbuf_add_str(out, "</h2>\n");
	if (r->failure) {
		strbuf_add_str(out, "<pre>");
		report_add_escaped(out, r->failure);
		strbuf_add_str(out, "</pre>\n");
	}
	add_phases(out, r);
	add_screenshots(out, dir, r->scenario);
	if (r->failure) {
		add_file_tail(out, dir, r->scenario, "serial.log");
		add_file_tail(out, dir, r->scenario, "diagnosis.txt");
	}
}

static void add_summary(struct strbuf *out, const struct result *results, unsigned n)
{
	strbuf_add_str(out, "<table>\n");
	for (const struct result *r = results; r < results + n; r++) {
		strbuf_printf(out, "<tr><td class=\"%s\">%s<td><a href=\"#", r->failure ? "failed" : "passed",
			      r->failure ? "failed" : "passed");
		report_add_escaped(out, r->scenario);
		strbuf_add_str(out, "\">");
		report_add_escaped(out, r->scenario);
		strbuf_add_str(out, "</a><td class=\"n\">");
		add_seconds(out, r->ms);
		strbuf_add_char(out, '\n');
	}
	strbuf_add_str(out, "</table>\n");
}

int report_html(const char *dir, const struct result *results, unsigned n, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/report.html", dir);
	_cleanup_strbuf_ struct strbuf out = {0};
	unsigned failed = 0;
	int r;

	for (unsigned i = 0; i < n; i++)
		failed += results[i].failure != NULL;
	strbuf_add_str(&out, head);
	strbuf_printf(&out, "<h1>%u passed, %u failed</h1>\n", n - failed, failed);
	add_summary(&out, results, n);
	for (unsigned i = 0; i < n; i++)
		add_scenario(&out, dir, &results[i]);
	r = write_file(AT_FDCWD, path, out.p, out.n, 0644);
	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}
