/* ip(8) with a batch: one process for all that an interface needs. */
#pragma once

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/strbuf.h"

/*
 * 0, or negative errno with an error that names `object`; what ip says goes to stderr. `go_on`: a command that fails does
 * not keep the later ones from being tried.
 */
int ip_batch(const char *object, const struct strbuf *commands, bool go_on, struct error *err);
