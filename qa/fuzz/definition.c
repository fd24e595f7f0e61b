/* builder/definition.c: any text is a definition or an error that names a line; what is accepted stays within the
 * limits that others count on. */
#include <fcntl.h>
#include <stdlib.h>

#include "builder/definition.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

/* A definition has the name of its file. */
static char top[] = "/dev/shm/fuzz-definition-XXXXXX";
static char *path;

static void remove_top(void)
{
	remove_tree(AT_FDCWD, top);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_definition_ struct definition *d = NULL;
	_cleanup_error_ struct error err = {0};
	size_t images = 0;

	if (!path && !mkdtemp(top))
		abort();
	if (!path) {
		path = xasprintf("%s/fuzz.yaml", top);
		atexit(remove_top);
	}
	if (write_file(AT_FDCWD, path, data, size, 0600) < 0)
		abort();
	if (definition_read(path, &d, &err) < 0) {
		if (!err.object || !err.cause)
			abort();
		return 0;
	}
	while (d->images[images])
		images++;
	if (d->n_outputs > DEFINITION_OUTPUTS_MAX || images > DEFINITION_IMAGES_MAX)
		abort();
	for (size_t i = 0; i < d->n_outputs; i++)
		if (definition_output(d, d->outputs[i].name) != &d->outputs[i])
			abort();
	return 0;
}
