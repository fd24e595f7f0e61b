/* The receiver's answer, as the sender reads it. The receiver is not trusted: its name of a file goes to a terminal. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/* Reads an answer and compares its checksum with ours. 0, or a negative errno with *err set. */
int result_read(int fd, uint32_t crc, struct error *err);
/* The same for an answer in memory. */
int result_judge(const void *data, size_t n, uint32_t crc, struct error *err);
