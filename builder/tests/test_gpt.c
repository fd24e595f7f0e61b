/* Promise: partition tables of ours are what sfdisk reads without a complaint, and the same every time. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "builder/image/derive.h"
#include "builder/image/gpt.h"
#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/process.h"
#include "common/tests/test.h"

static const uint64_t disk_size = 64 << 20;

static int write_disk(const char *path, struct gpt_partition *parts, size_t n)
{
	int fd _cleanup_close_ = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	uint8_t disk[16];

	derive_uuid("seed", "disk", disk);
	for (size_t i = 0; i < n; i++)
		derive_uuid("seed", parts[i].label, parts[i].uuid);
	CHECK_INT(ftruncate(fd, (off_t)disk_size), 0);
	return gpt_write(fd, disk_size, disk, parts, n);
}

TEST(gpt_is_read_by_sfdisk)
{
	char *path _cleanup_free_ = xasprintf("%s/disk", test_dir());
	char *command _cleanup_free_ =
		xasprintf("sfdisk -V '%s' >/dev/null && sfdisk -d '%s' | sed 's,%s,disk,'", path, path, path);
	const char *const argv[] = {"sh", "-c", command, NULL};
	const char *const probe[] = {"sh", "-c", "command -v sfdisk", NULL};
	struct strbuf out _cleanup_strbuf_ = {0};
	struct gpt_partition part = {.type = gpt_type_linux, .label = "Root filesystem"};
	uint8_t id[16];

	if (process_capture(probe, 1000, &out) != 0) {
		test_skip("no sfdisk here");
		return;
	}
	strbuf_reset(&out);
	derive_uuid("seed", "x", id);
	CHECK_INT(id[6] >> 4, 8);
	gpt_usable(disk_size, &part.start, &part.size);
	CHECK_INT(part.start, 1 << 20);
	CHECK_INT(part.size, 62 << 20);
	CHECK_INT(write_disk(path, &part, 1), 0);
	CHECK_INT(process_capture(argv, 10000, &out), 0);
	CHECK_STR(out.p, "label: gpt\n"
			 "label-id: 705A3469-071A-8F27-AF15-FD40E2B220D7\n"
			 "device: disk\n"
			 "unit: sectors\n"
			 "first-lba: 34\n"
			 "last-lba: 131038\n"
			 "sector-size: 512\n"
			 "\n"
			 "disk1 : start=        2048, size=      126976, "
			 "type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, "
			 "uuid=AB3E57AB-87C7-827F-8077-E27ACD6A10FB, name=\"Root filesystem\"\n");
}

TEST(gpt_refuses_what_does_not_fit)
{
	char *path _cleanup_free_ = xasprintf("%s/disk", test_dir());
	struct gpt_partition p[2] = {
		{.start = 1 << 20, .size = 2 << 20, .type = gpt_type_linux, .label = "a"},
		{.start = 3 << 20, .size = 1 << 20, .type = gpt_type_linux, .label = "b"},
	};

	CHECK_INT(write_disk(path, p, 2), 0);
	p[1].start = 2 << 20;
	CHECK_INT(write_disk(path, p, 2), -EINVAL);
	p[1].start = disk_size - (1 << 20);
	CHECK_INT(write_disk(path, p, 2), -EINVAL);
	p[1].start = 3 << 20;
	p[1].label = "a label that is longer than thirty-six";
	CHECK_INT(write_disk(path, p, 2), -EINVAL);
	p[1].label = "b";
	p[1].size = 100;
	CHECK_INT(write_disk(path, p, 2), -EINVAL);
}
