#include "runtime/dom0update/sources.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"

#define ARCHITECTURE "amd64"

enum { URI_MAX = 1024 };

struct stanza {
	struct blob types, uris, suites, components, enabled;
};

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

static int add_suite(const char *name, struct blob uri, struct blob suite, struct blob components, struct strv *indexes,
		     struct error *err)
{
	bool slash = uri.p[uri.n - 1] == '/';
	_cleanup_free_ char *base = xasprintf("%.*s%sdists/%.*s", BLOB_ARG(uri), slash ? "" : "/", BLOB_ARG(suite));
	struct blob component;

	if (!sources_path(base) || blob_has_suffix(suite, "/"))
		return error_set(err, -EINVAL, name, "write http://HOST/PATH, and suites by name", "cannot use %s", base);
	strv_pushf(indexes, "%s/InRelease", base);
	while (blob_word(&components, &component))
		strv_pushf(indexes, "%s/%.*s/binary-" ARCHITECTURE "/Packages.xz", base, BLOB_ARG(component));
	return 0;
}

static int add_stanza(const char *name, const struct stanza *s, struct strv *indexes, struct error *err)
{
	struct blob uris = s->uris, uri;

	if (!blob_has_word(s->types, "deb") || blob_eq_str(s->enabled, "no"))
		return 0;
	if (!s->uris.n || !s->suites.n || !s->components.n)
		return error_set(err, -EINVAL, name, NULL, "a source needs URIs, Suites and Components");
	while (blob_word(&uris, &uri)) {
		struct blob suites = s->suites, suite;

		while (blob_word(&suites, &suite)) {
			int r = add_suite(name, uri, suite, s->components, indexes, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
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

static struct blob field_value(struct blob line)
{
	const char *colon = memchr(line.p, ':', line.n);

	return colon ? blob_trim((struct blob){colon + 1, line.n - (size_t)(colon + 1 - line.p)}) : (struct blob){0};
}

static bool is_field(struct blob line, const char *name)
{
	size_t n = strlen(name);

	return line.n > n && line.p[n] == ':' && !strncasecmp(line.p, name, n);
}

/* Into the field it is, if we know it. */
static void take_line(struct stanza *s, struct blob line)
{
	const struct {
		const char *name;
		struct blob *value;
	} fields[] = {{"Types", &s->types}, {"URIs", &s->uris}, {"Suites", &s->suites}, {"Components", &s->components},
		      {"Enabled", &s->enabled}};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (is_field(line, fields[i].name))
			*fields[i].value = field_value(line);
}

/* A value that goes on in the next line would be lost; only keys are written like that. */
static bool goes_on(struct blob line, struct blob last)
{
	return line.n && isspace((unsigned char)line.p[0]) && blob_trim(line).n && !is_field(last, "Signed-By");
}

int sources_read(const char *name, struct blob text, const char *mirror, struct strv *indexes, struct strbuf *local,
		 struct error *err)
{
	struct stanza s = {0};
	struct blob line, last = {0};
	int r = 0;

	while (r == 0 && blob_token(&text, '\n', &line)) {
		if (line.n && line.p[0] == '#')
			continue;
		if (goes_on(line, last))
			return error_set(err, -EINVAL, name, "write it in one line", "a value goes on in the next line");
		if (!blob_trim(line).n) {
			r = add_stanza(name, &s, indexes, err);
			s = (struct stanza){0};
		} else {
			take_line(&s, line);
		}
		if (is_field(line, "URIs"))
			add_local_uris(s.uris, mirror, local);
		else
			strbuf_printf(local, "%.*s\n", BLOB_ARG(line));
		if (line.n && !isspace((unsigned char)line.p[0]))
			last = line;
	}
	strbuf_add_char(local, '\n');
	return r < 0 ? r : add_stanza(name, &s, indexes, err);
}
