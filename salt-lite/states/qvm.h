/* qvm.*: qubes, over the Admin API of qubesd (ref/runtime.md 7). */
#pragma once

#include "salt-lite/engine/salt.h"

/* qvm.check(name, what, flags=[...]) as templates call it: an object with passed() and failed(). */
const struct value *qvm_check_status(struct salt *s, const struct call *call);
