/* Text of machines as part of XML and HTML. */
#pragma once

#include "common/base/strbuf.h"

/* Escaped; control characters become `?`. */
void report_add_escaped(struct strbuf *out, const char *text);
