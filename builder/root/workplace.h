/* Where a base is made: its folders, what is seen of them in the sandbox, and how dpkg is run
 * there. Both ways of unpacking share it; inside builder/root/. */
#pragma once

#include "builder/root/dpkg.h"
#include "builder/root/root.h"

/* Where the cache of packages is seen inside. */
#define CACHE_INSIDE "/run/bulkhead/cache"

struct workplace {
	const struct root_job *job;
	char *root;  /* the root that is made */
	char *cache; /* the folder of the packages, files by their hash */
	char *links; /* links with the names of the packages, to the files of the cache as seen inside */
	char *noop;  /* a program that does nothing */
	struct strbuf log;
	struct sandbox_bind binds[2]; /* of dpkg */
	struct dpkg_run dpkg;
	int64_t since; /* when the phase began that runs now */
};

/* Ended with workplace_end, also after a failure; that writes the log. */
int workplace_make(struct workplace *w, const struct root_job *job, struct error *err);
void workplace_end(struct workplace *w);
/* A phase ends here and the next one begins: "build.phase" (image, phase, ms) on the event stream. One may come several
 * times. */
void workplace_phase(struct workplace *w, const char *ended);

/* Inside: the package's file. The descriptor, or -errno. */
int workplace_open_package(const struct lock_package *p);
/* Inside: what dpkg and package scripts expect of a root before there is any. */
int workplace_seed(int target);
