/*
 * qubesdb-read, -read-bool, -write, -rm, -list, -multiread, -watch, and qubesdb-cmd, which is told
 * by -c which of them to be. Exit codes: 0 done, 1 error, 2 no such key; read-bool has its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/ui/options.h"
#include "runtime/qubesdb/include/qubesdb-client.h"

enum { DONE, FAILED, NOT_FOUND, NO_BOOL };

static const char *command_name, *qube, *default_value, *count_text = "1",
							*socket_dir = "/var/run/qubes";
static bool full_path, raw, quiet, wait_for_key, remove_after;

static const struct option_def options[] = {
	{"command", 'c', OPTION_STRING, &command_name, "COMMAND",
	 "read, read-bool, write, rm, list, multiread or watch"},
	{"domain", 'd', OPTION_STRING, &qube, "QUBE",
	 "whose data (in dom0); otherwise the own ones"},
	{"full-path", 'f', OPTION_FLAG, &full_path, NULL, "print whole paths"},
	{"raw", 'r', OPTION_FLAG, &raw, NULL, "print values as they are, not escaped as \\xNN"},
	{"quiet", 'q', OPTION_FLAG, &quiet, NULL, "no error messages"},
	{"wait", 'w', OPTION_FLAG, &wait_for_key, NULL, "read, read-bool: wait until the key exists"},
	{"remove", 'x', OPTION_FLAG, &remove_after, NULL, "read: remove the key afterwards"},
	{"default", 'e', OPTION_STRING, &default_value, "VALUE",
	 "read: print this when the key does not exist"},
	{"count", 'n', OPTION_STRING, &count_text, "COUNT",
	 "watch: end after so many events (1); negative: never"},
	{"socket-dir", 0, OPTION_STRING, &socket_dir, "DIR",
	 "where the daemon's socket is (/var/run/qubes)"},
	{0},
};

static struct command_line usage = {
	.program = "qubesdb-cmd",
	.operands = "[PATH [VALUE]]...",
	.summary = "Read and change the key-value store of a qube.",
	.notes = "read PATH..., read-bool PATH [CODE], write PATH VALUE..., rm PATH..., list PREFIX,\n"
		 "multiread PREFIX..., watch PATH...\n"
		 "Exit codes: 0 done, 1 error, 2 no such key; of read-bool: 0 the value is not empty, 1 it is\n"
		 "empty, CODE (2) no such key, 3 error.",
	.options = options,
};

/* As options_wrong(), whose result means "no such key" here. */
#define wrong(...) (options_wrong(&usage, __VA_ARGS__), FAILED)

/* An error outweighs a missing key. */
static int worse(int a, int b)
{
	return a == FAILED || b == DONE ? a : b;
}

static int complain(const char *what, const char *path)
{
	int saved = errno;

	if (!quiet)
		fprintf(stderr, "%s: cannot %s %s: %s\n", usage.program, what, path,
			saved == ENOENT ? "no such key" : strerror(saved));
	return saved == ENOENT ? NOT_FOUND : FAILED;
}

static void print_value(const char *value)
{
	if (raw) {
		fputs(value, stdout);
		return;
	}
	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		if (*p >= 0x20 && *p < 0x80)
			putchar(*p);
		else
			printf("\\x%02x", *p);
	}
}

static char *wait_and_read(qdb_handle_t h, const char *path)
{
	char *value;

	if (!wait_for_key)
		return qdb_read(h, path, NULL);
	if (!qdb_watch(h, path))
		return NULL;
	while (!(value = qdb_read(h, path, NULL)) && errno == ENOENT) {
		_cleanup_free_ char *event = qdb_read_watch(h);

		if (!event)
			return NULL;
	}
	return value;
}

static int do_read(qdb_handle_t h, const char *path)
{
	_cleanup_free_ char *value = wait_and_read(h, path);
	bool found = value;

	if (!found && errno == ENOENT && default_value)
		value = xstrdup(default_value);
	if (!value)
		return complain("read", path);
	if (full_path)
		printf("%s = ", path);
	print_value(value);
	putchar('\n');
	return found && remove_after && !qdb_rm(h, path) ? complain("remove", path) : DONE;
}

static int do_list(qdb_handle_t h, const char *prefix)
{
	char **paths = qdb_list(h, prefix, NULL);

	if (!paths)
		return complain("list", prefix);
	for (char **p = paths; *p; p++) {
		puts(*p + (full_path ? 0 : strlen(prefix)));
		free(*p);
	}
	free(paths);
	return DONE;
}

static int do_multiread(qdb_handle_t h, const char *prefix)
{
	char **pairs = qdb_multiread(h, prefix, NULL, NULL);

	if (!pairs)
		return complain("read", prefix);
	for (char **p = pairs; *p; p += 2) {
		printf("%s = ", *p + (full_path ? 0 : strlen(prefix)));
		print_value(p[1]);
		putchar('\n');
		free(p[0]);
		free(p[1]);
	}
	free(pairs);
	return DONE;
}

static int do_rm(qdb_handle_t h, const char *path)
{
	return qdb_rm(h, path) ? DONE : complain("remove", path);
}

static int write_all_pairs(qdb_handle_t h, const struct strv *args)
{
	int result = DONE;

	if (args->n % 2)
		return wrong("'%s' needs a value", args->v[args->n - 1]);
	for (size_t i = 0; i < args->n; i += 2) {
		size_t n = strlen(args->v[i + 1]);

		if (!qdb_write(h, args->v[i], args->v[i + 1], (unsigned int)n)) {
			complain("write", args->v[i]);
			result = FAILED;
		}
	}
	return result;
}

static int watch(qdb_handle_t h, const struct strv *args)
{
	char *end;
	long count = strtol(count_text, &end, 10);

	if (*end || !*count_text)
		return wrong("'%s' is not a number", count_text);
	for (size_t i = 0; i < args->n; i++)
		if (!qdb_watch(h, args->v[i]))
			return complain("watch", args->v[i]);
	while (args->n && count != 0) {
		_cleanup_free_ char *path = qdb_read_watch(h);

		if (!path)
			return complain("watch", args->v[0]);
		puts(path);
		fflush(stdout);
		if (count > 0)
			count--;
	}
	return DONE;
}

static int read_bool(qdb_handle_t h, const struct strv *args)
{
	uint64_t missing = NOT_FOUND;

	if (args->n > 2 || (args->n == 2 && !blob_to_u64(blob_of(args->v[1]), 255, &missing))) {
		(void)wrong("%s: one key, and an exit code for its absence", args->v[0]);
		return NO_BOOL;
	}

	_cleanup_free_ char *value = wait_and_read(h, args->v[0]);
	if (value)
		return !*value;
	if (errno == ENOENT)
		return (int)missing;
	complain("read", args->v[0]);
	return NO_BOOL;
}

static int run(qdb_handle_t h, const struct strv *args)
{
	static const struct {
		const char *name;
		int (*each)(qdb_handle_t h, const char *path);
		int (*all)(qdb_handle_t h, const struct strv *args);
	} commands[] = {
		{"read", do_read, NULL},	   {"list", do_list, NULL},
		{"multiread", do_multiread, NULL}, {"rm", do_rm, NULL},
		{"write", NULL, write_all_pairs},  {"watch", NULL, watch},
		{"read-bool", NULL, read_bool},
	};

	for (size_t c = 0; c < sizeof(commands) / sizeof(commands[0]); c++) {
		int result = DONE;

		if (strcmp(commands[c].name, command_name))
			continue;
		if (commands[c].all)
			return commands[c].all(h, args);
		for (size_t i = 0; i < args->n; i++)
			result = worse(result, commands[c].each(h, args->v[i]));
		return result;
	}
	return wrong("'%s' is not a command", command_name);
}

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv args = {0};
	const char *slash = strrchr(argv[0], '/');
	int failed = FAILED;

	usage.program = slash ? slash + 1 : argv[0];
	if (!strncmp(usage.program, "qubesdb-", 8) && strcmp(usage.program, "qubesdb-cmd"))
		command_name = usage.program + 8;

	enum options_result result = options_parse(&usage, argc, argv, &args);
	if (result)
		return result == OPTIONS_HELP ? DONE : FAILED;
	if (!command_name)
		return wrong("a command is needed");
	if (!strcmp(command_name, "read-bool"))
		failed = NO_BOOL;
	if (!args.n) {
		(void)wrong("a path is needed");
		return failed;
	}

	qdb_handle_t h = qdb_open_dir(socket_dir, qube);
	if (!h) {
		if (!quiet)
			fprintf(stderr, "%s: cannot connect to the daemon of %s: %s\n",
				usage.program, qube ? qube : "this qube", strerror(errno));
		return failed;
	}
	int r = run(h, &args);
	qdb_close(h);
	return fflush(stdout) == EOF ? FAILED : r;
}
