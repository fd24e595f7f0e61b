/* Promise: reading a medium ends soon, whatever its folders and files say of where they lie. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "builder/medium/iso_read.h"
#include "common/base/cleanup.h"
#include "common/tests/test.h"

enum { BLOCK = 2048, VOLUME = 16, ROOT = 17, BLOCKS = 64, FOLDER = 2 };

static void put_32(unsigned char *p, unsigned v)
{
	for (size_t i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

/* Returns the record's length. */
static size_t put_record(unsigned char *p, unsigned block, unsigned size, unsigned flags, const char *name)
{
	size_t n = 33 + strlen(name) + !(strlen(name) & 1);

	p[0] = (unsigned char)n;
	put_32(p + 2, block);
	put_32(p + 10, size);
	p[25] = (unsigned char)flags;
	p[32] = (unsigned char)strlen(name);
	memcpy(p + 33, name, strlen(name));
	return n;
}

static void fill_folder(unsigned char *p, size_t records, unsigned block, unsigned size, unsigned flags)
{
	for (size_t i = 0, at = 0; i < records; i++) {
		const char name[] = {(char)('0' + i / 10), (char)('0' + i % 10), 0};

		at += put_record(p + at, block, size, flags, name);
	}
}

static int read_image(const unsigned char *image, struct error *err)
{
	_cleanup_close_ int fd = memfd_create("iso", MFD_CLOEXEC);
	_cleanup_iso_ struct iso *iso = NULL;

	CHECK(write(fd, image, BLOCKS * BLOCK) == BLOCKS * BLOCK);
	return iso_open(fd, "x.iso", &iso, err);
}

static unsigned char *new_image(unsigned char image[BLOCKS * BLOCK])
{
	unsigned char *volume = memset(image, 0, BLOCKS * BLOCK);

	volume += VOLUME * BLOCK;
	volume[0] = 1;
	memcpy(volume + 1, "CD001", 5);
	put_32(volume + 80, BLOCKS);
	volume[128] = BLOCK & 0xff;
	volume[129] = BLOCK >> 8;
	put_record(volume + 156, ROOT, BLOCK, FOLDER, "x");
	return image;
}

TEST(files_may_share_their_bytes)
{
	static unsigned char image[BLOCKS * BLOCK];
	_cleanup_error_ struct error err = {0};

	fill_folder(new_image(image) + ROOT * BLOCK, 4, 0, BLOCKS * BLOCK, 0);
	CHECK_INT(read_image(image, &err), 0);
	fill_folder(new_image(image) + ROOT * BLOCK, 5, 0, BLOCKS * BLOCK, 0);
	CHECK_INT(read_image(image, &err), -EBADMSG);
	CHECK(err.cause && strstr(err.cause, "too many files lie over each other"));
}

/* Sixteen levels of 50 records, all of which lead to the one folder of the next. */
TEST(folders_that_lie_over_each_other_end)
{
	static unsigned char image[BLOCKS * BLOCK];
	_cleanup_error_ struct error err = {0};

	new_image(image);
	for (unsigned level = 0; level < 16; level++)
		fill_folder(image + (ROOT + level) * BLOCK, 50, ROOT + level + 1, BLOCK, FOLDER);
	CHECK_INT(read_image(image, &err), -EBADMSG);
	CHECK(err.cause && strstr(err.cause, "too many folders"));
}
