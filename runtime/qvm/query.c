/* qubesd-query: one raw call of the Admin API, for scripts (ref/runtime.md 7.1). */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qvm/qvm.h"

enum { PAYLOAD_MAX = 65536 };

static bool empty, fail, single_line, add_nul;
static long max_bytes = PAYLOAD_MAX;

/* The payload from stdin; 0 or an exit code after a message. */
static int read_payload(struct strbuf *request)
{
	_cleanup_strbuf_ struct strbuf in = {0};
	int r;

	if (empty)
		return 0;
	r = read_fd(STDIN_FILENO, max_bytes < PAYLOAD_MAX ? (size_t)max_bytes : PAYLOAD_MAX, &in);
	if (r < 0) {
		fprintf(stderr, "qubesd-query: stdin: %s\n",
			r == -EFBIG ? "too much" : strerror(-r));
		return 1;
	}
	if (single_line && in.p)
		in.n = strcspn(in.p, "\n");
	strbuf_add(request, in.p ? in.p : "", in.n);
	return 0;
}

int qubesd_query(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"connect", 'c', OPTION_STRING, &qvm_admin.socket, "PATH", "the same as --socket"},
		{"empty", 'e', OPTION_FLAG, &empty, NULL, "no payload; else it is read from stdin"},
		{"fail", 0, OPTION_FLAG, &fail, NULL,
		 "exit 2 for an exception, 1 for no valid answer"},
		{"max-bytes", 0, OPTION_NUMBER, &max_bytes, "N", "refuse a longer payload"},
		{"single-line", 0, OPTION_FLAG, &single_line, NULL, "only the first line of stdin"},
		{"null", 0, OPTION_FLAG, &add_nul, NULL, "a NUL after the payload"},
		{0},
	};
	static const struct command_line cmd = {
		"qubesd-query",
		"SRC METHOD DEST [ARG]",
		"Send one request to qubesd and print the raw answer.",
		NULL,
		options,
		false};
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_strbuf_ struct strbuf request = {0};
	_cleanup_strbuf_ struct strbuf answer = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n < 3 || operands.n > 4)
		return options_wrong(&cmd, "SRC, METHOD and DEST are needed");
	strbuf_printf(&request, "%s%s%s %s name %s", operands.v[1], operands.n > 3 ? "+" : "",
		      operands.n > 3 ? operands.v[3] : "", operands.v[0], operands.v[2]);
	strbuf_add_char(&request, 0);
	if (read_payload(&request))
		return 1;
	if (add_nul)
		strbuf_add_char(&request, 0);
	r = admin_raw(&qvm_admin, strbuf_blob(&request), &answer);
	if (r < 0)
		return qvm_report(operands.v[2], r, NULL);
	fwrite(answer.p ? answer.p : "", 1, answer.n, stdout);
	if (!fail)
		return 0;
	return answer.n >= 2 && answer.p[0] == '0'   ? 0
	       : answer.n >= 2 && answer.p[0] == '2' ? 2
						     : 1;
}
