/* Digests of what lies on a medium, for a root that is made before the medium is. */
#include <fcntl.h>

#include "builder/image/iso.h"
#include "builder/medium/sums.h"
#include "common/sys/hash.h"

int iso_place(const struct output_job *job, const struct definition_file *file, const char *path, struct strbuf *to,
	      char hex[SHA256_HEX], struct error *err)
{
	int r = iso_fill_in(job, job->definition->path, blob_of(file->path), to, err);

	if (r < 0)
		return r;
	r = sha256_file(AT_FDCWD, path, hex, NULL);
	return r < 0 ? error_errno(err, r, path, "cannot read") : 0;
}

int iso_digests(const struct output_job *job, struct strbuf *text, struct error *err)
{
	const struct definition *d = job->definition;

	for (size_t i = 0; i < d->n_files; i++) {
		const char *path = output_input_path(job, d->files[i].source);
		_cleanup_strbuf_ struct strbuf to = {0};
		char hex[SHA256_HEX];
		int r;

		if (!path)
			continue;
		r = iso_place(job, &d->files[i], path, &to, hex, err);
		if (r < 0)
			return r;
		sums_add(text, hex, to.p + 1);
	}
	return 0;
}
