/*
 * The head of a request: METHOD[+ARG] SP SRC SP name SP DEST NUL, then the payload
 * (ref/runtime.md 7.1). `keyword adminvm` stands for dom0.
 */
#pragma once

#include "common/base/blob.h"

enum { REQUEST_MAX = 65536 };

/* All parts point into the input. */
struct request {
	struct blob method, argument, source, target_type, target, payload;
};

/* 0, or -EBADMSG. */
int request_parse(struct blob input, struct request *r);
