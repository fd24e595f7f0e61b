#include "installer/questions/lines.h"

static void begin_line(struct lines *l, struct blob line)
{
	l->indent = 0;
	while (line.n && line.p[line.n - 1] == ' ')
		line.n--;
	while (l->indent < line.n && line.p[l->indent] == ' ')
		l->indent++;
	l->line = (struct blob){line.p + l->indent, line.n - l->indent};
	if (l->indent > l->width / 2)
		l->indent = l->width / 2;
}

/* Up to the last blank that fits; the blanks there are dropped. */
static size_t fitting(struct blob line, size_t room)
{
	size_t n = room;

	if (line.n <= room)
		return line.n;
	while (n && line.p[n] != ' ')
		n--;
	while (n && line.p[n - 1] == ' ')
		n--;
	return n ? n : room;
}

bool lines_next(struct lines *l, struct line *out)
{
	struct blob line;
	size_t n;

	if (!l->line.n) {
		if (!blob_token(&l->rest, '\n', &line))
			return false;
		begin_line(l, line);
	}
	n = fitting(l->line, l->width - l->indent);
	*out = (struct line){l->indent, {l->line.p, n}};
	while (n < l->line.n && l->line.p[n] == ' ')
		n++;
	l->line = (struct blob){l->line.p + n, l->line.n - n};
	return true;
}

size_t lines_count(struct lines l)
{
	struct line line;
	size_t n = 0;

	while (lines_next(&l, &line))
		n++;
	return n;
}
