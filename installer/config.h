/* The texts of this machine's own configuration files: pure functions, so that tests can read them. */
#pragma once

#include "common/base/strbuf.h"
#include "installer/run.h"

void config_fstab(const struct install *in, struct strbuf *out);
void config_crypttab(const struct install *in, struct strbuf *out);
/*
 * Fills in a template of GRUB's menu: @BOOT_UUID@, @ROOT@ (the device with the root), @UNLOCK@ (what dracut needs to
 * open it) and @DOM0_MEM@ (MiB, a number).
 * -EINVAL with name and line for any other word between two @.
 */
int config_grub(const struct install *in, const char *name, struct blob text, struct strbuf *out, struct error *err);
