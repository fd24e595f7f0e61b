/* Promise: of two texts under keys, people are told what differs, and nothing else. */
#include "builder/inputs.h"
#include "common/base/blob.h"
#include "common/tests/test.h"

#define A "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define B "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void check_differences(const char *before, const char *now, const char *want)
{
	_cleanup_strv_ struct strv list = {0};
	_cleanup_free_ char *got = NULL;

	inputs_differences(blob_of(before), blob_of(now), &list);
	got = inputs_summary(&list);
	CHECK_STR(got, want);
}

TEST(what_differs)
{
	static const struct {
		const char *before, *now, *want;
	} cases[] = {
		{"size 1\nlabel a b\n", "size 1\nlabel a b\n", ""},
		{"size 1\n", "size 2\n", "size 1 -> 2"},
		{"package p 1.0 amd64 " A "\n", "package p 1.1 amd64 " B "\n", "package p 1.0 -> 1.1"},
		{"package p 1.0 amd64 " A "\n", "package p 1.0 amd64 " B "\n", "package p has other bytes"},
		{"package p 1 all " A "\npackage q 1 all " A "\n", "package q 1 all " A "\npackage r 1 all " A "\n",
		 "package r is new, package p is gone"},
		{"local own " A "\n", "local own " B "\n", "our package own changed"},
		{"step a:root " A "\n", "step a:root " B "\n", "step a:root changed"},
		{"base 1\n", "base 2\n", "the builder's base 1 -> 2"},
		{"overlay " A "\n", "overlay " B "\n", "overlay changed"},
		{"suite x\nsuite y\n", "suite y\n", "suite x is gone"},
		{"text 3 bytes\na\nb\nz 1\n", "text 3 bytes\na\nc\nz 1\n", "text changed"},
		{"text 3 bytes\na\nb\nz 1\n", "text 3 bytes\na\nb\nz 2\n", "z 1 -> 2"},
		{"a 1\nb 1\nc 1\nd 1\ne 1\n", "a 2\nb 2\nc 2\nd 2\ne 2\n", "a 1 -> 2, b 1 -> 2, c 1 -> 2 and 2 more"},
		{"", "folder 1\n", "the builder's folder or the definition's is new"},
		{"a\n", "a 1\n", "a changed"},
		{"text 99 bytes\nshort", "text 99 bytes\nshort", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_differences(cases[i].before, cases[i].now, cases[i].want);
}
