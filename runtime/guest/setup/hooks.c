#include "runtime/guest/setup/setup.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/strbuf.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "common/sys/hook.h"

void setup_run_hook(struct setup *s, const char *path)
{
	int r = hook_run((const char *const[]){path, NULL});

	if (r)
		setup_complain(s, path, r < 0 ? "cannot be run: %s" : "failed%s",
			       r < 0 ? strerror(-r) : "");
}

void setup_run_hooks(struct setup *s, const char *dir)
{
	_cleanup_strv_ struct strv hooks = {0};

	hook_list(dir, ".rc", &hooks);
	for (size_t i = 0; i < hooks.n; i++)
		setup_run_hook(s, hooks.v[i]);
}

int setup_misc_post(struct setup *s)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	setup_run_hooks(s, "/rw/config/rc.local.d");
	/* Starting a shell only to read comments is not worth it. */
	if (read_file(AT_FDCWD, "/rw/config/rc.local", 1 << 20, &text) < 0 ||
	    !blob_eq_str(strbuf_blob(&text), setup_default_rc_local))
		setup_run_hook(s, "/rw/config/rc.local");
	return 0;
}
