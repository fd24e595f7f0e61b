/* open-url: qubes.OpenURL. Opens the address that comes on stdin, one line, if it is one that a browser takes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/ui/options.h"
#include "runtime/filecopy/open.h"

#define URL_MAX 8192

static const char *opener = "xdg-open";

static const struct option_def options[] = {
	{"opener", 0, OPTION_STRING, &opener, "PROGRAM", "opens the address (xdg-open)"},
	{0},
};

static const struct command_line usage = {
	.program = "open-url",
	.operands = "",
	.summary = "Open the address that another qube sends on stdin.",
	.notes = "Taken are http, https and ftp. Exit codes: the opener's, 1 it is no such address, 2 wrong use, 127 no opener.",
	.options = options,
};

/* Printable ASCII without blanks: the rest is written with % in an address. */
static bool is_plain(struct blob text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			return false;
	return true;
}

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_strbuf_ struct strbuf text = {0};
	enum options_result parsed = options_parse(&usage, argc, argv, &operands);
	struct blob url;

	if (parsed)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n)
		return options_wrong(&usage, "the address comes on stdin");
	if (read_fd(STDIN_FILENO, URL_MAX, &text) < 0) {
		fprintf(stderr, "open-url: more than %d bytes are no address\n", URL_MAX);
		return 1;
	}
	url = strbuf_blob(&text);
	if (url.n && url.p[url.n - 1] == '\n')
		url.n--;
	if (!is_plain(url) || !open_is_url(text.p ? text.p : "")) {
		fprintf(stderr, "open-url: what came is no address of http, https or ftp\n");
		return 1;
	}
	text.p[url.n] = '\0';
	/* stdout is the other side's: the opener gets none of it. */
	if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return 1;
	execlp(opener, opener, text.p, (char *)NULL);
	fprintf(stderr, "open-url: %s: %s\n", opener, strerror(errno));
	return 127;
}
