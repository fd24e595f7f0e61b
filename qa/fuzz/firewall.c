/* Rules of a client, as they come out of QubesDB, up to the script. */
#include <stdint.h>
#include <stdlib.h>

#include "runtime/firewall/script.h"

static const char *const *nothing(void *user, const struct client *c, const char *host)
{
	(void)user;
	(void)c;
	(void)host;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_strbuf_ struct strbuf script = {0};
	struct blob text = {(const char *)data, n}, line, path;
	const char **pairs = arena_alloc(a, (2 * n + 3) * sizeof(*pairs));
	struct firewall f;
	size_t count = 0;

	while (blob_token(&text, '\n', &line)) {
		blob_token(&line, ' ', &path);
		pairs[count++] = arena_strndup(a, path.n ? path.p : "", path.n);
		pairs[count++] = arena_strndup(a, line.n ? line.p : "", line.n);
	}
	firewall_read(a, pairs, &f);
	script_clients(&f, NULL, nothing, NULL, &script);
	return 0;
}
