/*
 * QubesDB messages: the same on UNIX sockets and on vchan port 111 (ref/runtime.md 4.1). A header
 * of 72 bytes, laid out as the C compiler does on x86-64, then data_len bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/blob.h"

enum {
	QDB_PATH_MAX = 64,   /* with the NUL */
	QDB_DATA_MAX = 3071, /* 3072 is already refused */
	QDB_VCHAN_PORT = 111,
	QDB_VCHAN_RING = 4096,
};

enum qdb_type {
	QDB_READ,
	QDB_WRITE,
	QDB_MULTIREAD,
	QDB_LIST,
	QDB_RM,
	QDB_WATCH,
	QDB_UNWATCH,
	QDB_RESP_OK,
	QDB_RESP_ERROR_NOENT,
	QDB_RESP_ERROR,
	QDB_RESP_READ,
	QDB_RESP_MULTIREAD,
	QDB_RESP_LIST,
	QDB_RESP_WATCH,
};

struct qdb_header {
	uint8_t type; /* enum qdb_type, or anything: it comes from a peer */
	char path[QDB_PATH_MAX];
	uint8_t padding[3];
	uint32_t data_len;
};

_Static_assert(sizeof(struct qdb_header) == 72, "wire format");

/* A header with zeroed padding; a path that is too long is cut. */
struct qdb_header qdb_header_make(enum qdb_type type, const char *path, size_t data_len);

/* Is the path terminated, made of [A-Za-z0-9_/.:@-] and without a leading '-'? The empty path is
 * (it means "all"). */
bool qdb_path_valid(const char path[QDB_PATH_MAX]);
/* May it name a value: leading '/', no trailing one? For a path that is valid. */
bool qdb_path_is_key(const char *path);
/* Values hold any byte but NUL. */
bool qdb_data_valid(struct blob data);
