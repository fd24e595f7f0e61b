#include "common/base/deb822.h"

#include <errno.h>
#include <strings.h>

static int wrong(struct deb822 *d, const char *cause)
{
	d->error = cause;
	return -EBADMSG;
}

static bool is_blank_line(struct blob line)
{
	return !blob_trim(line).n;
}

static bool is_field_name(struct blob b)
{
	if (!b.n || b.p[0] == '-' || b.p[0] == '#')
		return false;
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] <= ' ' || b.p[i] > '~' || b.p[i] == ':')
			return false;
	return true;
}

static int add_field(struct deb822 *d, struct deb822_stanza *s, struct blob line)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct deb822_field *f;
	struct blob name;

	if (!colon)
		return wrong(d, "a line without a field name");
	name = (struct blob){line.p, (size_t)(colon - line.p)};
	if (!is_field_name(name))
		return wrong(d, "wrong field name");
	for (size_t i = 0; i < s->n; i++)
		if (s->fields[i].name.n == name.n &&
		    !strncasecmp(s->fields[i].name.p, name.p, name.n))
			return wrong(d, "a field stands twice in its stanza");
	if (s->n == DEB822_MAX_FIELDS)
		return wrong(d, "too many fields in a stanza");
	f = &s->fields[s->n++];
	f->name = name;
	f->value = (struct blob){colon + 1, line.n - name.n - 1};
	return 0;
}

int deb822_next(struct deb822 *d, struct deb822_stanza *s)
{
	struct blob line;

	s->n = 0;
	while (blob_token(&d->rest, '\n', &line)) {
		d->line++;
		if (line.n > DEB822_MAX_LINE)
			return wrong(d, "the line is too long");
		if (memchr(line.p, '\0', line.n))
			return wrong(d, "a NUL byte");
		if (is_blank_line(line)) {
			if (s->n)
				break;
		} else if (line.p[0] == '#') {
			continue;
		} else if (line.p[0] == ' ' || line.p[0] == '\t') {
			struct blob *value = s->n ? &s->fields[s->n - 1].value : NULL;

			if (!value)
				return wrong(d, "a continuation line before any field");
			/* Lines of one stanza follow each other in the text: a value ends where its
			 * last line ends. */
			value->n = (size_t)(line.p + line.n - value->p);
		} else {
			int r = add_field(d, s, line);

			if (r < 0)
				return r;
			if (s->n == 1)
				s->line = d->line;
		}
	}
	for (size_t i = 0; i < s->n; i++)
		s->fields[i].value = blob_trim(s->fields[i].value);
	return s->n > 0;
}

struct blob deb822_get(const struct deb822_stanza *s, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < s->n; i++)
		if (s->fields[i].name.n == n && !strncasecmp(s->fields[i].name.p, name, n))
			return s->fields[i].value;
	return (struct blob){NULL, 0};
}
