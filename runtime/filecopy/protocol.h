/* The stream of qubes.Filecopy and its answer (ref/runtime.md 5), as they are on the wire of a little-endian machine. */
#pragma once

#include <stdint.h>

enum {
	FILECOPY_PATH_MAX = 16384,	 /* with the NUL */
	FILECOPY_LEGAL_EOF = 31415926,	 /* a result's code: the sender went away in the middle of a file */
	FILECOPY_BUFFER = 1024 * 1024,
	FILECOPY_NOTIFY = 15000000,	 /* bytes between two reports of progress */
};

/* Then the name with its NUL; then the bytes of a file or the target of a link. namelen 0 ends the stream. */
struct file_header {
	uint32_t namelen;
	uint32_t mode;
	uint64_t filelen;
	uint32_t atime, atime_nsec, mtime, mtime_nsec;
};

struct result_header {
	uint32_t error_code; /* an errno; its negative for the name of a directory; or FILECOPY_LEGAL_EOF */
	uint32_t pad;
	uint64_t crc32; /* of all bytes of the stream, zlib's polynomial */
} __attribute__((packed));

/* Then the name, without NUL. */
struct result_header_ext {
	uint32_t last_namelen;
} __attribute__((packed));

_Static_assert(sizeof(struct file_header) == 32 && sizeof(struct result_header) == 16, "wire format");
