#include "runtime/guest/init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/swap.h>
#include <unistd.h>

#include "common/base/cleanup.h"

enum {
	PAGE = 4096,
	PAGES_MIN = 16,
	PAGES_MAX = 1 << 18, /* 1 GiB: the volatile disk is larger, but a qube that swaps more is
				better stopped */
	SIGNATURE = PAGE - 10,
};

/* The header of mkswap(8): linux/swap.h, union swap_header, in the machine's byte order. */
static void make_header(char *page, uint32_t pages)
{
	uint32_t version = 1, last_page = pages - 1;

	memcpy(page + 1024, &version, 4);
	memcpy(page + 1028, &last_page, 4);
	if (getrandom(page + 1036, 16, GRND_NONBLOCK) != 16)
		memset(page + 1036, 0, 16);
	memcpy(page + SIGNATURE, "SWAPSPACE2", 10);
}

void swap_enable(const char *device)
{
	static const char zero[PAGE];
	char page[PAGE];
	uint64_t size = 0;
	_cleanup_close_ int fd = open(device, O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) < 0 || pread(fd, page, PAGE, 0) != PAGE) {
		complain(device, "no swap: %s", strerror(errno));
		return;
	}
	if (!memcmp(page, zero, PAGE)) {
		uint64_t pages = size / PAGE < PAGES_MAX ? size / PAGE : PAGES_MAX;

		if (pages < PAGES_MIN)
			return;
		make_header(page, (uint32_t)pages);
		if (pwrite(fd, page, PAGE, 0) != PAGE || fsync(fd) < 0) {
			complain(device, "no swap: %s", strerror(errno));
			return;
		}
	} else if (memcmp(page + SIGNATURE, "SWAPSPACE2", 10)) {
		return;
	}
	if (swapon(device, 0) < 0)
		complain(device, "no swap: %s", strerror(errno));
}
