/* common/base/yaml.c: any text is a tree or an error, in bounded memory. */
#include "common/base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error err = {0};
	struct yaml_node *root;
	const char *text;
	uint64_t n;

	if (yaml_load_text(a, "fuzz", (struct blob){(const char *)data, size}, &root, &err) == 0) {
		yaml_string(root, "name", &text, &err);
		yaml_size(root, "size", &n, &err);
	}
	return 0;
}
