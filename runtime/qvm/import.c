/*
 * Data into a volume: qubesd names a file, the data is put there, qubesd makes it the volume. Also the
 * services admin.vm.volume.Import and ImportWithSize of dom0, for other qubes that may do it.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qvm/qvm.h"

enum { CHUNK = 1 << 20, SIZE_LINE_MAX = 32 };

static bool is_zero(const char *p, size_t n)
{
	return !n || (!*p && !memcmp(p, p + 1, n - 1));
}

/* Until there is more to read. 0; -EINTR: we are to end. */
static int wait_for_data(int from, int signals)
{
	struct pollfd p[] = {{.fd = from, .events = POLLIN}, {.fd = signals, .events = POLLIN}};

	return poll(p, 2, -1) > 0 && p[1].revents ? -EINTR : 0;
}

/* At most `size` bytes, holes where there are zeros. 0 or -errno; -EFBIG: there is more. */
static int copy_sparse(int from, int to, uint64_t size, int signals)
{
	_cleanup_free_ char *buf = xmalloc(CHUNK);
	uint64_t at = 0;

	for (;;) {
		int r = wait_for_data(from, signals);
		ssize_t n;

		if (r < 0)
			return r;
		n = read(from, buf, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : fsync(to) < 0 ? -errno : 0;
		if ((uint64_t)n > size - at)
			return -EFBIG;
		if (!is_zero(buf, (size_t)n) &&
		    (lseek(to, (off_t)at, SEEK_SET) < 0 || write_all(to, buf, (size_t)n) < 0))
			return -errno;
		at += (uint64_t)n;
	}
}

/* `SIZE PATH` of ImportBegin. The file is locked until *to is closed, which tells qubesd that somebody is at work. */
static int fill(const struct strbuf *begun, int fd, int *to, int signals)
{
	struct blob rest = strbuf_blob(begun), word;
	_cleanup_free_ char *path = NULL;
	uint64_t size;

	if (!blob_token(&rest, ' ', &word) || !blob_to_u64(word, INT64_MAX, &size))
		return -EBADMSG;
	path = blob_dup(rest);
	*to = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	return *to < 0 || flock(*to, LOCK_EX | LOCK_NB) < 0 ? -errno : copy_sparse(fd, *to, size, signals);
}

/* From a management qube: the services below, which do the same in dom0. */
static int import_remote(const char *vm, const char *volume, int fd, uint64_t size)
{
	_cleanup_free_ char *line = size ? xasprintf("%llu\n", (unsigned long long)size) : NULL;
	_cleanup_admin_error_ struct admin_error err = {0};
	int r = admin_call_from(&qvm_admin, vm, size ? "admin.vm.volume.ImportWithSize" : "admin.vm.volume.Import",
				volume, blob_of(line), fd, NULL, &err);

	return qvm_report(vm, r, &err);
}

/* What has begun is ended, whatever happens: until then the volume cannot be used. */
static int import_local(const char *vm, const char *volume, int fd, uint64_t size, int signals)
{
	_cleanup_free_ char *payload = size ? xasprintf("%llu", (unsigned long long)size) : NULL;
	_cleanup_free_ char *failed = NULL;
	_cleanup_strbuf_ struct strbuf begun = {0};
	_cleanup_close_ int to = -1;
	int r = qvm_call(vm, "internal.vm.volume.ImportBegin", volume, payload, &begun), end;

	if (r)
		return r;
	r = fill(&begun, fd, &to, signals);
	if (r < 0) {
		fprintf(stderr, "%s: %s:%s: %s\n", qvm_name, vm, volume,
			r == -EFBIG ? "the data is larger than the volume" : strerror(-r));
		failed = xasprintf("fail\n%s", strerror(-r));
	}
	end = qvm_call(vm, "internal.vm.volume.ImportEnd", volume, failed ? failed : "ok", NULL);
	return failed ? QVM_FAILED : end;
}

int qvm_import(const char *vm, const char *volume, int fd, uint64_t size)
{
	_cleanup_close_ int signals = -1;
	sigset_t before;
	int r;

	if (admin_is_remote(&qvm_admin))
		return import_remote(vm, volume, fd, size);
	signals = qvm_hold_signals(&before);
	r = import_local(vm, volume, fd, size, signals);
	/* One that came ends us here. */
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* A line with the size; byte by byte, since the data follows at once. */
static bool read_size(uint64_t *size)
{
	char line[SIZE_LINE_MAX];
	size_t n = 0;

	while (n < sizeof(line) && read(STDIN_FILENO, line + n, 1) == 1 && line[n] != '\n')
		n++;
	return n < sizeof(line) && blob_to_u64((struct blob){line, n}, INT64_MAX, size) && *size;
}

/* As a qrexec service: the argument is the volume, the target the qube. */
static int serve(int argc, char **argv, bool with_size)
{
	const char *target = getenv("QREXEC_REQUESTED_TARGET");
	uint64_t size = 0;

	if (argc != 2 || !*argv[1] || !target || *target == '@')
		return QVM_FAILED;
	if (with_size && !read_size(&size))
		return QVM_FAILED;
	if (qvm_import(target, argv[1], STDIN_FILENO, size))
		return QVM_FAILED;
	fwrite("0\0", 1, 2, stdout); /* the answer of an Admin API call */
	return 0;
}

int service_import(int argc, char **argv)
{
	return serve(argc, argv, false);
}

int service_import_with_size(int argc, char **argv)
{
	return serve(argc, argv, true);
}
