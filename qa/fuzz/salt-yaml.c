/* The YAML resolver: what was read can be written, and reads back as the same. */
#include "salt-lite/value/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct job {
	struct blob in;
	const struct value *value;
};

static void read_it(struct heap *h, void *data)
{
	struct job *job = data;

	job->value = yaml_parse(h, "fuzz", job->in);
}

static void write_it(struct heap *h, void *data)
{
	struct job *job = data;

	job->in = yaml_write(h, job->value, true);
	yaml_write(h, job->value, false);
	json_write(h, job->value, true, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error err = {0};
	struct job job = {.in = {(const char *)data, size}};
	struct heap h;

	heap_init(&h, a, &err);
	h.bytes_max = 64 << 20;
	if (heap_try(&h, read_it, &job) == 0)
		heap_try(&h, write_it, &job);
	return 0;
}
