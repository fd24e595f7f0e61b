/* Text, memory and containers keep what they were given. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/strbuf.h"
#include "common/base/strmap.h"
#include "common/base/strv.h"
#include "common/tests/test.h"

TEST(blob_last_lines)
{
	CHECK(blob_eq_str(blob_last_line(BLOB("one\n two \n\n \t\n")), "two"));
	CHECK(blob_eq_str(blob_last_line(BLOB("one")), "one"));
	CHECK(blob_last_line(BLOB("\n \n")).n == 0);
	CHECK(blob_last_line(BLOB("")).n == 0);
}

TEST(blob_tokens)
{
	struct blob rest = BLOB("a::b:"), t;

	CHECK(blob_token(&rest, ':', &t) && blob_eq_str(t, "a"));
	CHECK(blob_token(&rest, ':', &t) && blob_eq_str(t, ""));
	CHECK(blob_token(&rest, ':', &t) && blob_eq_str(t, "b"));
	CHECK(!blob_token(&rest, ':', &t) && t.n == 0);
}

TEST(blob_words_and_trim)
{
	struct blob rest = BLOB("  one\t two \n"), w;

	CHECK(blob_word(&rest, &w) && blob_eq_str(w, "one"));
	CHECK(blob_word(&rest, &w) && blob_eq_str(w, "two"));
	CHECK(!blob_word(&rest, &w));
	CHECK(blob_eq_str(blob_trim(BLOB(" \r\n x y \t")), "x y"));
	CHECK(blob_trim(BLOB("  ")).n == 0);
}

TEST(blob_numbers)
{
	uint64_t v = 7;

	CHECK(blob_to_u64(BLOB("0"), 0, &v) && v == 0);
	CHECK(blob_to_u64(BLOB("18446744073709551615"), UINT64_MAX, &v) && v == UINT64_MAX);
	CHECK(!blob_to_u64(BLOB("18446744073709551616"), UINT64_MAX, &v));
	CHECK(!blob_to_u64(BLOB("11"), 10, &v));
	CHECK(!blob_to_u64(BLOB(""), 10, &v));
	CHECK(!blob_to_u64(BLOB("-1"), 10, &v));
	CHECK(!blob_to_u64(BLOB("1 "), 10, &v));
}

TEST(blob_order_and_edges)
{
	CHECK(blob_cmp(BLOB("a"), BLOB("ab")) < 0);
	CHECK(blob_cmp(BLOB("b"), BLOB("ab")) > 0);
	CHECK(blob_has_prefix(BLOB("abc"), "ab") && !blob_has_prefix(BLOB("a"), "ab"));
	CHECK(blob_has_suffix(BLOB("abc"), "bc") && !blob_has_suffix(BLOB("c"), "bc"));
}

TEST(arena_keeps_apart)
{
	_cleanup_arena_ struct arena *a = arena_new();
	char *first = arena_strdup(a, "first");
	char *big = arena_alloc(a, 100000);

	memset(big, 'x', 100000);
	CHECK_STR(first, "first");
	CHECK_STR(arena_printf(a, "%d-%s", 5, "x"), "5-x");
	CHECK_STR(arena_strndup(a, "abcdef", 3), "abc");
}

TEST(strbuf_quotes_for_a_shell)
{
	static const char *const cases[][2] = {{"", "''"}, {"plain", "'plain'"}, {"a b$c", "'a b$c'"}, {"it's", "'it'\\''s'"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_strbuf_ struct strbuf s = {0};

		strbuf_add_quoted(&s, cases[i][0]);
		CHECK_STR(s.p, cases[i][1]);
	}
}

TEST(strbuf_grows)
{
	_cleanup_strbuf_ struct strbuf s = {0};

	for (int i = 0; i < 1000; i++)
		strbuf_printf(&s, "%d,", i);
	CHECK_INT(s.n, 3890);
	CHECK(!strncmp(s.p, "0,1,2,", 6));
	strbuf_reset(&s);
	strbuf_add(&s, "a\0b", 3);
	CHECK_INT(s.n, 3);
}

TEST(strv_is_argv)
{
	_cleanup_strv_ struct strv s = {0};

	for (int i = 9; i >= 0; i--)
		strv_pushf(&s, "w%d", i);
	CHECK_INT(s.n, 10);
	CHECK(s.v[10] == NULL);
	strv_sort(&s);
	CHECK_STR(s.v[0], "w0");
	CHECK(strv_contains(&s, "w7") && !strv_contains(&s, "w10"));
}

TEST(strmap_replaces)
{
	_cleanup_strmap_ struct strmap m = {0};
	static int values[1000];
	char key[16];

	CHECK(strmap_get(&m, "none") == NULL);
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		CHECK(strmap_put(&m, key, &values[i]) == NULL);
	}
	CHECK(strmap_get(&m, "k999") == &values[999]);
	CHECK(strmap_put(&m, "k5", &values[0]) == &values[5]);
	CHECK_INT(m.n, 1000);
}

TEST(error_carries_cause)
{
	_cleanup_error_ struct error e = {0};

	CHECK_INT(error_set(&e, -EIO, "file", "try again", "block %d", 5), -EIO);
	CHECK_STR(e.cause, "block 5");
	/* An outer layer may reuse the old text. */
	error_set(&e, -EIO, e.object, NULL, "outer: %s", e.cause);
	CHECK_STR(e.cause, "outer: block 5");
	CHECK(e.remedy == NULL);
	error_prefix(&e, "image");
	CHECK_STR(e.object, "image: file");
	CHECK_INT(error_set(NULL, -EPERM, "x", NULL, "y"), -EPERM);
}

/* One line, and nothing that a terminal would obey; letters beyond ASCII stay. */
static void check_unpacked(struct blob packed, const char *object, const char *cause, const char *remedy)
{
	_cleanup_error_ struct error e = {0};

	CHECK_INT(error_unpack(&e, -ELOOP, packed), -ELOOP);
	CHECK_STR(e.object, object);
	CHECK_STR(e.cause, cause);
	CHECK(remedy ? e.remedy && !strcmp(e.remedy, remedy) : !e.remedy);
}

TEST(error_goes_to_another_process)
{
	_cleanup_error_ struct error whole = {0}, none = {0};
	_cleanup_strbuf_ struct strbuf packed = {0}, empty = {0};

	error_set(&whole, -ELOOP, "file", "look", "is wrong");
	error_pack(&whole, &packed);
	error_pack(&none, &empty);
	check_unpacked(strbuf_blob(&packed), "file", "is wrong", "look");
	check_unpacked((struct blob){packed.p, packed.n - 8}, "file", "is wro", NULL);
	check_unpacked(strbuf_blob(&empty), "", "Too many levels of symbolic links", NULL);
	check_unpacked((struct blob){0}, "", "Too many levels of symbolic links", NULL);
}

TEST(error_is_printed_harmless)
{
	_cleanup_error_ struct error e = {0};
	char text[200] = "";
	int saved = dup(STDERR_FILENO), ends[2];

	error_set(&e, -EIO, "\033[8mevil\x7f", "na\xc3\xafve \xc2\x9b", "tab\tand %s", "\r");
	if (!CHECK(saved >= 0 && pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0))
		return;
	error_print("program", &e);
	dup2(saved, STDERR_FILENO);
	CHECK(read(ends[0], text, sizeof(text) - 1) > 0);
	CHECK_STR(text, "program: \\x1b[8mevil\\x7f: tab\tand \\x0d; na\xc3\xafve \\xc2\x9b\n");
	close(saved);
	close(ends[0]);
	close(ends[1]);
}
