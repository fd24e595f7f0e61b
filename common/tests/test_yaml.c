/* Definitions: what is accepted comes out as written, what is refused names file and line. */
#include <string.h>

#include "common/base/yaml.h"
#include "common/tests/test.h"

static const struct yaml_node *load(struct arena *a, const char *text, struct error *err)
{
	struct yaml_node *root = NULL;

	return yaml_load_text(a, "t.yaml", blob_of(text), &root, err) < 0 ? NULL : root;
}

TEST(yaml_values)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error e = {0};
	const struct yaml_node *root = load(a, "name: x\nlist: [a, 'b c']\nyes: No\nsize: 10G\nn: 7\n# c\n", &e);
	const char *const *list = NULL, *name = NULL;
	uint64_t size = 0, n = 0;
	bool yes = true;

	if (!CHECK(root != NULL))
		return;
	CHECK_INT(yaml_string(root, "name", &name, &e), 0);
	CHECK_STR(name, "x");
	CHECK_INT(yaml_strings(a, root, "list", &list, &e), 0);
	CHECK(list && !strcmp(list[1], "b c") && !list[2]);
	CHECK(yaml_bool(root, "yes", &yes, &e) == 0 && !yes);
	CHECK(yaml_size(root, "size", &size, &e) == 0 && size == 10ull << 30);
	CHECK(yaml_u64(root, "n", 7, &n, &e) == 0 && n == 7);
	CHECK(yaml_string(root, "absent", &name, &e) == 0);
	CHECK_STR(name, "x");
}

TEST(yaml_empty_is_a_map)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error e = {0};
	const struct yaml_node *root = load(a, "# nothing\n", &e);

	CHECK(root && root->kind == YAML_MAP && root->n == 0);
	root = load(a, "---\n", &e);
	CHECK(root && root->kind == YAML_MAP && root->n == 0);
}

static void refused(const char *text, const char *object, const char *cause)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error e = {0};

	CHECK(load(a, text, &e) == NULL);
	CHECK_STR(e.object, object);
	if (cause)
		CHECK_STR(e.cause, cause);
}

TEST(yaml_refusals)
{
	refused("a: 1\nb: 2\na: 3\n", "t.yaml:3", "key 'a' is given twice");
	refused("a: &x 1\nb: *x\n", "t.yaml:1", "anchors and aliases are not used here; write the value out");
	refused("a: [1, 2\n", "t.yaml:2", NULL);
	refused("a: 1\n---\nb: 1\n", "t.yaml:2", "only one document is allowed");
	refused("a: \"x\\0y\"\n", "t.yaml:1", "NUL byte in a value");
	refused("[a, b]: 1\n", "t.yaml:1", "a key must be plain text");
}

TEST(yaml_depth_is_bounded)
{
	char text[200];

	memset(text, '[', 150);
	text[150] = '\0';
	refused(text, "t.yaml:1", "nested deeper than 64 levels");
}

TEST(yaml_unknown_key)
{
	static const char *const keys[] = {"name", NULL};
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error e = {0};
	const struct yaml_node *root = load(a, "name: x\nnaem: y\n", &e);

	CHECK(root && yaml_check_keys(root, keys, &e) < 0);
	CHECK_STR(e.object, "t.yaml:2");
	CHECK_STR(e.cause, "unknown key 'naem'");
}

/* A file's own words are repeated in messages, but not what a terminal would obey. */
TEST(yaml_words_in_messages)
{
	static const char *const keys[] = {"name", NULL};
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error e = {0};
	const struct yaml_node *root = load(a, "\"\\e[2J\\x7f\\x9b1m\xc3\xa4\": 1\n", &e);

	CHECK(root && yaml_check_keys(root, keys, &e) < 0);
	CHECK_STR(e.cause, "unknown key '?[2J???1m\xc3\xa4'");
	CHECK(!load(a, "\"\\e\": 1\n\"\\e\": 2\n", &e));
	CHECK_STR(e.cause, "key '?' is given twice");
}

TEST(yaml_wrong_types)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error e = {0};
	const struct yaml_node *root = load(a, "b: 'yes'\nn: x\ns: [1]\nz: 5Q\nbig: 99999999999T\n", &e);
	const char *s;
	uint64_t n;
	bool b;

	if (!CHECK(root != NULL))
		return;
	CHECK(yaml_bool(root, "b", &b, &e) < 0);
	CHECK_STR(e.cause, "'b' must be yes or no");
	CHECK(yaml_u64(root, "n", 5, &n, &e) < 0);
	CHECK(yaml_string(root, "s", &s, &e) < 0);
	CHECK(yaml_size(root, "z", &n, &e) < 0);
	CHECK(yaml_size(root, "big", &n, &e) < 0);
	CHECK_STR(e.object, "t.yaml:5");
}
