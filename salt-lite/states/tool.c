/* Programs of the system. */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "common/sys/file.h"
#include "common/sys/process.h"
#include "salt-lite/states/state.h"

enum { OUTPUT_MAX = 16 << 20 };

void tool_add(struct salt *s, struct tool *t, const char *word)
{
	if (t->n + 1 >= t->cap) {
		const char **grown;

		t->cap = t->cap ? t->cap * 2 : 32;
		grown = heap_alloc(&s->h, t->cap * sizeof(*grown));
		if (t->n)
			memcpy(grown, t->argv, t->n * sizeof(*grown));
		t->argv = grown;
	}
	t->argv[t->n++] = word;
	t->argv[t->n] = NULL;
}

void tool_words(struct salt *s, struct tool *t, ...)
{
	const char *word;
	va_list ap;

	va_start(ap, t);
	while ((word = va_arg(ap, const char *)))
		tool_add(s, t, word);
	va_end(ap);
}

void tool_start(struct salt *s, struct tool *t, const char *program)
{
	*t = (struct tool){.program = program};
	if (s->root[0])
		tool_words(s, t, "chroot", s->root, NULL);
	/* Their words are read here, and nobody is there to answer questions. */
	tool_words(s, t, "env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", program, NULL);
}

static int input_fd(struct blob input)
{
	int fd;

	if (!input.n)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	fd = memfd_create("input", MFD_CLOEXEC);
	if (fd >= 0 && (write_all(fd, input.p, input.n) < 0 || lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

int tool_run(struct salt *s, struct tool *t, struct blob input, struct blob *out)
{
	_cleanup_close_ int in = input_fd(input);
	_cleanup_strbuf_ struct strbuf text = {0};
	int r;

	if (in < 0)
		return -errno;
	r = output_run(&(struct process){.argv = t->argv, .stdin_fd = in}, OUTPUT_MAX, &text);
	if (out)
		*out = value_blob(&s->h, strbuf_blob(&text))->s;
	return r;
}

bool tool_do(struct salt *s, struct chunk *c, struct tool *t, struct blob input)
{
	struct blob out, said;
	int r;

	if (s->test)
		return true;
	r = tool_run(s, t, input, &out);
	if (r == 0)
		return true;
	if (r < 0) {
		result_fail(s, c, "%s cannot be started: %s", t->program, strerror(-r));
		return false;
	}
	said = blob_last_line(out);
	if (!said.n)
		said = BLOB("it printed nothing");
	result_fail(s, c, "%s ended with %d: %.*s", t->program, r, BLOB_ARG(said));
	return false;
}
