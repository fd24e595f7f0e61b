/* The words of the Admin API's answers (ref/runtime.md 7). */
#pragma once

#include "common/base/arena.h"
#include "common/base/blob.h"

/*
 * The next key='value' of *rest, with quotes and backslashes escaped by a backslash. 1 and both from the arena, 0 at the
 * end, -EINVAL. Keys are [A-Za-z0-9_.-], values without control characters.
 */
int admin_next_value(struct arena *a, struct blob *rest, const char **key, const char **value);

/* A qube as admin.vm.List tells, `NAME class=C state=S uuid=U`; what is not told has p NULL. */
struct admin_vm {
	struct blob name, class, state, uuid;
};
/* The next of the list; lines without a name are passed over. */
bool admin_next_vm(struct blob *rest, struct admin_vm *vm);

/* `default=True type=str VALUE` to its parts; false when it has another form. */
struct admin_property {
	bool is_default;
	struct blob type, value;
};
bool admin_property_parse(struct blob text, struct admin_property *p);
