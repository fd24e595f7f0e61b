/*
 * YAML as Salt's users know it: libyaml's events, resolved as PyYAML's safe loader resolves them (YAML 1.1), keys in
 * the order of the file. Differences, all on purpose: a key twice is an error and 0644 is the number 644, as in Salt's
 * own loader; dates stay texts; numbers beyond 64 bits and recursive aliases are errors.
 */
#pragma once

#include "salt-lite/value/value.h"

/* One document; an empty one is None. Fails with name:line. */
const struct value *yaml_parse(struct heap *h, const char *name, struct blob text);
/* What a plain scalar means. */
const struct value *yaml_resolve(struct heap *h, struct blob text);
/* Text that reads back as the same value; in one line ("flow") or as a block, without a line end after it. */
struct blob yaml_write(struct heap *h, const struct value *v, bool flow);
/* As Python's json.dumps(sort_keys=True); `html`: with <, >, & and ' escaped; indent 0: in one line. */
struct blob json_write(struct heap *h, const struct value *v, bool html, unsigned indent);
/* A text in double quotes with YAML's (and JSON's) escapes. */
struct blob yaml_dquote(struct heap *h, struct blob text);
