#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "builder/fetch/fetch.h"
#include "common/base/alloc.h"
#include "common/sys/hash.h"

static char *cache_root(const char *cache)
{
	const char *env = getenv("BULKHEAD_CACHE"), *xdg = getenv("XDG_CACHE_HOME"),
		   *home = getenv("HOME");

	if (cache)
		return xstrdup(cache);
	if (env && *env)
		return xstrdup(env);
	if (xdg && xdg[0] == '/')
		return xasprintf("%s/bulkhead", xdg);
	return xasprintf("%s/.cache/bulkhead", home && *home ? home : "/root");
}

char *fetch_cache_path(const char *cache, const char *sha256)
{
	_cleanup_free_ char *root = cache_root(cache);

	return xasprintf("%s/sha256/%s", root, sha256);
}

int fetch_cache_open(const char *cache, const char *sha256, uint64_t size, const char *label,
		     struct error *err)
{
	_cleanup_free_ char *path = fetch_cache_path(cache, sha256);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char found[SHA256_HEX];
	struct stat st;
	int r;

	if (fd < 0 && errno == ENOENT)
		return error_set(err, -ENOENT, label, "build without --offline",
				 "it is not in the cache");
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, -errno, label, "cannot open it in the cache");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
		return error_set(err, -EBADMSG, label, "delete it from the cache",
				 "%s has %jd bytes instead of %" PRIu64, path, (intmax_t)st.st_size,
				 size);
	r = sha256_fd(fd, found, NULL);
	if (r < 0)
		return error_errno(err, r, label, "cannot read it in the cache");
	if (strcmp(found, sha256) != 0)
		return error_set(err, -EBADMSG, label, "delete it from the cache",
				 "sha256 of %s differs from its name", path);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, -errno, label, "cannot read it in the cache");
	return take_fd(&fd);
}
