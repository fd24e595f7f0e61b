/* Writing an image to a disk, and proving that it is there. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "builder/medium/device.h"
#include "common/base/error.h"

struct write_result {
	double write_rate, read_rate; /* MB/s */
	uint64_t size;
};

/*
 * Writes the first `size` bytes of the image to the disk, which is opened for this process alone, and reads them back
 * from the medium itself. -EBUSY: somebody uses it; -ENODEV: another disk has its name now; -EBADMSG: it does not give
 * back what was written, err says where.
 */
int write_image(int image_fd, uint64_t size, const struct device *to, bool quiet, struct write_result *result,
		struct error *err);
