#include "qa/medium.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

int medium_answers(struct run *r, const char *text, const char **image, struct error *err)
{
	const char *dir = arena_printf(r->arena, "%s/answers", r->scratch);
	const char *file = arena_printf(r->arena, "%s/answers.yaml", dir);
	int e = mkdir_p(AT_FDCWD, dir, 0755);

	*image = arena_printf(r->arena, "%s/answers.img", r->scratch);
	if (e == 0)
		e = write_file(AT_FDCWD, file, text, strlen(text), 0644);
	/* Made first: mke2fs would tell that it makes it. */
	if (e == 0)
		e = write_file(AT_FDCWD, *image, "", 0, 0600);
	if (e < 0)
		return error_errno(err, e, file, "cannot write");
	return process_check((const char *const[]){"mke2fs", "-qF", "-t", "ext4", "-L", "BULKHEAD_ANS", "-d", dir,
						   *image, "8M", NULL},
			     err);
}

/* Where on the medium a file of it begins, and its size, as xorriso tells: `File data lba: N , START , BLOCKS , SIZE , 'PATH'`. */
static int offset_on_medium(const char *image, const char *path, uint64_t *offset, uint64_t *size,
			    struct error *err)
{
	const char *const argv[] = {"xorriso", "-report_about", "FAILURE", "-indev", image, "-find", path,
				    "-exec", "report_lba", "--", NULL};
	_cleanup_strbuf_ struct strbuf said = {0};
	int r = process_capture(argv, 1 << 16, &said);
	struct blob rest = strbuf_blob(&said), line, field;

	while (r == 0 && blob_token(&rest, '\n', &line)) {
		if (!blob_has_prefix(line, "File data lba:") || !blob_token(&line, ',', &field) ||
		    !blob_token(&line, ',', &field))
			continue;
		if (!blob_to_u64(blob_trim(field), UINT32_MAX, offset) || !blob_token(&line, ',', &field) ||
		    !blob_token(&line, ',', &field) || !blob_to_u64(blob_trim(field), INT64_MAX, size))
			continue;
		*offset *= 2048;
		return 0;
	}
	return error_set(err, -ENOENT, path, NULL, "xorriso finds no such file on %s", image);
}

int medium_damage(struct run *r, const char *image, const char *where, const char **copy, struct error *err)
{
	const char *plus = strrchr(where, '+');
	_cleanup_close_ int fd = -1;
	bool from_end = plus && plus[1] == '-';
	uint64_t at = 0, start = 0, size = 0;
	unsigned char byte;
	int e;

	if (!image || !plus || !blob_to_u64(blob_of(plus + 1 + from_end), INT64_MAX / 2, &at))
		return error_set(err, -EINVAL, where, NULL, "'damage' is FILE+OFFSET, a place on the stick");
	*copy = arena_printf(r->arena, "%s/damaged.iso", r->scratch);
	e = offset_on_medium(image, arena_strndup(r->arena, where, (size_t)(plus - where)), &start, &size, err);
	if (e == 0 && (from_end ? !at || at > size : at >= size))
		e = error_set(err, -EINVAL, where, NULL, "the file has %llu bytes only", (unsigned long long)size);
	if (from_end)
		at = size - at;
	if (e == 0)
		e = process_check((const char *const[]){"cp", "--reflink=auto", image, *copy, NULL}, err);
	if (e < 0)
		return e;
	fd = open(*copy, O_RDWR | O_CLOEXEC);
	if (fd < 0 || pread(fd, &byte, 1, (off_t)(start + at)) != 1)
		return error_errno(err, fd < 0 ? -errno : -EINVAL, *copy, "cannot read at the offset to damage");
	byte ^= 1;
	if (pwrite(fd, &byte, 1, (off_t)(start + at)) != 1)
		return error_errno(err, -errno, *copy, "cannot write");
	return 0;
}
