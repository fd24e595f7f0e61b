#include "runtime/dom0update/sources.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/deb822.h"

#define ARCHITECTURE "amd64"

enum { URI_MAX = 1024 };

const char *sources_path(const char *uri)
{
	const char *path = !strncmp(uri, "http://", 7) ? uri + 7 : !strncmp(uri, "https://", 8) ? uri + 8 : NULL;

	if (!path || strlen(uri) > URI_MAX || !isalnum((unsigned char)*path) || !strchr(path, '/') || strstr(path, "//") ||
	    path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~:/-")])
		return NULL;
	for (const char *p = path; (p = strstr(p, "/.")); p++)
		if (p[2] == '.' || p[2] == '/' || !p[2])
			return NULL;
	return path;
}

static int cannot_use(const char *name, const char *uri, struct error *err)
{
	return error_set(err, -EINVAL, name, "write http://HOST/PATH, and suites and components by name", "cannot use %s", uri);
}

/* Takes the URI. */
static int add_index(const char *name, char *uri, struct strv *indexes, struct error *err)
{
	strv_push_take(indexes, uri);
	return sources_path(uri) ? 0 : cannot_use(name, uri, err);
}

/* `root` ends in a slash. */
static int add_suite(const char *name, const char *root, struct blob suite, struct blob components, struct strv *indexes,
		     struct error *err)
{
	_cleanup_free_ char *base = xasprintf("%sdists/%.*s", root, BLOB_ARG(suite));
	struct blob component;
	int r = add_index(name, xasprintf("%s/InRelease", base), indexes, err);

	while (r == 0 && blob_word(&components, &component))
		r = add_index(name, xasprintf("%s/%.*s/binary-" ARCHITECTURE "/Packages.xz", base, BLOB_ARG(component)),
			      indexes, err);
	return r;
}

static int add_suites(const char *name, struct blob uri, const struct deb822_stanza *s, struct strv *indexes, struct error *err)
{
	_cleanup_free_ char *root = xasprintf("%.*s%s", BLOB_ARG(uri), blob_has_suffix(uri, "/") ? "" : "/");
	struct blob suites = deb822_get(s, "Suites"), suite;
	int r = sources_path(root) ? 0 : cannot_use(name, root, err);

	while (r == 0 && blob_word(&suites, &suite))
		r = add_suite(name, root, suite, deb822_get(s, "Components"), indexes, err);
	return r;
}

static int add_indexes(const char *name, const struct deb822_stanza *s, struct strv *indexes, struct error *err)
{
	struct blob uris = deb822_get(s, "URIs"), uri;
	int r = 0;

	if (!blob_has_word(deb822_get(s, "Types"), "deb") || blob_eq_str(deb822_get(s, "Enabled"), "no"))
		return 0;
	if (!uris.n || !deb822_get(s, "Suites").n || !deb822_get(s, "Components").n)
		return error_set(err, -EINVAL, name, NULL, "a source needs URIs, Suites and Components");
	while (r == 0 && blob_word(&uris, &uri))
		r = add_suites(name, uri, s, indexes, err);
	return r;
}

/* "URIs: http://a/b http://c/d", where each of them will be. */
static void add_local_uris(struct blob uris, const char *mirror, struct strbuf *local)
{
	struct blob uri;

	strbuf_add_str(local, "URIs:");
	while (blob_word(&uris, &uri)) {
		_cleanup_free_ char *text = blob_dup(uri);
		const char *path = sources_path(text);

		strbuf_printf(local, " file:%s/%s", mirror, path ? path : text);
	}
	strbuf_add_char(local, '\n');
}

/* A key begins in a line of its own, as apt has it. */
static void add_field(const struct deb822_field *f, struct strbuf *local)
{
	bool lines = f->value.n && memchr(f->value.p, '\n', f->value.n);

	strbuf_printf(local, "%.*s:%s %.*s\n", BLOB_ARG(f->name), lines ? "\n" : "", BLOB_ARG(f->value));
}

/* Sources of packages are not fetched, so apt must not look for them. */
static void add_local(const struct deb822_stanza *s, const char *mirror, struct strbuf *local)
{
	struct blob uris = deb822_get(s, "URIs"), types = deb822_get(s, "Types");

	if (!blob_has_word(types, "deb"))
		return;
	for (size_t i = 0; i < s->n; i++)
		if (s->fields[i].value.p == uris.p)
			add_local_uris(uris, mirror, local);
		else if (s->fields[i].value.p == types.p)
			strbuf_add_str(local, "Types: deb\n");
		else
			add_field(&s->fields[i], local);
	strbuf_add_char(local, '\n');
}

int sources_read(const char *name, struct blob text, const char *mirror, struct strv *indexes, struct strbuf *local,
		 struct error *err)
{
	struct deb822 d = {.rest = text};
	struct deb822_stanza s;
	int r;

	while ((r = deb822_next(&d, &s)) > 0) {
		r = add_indexes(name, &s, indexes, err);
		if (r < 0)
			return r;
		add_local(&s, mirror, local);
	}
	return r < 0 ? error_set(err, -EINVAL, name, NULL, "line %u: %s", d.line, d.error) : 0;
}
