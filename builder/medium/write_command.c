/* bulkhead write */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "builder/commands.h"
#include "builder/medium/verify.h"
#include "builder/medium/write.h"
#include "common/base/alloc.h"
#include "common/ui/event.h"
#include "common/ui/options.h"

struct request {
	struct strv operands;
	const char *sums, *key;
	bool fixed, yes, plan, quiet;
	long events;
};

static void request_end(struct request *q)
{
	strv_free(&q->operands);
}

static int check_device(const struct request *q, const struct device *d, uint64_t size, struct error *err)
{
	int r = device_check_unused(d, err);

	if (r < 0)
		return r;
	if (d->size < size)
		return error_set(err, -ENOSPC, d->path, "use a larger stick", "holds %llu bytes, the image has %llu",
				 (unsigned long long)d->size, (unsigned long long)size);
	if (!d->removable && !q->fixed)
		return error_set(err, -EPERM, d->path, "if you are sure, say --fixed-disk", "is not a removable disk");
	return 0;
}

static void say_plan(const struct request *q, const struct device *d, uint64_t size)
{
	printf("image:  %s, %.1f MB, verified\n", q->operands.v[0], (double)size / 1e6);
	printf("device: %s, %.1f MB%s%s%s%s%s%s%s\n", d->path, (double)d->size / 1e6, d->removable ? ", removable" : "",
	       *d->bus ? ", " : "", d->bus, *d->model ? ", model " : "", d->model, *d->serial ? ", serial " : "",
	       d->serial);
	printf("Everything on %s will be lost.\n", d->path);
}

/* A name that is typed is a name that was read. */
static int confirm(const struct request *q, const struct device *d, struct error *err)
{
	char line[256];

	if (q->yes)
		return 0;
	if (!isatty(STDIN_FILENO))
		return error_set(err, -EPERM, d->path, "say --yes", "nobody is there to confirm");
	printf("Type its name (%s) to write: ", d->name);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin) || !blob_eq_str(blob_trim(blob_of(line)), d->name))
		return error_set(err, -ECANCELED, d->path, NULL, "not confirmed, nothing was written");
	return 0;
}

static int write_to(const struct request *q, int fd, const struct device *d, uint64_t size, struct error *err)
{
	struct write_result w;
	int r = write_image(fd, size, d, q->quiet, &w, err);

	if (r == 0 && !q->quiet)
		printf("%s: %.1f MB written (%.1f MB/s), read back (%.1f MB/s) and equal\n", d->path,
		       (double)w.size / 1e6, w.write_rate, w.read_rate);
	return r;
}

static int verify_and_write(const struct request *q, struct error *err)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_(device_end) struct device d = {0};
	const struct verify_options o = {.sums = q->sums, .key = q->key, .quiet = q->quiet};
	_cleanup_close_ int fd = -1;
	struct verify_report report;
	int r = device_look(q->operands.v[1], &d, err);

	/* What the device is costs nothing to say; that comes before the image is read. */
	if (r == 0)
		r = check_device(q, &d, 0, err);
	/* What is verified is what is written, whatever the name leads to by then. */
	if (r == 0 && (fd = open(q->operands.v[0], O_RDONLY | O_CLOEXEC)) < 0)
		r = error_errno(err, -errno, q->operands.v[0], "cannot open");
	if (r == 0)
		r = verify_medium(a, fd, q->operands.v[0], &o, &report, err);
	if (r == 0)
		r = check_device(q, &d, report.size, err);
	if (r < 0)
		return r;
	if (!q->quiet)
		say_plan(q, &d, report.size);
	if (q->plan)
		return 0;
	r = confirm(q, &d, err);
	return r < 0 ? r : write_to(q, fd, &d, report.size, err);
}

int cmd_write(int argc, char **argv)
{
	_cleanup_(request_end) struct request q = {.events = -1};
	_cleanup_error_ struct error err = {0};
	const struct option_def options[] = {
		{"key", 'k', OPTION_STRING, &q.key, "FILE", "public key that must have signed SHA256SUMS"},
		{"sums", 0, OPTION_STRING, &q.sums, "FILE", "SHA256SUMS (default: beside the image)"},
		{"plan", 0, OPTION_FLAG, &q.plan, NULL, "make all checks and say what would be written, write nothing"},
		{"yes", 0, OPTION_FLAG, &q.yes, NULL, "do not ask"},
		{"fixed-disk", 0, OPTION_FLAG, &q.fixed, NULL, "also a disk that is not removable"},
		{"events", 0, OPTION_NUMBER, &q.events, "FD", "write progress as JSON lines to this descriptor"},
		{"quiet", 'q', OPTION_FLAG, &q.quiet, NULL, "say nothing but errors"},
		{0},
	};
	const struct command_line cmd = {
		.program = "bulkhead write",
		.operands = "ISO DEVICE",
		.summary = "Verify an image, write it to a stick, and read it back.",
		.notes = "Refused: a disk that is mounted or otherwise in use, that of the running system, a partition,\n"
			 "one that is too small, and, without --fixed-disk, one that is not removable.\n"
			 "Exit codes: 0 done, 1 failed (one line on stderr says what), 2 wrong usage.",
		.options = options,
	};
	enum options_result parsed = options_parse(&cmd, argc, argv, &q.operands);

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (q.operands.n != 2)
		return options_wrong(&cmd, "expected ISO and DEVICE");
	if (q.events >= 0)
		event_open_fd((int)q.events);
	if (verify_and_write(&q, &err) == 0)
		return EXIT_CODE_OK;
	error_print("bulkhead", &err);
	return EXIT_CODE_FAILED;
}
