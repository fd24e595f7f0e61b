/*
 * qubes.VMExec and qubes.VMRootExec (ref: runtime.md 9): runs the program whose arguments are encoded in the service's argument,
 * joined with '+'; a byte outside [A-Za-z0-9_.] is "-HH", and "--" is "-".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"
#include "runtime/qrexec/protocol.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Bytes of the encoded form that were used, 0 when it is malformed. A NUL cannot be part of an argument. */
static size_t decode(const char *p, char *out)
{
	int high, low;

	if (*p != '-') {
		*out = *p;
		return 1;
	}
	if (p[1] == '-') {
		*out = '-';
		return 2;
	}
	high = hex_digit(p[1]);
	low = high < 0 ? -1 : hex_digit(p[2]);
	if (low < 0 || (high == 0 && low == 0))
		return 0;
	*out = (char)(high * 16 + low);
	return 3;
}

static bool decode_all(const char *p, struct strv *argv)
{
	_cleanup_strbuf_ struct strbuf part = {0};

	while (*p) {
		char c;
		size_t used;

		if (*p == '+') {
			strv_push(argv, part.p ? part.p : "");
			strbuf_reset(&part);
			p++;
			continue;
		}
		used = decode(p, &c);
		if (!used)
			return false;
		strbuf_add_char(&part, c);
		p += used;
	}
	strv_push(argv, part.p ? part.p : "");
	return true;
}

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv command = {0};
	int e;

	if (argc != 2 || !decode_all(argv[1], &command)) {
		fprintf(stderr, "qubes.VMExec: wants an encoded command as its argument\n");
		return QREXEC_EXIT_PROBLEM;
	}
	execvp(command.v[0], command.v);
	e = errno;
	fprintf(stderr, "qubes.VMExec: %s: %s\n", command.v[0], strerror(e));
	return e == ENOENT ? QREXEC_EXIT_NOT_FOUND : QREXEC_EXIT_REFUSED;
}
