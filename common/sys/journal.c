#include "common/sys/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"

enum { CHECK = 16, JOURNAL_MAX = 1 << 20 };

bool journal_next(struct blob *rest, struct blob *line)
{
	const char *end = memchr(rest->p, '\n', rest->n);
	size_t n = end ? (size_t)(end - rest->p) : 0;
	char hex[SHA256_HEX];

	if (n <= CHECK || rest->p[CHECK] != ' ')
		return false;
	*line = (struct blob){rest->p + CHECK + 1, n - CHECK - 1};
	sha256_hex(line->p, line->n, hex);
	if (memcmp(hex, rest->p, CHECK) != 0)
		return false;
	*rest = (struct blob){end + 1, rest->n - n - 1};
	return true;
}

/* Returns how much of the log holds. */
static size_t collect(struct blob log, struct strbuf *text)
{
	struct blob rest = log, line;

	while (journal_next(&rest, &line)) {
		if (!text)
			continue;
		strbuf_add(text, line.p, line.n);
		strbuf_add_char(text, '\n');
	}
	return log.n - rest.n;
}

int journal_open(int dirfd, const char *path, struct strbuf *text)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	_cleanup_strbuf_ struct strbuf log = {0};
	int r;

	if (fd < 0)
		return -errno;
	r = read_fd(fd, JOURNAL_MAX, &log);
	if (r < 0)
		return r;
	if (ftruncate(fd, (off_t)collect(strbuf_blob(&log), text)) || fsync(fd))
		return -errno;
	/* A new file is only there for good when its folder is. */
	r = sync_parent(dirfd, path);
	return r < 0 ? r : take_fd(&fd);
}

int journal_note(int fd, const char *text)
{
	_cleanup_free_ char *line = NULL;
	off_t end = lseek(fd, 0, SEEK_END);
	char hex[SHA256_HEX];
	int r;

	sha256_hex(text, strlen(text), hex);
	line = xasprintf("%.*s %s\n", CHECK, hex, text);
	r = write_all(fd, line, strlen(line));
	/* On a full disk part of it may be there, behind which no other line would be found. */
	if (r < 0 && end >= 0 && ftruncate(fd, end))
		return -errno;
	return r;
}

int journal_append(int fd, const char *text)
{
	int r = journal_note(fd, text);

	return r < 0 ? r : fsync(fd) ? -errno : 0;
}
