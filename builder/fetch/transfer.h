/* One item on its way from the mirrors into the cache; inside builder/fetch/. */
#pragma once

#include "builder/fetch/curl.h"
#include "builder/fetch/fetch.h"
#include "builder/fetch/part.h"

struct transfer {
	const struct fetch_options *options;
	const struct fetch_item *item;
	CURL *curl;
	/* Where it is in the list of places to ask: each mirror, by hash first where the item has
	 * such a path. */
	size_t place;
	size_t first;	  /* mirror to begin with */
	unsigned retries; /* at this place */
	struct part part; /* what has arrived, from whichever mirror */
	/* This attempt */
	char *host;
	uint64_t kept;	 /* bytes that it began behind */
	int write_error; /* -errno; -EFBIG: more bytes than expected */
	/* Why it failed so far: a mirror that has it but wrong says more than one that lacks it. */
	struct error why;
	int code;
};

/* A handle for the URI, with our limits (protocols, redirects, timeouts) and the proxy. */
CURL *transfer_handle(const struct fetch_options *o, const char *uri);
/* Turns curl's result into -errno, with the cause in err ("mirror HOST answers 404"). */
int transfer_error(CURL *curl, CURLcode result, const struct fetch_options *o, const char *label,
		   const char *host, struct error *err);

/* Prepares the attempt at t->place. -ENOENT: no place is left. */
int transfer_prepare(struct transfer *t, struct error *err);
/* After curl has ended: 0, the file is in the cache; 1, prepare again; -errno, t->why holds the cause. */
int transfer_finish(struct transfer *t, CURLcode result);
/* Index of the mirror that t->place stands for. */
size_t transfer_mirror(const struct transfer *t);
void transfer_free(struct transfer *t);
