#include "installer/facts/source.h"

#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/process.h"

enum { INFO_MAX = 64 << 10, LOG_MAX = 1 << 20 };

/* xl-info(1): "virt_caps              : pv hvm ...", one a line. */
static void read_info(struct facts *facts)
{
	static const char *const argv[] = {"xl", "info", NULL};
	_cleanup_strbuf_ struct strbuf text = {0};
	struct hardware *hw = &facts->hardware;
	struct blob rest, line, key;
	uint64_t mib;

	if (process_capture(argv, INFO_MAX, &text) != 0)
		return;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		if (!blob_token(&line, ':', &key))
			continue;
		key = blob_trim(key);
		if (blob_eq_str(key, "xen_version"))
			hw->xen_version = facts_clean(facts->arena, line);
		else if (blob_eq_str(key, "xen_caps"))
			hw->xen_caps = facts_clean(facts->arena, line);
		else if (blob_eq_str(key, "virt_caps"))
			hw->virt_caps = facts_clean(facts->arena, line);
		else if (blob_eq_str(key, "total_memory") && blob_to_u64(blob_trim(line), UINT64_MAX >> 20, &mib))
			hw->xen_memory = mib << 20;
	}
}

static bool line_matters(const char *line)
{
	static const char *const words[] = {"VMX", "SVM", "HVM:", "VT-d", "AMD-Vi", "nterrupt remapping",
					    "I/O virtualisation", "[VT-D]", NULL};

	for (const char *const *w = words; *w; w++)
		if (strstr(line, *w))
			return true;
	return false;
}

/* Xen's ring keeps the newest: without the line that greets, its beginning is gone. */
static void read_log(struct facts *facts)
{
	static const char *const argv[] = {"xl", "dmesg", NULL};
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_strv_ struct strv lines = {0};
	struct hardware *hw = &facts->hardware;
	struct blob rest, line;

	if (process_capture(argv, LOG_MAX, &text) != 0)
		return;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		const char *clean = facts_clean(facts->arena, line);

		if (clean && strstr(clean, "Xen version"))
			hw->xen_log_complete = true;
		if (clean && lines.n < 64 && line_matters(clean))
			strv_push(&lines, clean);
	}
	hw->xen_log = facts_list(facts->arena, &lines);
}

void facts_xen(const struct facts_source *from, struct facts *facts)
{
	if (!facts->xen || !from->programs)
		return;
	read_info(facts);
	read_log(facts);
}
