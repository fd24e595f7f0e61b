/*
 * libcurl, loaded when something has to be fetched: it brings so many libraries that loading them takes as long as all else
 * in a build with nothing to do.
 */
#pragma once

#include <curl/curl.h>

#include "common/base/error.h"

/* Its functions, of the same names, after curl_load. */
struct curl {
	__typeof__(curl_global_init) *global_init;
	__typeof__(curl_easy_init) *easy_init;
	__typeof__(curl_easy_setopt) *easy_setopt;
	__typeof__(curl_easy_perform) *easy_perform;
	__typeof__(curl_easy_getinfo) *easy_getinfo;
	__typeof__(curl_easy_strerror) *easy_strerror;
	__typeof__(curl_easy_cleanup) *easy_cleanup;
	__typeof__(curl_multi_init) *multi_init;
	__typeof__(curl_multi_add_handle) *multi_add_handle;
	__typeof__(curl_multi_remove_handle) *multi_remove_handle;
	__typeof__(curl_multi_perform) *multi_perform;
	__typeof__(curl_multi_poll) *multi_poll;
	__typeof__(curl_multi_info_read) *multi_info_read;
	__typeof__(curl_multi_cleanup) *multi_cleanup;
};
extern struct curl libcurl;

/* Loads and prepares it; once is enough, more do no harm. -ENOENT: there is none that will do. */
int curl_load(struct error *err);
