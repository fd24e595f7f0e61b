/* Promise: after a power cut at any byte a log holds its first lines, whole, and goes on behind them. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/sys/file.h"
#include "common/sys/journal.h"
#include "common/tests/test.h"

/* Adds the lines of the log, without their checks, to *text. */
static int read_lines(int dir, const char *path, struct strbuf *text)
{
	_cleanup_strbuf_ struct strbuf log = {0};
	int r = read_file(dir, path, 4096, &log);
	struct blob rest = strbuf_blob(&log), line;

	while (r == 0 && journal_next(&rest, &line)) {
		strbuf_add(text, line.p, line.n);
		strbuf_add_char(text, '\n');
	}
	return r;
}

TEST(journal_cut_anywhere)
{
	_cleanup_close_ int dir = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = journal_open(dir, "log", NULL);
	_cleanup_strbuf_ struct strbuf whole = {0};
	size_t one;

	CHECK_INT(journal_append(fd, "step one"), 0);
	one = (size_t)lseek(fd, 0, SEEK_END);
	CHECK_INT(journal_append(fd, "step two \xc3\xa4"), 0);
	CHECK_INT(read_file(dir, "log", 4096, &whole), 0);
	for (size_t n = 0; n <= whole.n; n++) {
		_cleanup_strbuf_ struct strbuf text = {0}, again = {0};
		_cleanup_close_ int cut = -1;

		CHECK_INT(write_file(dir, "cut", whole.p, n, 0600), 0);
		cut = journal_open(dir, "cut", &text);
		CHECK_INT(journal_append(cut, "after"), 0);
		CHECK_INT(read_lines(dir, "cut", &again), 0);
		CHECK_STR(text.n ? text.p : "", n < one ? "" : n < whole.n ? "step one\n" : "step one\nstep two \xc3\xa4\n");
		CHECK_INT(again.n, text.n + 6);
	}
}

TEST(journal_damaged_line)
{
	_cleanup_close_ int dir = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = journal_open(dir, "log", NULL);
	_cleanup_close_ int other = -1;
	_cleanup_strbuf_ struct strbuf text = {0};

	CHECK_INT(journal_append(fd, "a"), 0);
	CHECK_INT(journal_append(fd, "b"), 0);
	CHECK_INT(journal_append(fd, "c"), 0);
	other = openat(dir, "log", O_WRONLY | O_CLOEXEC);
	CHECK_INT(pwrite(other, "X", 1, 19 + 17), 1);
	CHECK_INT(read_lines(dir, "log", &text), 0);
	CHECK_STR(text.p, "a\n");
}

/* What did not fit is taken back, so that the log goes on when there is room again. */
TEST(journal_on_a_full_disk)
{
	const char *dir = test_dir();
	_cleanup_close_ int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = journal_open(top, "log", NULL);
	_cleanup_strbuf_ struct strbuf text = {0};
	struct rlimit was, full = {0};

	CHECK_INT(journal_append(fd, "one"), 0);
	getrlimit(RLIMIT_FSIZE, &was);
	full = was;
	full.rlim_cur = (rlim_t)lseek(fd, 0, SEEK_END) + 5;
	signal(SIGXFSZ, SIG_IGN);
	CHECK(!setrlimit(RLIMIT_FSIZE, &full));
	CHECK_INT(journal_append(fd, "two"), -EFBIG);
	CHECK(!setrlimit(RLIMIT_FSIZE, &was));
	signal(SIGXFSZ, SIG_DFL);
	CHECK_INT(journal_append(fd, "three"), 0);
	CHECK_INT(read_lines(top, "log", &text), 0);
	CHECK_STR(text.p, "one\nthree\n");
}
