#include "installer/facts/source.h"

#include <cpuid.h>
#include <fcntl.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/file.h"

enum { CPUINFO_MAX = 8 << 20 };

/*
 * Intel SDM 2A CPUID.1:ECX[5]; AMD APM 3 CPUID 8000_0001:ECX[2], 8000_000A:EDX[0]. Xen hides VMX from dom0 where the
 * processor lets it, so here a missing bit proves nothing under Xen, a set one does.
 */
static void ask_processor(struct hardware *hw, struct arena *a)
{
	_cleanup_strv_ struct strv found = {0};
	unsigned eax, ebx, ecx, edx;

	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && ecx & (1u << 5))
		strv_push(&found, "vmx");
	if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && ecx & (1u << 2)) {
		strv_push(&found, "svm");
		if (__get_cpuid(0x8000000a, &eax, &ebx, &ecx, &edx) && edx & 1)
			strv_push(&found, "npt");
	}
	hw->cpuid = facts_list(a, &found);
}

static void read_flags(struct blob words, struct strv *flags)
{
	static const char *const wanted[] = {"vmx", "svm", "ept", "npt", "hypervisor", NULL};
	struct blob word;

	while (blob_word(&words, &word))
		for (const char *const *w = wanted; *w; w++)
			if (blob_eq_str(word, *w) && !strv_contains(flags, *w))
				strv_push(flags, *w);
}

/* proc_cpuinfo(5), the first processor only: "vendor_id", "model name", "flags" and "vmx flags". */
void facts_cpu(const struct facts_source *from, struct facts *facts)
{
	_cleanup_free_ char *path = xasprintf("%s/cpuinfo", from->proc);
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_strv_ struct strv flags = {0};
	struct hardware *hw = &facts->hardware;
	struct blob rest, line, key;

	if (from->programs)
		ask_processor(hw, facts->arena);
	if (read_file(AT_FDCWD, path, CPUINFO_MAX, &text) < 0)
		return;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line) && line.n) {
		if (!blob_token(&line, ':', &key))
			continue;
		key = blob_trim(key);
		if (blob_eq_str(key, "vendor_id"))
			hw->cpu_vendor = facts_clean(facts->arena, line);
		else if (blob_eq_str(key, "model name"))
			hw->cpu_model = facts_clean(facts->arena, line);
		else if (blob_eq_str(key, "flags") || blob_eq_str(key, "vmx flags"))
			read_flags(line, &flags);
	}
	hw->cpu_flags = facts_list(facts->arena, &flags);
}
