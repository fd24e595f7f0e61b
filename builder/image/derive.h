/*
 * Identifiers that look random but follow from what they stand for: the same inputs give the same
 * UUID, other inputs another one.
 */
#pragma once

#include <stdint.h>

enum { UUID_TEXT = 37 };

/* 16 bytes of SHA-256(purpose NUL seed), marked as UUID version 8 (RFC 9562 5.8), in the order they
 * are written. */
void derive_uuid(const char *seed, const char *purpose, uint8_t uuid[16]);
/* The same as text, lower case. */
void derive_uuid_text(const char *seed, const char *purpose, char text[UUID_TEXT]);
/* Any number of bytes up to 32. */
void derive_bytes(const char *seed, const char *purpose, void *out, unsigned n);
