/*
 * What `make bench-salt` measures against: salt-floor run ROUNDS PROGRAM... prints the best time and the best processor
 * time in seconds, and the largest resident set in KiB, of a program; salt-floor hash FILE... reads and hashes files;
 * salt-floor yaml ROUNDS FILE... reads and parses them with libyaml and prints the processor seconds of the best round.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <yaml.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"
#include "common/sys/process.h"

enum { FILE_MAX = 16 << 20 };

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of all programs that have ended. */
static double processor(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* We are small ourselves: a program's largest resident set counts that of the one that started it. */
static int run(long rounds, char **argv)
{
	struct rusage usage;
	double best = 0, best_processor = 0;

	for (long i = 0; i < rounds; i++) {
		double start = now(CLOCK_MONOTONIC), before = processor(), took;
		int code = process_run(&(struct process){.argv = (const char *const *)argv, .null_stdin = 1, .stdout_fd = 2});

		if (code)
			return code < 0 ? 126 : code;
		took = now(CLOCK_MONOTONIC) - start;
		best = i == 0 || took < best ? took : best;
		took = processor() - before;
		best_processor = i == 0 || took < best_processor ? took : best_processor;
	}
	getrusage(RUSAGE_CHILDREN, &usage);
	return printf("%.6f %.6f %ld\n", best, best_processor, usage.ru_maxrss) < 0;
}

static int hash(char **files)
{
	char hex[SHA256_HEX];

	for (; *files; files++) {
		int r = sha256_file(AT_FDCWD, *files, hex, NULL);

		if (r < 0)
			return fprintf(stderr, "%s: %s\n", *files, strerror(-r)), 1;
		printf("%s  %s\n", hex, *files);
	}
	return 0;
}

static bool parse(const char *file)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	yaml_event_type_t type = YAML_NO_EVENT;
	yaml_parser_t parser;
	yaml_event_t event;
	bool good = read_file(AT_FDCWD, file, FILE_MAX, &text) == 0 && yaml_parser_initialize(&parser);

	if (!good)
		return false;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
	while (good && type != YAML_STREAM_END_EVENT) {
		good = yaml_parser_parse(&parser, &event);
		type = good ? event.type : YAML_NO_EVENT;
		if (good)
			yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return good;
}

static int yaml(long rounds, char **files)
{
	double best = 0;

	for (long i = 0; i < rounds; i++) {
		double start = now(CLOCK_PROCESS_CPUTIME_ID), took;

		for (char **file = files; *file; file++)
			if (!parse(*file))
				return fprintf(stderr, "%s: is not YAML\n", *file), 1;
		took = now(CLOCK_PROCESS_CPUTIME_ID) - start;
		best = i == 0 || took < best ? took : best;
	}
	return printf("%.9f\n", best) < 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "hash"))
		return hash(argv + 2);
	if (argc > 3 && !strcmp(argv[1], "run"))
		return run(strtol(argv[2], NULL, 10), argv + 3);
	if (argc > 3 && !strcmp(argv[1], "yaml"))
		return yaml(strtol(argv[2], NULL, 10), argv + 3);
	fprintf(stderr, "usage: salt-floor run ROUNDS PROGRAM... | hash FILE... | yaml ROUNDS FILE...\n");
	return 64;
}
