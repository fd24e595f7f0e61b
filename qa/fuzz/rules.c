/*
 * runtime/qubesd/firewall.c and firewall_file.c: any text is rules or an error, as lines of the API and as firewall.xml. Rules that
 * were read are written as they were read, and each is one line for the netvm.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/qubesd/firewall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_one_line(const char *entry)
{
	if (entry && strchr(entry, '\n'))
		abort();
}

static void check_rules(struct arena *a, const struct firewall *f)
{
	_cleanup_strbuf_ struct strbuf once = {0}, twice = {0};
	struct firewall again = {0};
	const char *why = NULL;

	firewall_format(f, 0, &once);
	if (firewall_parse(a, strbuf_blob(&once), &again, &why) < 0)
		abort();
	firewall_format(&again, 0, &twice);
	if (!blob_eq(strbuf_blob(&once), strbuf_blob(&twice)))
		abort();
	for (size_t i = 0; i < f->n; i++) {
		must_be_one_line(firewall_entry(&f->v[i], 4, 0, a));
		must_be_one_line(firewall_entry(&f->v[i], 6, 0, a));
	}
	firewall_next_expiry(f, LLONG_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct blob text = {(const char *)data, size};
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error err = {0};
	struct firewall lines = {0}, file = {0};
	const char *why = NULL;

	if (firewall_parse(a, text, &lines, &why) == 0)
		check_rules(a, &lines);
	else if (!why)
		abort();
	if (firewall_read("fuzz", text, a, &file, &err) == 0)
		check_rules(a, &file);
	return 0;
}
