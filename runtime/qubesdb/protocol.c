#include "runtime/qubesdb/protocol.h"

#include <string.h>

struct qdb_header qdb_header_make(enum qdb_type type, const char *path, size_t data_len)
{
	struct qdb_header header = {.type = (uint8_t)type, .data_len = (uint32_t)data_len};

	memcpy(header.path, path, strnlen(path, QDB_PATH_MAX - 1));
	return header;
}

bool qdb_path_valid(const char path[QDB_PATH_MAX])
{
	size_t n = strnlen(path, QDB_PATH_MAX);

	if (n == QDB_PATH_MAX || path[0] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = path[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      memchr("_/.:@-", c, 6)))
			return false;
	}
	return true;
}

bool qdb_path_is_key(const char *path)
{
	size_t n = strlen(path);

	return n > 1 && path[0] == '/' && path[n - 1] != '/';
}

bool qdb_data_valid(struct blob data)
{
	return !data.n || !memchr(data.p, '\0', data.n);
}
