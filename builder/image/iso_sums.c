/* The medium's own list of digests: what a stick can be checked with when nothing but the stick is there. */
#include <fcntl.h>
#include <string.h>

#include "builder/image/iso.h"
#include "builder/image/tool.h"
#include "builder/medium/sums.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"

/* What a path of the sandbox is outside; binds are not asked for. */
static char *outside(const struct output_job *job, struct blob inside)
{
	struct blob work = BLOB(TOOL_WORK "/");

	if (blob_has_prefix(inside, work.p))
		return xasprintf("%s/%.*s", job->tmp_dir, (int)(inside.n - work.n), inside.p + work.n);
	return xasprintf("%s%.*s", job->tools_root, BLOB_ARG(inside));
}

static int add_sum(const char *path, const char *name, struct strbuf *sums, struct error *err)
{
	char hex[SHA256_HEX];
	int r = sha256_file(AT_FDCWD, path, hex, NULL);

	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	sums_add(sums, hex, name);
	return 0;
}

int iso_sums_make(const struct output_job *job, struct blob rest, struct strbuf *sums, struct strbuf *graft,
		  struct error *err)
{
	_cleanup_free_ char *esp = job_work(job, ISO_ESP), *list = job_work(job, SUMS_NAME);
	struct blob line;
	char hex[SHA256_HEX];
	int r;

	while (blob_token(&rest, '\n', &line)) {
		const char *equals = memchr(line.p, '=', line.n);
		_cleanup_free_ char *name = xstrndup(line.p + 1, (size_t)(equals - line.p) - 1), *path = NULL;

		/* xorriso writes the place of the catalogue's boot image into it. */
		if (!strcmp(name, "boot/grub/" ISO_ELTORITO))
			continue;
		path = outside(job, (struct blob){equals + 1, line.n - (size_t)(equals + 1 - line.p)});
		r = add_sum(path, name, sums, err);
		if (r < 0)
			return r;
	}
	r = sha256_file(AT_FDCWD, esp, hex, NULL);
	if (r < 0)
		return error_errno(err, r, esp, "cannot read");
	strbuf_printf(sums, MEDIUM_SUMS_ESP "%s\n", hex);
	strbuf_add_str(graft, MEDIUM_SUMS "=" TOOL_WORK "/" SUMS_NAME "\n");
	r = write_file(AT_FDCWD, list, sums->p, sums->n, 0644);
	return r < 0 ? error_errno(err, r, list, "cannot write") : 0;
}
