/* SHA-256 (libcrypto) and hexadecimal. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/blob.h"

enum { SHA256_BYTES = 32, SHA256_HEX = 65 };

struct sha256; /* a running digest */

struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *s, const void *data, size_t n);
/* Writes the digest and frees s. */
void sha256_end(struct sha256 *s, unsigned char digest[SHA256_BYTES]);
/* Writes 64 lower-case digits and a NUL, and frees s. */
void sha256_end_hex(struct sha256 *s, char hex[SHA256_HEX]);
void sha256_free(struct sha256 *s);

void sha256_hex(const void *data, size_t n, char hex[SHA256_HEX]);
/* Digest and size (may be NULL) of a file, or of the rest of a descriptor. 0 or -errno. */
int sha256_file(int dirfd, const char *path, char hex[SHA256_HEX], uint64_t *size);
int sha256_fd(int fd, char hex[SHA256_HEX], uint64_t *size);
/* 64 lower-case hexadecimal digits? */
int sha256_is_hex(struct blob b);

/* hex gets 2 * n digits and a NUL. */
void hex_encode(const void *data, size_t n, char *hex);
/* 0, or -EINVAL unless b is exactly 2 * n hexadecimal digits. */
int hex_decode(struct blob b, void *data, size_t n);

static inline void cleanup_sha256(struct sha256 **s)
{
	sha256_free(*s);
}

#define _cleanup_sha256_ _cleanup_(cleanup_sha256)
