/* runtime/dom0update: any text is sources or an error; what is to be fetched has a plain name below the mirror. */
#include <stdlib.h>
#include <string.h>

#include "runtime/dom0update/apt.h"
#include "runtime/dom0update/sources.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct blob text = {(const char *)data, size};
	_cleanup_strv_ struct strv indexes = {0}, uris = {0}, names = {0};
	_cleanup_strbuf_ struct strbuf local = {0};
	_cleanup_error_ struct error err = {0}, other = {0};
	uint64_t bytes = 0;

	if (sources_read("fuzz", text, "/m", &indexes, &local, &err) == 0)
		for (size_t i = 0; i < indexes.n; i++) {
			const char *path = sources_path(indexes.v[i]);

			if (!path || *path == '/' || strstr(path, "/../") || strstr(path, "/./") || !strstr(path, "/dists/"))
				abort();
		}
	apt_read_uris(text, &uris, &names, &bytes, &other);
	if (uris.n != names.n)
		abort();
	return 0;
}
