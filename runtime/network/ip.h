/* ip(8) with a batch: one process for all that an interface needs. */
#pragma once

#include "common/base/error.h"
#include "common/base/strbuf.h"

/* 0, or negative errno with an error that names `object`; what ip says goes to stderr. */
int ip_batch(const char *object, const struct strbuf *commands, struct error *err);
