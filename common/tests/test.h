/* Unit tests: TEST(name) { CHECK(...); } in any file of the program; main() is in test.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

void test_register(struct test *t);
/* Each says what was expected when it fails, and lets the test go on. Returns whether it held. */
bool test_check(bool ok, const char *file, int line, const char *what);
bool test_check_str(const char *got, const char *want, const char *file, int line, const char *what);
bool test_check_int(long long got, long long want, const char *file, int line, const char *what);
/* The rest of this test cannot run here; under CI=true that is a failure. Return after it. */
void test_skip(const char *why);
/* A new empty directory, removed at exit. */
const char *test_dir(void);

#define TEST(id)                                                                                   \
	static void test_##id(void);                                                               \
	__attribute__((constructor)) static void test_register_##id(void)                          \
	{                                                                                          \
		static struct test t = {#id, test_##id, NULL};                                     \
		test_register(&t);                                                                 \
	}                                                                                          \
	static void test_##id(void)

#define CHECK(cond) test_check((cond), __FILE__, __LINE__, #cond)
#define CHECK_STR(got, want) test_check_str((got), (want), __FILE__, __LINE__, #got)
#define CHECK_INT(got, want) test_check_int((long long)(got), (long long)(want), __FILE__, __LINE__, #got)
