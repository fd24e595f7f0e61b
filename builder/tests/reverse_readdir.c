/* A library for LD_PRELOAD: folders list their entries backwards. For builder/tests/repro: results may not depend on the
 * order in which a file system lists them. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One folder that is being read: its entries, handed out from the end. */
struct listing {
	struct listing *next;
	DIR *dir;
	struct dirent **entries;
	size_t n, left;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct listing *listings;

static void *real(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (!f)
		abort();
	return f;
}

static struct listing **find(DIR *dir)
{
	struct listing **l = &listings;

	while (*l && (*l)->dir != dir)
		l = &(*l)->next;
	return l;
}

static void forget(DIR *dir)
{
	struct listing **at, *l;

	pthread_mutex_lock(&lock);
	at = find(dir);
	l = *at;
	if (l) {
		*at = l->next;
		for (size_t i = 0; i < l->n; i++)
			free(l->entries[i]);
		free(l->entries);
		free(l);
	}
	pthread_mutex_unlock(&lock);
}

static void read_all(struct listing *l)
{
	struct dirent *(*next)(DIR *) = (struct dirent * (*)(DIR *))(size_t)real("readdir64");
	struct dirent *e;

	while ((e = next(l->dir))) {
		l->entries = realloc(l->entries, (l->n + 1) * sizeof(*l->entries));
		if (!l->entries || !(l->entries[l->n] = malloc(sizeof(*e))))
			abort();
		memcpy(l->entries[l->n++], e, e->d_reclen < sizeof(*e) ? e->d_reclen : sizeof(*e));
	}
	l->left = l->n;
}

struct dirent *readdir(DIR *dir)
{
	struct listing **at, *l;
	struct dirent *e;
	int before = errno;

	pthread_mutex_lock(&lock);
	at = find(dir);
	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (!*at)
			abort();
		(*at)->dir = dir;
		read_all(*at);
	}
	l = *at;
	e = l->left ? l->entries[--l->left] : NULL;
	pthread_mutex_unlock(&lock);
	errno = before;
	return e;
}

/* The same on this machine. */
struct dirent64 *readdir64(DIR *dir)
{
	return (struct dirent64 *)(void *)readdir(dir);
}

void rewinddir(DIR *dir)
{
	forget(dir);
	((void (*)(DIR *))(size_t)real("rewinddir"))(dir);
}

int closedir(DIR *dir)
{
	forget(dir);
	return ((int (*)(DIR *))(size_t)real("closedir"))(dir);
}
