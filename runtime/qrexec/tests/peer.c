#include "runtime/qrexec/tests/peer.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "runtime/qrexec/protocol.h"

void peer_domain(int domain)
{
	_cleanup_free_ char *text = xasprintf("%d", domain);

	setenv("VCHAN_DOMAIN", text, 1);
}

pid_t peer_start(const char *program, const char *const *arguments)
{
	const char *build = getenv("BUILD");
	_cleanup_free_ char *path = xasprintf("%s/socket/bin/%s", build ? build : "build", program);
	const char *argv[8] = {path};
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct process p = {.argv = argv, .null_stdin = 1, .stdout_fd = null};

	for (unsigned i = 0; arguments[i] && i < 6; i++)
		argv[i + 1] = arguments[i];
	return process_spawn(&p);
}

unsigned peer_descriptors(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/fd", pid);
	_cleanup_closedir_ DIR *d = opendir(path);
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	return n;
}

unsigned peer_children(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/task/%d/children", pid, pid);
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, word;
	unsigned n = 0;

	read_file(AT_FDCWD, path, 1 << 16, &text);
	rest = strbuf_blob(&text);
	while (blob_word(&rest, &word))
		n++;
	return n;
}

bool peer_left(libvchan_t *v)
{
	char buf[256];

	libvchan_set_blocking(v, 0);
	for (int i = 0; i < 300; i++) {
		struct pollfd p = {.fd = libvchan_fd_for_select(v), .events = POLLIN};

		if (libvchan_read(v, buf, sizeof(buf)) < 0)
			return true;
		if (poll(&p, 1, 10) > 0)
			libvchan_wait(v);
	}
	return false;
}

bool peer_greets(libvchan_t *v)
{
	struct {
		struct msg_header h;
		struct peer_info info;
	} hello = {0};

	return libvchan_recv(v, &hello, sizeof(hello)) == (int)sizeof(hello) && hello.h.type == MSG_HELLO &&
	       hello.h.len == 4 && hello.info.version == QREXEC_PROTOCOL_VERSION;
}

void peer_say_version(libvchan_t *v, uint32_t version)
{
	struct {
		struct msg_header h;
		struct peer_info info;
	} hello = {{MSG_HELLO, 4}, {version}};

	libvchan_send(v, &hello, sizeof(hello));
}

int peer_connect(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	for (int i = 0; connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0; i++) {
		if (i == 300) {
			close(fd);
			return -1;
		}
		usleep(10000);
	}
	return fd;
}

bool peer_closes(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char buf[256];
	ssize_t n = 1;

	while (n > 0 && poll(&p, 1, 3000) > 0)
		n = recv(fd, buf, sizeof(buf), 0);
	return n <= 0;
}
