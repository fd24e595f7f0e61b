#include "builder/fetch/transfer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

/* A mirror that sends fewer bytes a second than LEAST_SPEED, for the whole of the timeout, is as good as silent. */
enum { MAX_REDIRECTS = 5, MAX_RETRIES = 2, DEFAULT_TIMEOUT = 30, LEAST_SPEED = 100 };

static const char other_mirror[] = "use another mirror";

CURL *transfer_handle(const struct fetch_options *o, const char *uri)
{
	CURL *c = libcurl.easy_init();
	const char *proxy = strncmp(uri, "https:", 6) ? o->mirrors->http_proxy : o->mirrors->https_proxy;
	long timeout = o->timeout ? (long)o->timeout : DEFAULT_TIMEOUT;

	if (!c)
		abort();
	libcurl.easy_setopt(c, CURLOPT_URL, uri);
	if (proxy)
		libcurl.easy_setopt(c, CURLOPT_PROXY, proxy);
	libcurl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https,file");
	libcurl.easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	libcurl.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	libcurl.easy_setopt(c, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
	libcurl.easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	libcurl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	libcurl.easy_setopt(c, CURLOPT_CONNECTTIMEOUT, timeout);
	libcurl.easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)LEAST_SPEED);
	libcurl.easy_setopt(c, CURLOPT_LOW_SPEED_TIME, timeout);
	libcurl.easy_setopt(c, CURLOPT_USERAGENT, "bulkhead/" BULKHEAD_VERSION);
	libcurl.easy_setopt(c, CURLOPT_BUFFERSIZE, 128L << 10);
	return c;
}

int transfer_error(CURL *curl, CURLcode result, const struct fetch_options *o, const char *label,
		   const char *host, struct error *err)
{
	long status = 0;

	libcurl.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	switch ((int)result) {
	case CURLE_HTTP_RETURNED_ERROR:
		if (status == 404 || status == 410)
			break;
		return error_set(err, -EIO, label, other_mirror, "mirror %s answers %ld", host,
				 status);
	case CURLE_FILE_COULDNT_READ_FILE:
	case CURLE_REMOTE_FILE_NOT_FOUND:
		status = 0;
		break;
	case CURLE_OPERATION_TIMEDOUT:
		return error_set(err, -ETIMEDOUT, label, other_mirror,
				 "mirror %s sent next to nothing for %u s", host,
				 o->timeout ? o->timeout : DEFAULT_TIMEOUT);
	case CURLE_TOO_MANY_REDIRECTS:
		return error_set(err, -ELOOP, label, other_mirror, "mirror %s redirects in a loop",
				 host);
	case CURLE_PARTIAL_FILE:
		return error_set(err, -EBADMSG, label, other_mirror,
				 "mirror %s ended before the last byte", host);
	default:
		return error_set(err, -EIO, label, other_mirror, "mirror %s: %s", host,
				 libcurl.easy_strerror(result));
	}
	if (status)
		return error_set(err, -ENOENT, label, other_mirror, "mirror %s answers %ld", host,
				 status);
	return error_set(err, -ENOENT, label, other_mirror, "the mirror on %s does not have it",
			 host);
}

static size_t receive(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t n = size * count;

	t->write_error = n > t->item->size - t->part.size ? -EFBIG : part_add(&t->part, data, n);
	return t->write_error < 0 ? 0 : n;
}

void transfer_free(struct transfer *t)
{
	part_close(&t->part);
	free(take_ptr(t->host));
	error_free(&t->why);
	if (t->curl)
		libcurl.easy_cleanup(t->curl);
	t->curl = NULL;
}

static void keep_cause(struct transfer *t, int code, struct error *err)
{
	error_free(&t->why);
	t->why = *err;
	*err = (struct error){0};
	t->code = code;
}

static const struct strv *mirrors_of(const struct transfer *t)
{
	const struct fetch_mirrors *m = t->options->mirrors;

	return t->item->archive == LOCK_SECURITY ? &m->security : &m->main;
}

static size_t paths_of(const struct transfer *t)
{
	return t->item->by_hash ? 2 : 1;
}

size_t transfer_mirror(const struct transfer *t)
{
	const struct strv *m = mirrors_of(t);

	return m->n ? (t->first + t->place / paths_of(t)) % m->n : 0;
}

int transfer_prepare(struct transfer *t, struct error *err)
{
	const struct strv *m = mirrors_of(t);
	const char *base, *path = t->item->path;
	_cleanup_free_ char *uri = NULL;
	int r;

	if (t->place >= m->n * paths_of(t))
		return -ENOENT;
	base = m->v[transfer_mirror(t)];
	if (t->item->by_hash && t->place % 2 == 0)
		path = t->item->by_hash;
	uri = xasprintf("%s/%s", base, path);
	free(t->host);
	t->host = fetch_uri_host(base);
	r = t->part.path ? 0 : part_open(&t->part, t->options->cache, t->item, err);
	if (r < 0)
		return r;
	t->kept = t->part.size;
	t->write_error = 0;
	if (t->curl)
		libcurl.easy_cleanup(t->curl);
	t->curl = transfer_handle(t->options, uri);
	libcurl.easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, receive);
	libcurl.easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
	libcurl.easy_setopt(t->curl, CURLOPT_PRIVATE, t);
	libcurl.easy_setopt(t->curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)t->kept);
	return 0;
}

/* What is wrong with what arrived, or 0 once it is in the cache under its name. */
static int keep(struct transfer *t, struct error *err)
{
	const char *label = t->item->label;
	int r;

	if (t->part.size < t->item->size)
		return error_set(err, -EBADMSG, label, other_mirror,
				 "mirror %s sent %" PRIu64 " bytes instead of %" PRIu64, t->host,
				 t->part.size, t->item->size);
	if (!part_is(&t->part, t->item->sha256))
		return error_set(err, -EBADMSG, label, other_mirror,
				 "what mirror %s sent has another sha256 than it must have",
				 t->host);
	r = part_keep(&t->part, t->options->cache, t->item);
	return r < 0 ? error_errno(err, r, label, "cannot write to the cache") : 0;
}

static int judge(struct transfer *t, CURLcode result, struct error *err)
{
	if (t->write_error == -EFBIG)
		return error_set(err, -EBADMSG, t->item->label, other_mirror,
				 "mirror %s sends more than the %" PRIu64 " bytes it must have",
				 t->host, t->item->size);
	if (t->write_error < 0)
		return error_errno(err, t->write_error, t->part.path, "cannot write to the cache");
	if (result != CURLE_OK)
		return transfer_error(t->curl, result, t->options, t->item->label, t->host, err);
	return keep(t, err);
}

/* Whether the bytes are of no use: they are wrong, or the mirror cannot go on behind them. */
static bool spoilt(const struct transfer *t, CURLcode result)
{
	return t->write_error == -EFBIG || result == CURLE_OK || result == CURLE_RANGE_ERROR ||
	       result == CURLE_BAD_DOWNLOAD_RESUME;
}

/* A broken connection is worth another try, and so is a pause after some bytes; an answer is not. */
static bool worth_a_retry(const struct transfer *t, CURLcode result, int code)
{
	return code == -EIO || result == CURLE_PARTIAL_FILE || (code == -ETIMEDOUT && t->part.size > t->kept);
}

int transfer_finish(struct transfer *t, CURLcode result)
{
	_cleanup_error_ struct error err = {0};
	int r = judge(t, result, &err);

	if (r == 0)
		return 0;
	if (t->write_error < 0 && t->write_error != -EFBIG) { /* the disk's fault: no mirror will help */
		keep_cause(t, r, &err);
		return r;
	}
	if (spoilt(t, result)) {
		int reset = part_reset(&t->part);

		if (reset < 0) {
			keep_cause(t, reset, &err);
			return reset;
		}
		/* Whose the wrong bytes are is not known: this mirror is asked for all of them. */
		if (t->kept)
			return 1;
	}
	if (!t->code || (t->code == -ENOENT && r != -ENOENT))
		keep_cause(t, r, &err);
	if (worth_a_retry(t, result, r) && t->retries < MAX_RETRIES) {
		t->retries++;
		return 1;
	}
	t->retries = 0;
	t->place++;
	if (t->place < mirrors_of(t)->n * paths_of(t))
		return 1;
	return t->code;
}
