/* runtime/guest/setup/binds_parse.c: any bytes are paths or a line that is refused; no path is
 * empty. */
#include <stdlib.h>

#include "runtime/guest/setup/setup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The program's; nothing that is called here calls them. */
const char *setup_value(const struct setup *s, const char *key)
{
	return strmap_get(&s->values, key);
}

void setup_complain(struct setup *s, const char *object, const char *fmt, ...)
{
	(void)s;
	(void)object;
	(void)fmt;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_strv_ struct strv paths = {0};
	unsigned line = 0;

	setup_binds_parse((struct blob){(const char *)data, size}, &paths, &line);
	for (size_t i = 0; i < paths.n; i++)
		if (!paths.v[i][0])
			abort();
	return 0;
}
