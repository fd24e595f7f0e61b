#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "builder/commands.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"

static int is_source_root(const char *path)
{
	_cleanup_free_ char *version = xasprintf("%s/VERSION", path);
	_cleanup_free_ char *builder = xasprintf("%s/builder", path);

	return !access(version, F_OK) && !access(builder, F_OK);
}

char *source_root(void)
{
	_cleanup_free_ char *here = getcwd(NULL, 0);
	_cleanup_free_ char *path = xstrdup(here ? here : ".");

	for (;;) {
		char *slash;

		if (is_source_root(path))
			return take_ptr(path);
		slash = strrchr(path, '/');
		if (!slash || slash == path)
			return here ? take_ptr(here) : xstrdup(".");
		*slash = '\0';
	}
}

char *source_version(const char *root)
{
	_cleanup_free_ char *path = xasprintf("%s/VERSION", root);
	_cleanup_strbuf_ struct strbuf text = {0};

	if (read_file(AT_FDCWD, path, 256, &text) < 0)
		return xstrdup("0");
	return blob_dup(blob_trim(strbuf_blob(&text)));
}
