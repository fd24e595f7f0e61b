/* nftables by its library: one transaction a call. */
#pragma once

#include "common/base/error.h"

/* 0, or -EINVAL with the first line of what nft says. `object` names the rules in messages. */
int nft_apply(const char *object, const char *script, struct error *err);
int nft_apply_file(const char *path, struct error *err);
