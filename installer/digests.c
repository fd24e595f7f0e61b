#include "installer/digests.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/blob.h"

int digests_write(FILE *f, const char *path, const char hex[SHA256_HEX])
{
	bool odd = strpbrk(path, "\\\n");

	fprintf(f, "%s%s  ", odd ? "\\" : "", hex);
	for (; *path; path++)
		if (*path == '\n' || *path == '\\')
			fputs(*path == '\n' ? "\\n" : "\\\\", f);
		else
			putc(*path, f);
	putc('\n', f);
	return ferror(f) ? -EIO : 0;
}

/* Undoes the escapes in place. */
static void unescape(char *path)
{
	char *to = path;

	for (const char *p = path; *p; p++)
		*to++ = *p != '\\' || !p[1] ? *p : *++p == 'n' ? '\n' : *p;
	*to = '\0';
}

static bool split_line(char *line, char **hex, char **path)
{
	bool odd = line[0] == '\\';

	line[strcspn(line, "\n")] = '\0';
	*hex = line + odd;
	if (strlen(*hex) < SHA256_HEX + 2 || strncmp(*hex + SHA256_HEX - 1, "  ", 2) != 0)
		return false;
	(*hex)[SHA256_HEX - 1] = '\0';
	*path = *hex + SHA256_HEX + 1;
	if (odd)
		unescape(*path);
	return sha256_is_hex(blob_of(*hex));
}

static int compare_file(int root, const char *path, const char *want, const struct copy_watch *watch, struct error *err)
{
	_cleanup_close_ int fd = openat(root, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char hex[SHA256_HEX];
	uint64_t size;
	int r;

	if (fd < 0)
		return error_errno(err, -errno, path, "cannot open");
	/* What was written is on the disk by now; the pages that are still in memory would prove nothing. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	r = sha256_fd(fd, hex, &size);
	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	if (strcmp(hex, want) != 0)
		return error_set(err, -EBADMSG, path, "try again; if it happens again the disk or the memory is broken",
				 "differs on the disk from what was copied");
	if (watch && watch->add)
		watch->add(watch->data, size);
	return 0;
}

int digests_compare(const char *list, const char *root, const struct copy_watch *watch, struct error *err)
{
	_cleanup_close_ int top = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fclose_ FILE *f = fopen(list, "re");
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;
	int r = 0;

	if (top < 0 || !f)
		return error_errno(err, -errno, top < 0 ? root : list, "cannot open");
	while (r == 0 && (errno = 0, getline(&line, &cap, f)) >= 0) {
		char *hex, *path;

		if (!split_line(line, &hex, &path))
			return error_set(err, -EBADMSG, list, NULL, "damaged");
		r = compare_file(top, path, hex, watch, err);
	}
	return r < 0 ? r : ferror(f) ? error_errno(err, -EIO, list, "cannot read") : 0;
}
