#include "installer/manifest.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"

enum { MANIFEST_MAX = 1 << 20 };

int manifest_load_medium(const char *source, struct manifest *out, struct error *err)
{
	int r;

	*out = (struct manifest){.path = xasprintf("%s/" MEDIUM_DIGESTS, source)};
	r = read_file(AT_FDCWD, out->path, MANIFEST_MAX, &out->text);
	return r < 0 ? error_errno(err, r, out->path, "cannot read") : 0;
}

void manifest_free(struct manifest *m)
{
	free(m->path);
	strbuf_free(&m->text);
}

int manifest_digest(const struct manifest *m, const char *name, char digest[SHA256_HEX], struct error *err)
{
	struct blob rest = strbuf_blob(&m->text), line;

	while (blob_token(&rest, '\n', &line)) {
		struct blob hex, file;

		if (blob_has_prefix(line, "#") || !blob_word(&line, &hex) || !blob_word(&line, &file) ||
		    !blob_eq_str(file, name))
			continue;
		if (!sha256_is_hex(hex))
			return error_set(err, -EBADMSG, m->path, "write the stick again", "the digest of %s is damaged",
					 name);
		memcpy(digest, hex.p, SHA256_HEX - 1);
		digest[SHA256_HEX - 1] = '\0';
		return 0;
	}
	return error_set(err, -ENOENT, m->path, "write the stick again", "does not name %s", name);
}

int manifest_check_file(const struct manifest *m, const char *top, const char *name, struct error *err)
{
	_cleanup_free_ char *full = xasprintf("%s/%s", top, name);
	char want[SHA256_HEX], is[SHA256_HEX];
	int r = manifest_digest(m, name, want, err);

	if (r < 0)
		return r;
	r = sha256_file(AT_FDCWD, full, is, NULL);
	if (r < 0)
		return error_errno(err, r, full, "cannot read");
	if (strcmp(is, want) != 0)
		return error_set(err, -EBADMSG, full, "write the stick again; nothing was written",
				 "is not what the medium was made with");
	return 0;
}
