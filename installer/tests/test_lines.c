/* Promise: text is cut into lines that fit, nothing of it is lost, and what is indented stays so. */
#include <string.h>

#include "common/tests/test.h"
#include "installer/questions/lines.h"

static bool next_is(struct lines *l, size_t indent, const char *want)
{
	struct line line;

	return lines_next(l, &line) && line.indent == indent && blob_eq_str(line.text, want);
}

TEST(lines_fit)
{
	struct lines l = {.rest = BLOB("one two three\n\n  four five six\nabcdefghijkl\n"), .width = 9};

	CHECK(lines_count(l) == 8);
	CHECK(next_is(&l, 0, "one two"));
	CHECK(next_is(&l, 0, "three"));
	CHECK(next_is(&l, 0, ""));
	CHECK(next_is(&l, 2, "four"));
	CHECK(next_is(&l, 2, "five"));
	CHECK(next_is(&l, 2, "six"));
	CHECK(next_is(&l, 0, "abcdefghi"));
	CHECK(next_is(&l, 0, "jkl"));
	CHECK(lines_count(l) == 0);
}

TEST(lines_odd)
{
	struct lines nothing = {.rest = BLOB(""), .width = 9};
	struct lines blanks = {.rest = BLOB("                    x  \n"), .width = 9};

	CHECK(lines_count(nothing) == 0);
	CHECK(next_is(&blanks, 4, "x"));
	CHECK(lines_count(blanks) == 0);
}
