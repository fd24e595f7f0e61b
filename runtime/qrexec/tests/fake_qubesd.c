/*
 * fake-qubesd SOCKET INFO HOOK: stands in for qubesd. internal.GetSystemInfo is answered with the file INFO as it is now; for every other
 * method `HOOK METHOD TARGET` is run, whose output is the answer; when it fails the first word of it is the exception.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

static void answer(const char *info, const char *hook, struct blob request, struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob head, method = {0}, source, type, target = {0};
	_cleanup_free_ char *m = NULL, *t = NULL;
	int r;

	if (!blob_token(&request, '\0', &head) || !blob_word(&head, &method) || !blob_word(&head, &source) ||
	    !blob_word(&head, &type) || !blob_word(&head, &target))
		return;
	m = blob_dup(method);
	t = blob_dup(target);
	if (strcmp(m, "internal.GetSystemInfo") == 0) {
		r = read_file(AT_FDCWD, info, 1 << 20, &text);
	} else {
		const char *argv[] = {hook, m, t, NULL};

		r = process_capture(argv, 1 << 16, &text);
	}
	strbuf_add(out, r == 0 ? "0" : "2", 2);
	strbuf_add(out, strbuf_blob(&text).p, text.n);
	if (r)
		strbuf_add(out, "\0\0by the hook", 14);
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 4 || strlen(argv[1]) >= sizeof(a.sun_path))
		return 2;
	strcpy(a.sun_path, argv[1]);
	unlink(argv[1]);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 512) < 0)
		return 1;
	for (;;) {
		_cleanup_close_ int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		_cleanup_strbuf_ struct strbuf in = {0}, out = {0};

		if (c < 0 || read_fd(c, 1 << 16, &in) < 0)
			continue;
		answer(argv[2], argv[3], strbuf_blob(&in), &out);
		send(c, strbuf_blob(&out).p, out.n, MSG_NOSIGNAL);
	}
}
