/*
 * shared LIBRARY DIR NAME: uses libqubesdb.so as a program of somebody else does, which knows the names of its functions only, on the
 * daemon of the qube NAME whose socket is in DIR. Writes, watches, lists, reads and removes; prints what it got.
 * --clients N behind: prints how many of so many connections at once are served.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/qubesdb/include/qubesdb-client.h"

static void *library;

static void *function(const char *name)
{
	void *f = dlsym(library, name);

	if (!f) {
		printf("%s is missing\n", name);
		exit(1);
	}
	return f;
}

/* ISO C has no conversion between the two kinds of pointers, POSIX has. */
#define CALL(name) (*(__typeof__(&(name))){(__typeof__(&(name)))function(#name)})

/* What the library hands over is malloc's, and the caller's to free. */
static void free_list(char **list)
{
	for (char **p = list; p && *p; p++)
		free(*p);
	free(list);
}

static void print_all(qdb_handle_t h)
{
	unsigned int *lengths, n;
	char **all = CALL(qdb_multiread)(h, "/shared/", &lengths, &n), **list = CALL(qdb_list)(h, "/shared/", NULL);

	for (unsigned i = 0; all && list && i < n; i++)
		printf("%s %s=%s %u\n", list[i], all[2 * i], all[2 * i + 1], lengths[i]);
	free_list(all);
	free_list(list);
	free(lengths);
}

static int count_clients(const char *dir, const char *name, long n)
{
	qdb_handle_t *handles = calloc((size_t)n, sizeof(*handles));
	long served = 0, opened = 0;
	char **list;

	while (handles && opened < n && (handles[opened] = CALL(qdb_open_dir)(dir, name))) {
		if (!(list = CALL(qdb_list)(handles[opened++], "/none", NULL)))
			break;
		free_list(list);
		served++;
	}
	printf("clients %ld\n", served);
	while (opened)
		CALL(qdb_close)(handles[--opened]);
	free(handles);
	return 0;
}

int main(int argc, char **argv)
{
	qdb_handle_t h, watch;
	char *event, *value;
	unsigned int length;

	if ((argc != 4 && argc != 6) || !(library = dlopen(argv[1], RTLD_NOW))) {
		printf("%s\n", dlerror());
		return 1;
	}
	if (argc == 6)
		return count_clients(argv[2], argv[3], strtol(argv[5], NULL, 10));
	h = CALL(qdb_open_dir)(argv[2], argv[3]);
	watch = CALL(qdb_open_dir)(argv[2], argv[3]);
	if (!h || !watch) {
		perror("qdb_open_dir");
		return 1;
	}
	printf("watch %d, ", CALL(qdb_watch)(watch, "/shared/"));
	printf("write %d, ", CALL(qdb_write)(h, "/shared/a", "one", 3));
	printf("empty %d, ", CALL(qdb_write)(h, "/shared/b", "", 0));
	event = CALL(qdb_read_watch)(watch);
	printf("event %s, ", event);
	free(event);
	printf("descriptor %d, ", CALL(qdb_watch_fd)(watch) > 2);
	printf("unwatch %d, ", CALL(qdb_unwatch)(watch, "/shared/"));
	value = CALL(qdb_read)(h, "/shared/a", &length);
	printf("read %s ", value);
	free(value);
	printf("%u, none %d\n", length, CALL(qdb_read)(h, "/shared/c", NULL) == NULL);
	print_all(h);
	printf("rm %d, ", CALL(qdb_rm)(h, "/shared/a"));
	printf("again %d\n", CALL(qdb_rm)(h, "/shared/a"));
	CALL(qdb_close)(h);
	CALL(qdb_close)(watch);
	/* The own daemon has no sockets here. */
	printf("open %d\n", CALL(qdb_open)("no-such-qube") == NULL);
	return 0;
}
