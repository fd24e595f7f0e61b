#include "runtime/guest/init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"

static void load(int dirfd, struct blob line)
{
	struct blob rest = blob_trim(line), word;

	if (!rest.n || rest.p[0] == '#' || !blob_word(&rest, &word))
		return;

	_cleanup_free_ char *name = blob_dup(word);
	_cleanup_free_ char *parameters = blob_dup(blob_trim(rest));
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, parameters, 0) < 0 && errno != EEXIST))
		complain(name, "cannot load this module: %s", strerror(errno));
}

void modules_load(const char *dir)
{
	_cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_strbuf_ struct strbuf order = {0};
	struct blob rest, line;

	if (dirfd < 0) {
		complain(dir, "%s", strerror(errno));
		return;
	}
	int r = read_file(dirfd, "order", 65536, &order);
	if (r < 0) {
		complain("modules/order", "%s", strerror(-r));
		return;
	}
	rest = strbuf_blob(&order);
	while (blob_token(&rest, '\n', &line))
		load(dirfd, line);
}
