/* Top files: the matchers and what they name, for any text in place of a top file. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/sys/file.h"
#include "salt-lite/engine/salt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct salt s;
static char folder[64];

static void match(struct heap *h, void *data)
{
	struct value *globals;

	(void)h;
	s.pillar = s.grains = map_new(&s.h);
	salt_prepare(&s);
	/* No functions: one of them runs commands. */
	globals = map_copy(&s.h, s.jinja.globals);
	map_remove(globals, value_string(&s.h, "salt"));
	s.jinja.globals = globals;
	top_matches(&s, s.file_roots, NULL, data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_error_ struct error err = {0};
	_cleanup_(top_names_free) struct top_names names = {0};
	char path[96];

	if (!folder[0]) {
		snprintf(folder, sizeof(folder), "/tmp/fuzz-salt-top.%d", (int)getpid());
		mkdir(folder, 0700);
		strv_push(&s.file_roots[ENV_BASE], folder);
		s.root = "/nonexistent";
		s.id = "dom0";
	}
	snprintf(path, sizeof(path), "%s/top.sls", folder);
	if (write_file(AT_FDCWD, path, data, size, 0600) < 0)
		return 0;
	heap_init(&s.h, a, &err);
	s.h.bytes_max = 32 << 20;
	heap_try(&s.h, match, &names);
	return 0;
}
