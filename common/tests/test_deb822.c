/* Promise: control data is read as deb822(5) has it; what is none is refused with its line. */
#include <errno.h>
#include <stdio.h>

#include "common/base/deb822.h"
#include "common/tests/test.h"

static bool is(struct blob b, const char *s)
{
	if (blob_eq_str(b, s))
		return true;
	printf("got '%.*s', expected '%s'\n", BLOB_ARG(b), s);
	return false;
}

TEST(deb822_stanzas)
{
	struct deb822 d = {.rest = BLOB("\n# c\nPackage: a\nDescription: one\n two\n .\n "
					"three\n\n\nPACKAGE:b\nX:\n")};
	struct deb822_stanza s;

	CHECK_INT(deb822_next(&d, &s), 1);
	CHECK_INT(s.line, 3);
	CHECK(is(deb822_get(&s, "package"), "a"));
	CHECK(is(deb822_get(&s, "Description"), "one\n two\n .\n three"));
	CHECK_INT(deb822_next(&d, &s), 1);
	CHECK(is(deb822_get(&s, "Package"), "b"));
	CHECK(deb822_get(&s, "X").p && !deb822_get(&s, "X").n);
	CHECK(!deb822_get(&s, "Y").p);
	CHECK_INT(deb822_next(&d, &s), 0);
}

TEST(deb822_refuses)
{
	static const struct {
		struct blob text;
		unsigned line;
	} cases[] = {
		{BLOB(" a\n"), 1},
		{BLOB("A: 1\nnothing\n"), 2},
		{BLOB("A: 1\na: 2\n"), 2},
		{BLOB(": x\n"), 1},
		{BLOB("A b: x\n"), 1},
		{BLOB("A: \0\n"), 1},
		{BLOB("A: 1\n\n\n-b: 2"), 4},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct deb822 d = {.rest = cases[i].text};
		struct deb822_stanza s;
		int r;

		while ((r = deb822_next(&d, &s)) == 1)
			;
		CHECK_INT(r, -EBADMSG);
		CHECK_INT(d.line, cases[i].line);
	}
}
