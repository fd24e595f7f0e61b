/* The template engine: lexer, parser, evaluator and filters, on any text, without files or commands. */
#include "salt-lite/jinja/jinja.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct job {
	struct blob in;
	struct jinja jinja;
};

static void render(struct heap *h, void *data)
{
	struct job *job = data;

	job->jinja = (struct jinja){.h = h, .globals = map_new(h)};
	jinja_render(&job->jinja, "fuzz", job->in, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error err = {0};
	struct job job = {.in = {(const char *)data, size}};
	struct heap h;

	heap_init(&h, a, &err);
	h.bytes_max = 32 << 20;
	heap_try(&h, render, &job);
	return 0;
}
