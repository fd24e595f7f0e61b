/* Text of others on its way to a terminal, to which control characters would be commands. */
#pragma once

#include "common/base/blob.h"

/* Neither ASCII's control characters nor, in UTF-8, those of the upper half. */
static inline bool text_is_plain(struct blob text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i], before = i ? (unsigned char)text.p[i - 1] : 0;

		if (c < ' ' || c == 0x7f || (before == 0xc2 && c >= 0x80 && c < 0xa0))
			return false;
	}
	return true;
}
