#include <fcntl.h>
#include <string.h>

#include "builder/image/iso.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"

enum { VALUE_MAX = 4096 };

static const char digest_of[] = "SHA256/";

static int add_first_line(const char *path, struct strbuf *out, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line = {0};
	int r = read_file(AT_FDCWD, path, VALUE_MAX, &text);

	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	rest = strbuf_blob(&text);
	blob_token(&rest, '\n', &line);
	line = blob_trim(line);
	strbuf_add(out, line.p, line.n);
	return 0;
}

/* The root hash's artefact: beside that of the live system, with the suffix .roothash. Allocated, or NULL. */
static char *root_hash_name(const struct definition *d)
{
	for (size_t i = 0; i < d->n_files; i++) {
		const char *dot = strrchr(d->files[i].source, '.');

		if (!strcmp(d->files[i].path, "/live/dom0.erofs") && dot)
			return xasprintf("%.*s.roothash", (int)(dot - d->files[i].source), d->files[i].source);
	}
	return NULL;
}

static bool is_placeholder(struct blob name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/.-_", name.p[i]))
			return false;
	return name.n > 0;
}

static int add_digest(const char *path, struct strbuf *out, struct error *err)
{
	char hex[SHA256_HEX];
	int r = sha256_file(AT_FDCWD, path, hex, NULL);

	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	strbuf_add_str(out, hex);
	return 0;
}

static int add_value(const struct output_job *job, const char *where, struct blob name, struct strbuf *out,
		     struct error *err)
{
	_cleanup_free_ char *artefact = NULL;
	bool digest = blob_has_prefix(name, digest_of);
	const char *path;

	if (blob_eq_str(name, "VERSION")) {
		strbuf_add_str(out, job->version);
		return 0;
	}
	if (digest)
		name = (struct blob){name.p + strlen(digest_of), name.n - strlen(digest_of)};
	artefact = blob_eq_str(name, "ROOTHASH") ? root_hash_name(job->definition) : blob_dup(name);
	path = artefact ? output_input_path(job, artefact) : NULL;
	if (!path)
		return error_set(err, -EINVAL, where, "correct it, or add the image to `images`",
				 "@%.*s@ stands for nothing", BLOB_ARG(name));
	return digest ? add_digest(path, out, err) : add_first_line(path, out, err);
}

int iso_fill_in(const struct output_job *job, const char *where, struct blob text, struct strbuf *out,
		struct error *err)
{
	while (text.n) {
		const char *at = memchr(text.p, '@', text.n);
		size_t before = at ? (size_t)(at - text.p) : text.n;
		const char *end = at ? memchr(at + 1, '@', text.n - before - 1) : NULL;
		struct blob name = {at ? at + 1 : NULL, end ? (size_t)(end - at - 1) : 0};
		size_t used = before;
		int r;

		strbuf_add(out, text.p, before);
		if (end && is_placeholder(name)) {
			r = add_value(job, where, name, out, err);
			if (r < 0)
				return r;
			used += name.n + 2;
		} else if (at) {
			strbuf_add_char(out, '@');
			used++;
		}
		text.p += used;
		text.n -= used;
	}
	return 0;
}
