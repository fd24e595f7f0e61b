#include <string.h>

#include "builder/fetch/fetch.h"
#include "common/base/alloc.h"

static const char no_mirror[] = "name one with --mirror URI or MIRROR=URI";

void fetch_mirrors_free(struct fetch_mirrors *m)
{
	strv_free(&m->main);
	strv_free(&m->security);
	free(take_ptr(m->http_proxy));
	free(take_ptr(m->https_proxy));
}

static void push_once(struct strv *s, const char *uri)
{
	if (!strv_contains(s, uri))
		strv_push(s, uri);
}

static bool is_uri(const char *uri)
{
	static const char *const schemes[] = {"http://", "https://", "file:///"};

	for (const char *p = uri; *p; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (!strncmp(uri, schemes[i], strlen(schemes[i])) && uri[strlen(schemes[i])])
			return true;
	return false;
}

/* Without slashes at the end. */
static char *base_of(struct blob uri)
{
	while (uri.n && uri.p[uri.n - 1] == '/')
		uri.n--;
	return blob_dup(uri);
}

static int add_uri(struct fetch_mirrors *m, struct blob text, struct error *err)
{
	_cleanup_free_ char *uri = base_of(text);
	_cleanup_free_ char *sibling = xasprintf("%s-security", uri);

	if (!is_uri(uri))
		return error_set(err, -EINVAL, uri, NULL,
				 "a mirror is an http://, https:// or file:/// URI");
	if (!blob_has_suffix(blob_of(uri), "-security")) {
		push_once(&m->main, uri);
		push_once(&m->security, sibling);
	}
	push_once(&m->security, uri);
	return 0;
}

static int add_words(struct fetch_mirrors *m, const char *text, struct error *err)
{
	struct blob rest = blob_of(text), word;

	while (blob_word(&rest, &word)) {
		int r = add_uri(m, word, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int fetch_mirrors_find(struct fetch_mirrors *m, const struct strv *uris, struct error *err)
{
	const char *env = getenv("MIRROR");
	int r = 0;

	for (size_t i = 0; uris && i < uris->n && r == 0; i++)
		r = add_uri(m, blob_of(uris->v[i]), err);
	if (r == 0 && !m->main.n && !m->security.n && env)
		r = add_words(m, env, err);
	if (r == 0 && !m->main.n && !m->security.n) {
		fetch_mirrors_of_apt(m, "");
		fetch_proxies_of_apt(m);
	}
	if (r == 0 && !m->main.n)
		r = error_set(err, -ENOENT, "mirror", no_mirror,
			      "neither an option nor this machine's apt names a mirror of Debian");
	return r;
}

char *fetch_uri_host(const char *uri)
{
	const char *p = strstr(uri, "://"), *at;
	size_t n;

	if (!strncmp(uri, "file:", 5) || !p)
		return xstrdup("this machine");
	p += 3;
	n = strcspn(p, "/");
	at = memrchr(p, '@', n); /* never show a password */
	if (at) {
		n -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	return xstrndup(p, n);
}
