/* Mirrors of Debian in apt's configuration: sources.list(5), both its forms, and mirror+file: lists. */
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "builder/fetch/fetch.h"
#include "common/base/alloc.h"
#include "common/base/deb822.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

enum { MAX_SOURCES_FILE = 1 << 20 };

static bool is_timestamp(struct blob b)
{
	return b.n == strlen("20260101T000000Z") && b.p[8] == 'T' && b.p[b.n - 1] == 'Z';
}

/*
 * Others keep archives for Debian below a folder "debian" as well; what makes it Debian's own is
 * decided by the signature later, this only sorts out what cannot be meant.
 */
static bool is_archive(struct blob uri, const char *name)
{
	struct blob rest = uri, part, last = {0}, before = {0};

	while (blob_token(&rest, '/', &part)) {
		if (!part.n)
			continue;
		before = last;
		last = part;
	}
	return blob_eq_str(is_timestamp(last) ? before : last, name);
}

static void push_base(struct strv *s, struct blob uri)
{
	_cleanup_free_ char *base = NULL;

	while (uri.n && uri.p[uri.n - 1] == '/')
		uri.n--;
	base = blob_dup(uri);
	if (!strv_contains(s, base))
		strv_push(s, base);
}

static void add_base(struct fetch_mirrors *m, const char *root, struct blob uri)
{
	static const char list[] = "mirror+file:";

	if (blob_has_prefix(uri, list)) {
		struct blob path = {uri.p + strlen(list), uri.n - strlen(list)}, rest, line, word;
		_cleanup_strbuf_ struct strbuf text = {0};
		_cleanup_free_ char *name = xasprintf("%s%.*s", root, BLOB_ARG(path));

		if (read_file(AT_FDCWD, name, MAX_SOURCES_FILE, &text) < 0)
			return;
		rest = strbuf_blob(&text);
		while (blob_token(&rest, '\n', &line))
			if (blob_word(&line, &word) && word.p[0] != '#' &&
			    !blob_has_prefix(word, list))
				add_base(m, root, word);
		return;
	}
	if (!blob_has_prefix(uri, "http://") && !blob_has_prefix(uri, "https://") &&
	    !blob_has_prefix(uri, "file:///"))
		return;
	if (is_archive(uri, "debian-security"))
		push_base(&m->security, uri);
	else if (is_archive(uri, "debian"))
		push_base(&m->main, uri);
}

static void add_deb822(struct fetch_mirrors *m, const char *root, struct blob text)
{
	struct deb822 d = {.rest = text};
	struct deb822_stanza s;

	while (deb822_next(&d, &s) == 1) {
		struct blob uris = deb822_get(&s, "URIs"), uri;

		if (!blob_has_word(deb822_get(&s, "Types"), "deb") ||
		    !blob_has_word(deb822_get(&s, "Components"), "main") ||
		    blob_has_word(deb822_get(&s, "Enabled"), "no"))
			continue;
		while (blob_word(&uris, &uri))
			add_base(m, root, uri);
	}
}

/* deb [option=value ...] URI SUITE COMPONENT... */
static void add_one_line(struct fetch_mirrors *m, const char *root, struct blob line)
{
	const char *hash = memchr(line.p, '#', line.n);
	struct blob word, uri;

	if (hash)
		line.n = (size_t)(hash - line.p);
	if (!blob_word(&line, &word) || !blob_eq_str(word, "deb"))
		return;
	line = blob_trim(line);
	if (line.n && line.p[0] == '[') {
		const char *end = memchr(line.p, ']', line.n);

		if (!end)
			return;
		line.n -= (size_t)(end + 1 - line.p);
		line.p = end + 1;
	}
	if (blob_word(&line, &uri) && blob_word(&line, &word) && blob_has_word(line, "main"))
		add_base(m, root, uri);
}

static void add_file(struct fetch_mirrors *m, const char *root, const char *path)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;

	/* What apt itself could not read is apt's to complain about. */
	if (read_file(AT_FDCWD, path, MAX_SOURCES_FILE, &text) < 0)
		return;
	rest = strbuf_blob(&text);
	if (blob_has_suffix(blob_of(path), ".sources")) {
		add_deb822(m, root, rest);
		return;
	}
	while (blob_token(&rest, '\n', &line))
		add_one_line(m, root, line);
}

void fetch_mirrors_of_apt(struct fetch_mirrors *m, const char *root)
{
	static const char *const patterns[] = {"sources.list", "sources.list.d/*.list",
					       "sources.list.d/*.sources"};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		_cleanup_free_ char *pattern = xasprintf("%s/etc/apt/%s", root, patterns[i]);
		_cleanup_(globfree) glob_t g = {0};

		if (glob(pattern, 0, NULL, &g))
			continue;
		for (size_t k = 0; k < g.gl_pathc; k++)
			add_file(m, root, g.gl_pathv[k]);
	}
	m->of_host = true;
	/* A host without security updates still has a mirror that may carry them. */
	for (size_t i = 0, n = m->security.n; !n && i < m->main.n; i++)
		strv_pushf(&m->security, "%s-security", m->main.v[i]);
}

/* DIRECT, like whatever else names no host, means none. */
static char *proxy_of(struct blob value)
{
	return memmem(value.p, value.n, "://", 3) ? blob_dup(value) : xstrdup("");
}

void fetch_proxies_of_apt(struct fetch_mirrors *m)
{
	static const char *const of_environment[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
						     "ALL_PROXY"};
	static const char *const argv[] = {
		"apt-config", "dump", "--format", "%F %v%n", "Acquire::http::Proxy", "Acquire::https::Proxy", NULL};
	_cleanup_strbuf_ struct strbuf out = {0};
	struct blob rest, line, name;

	for (size_t i = 0; i < sizeof(of_environment) / sizeof(of_environment[0]); i++)
		if (getenv(of_environment[i]))
			return;
	if (process_capture(argv, MAX_SOURCES_FILE, &out) != 0)
		return;
	rest = strbuf_blob(&out);
	while (blob_token(&rest, '\n', &line)) {
		char **proxy;

		blob_token(&line, ' ', &name);
		proxy = blob_eq_str(name, "Acquire::http::Proxy")    ? &m->http_proxy
			: blob_eq_str(name, "Acquire::https::Proxy") ? &m->https_proxy
								     : NULL;
		if (!proxy || !line.n)
			continue;
		free(*proxy);
		*proxy = proxy_of(line);
	}
	/* As apt: what is not said of https is as for http. */
	if (m->http_proxy && !m->https_proxy)
		m->https_proxy = xstrdup(m->http_proxy);
}

bool fetch_apt_takes_expired(void)
{
	static const char *const argv[] = {
		"apt-config", "dump", "--format", "%v%n", "Acquire::Check-Valid-Until", NULL};
	_cleanup_strbuf_ struct strbuf out = {0};
	struct blob value;

	if (process_capture(argv, 4096, &out) != 0)
		return false;
	value = blob_trim(strbuf_blob(&out));
	return blob_eq_str(value, "false") || blob_eq_str(value, "0") || blob_eq_str(value, "no");
}
