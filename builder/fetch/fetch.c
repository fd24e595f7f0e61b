#include "builder/fetch/fetch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "builder/fetch/progress.h"
#include "builder/fetch/transfer.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"

enum { DEFAULT_CONNECTIONS = 8 };

struct fetcher {
	const struct fetch_options *options;
	CURLM *multi;
	struct transfer *transfers; /* one each wanted item */
	size_t n, next, running, done;
	uint64_t bytes_done;
	size_t first[2]; /* per archive: the mirror that had the last item */
	struct fetch_progress progress;
	const struct fetch_item *items;
};

static void fetcher_end(struct fetcher *f)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->transfers[i].curl)
			libcurl.multi_remove_handle(f->multi, f->transfers[i].curl);
		transfer_free(&f->transfers[i]);
	}
	free(f->transfers);
	if (f->multi)
		libcurl.multi_cleanup(f->multi);
}

static size_t *first_of(struct fetcher *f, const struct transfer *t)
{
	return &f->first[t->item->archive == LOCK_SECURITY];
}

static int start(struct fetcher *f, struct transfer *t, struct error *err)
{
	int r = transfer_prepare(t, err);

	if (r == -ENOENT)
		return error_set(err, r, t->item->label, "name one with --mirror URI or MIRROR=URI",
				 "there is no mirror for its archive");
	if (r < 0)
		return r;
	if (libcurl.multi_add_handle(f->multi, t->curl) != CURLM_OK)
		return error_set(err, -EIO, t->item->label, NULL, "curl refuses the transfer");
	f->running++;
	return 0;
}

static int tell_ready(const struct fetcher *f, const struct fetch_item *item, struct error *err)
{
	int r = f->options->ready
			? f->options->ready(f->options->ready_arg, (size_t)(item - f->items))
			: 0;

	return r < 0 ? error_errno(err, r, item->label, "cannot hand it on") : 0;
}

static int finish(struct fetcher *f, struct transfer *t, CURLcode result, struct error *err)
{
	int r;

	libcurl.multi_remove_handle(f->multi, t->curl);
	f->running--;
	r = transfer_finish(t, result);
	if (r == 1)
		return start(f, t, err);
	if (r < 0) {
		error_free(err);
		*err = t->why;
		t->why = (struct error){0};
		return r;
	}
	*first_of(f, t) = transfer_mirror(t);
	f->done++;
	f->bytes_done += t->item->size;
	return tell_ready(f, t->item, err);
}

static int finish_all(struct fetcher *f, struct error *err)
{
	CURLMsg *m;
	int left;

	while ((m = libcurl.multi_info_read(f->multi, &left))) {
		char *private = NULL;
		int r;

		if (m->msg != CURLMSG_DONE)
			continue;
		libcurl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		r = finish(f, (struct transfer *)(void *)private, m->data.result, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static uint64_t bytes_of(const struct fetcher *f)
{
	uint64_t bytes = f->bytes_done;

	for (size_t i = 0; i < f->next; i++)
		bytes += f->transfers[i].part.size;
	return bytes;
}

static int run(struct fetcher *f, struct error *err)
{
	unsigned limit = f->options->connections ? f->options->connections : DEFAULT_CONNECTIONS;

	while (f->done < f->n) {
		int r = 0, handles;

		while (f->running < limit && f->next < f->n && r == 0) {
			struct transfer *t = &f->transfers[f->next++];

			/* The preferred mirror may change meanwhile; an item keeps to one order. */
			t->first = *first_of(f, t);
			r = start(f, t, err);
		}
		if (r < 0)
			return r;
		if (libcurl.multi_perform(f->multi, &handles) != CURLM_OK)
			return error_set(err, -EIO, "curl", NULL, "transfers cannot go on");
		r = finish_all(f, err);
		if (r < 0)
			return r;
		fetch_progress_show(&f->progress, f->done, bytes_of(f));
		if (f->running)
			libcurl.multi_poll(f->multi, NULL, 0, 200, NULL);
	}
	return 0;
}

/* Those that the cache lacks, or has with wrong bytes (which then go), become transfers. */
static int want_missing(struct fetcher *f, const struct fetch_item *items, size_t n,
			struct error *err)
{
	const struct fetch_options *o = f->options;
	uint64_t bytes = 0;

	f->transfers = xcalloc(n ? n : 1, sizeof(*f->transfers));
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *path = fetch_cache_path(o->cache, items[i].sha256);
		int fd = fetch_cache_open(o->cache, items[i].sha256, items[i].size, items[i].label,
					  err);

		if (fd >= 0) {
			int r = tell_ready(f, &items[i], err);

			close(fd);
			if (r < 0)
				return r;
			continue;
		}
		if (o->offline)
			return fd == -ENOENT ? -ENOTCONN : fd;
		if (fd != -ENOENT && fd != -EBADMSG)
			return fd;
		if (fd == -EBADMSG && unlink(path) < 0)
			return error_errno(err, -errno, path,
					   "cannot delete from the cache what is wrong there");
		error_free(err);
		f->transfers[f->n++] = (struct transfer){.options = o, .item = &items[i], .part = PART_CLOSED};
		bytes += items[i].size;
	}
	fetch_progress_start(&f->progress, o, f->n, bytes);
	return 0;
}

int fetch_items(const struct fetch_options *o, const struct fetch_item *items, size_t n,
		struct error *err)
{
	_cleanup_(fetcher_end) struct fetcher f = {.options = o, .items = items};
	_cleanup_error_ struct error unused = {0};
	_cleanup_free_ char *place = NULL;
	int r;

	err = err ? err : &unused;
	r = want_missing(&f, items, n, err);
	if (r < 0 || !f.n)
		return r;
	place = fetch_cache_path(o->cache, "x");
	r = mkdir_parents(AT_FDCWD, place, 0755);
	if (r < 0)
		return error_errno(err, r, place, "cannot make the cache");
	r = curl_load(err);
	if (r < 0)
		return r;
	f.multi = libcurl.multi_init();
	if (!f.multi)
		abort();
	r = run(&f, err);
	fetch_progress_end(&f.progress, r == 0);
	return r;
}

/* A package on its way, and its place in the lock. */
struct order {
	const struct lock_package *package;
	size_t place;
};

struct lock_ready {
	const struct fetch_options *options;
	const struct order *order;
};

static int by_size(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->package->size != y->package->size)
		return x->package->size < y->package->size ? 1 : -1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static int ready_in_lock(void *arg, size_t item)
{
	const struct lock_ready *l = arg;

	return l->options->ready(l->options->ready_arg, l->order[item].place);
}

int fetch_lock(const struct fetch_options *o, const struct lock *l, struct error *err)
{
	size_t n = l->n_packages;
	_cleanup_free_ struct fetch_item *items = xcalloc(n + 1, sizeof(*items));
	_cleanup_free_ struct order *order = xcalloc(n + 1, sizeof(*order));
	struct lock_ready ready = {o, order};
	struct fetch_options options = *o;
	int r;

	for (size_t i = 0; i < n; i++)
		order[i] = (struct order){&l->packages[i], i};
	/* What takes longest to download and to unpack begins first. */
	qsort(order, n, sizeof(*order), by_size);
	for (size_t i = 0; i < n; i++) {
		const struct lock_package *p = order[i].package;

		items[i] = (struct fetch_item){.archive = p->archive,
					       .path = p->path,
					       .label = lock_package_file(p),
					       .size = p->size,
					       .sha256 = p->sha256};
	}
	if (o->ready) {
		options.ready = ready_in_lock;
		options.ready_arg = &ready;
	}
	r = fetch_items(&options, items, n, err);
	if (r == -ENOENT && err) {
		free(err->remedy);
		err->remedy = xasprintf("it may have left the mirrors: `bulkhead lock %s` makes its lock anew, or name "
					"another mirror with --mirror",
					l->image);
	}
	if (r < 0)
		error_prefix(err, l->image);
	return r;
}

/* Text */

struct text {
	struct strbuf *out;
	size_t max;
	bool too_large;
};

static size_t receive_text(char *data, size_t size, size_t count, void *arg)
{
	struct text *t = arg;
	size_t n = size * count;

	if (n > t->max - t->out->n) {
		t->too_large = true;
		return 0;
	}
	strbuf_add(t->out, data, n);
	return n;
}

int fetch_text(const struct fetch_options *o, const char *base, const char *path, size_t max,
	       struct strbuf *out, struct error *err)
{
	_cleanup_free_ char *uri = xasprintf("%s/%s", base, path), *host = fetch_uri_host(base);
	struct text t = {.out = out, .max = max};
	CURLcode result;
	CURL *c;
	int r = curl_load(err);

	if (r < 0)
		return r;
	c = transfer_handle(o, uri);
	strbuf_reset(out);
	libcurl.easy_setopt(c, CURLOPT_WRITEFUNCTION, receive_text);
	libcurl.easy_setopt(c, CURLOPT_WRITEDATA, &t);
	result = libcurl.easy_perform(c);
	if (t.too_large)
		r = error_set(err, -EFBIG, path, "use another mirror",
			      "mirror %s sends more than %zu bytes", host, max);
	else if (result != CURLE_OK)
		r = transfer_error(c, result, o, path, host, err);
	libcurl.easy_cleanup(c);
	return r;
}
