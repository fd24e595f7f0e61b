#include "installer/manifest.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"

enum { MANIFEST_MAX = 1 << 20 };

int manifest_digest(const char *path, const char *name, char digest[SHA256_HEX], struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;
	int r = read_file(AT_FDCWD, path, MANIFEST_MAX, &text);

	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		struct blob hex, file;

		if (blob_has_prefix(line, "#") || !blob_word(&line, &hex) || !blob_word(&line, &file) ||
		    !blob_eq_str(file, name))
			continue;
		if (!sha256_is_hex(hex))
			return error_set(err, -EBADMSG, path, "write the stick again", "the digest of %s is damaged",
					 name);
		memcpy(digest, hex.p, SHA256_HEX - 1);
		digest[SHA256_HEX - 1] = '\0';
		return 0;
	}
	return error_set(err, -ENOENT, path, "write the stick again", "does not name %s", name);
}

int manifest_medium_digest(const char *source, const char *path, char digest[SHA256_HEX], struct error *err)
{
	_cleanup_free_ char *list = xasprintf("%s/" MEDIUM_DIGESTS, source);

	return manifest_digest(list, path, digest, err);
}

int manifest_check_medium(const char *source, const char *medium, const char *path, struct error *err)
{
	_cleanup_free_ char *full = xasprintf("%s/%s", medium, path);
	char want[SHA256_HEX], is[SHA256_HEX];
	int r = manifest_medium_digest(source, path, want, err);

	if (r < 0)
		return r;
	r = sha256_file(AT_FDCWD, full, is, NULL);
	if (r < 0)
		return error_errno(err, r, full, "cannot read");
	if (strcmp(is, want) != 0)
		return error_set(err, -EBADMSG, full, "write the stick again; nothing was written",
				 "is not what dom0 was built with");
	return 0;
}
