/* fake-client SOCKET: sends stdin there, half-closes, prints what comes back. */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/strbuf.h"
#include "common/sys/file.h"

int main(int argc, char **argv)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct strbuf text = {0}, answer = {0};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 2 || strlen(argv[1]) >= sizeof(a.sun_path) || read_fd(0, 1 << 24, &text) < 0)
		return 2;
	strcpy(a.sun_path, argv[1]);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return 1;
	/* The other side may have heard enough before the end. */
	for (size_t n = 0; n < text.n;) {
		ssize_t r = send(fd, text.p + n, text.n - n, MSG_NOSIGNAL);

		if (r < 0)
			break;
		n += (size_t)r;
	}
	shutdown(fd, SHUT_WR);
	read_fd(fd, 1 << 24, &answer);
	return write_all(1, strbuf_blob(&answer).p, answer.n) < 0;
}
