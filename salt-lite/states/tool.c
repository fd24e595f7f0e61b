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

bool list_holds(const struct value *list, struct blob text)
{
	for (size_t i = 0; value_is_list(list) && i < list->list.n; i++)
		if (list->list.items[i]->kind == V_STRING && blob_eq(list->list.items[i]->s, text))
			return true;
	return false;
}

const char *list_joined(struct salt *s, const struct value *list)
{
	struct text t = {0};

	for (size_t i = 0; i < list->list.n; i++)
		text_printf(&s->h, &t, "%s%s", i ? "," : "", value_cstr(&s->h, list->list.items[i]));
	return t.n ? arena_strndup(s->h.arena, t.p, t.n) : "";
}

void tool_start(struct salt *s, struct tool *t, const char *program)
{
	*t = (struct tool){0};
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
	const char *program = t->argv[s->root[0] ? 5 : 3];
	struct blob out, said;
	int r;

	if (s->test)
		return true;
	r = tool_run(s, t, input, &out);
	if (r == 0)
		return true;
	if (r < 0) {
		result_fail(s, c, "%s cannot be started: %s", program, strerror(-r));
		return false;
	}
	said = blob_last_line(out);
	if (!said.n)
		said = BLOB("it printed nothing");
	result_fail(s, c, "%s ended with %d: %.*s", program, r, BLOB_ARG(said));
	return false;
}

struct blob lines_set(struct salt *s, struct blob text, bool (*is)(struct blob line, const void *data), const void *data,
		      const char *by)
{
	struct text t = {0};
	struct blob line;
	bool done = !by;

	while (blob_token(&text, '\n', &line)) {
		if (!is(line, data)) {
			text_printf(&s->h, &t, "%.*s\n", BLOB_ARG(line));
			continue;
		}
		if (!done)
			text_printf(&s->h, &t, "%s\n", by);
		done = true;
	}
	if (!done)
		text_printf(&s->h, &t, "%s\n", by);
	return text_blob(&t);
}

struct blob lines_drop(struct salt *s, struct blob text, bool (*is)(struct blob line, const void *data), const void *data)
{
	return lines_set(s, text, is, data, NULL);
}

size_t account_fields(struct salt *s, const char *file, const char *name, struct blob fields[], size_t max)
{
	struct blob rest, line;

	file_content(s, file, &rest);
	while (blob_token(&rest, '\n', &line)) {
		size_t n = 0;

		while (n < max && blob_token(&line, ':', &fields[n]))
			n++;
		if (n > 2 && blob_eq_str(fields[0], name)) {
			for (size_t i = n; i < max; i++)
				fields[i] = BLOB("");
			return n;
		}
	}
	return 0;
}

int64_t account_id(struct salt *s, const char *file, const char *name)
{
	struct blob fields[3];
	uint64_t id;

	if (blob_to_u64(blob_of(name), UINT32_MAX, &id))
		return (int64_t)id;
	return account_fields(s, file, name, fields, 3) && blob_to_u64(fields[2], UINT32_MAX, &id) ? (int64_t)id : -1;
}
