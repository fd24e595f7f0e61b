#include "builder/image/derive.h"

#include <stdio.h>
#include <string.h>

#include "common/sys/hash.h"

void derive_bytes(const char *seed, const char *purpose, void *out, unsigned n)
{
	struct sha256 *s = sha256_new();
	uint8_t digest[SHA256_BYTES];

	sha256_add(s, purpose, strlen(purpose) + 1);
	sha256_add(s, seed, strlen(seed));
	sha256_end(s, digest);
	memcpy(out, digest, n < sizeof(digest) ? n : sizeof(digest));
}

void derive_uuid(const char *seed, const char *purpose, uint8_t uuid[16])
{
	derive_bytes(seed, purpose, uuid, 16);
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x80);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

void derive_uuid_text(const char *seed, const char *purpose, char text[UUID_TEXT])
{
	uint8_t u[16];

	derive_uuid(seed, purpose, u);
	snprintf(text, UUID_TEXT,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
		 u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
		 u[15]);
}
