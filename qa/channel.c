#include "qa/channel.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "common/sys/file.h"
#include "common/sys/socket.h"

enum { KEEP_BYTES = 4 << 20 };

int channel_open(struct channel *c, const char *name, const char *socket_path, const char *log, struct error *err)
{
	int fd = socket_connect(socket_path, 0);

	*c = (struct channel){.name = name, .fd = -1, .log_fd = -1};
	if (fd == -ENAMETOOLONG)
		return error_set(err, fd, socket_path, "choose a shorter --out folder", "too long for a socket");
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return -EAGAIN;
	if (fd < 0)
		return error_errno(err, fd, socket_path, "cannot connect to QEMU");
	c->fd = fd;
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	if (log)
		c->log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return 0;
}

void channel_close(struct channel *c)
{
	if (c->fd >= 0)
		close(take_fd(&c->fd));
	if (c->log_fd >= 0)
		close(take_fd(&c->log_fd));
	strbuf_free(&c->text);
	c->seen = 0;
}

static void forget_oldest(struct channel *c)
{
	size_t cut = c->text.n - KEEP_BYTES / 2;

	memmove(c->text.p, c->text.p + cut, c->text.n - cut);
	c->text.n -= cut;
	c->text.p[c->text.n] = '\0';
	c->seen = c->seen > cut ? c->seen - cut : 0;
}

bool channel_pump(struct channel *c)
{
	bool came = false;
	char buf[4096];

	while (c->fd >= 0) {
		ssize_t n = read(c->fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			close(take_fd(&c->fd));
			break;
		}
		if (c->log_fd >= 0)
			write_all(c->log_fd, buf, (size_t)n);
		strbuf_add(&c->text, buf, (size_t)n);
		came = true;
	}
	if (c->text.n > KEEP_BYTES)
		forget_oldest(c);
	return came;
}

bool channel_match(struct channel *c, const char *text)
{
	size_t n = strlen(text);
	char *found = c->text.n > c->seen ? memmem(c->text.p + c->seen, c->text.n - c->seen, text, n) : NULL;

	if (!found)
		return false;
	c->seen = (size_t)(found - c->text.p) + n;
	return true;
}

bool channel_line(struct channel *c, struct strbuf *line)
{
	char *start = c->text.p + c->seen;
	char *end = c->text.n > c->seen ? memchr(start, '\n', c->text.n - c->seen) : NULL;

	if (!end)
		return false;
	strbuf_reset(line);
	strbuf_add(line, start, (size_t)(end - start));
	c->seen += (size_t)(end - start) + 1;
	return true;
}

int channel_send(struct channel *c, const char *text, size_t n)
{
	while (n) {
		struct pollfd p = {.fd = c->fd, .events = POLLOUT};
		ssize_t done = c->fd < 0 ? -1 : write(c->fd, text, n);

		if (c->fd < 0)
			return -EPIPE;
		if (done < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (done < 0) {
			poll(&p, 1, 1000);
			continue;
		}
		text += done;
		n -= (size_t)done;
	}
	return 0;
}

struct blob channel_tail(const struct channel *c, unsigned lines)
{
	size_t from = c->text.n;

	while (from && lines) {
		from--;
		if (from && c->text.p[from - 1] == '\n')
			lines--;
	}
	return (struct blob){c->text.p ? c->text.p + from : "", c->text.n - from};
}
