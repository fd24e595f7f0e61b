#include "runtime/filecopy/result.h"

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "runtime/filecopy/protocol.h"

static const struct {
	int code;
	const char *cause, *remedy;
} causes[] = {
	{EEXIST, "is there already, in QubesIncoming of the target", "move or remove it there"},
	{EILSEQ, "has a name that the target refuses", "rename it, or allow qubes.Filecopy+allow-all-names"},
	{ENOLINK, "is a link out of what is copied", "copy with --ignore-symlinks"},
	{EINVAL, "is of a kind the target does not take, or was damaged on the way", NULL},
	{EDQUOT, "is more than the target takes", NULL},
	{ENOSPC, "finds no space left in the target", "make room there and copy again"},
	{ENAMETOOLONG, "has too long a name", NULL},
	{EREMOTEIO, "the stream ended before its end marker", "copy again"},
	{FILECOPY_LEGAL_EOF, "was cut off", "copy again"},
};

static char *printable(const char *name, size_t n)
{
	char *text = xstrndup(name, n);

	for (char *p = text; *p; p++)
		if (*p < 0x20 || *p > 0x7E)
			*p = '_';
	return text;
}

static int refused(uint32_t raw, const char *name, struct error *err)
{
	/* A folder's name is refused with the sign. */
	int64_t code = (int32_t)raw < 0 ? -(int64_t)(int32_t)raw : (int64_t)raw;
	int known = code == FILECOPY_LEGAL_EOF || code > 4095 ? EREMOTEIO : (int)code;

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (causes[i].code == code)
			return error_set(err, -known, name, causes[i].remedy, "%s", causes[i].cause);
	return error_set(err, -known, name, NULL, "the target reports: %s", code > 4095 ? "an unknown error" : strerror(known));
}

int result_judge(const void *data, size_t n, uint32_t crc, struct error *err)
{
	const char *p = data;
	struct result_header h;
	struct result_header_ext ext = {0};
	_cleanup_free_ char *name = NULL;

	if (n < sizeof(h))
		return error_set(err, -EREMOTEIO, "target", "see whether the call was allowed there",
				 "it ended without an answer");
	memcpy(&h, p, sizeof(h));
	if (n >= sizeof(h) + sizeof(ext))
		memcpy(&ext, p + sizeof(h), sizeof(ext));
	if (ext.last_namelen > n - sizeof(h) - (ext.last_namelen ? sizeof(ext) : 0))
		ext.last_namelen = 0;
	name = ext.last_namelen ? printable(p + sizeof(h) + sizeof(ext), ext.last_namelen) : xstrdup("the copy");
	if (h.error_code)
		return refused(h.error_code, name, err);
	if (h.crc32 != crc)
		return error_set(err, -EBADMSG, "target", "copy again", "its checksum differs: the data was damaged on the way");
	return 0;
}

int result_read(int fd, uint32_t crc, struct error *err)
{
	struct {
		struct result_header h;
		struct result_header_ext ext;
		char name[FILECOPY_PATH_MAX];
	} __attribute__((packed)) m;
	size_t n = 0, want = sizeof(m.h);

	/* The name is optional: old receivers send none. */
	while (n < want) {
		ssize_t got = read(fd, (char *)&m + n, want - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
		if (n == sizeof(m.h))
			want = sizeof(m.h) + sizeof(m.ext);
		else if (n == sizeof(m.h) + sizeof(m.ext) && m.ext.last_namelen <= sizeof(m.name))
			want += m.ext.last_namelen;
	}
	return result_judge(&m, n, crc, err);
}
