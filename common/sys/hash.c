#include "common/sys/hash.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <threads.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"

struct sha256 {
	EVP_MD_CTX *ctx;
};

/* Looked up once: the library's search for it takes longer than the digest of a line. */
static EVP_MD *algorithm;

static void find_algorithm(void)
{
	algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
}

struct sha256 *sha256_new(void)
{
	static once_flag once = ONCE_FLAG_INIT;
	struct sha256 *s = xmalloc(sizeof(*s));

	call_once(&once, find_algorithm);
	s->ctx = EVP_MD_CTX_new();
	if (!algorithm || !s->ctx || !EVP_DigestInit_ex(s->ctx, algorithm, NULL))
		abort();
	return s;
}

void sha256_add(struct sha256 *s, const void *data, size_t n)
{
	if (!EVP_DigestUpdate(s->ctx, data, n))
		abort();
}

void sha256_end(struct sha256 *s, unsigned char digest[SHA256_BYTES])
{
	if (!EVP_DigestFinal_ex(s->ctx, digest, NULL))
		abort();
	sha256_free(s);
}

void sha256_end_hex(struct sha256 *s, char hex[SHA256_HEX])
{
	unsigned char digest[SHA256_BYTES];

	sha256_end(s, digest);
	hex_encode(digest, sizeof(digest), hex);
}

void sha256_free(struct sha256 *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->ctx);
	free(s);
}

void sha256_hex(const void *data, size_t n, char hex[SHA256_HEX])
{
	struct sha256 *s = sha256_new();

	sha256_add(s, data, n);
	sha256_end_hex(s, hex);
}

int sha256_fd(int fd, char hex[SHA256_HEX], uint64_t *size)
{
	_cleanup_sha256_ struct sha256 *s = sha256_new();
	_cleanup_free_ char *buf = xmalloc(1 << 18);
	uint64_t total = 0;

	for (;;) {
		ssize_t n = read(fd, buf, 1 << 18);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		sha256_add(s, buf, (size_t)n);
		total += (uint64_t)n;
	}
	sha256_end_hex(take_ptr(s), hex);
	if (size)
		*size = total;
	return 0;
}

int sha256_file(int dirfd, const char *path, char hex[SHA256_HEX], uint64_t *size)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return sha256_fd(fd, hex, size);
}

int sha256_is_hex(struct blob b)
{
	if (b.n != SHA256_HEX - 1)
		return 0;
	for (size_t i = 0; i < b.n; i++)
		if (!((b.p[i] >= '0' && b.p[i] <= '9') || (b.p[i] >= 'a' && b.p[i] <= 'f')))
			return 0;
	return 1;
}

void hex_encode(const void *data, size_t n, char *hex)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++) {
		hex[2 * i] = digits[p[i] >> 4];
		hex[2 * i + 1] = digits[p[i] & 15];
	}
	hex[2 * n] = '\0';
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(struct blob b, void *data, size_t n)
{
	unsigned char *p = data;

	if (b.n != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int high = digit_value(b.p[2 * i]), low = digit_value(b.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		p[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}
