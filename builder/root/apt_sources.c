#include "builder/root/apt_sources.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/base/deb822.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"

static const char example[] = "usr/share/doc/apt/examples/debian.sources";
static const char target[] = "etc/apt/sources.list.d/debian.sources";
static const char old_style[] = "etc/apt/sources.list";

/* Comments stand between and before stanzas there; the reader of stanzas knows none. */
static void without_comments(struct blob text, struct strbuf *out)
{
	struct blob line;

	while (blob_token(&text, '\n', &line)) {
		if (line.n && line.p[0] == '#')
			continue;
		strbuf_add(out, line.p, line.n);
		strbuf_add_char(out, '\n');
	}
}

static bool is_security(struct blob suite)
{
	return blob_has_suffix(suite, "-security");
}

/* " a b": those of the words that are, or are not, of the security archive; all for want < 0. */
static void add_words(struct strbuf *out, const char *const *words, int want)
{
	for (; *words; words++)
		if (want < 0 || is_security(blob_of(*words)) == (want > 0))
			strbuf_printf(out, " %s", *words);
}

static void add_stanza(struct strbuf *out, const struct deb822_stanza *s, const char *const *suites,
		       const char *const *components)
{
	_cleanup_strbuf_ struct strbuf of_archive = {0};

	add_words(&of_archive, suites, is_security(deb822_get(s, "URIs")));
	if (!of_archive.n)
		return;
	if (out->n)
		strbuf_add_char(out, '\n');
	for (size_t i = 0; i < s->n; i++) {
		struct blob name = s->fields[i].name;

		strbuf_printf(out, "%.*s:", BLOB_ARG(name));
		if (blob_eq_str(name, "Suites"))
			strbuf_add(out, of_archive.p, of_archive.n);
		else if (blob_eq_str(name, "Components"))
			add_words(out, components, -1);
		else
			strbuf_printf(out, " %.*s", BLOB_ARG(s->fields[i].value));
		strbuf_add_char(out, '\n');
	}
}

static int write_sources(int dirfd, const struct strbuf *text)
{
	int r;

	if (unlinkat(dirfd, target, 0) < 0 && errno != ENOENT)
		return -errno;
	r = mkdir_parents(dirfd, target, 0755);
	if (r == 0)
		r = write_file(dirfd, target, text->p, text->n, 0644);
	if (r == 0 && unlinkat(dirfd, old_style, 0) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

int apt_sources_write(int dirfd, const char *const *suites, const char *const *components,
		      struct error *err)
{
	_cleanup_strbuf_ struct strbuf raw = {0}, plain = {0}, text = {0};
	struct deb822_stanza stanza;
	struct deb822 reader = {0};
	int r = read_file(dirfd, example, 1 << 20, &raw);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_errno(err, r, example, "cannot read");
	without_comments(strbuf_blob(&raw), &plain);
	reader.rest = strbuf_blob(&plain);
	while ((r = deb822_next(&reader, &stanza)) > 0)
		add_stanza(&text, &stanza, suites, components);
	if (r < 0)
		return error_set(err, r, example, NULL, "%s",
				 reader.error ? reader.error : "is wrong");
	if (!text.n)
		return 0;
	r = write_sources(dirfd, &text);
	return r < 0 ? error_errno(err, r, target, "cannot write") : 0;
}
