/* bulkhead verify */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>

#include "builder/commands.h"
#include "builder/medium/verify.h"
#include "common/base/alloc.h"
#include "common/ui/event.h"
#include "common/ui/options.h"

struct request {
	struct strv operands;
	const char *sums, *key;
	bool json, quiet;
	long events;
};

static void request_end(struct request *q)
{
	strv_free(&q->operands);
}

static const char *const trust_words[] = {[VERIFY_MEDIUM] = "integrity only",
					  [VERIFY_SUMS] = "integrity only",
					  [VERIFY_SIGNED] = "signed"};

static void print_json(const char *path, const struct verify_report *v)
{
	json_t *root = json_object(), *parts = json_array();

	for (size_t i = 0; i < v->n_parts; i++) {
		const struct verify_part *p = &v->parts[i];

		json_array_append_new(parts, json_pack("{s:s, s:I, s:I, s:s}", "path", p->path, "offset",
						       (json_int_t)p->offset, "size", (json_int_t)p->size, "sha256",
						       p->sha256));
	}
	json_object_set_new(root, "file", json_string(path));
	json_object_set_new(root, "size", json_integer((json_int_t)v->size));
	json_object_set_new(root, "trust", json_string(trust_words[v->trust]));
	if (*v->sha256)
		json_object_set_new(root, "sha256", json_string(v->sha256));
	json_object_set_new(root, "parts", parts);
	json_dumpf(root, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(root);
}

/* GRUB's modules are many and small: one line for all of them. */
static bool is_small(const struct verify_part *p)
{
	return blob_has_prefix(blob_of(p->path), "/boot/grub/");
}

static void print_size(const struct verify_report *v, uint64_t size, const char *path)
{
	printf("%12llu  %5.1f %%  %s\n", (unsigned long long)size, (double)size * 100 / (double)v->size, path);
}

static void print_parts(const struct verify_report *v)
{
	uint64_t small = 0, sum = 0;

	for (size_t i = 0; i < v->n_parts; i++) {
		sum += v->parts[i].size;
		if (is_small(&v->parts[i]))
			small += v->parts[i].size;
		else
			print_size(v, v->parts[i].size, v->parts[i].path);
	}
	print_size(v, small, "/boot/grub/");
	print_size(v, v->size > sum ? v->size - sum : 0, "overhead: folders, boot records, gaps");
}

static void print_trust(const struct request *q, const struct verify_report *v)
{
	printf("%s: %zu parts are as they were built; ", q->operands.v[0], v->n_parts);
	if (v->trust == VERIFY_SIGNED)
		printf("signed with the key of %s\n", q->key);
	else if (v->trust == VERIFY_SUMS)
		printf("integrity only: no key was given for the signature of SHA256SUMS\n");
	else
		printf("integrity only: compared with what it says of itself\n");
}

static int verify(const struct request *q, struct error *err)
{
	_cleanup_arena_ struct arena *a = arena_new();
	const struct verify_options o = {.sums = q->sums, .key = q->key, .quiet = q->quiet || q->json};
	struct verify_report report;
	_cleanup_close_ int fd = open(q->operands.v[0], O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return error_errno(err, -errno, q->operands.v[0], "cannot open");
	r = verify_medium(a, fd, q->operands.v[0], &o, &report, err);
	if (r < 0)
		return r;
	if (q->json) {
		print_json(q->operands.v[0], &report);
	} else if (!q->quiet) {
		print_parts(&report);
		print_trust(q, &report);
	}
	return 0;
}

int cmd_verify(int argc, char **argv)
{
	_cleanup_(request_end) struct request q = {.events = -1};
	_cleanup_error_ struct error err = {0};
	const struct option_def options[] = {
		{"key", 'k', OPTION_STRING, &q.key, "FILE", "public key that must have signed SHA256SUMS"},
		{"sums", 0, OPTION_STRING, &q.sums, "FILE", "SHA256SUMS (default: beside the image)"},
		{"json", 0, OPTION_FLAG, &q.json, NULL, "print parts, offsets and digests as JSON"},
		{"events", 0, OPTION_NUMBER, &q.events, "FD", "write progress as JSON lines to this descriptor"},
		{"quiet", 'q', OPTION_FLAG, &q.quiet, NULL, "say nothing but errors"},
		{0},
	};
	const struct command_line cmd = {
		.program = "bulkhead verify",
		.operands = "ISO|DEVICE",
		.summary = "Compare every part of an image, or of the stick it was written to, with what promises it.",
		.notes = "Without --key the result is about damage, not about who made the image.\n"
			 "Exit codes: 0 done, 1 failed (one line on stderr says what), 2 wrong usage.",
		.options = options,
	};
	enum options_result parsed = options_parse(&cmd, argc, argv, &q.operands);

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	if (q.operands.n != 1)
		return options_wrong(&cmd, "expected one ISO or DEVICE");
	if (q.events >= 0)
		event_open_fd((int)q.events);
	if (verify(&q, &err) == 0)
		return EXIT_CODE_OK;
	error_print("bulkhead", &err);
	return EXIT_CODE_FAILED;
}
