#include "builder/fetch/curl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"

struct curl libcurl;

static const struct {
	const char *name;
	size_t place;
} functions[] = {
	{"curl_global_init", offsetof(struct curl, global_init)},
	{"curl_easy_init", offsetof(struct curl, easy_init)},
	{"curl_easy_setopt", offsetof(struct curl, easy_setopt)},
	{"curl_easy_perform", offsetof(struct curl, easy_perform)},
	{"curl_easy_getinfo", offsetof(struct curl, easy_getinfo)},
	{"curl_easy_strerror", offsetof(struct curl, easy_strerror)},
	{"curl_easy_cleanup", offsetof(struct curl, easy_cleanup)},
	{"curl_multi_init", offsetof(struct curl, multi_init)},
	{"curl_multi_add_handle", offsetof(struct curl, multi_add_handle)},
	{"curl_multi_remove_handle", offsetof(struct curl, multi_remove_handle)},
	{"curl_multi_perform", offsetof(struct curl, multi_perform)},
	{"curl_multi_poll", offsetof(struct curl, multi_poll)},
	{"curl_multi_info_read", offsetof(struct curl, multi_info_read)},
	{"curl_multi_cleanup", offsetof(struct curl, multi_cleanup)},
};

int curl_load(struct error *err)
{
	static struct curl loaded;
	void *library;

	if (libcurl.global_init)
		return 0;
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return error_set(err, -ENOENT, LIBRARY, "install the package libcurl4", "cannot load: %s", dlerror());
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *function = dlsym(library, functions[i].name);

		if (!function)
			return error_set(err, -ENOENT, LIBRARY, NULL, "has no %s", functions[i].name);
		memcpy((char *)&loaded + functions[i].place, &function, sizeof(function));
	}
	if (loaded.global_init(CURL_GLOBAL_DEFAULT))
		return error_set(err, -EIO, LIBRARY, NULL, "cannot be initialised");
	libcurl = loaded;
	return 0;
}
