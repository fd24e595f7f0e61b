/*
 * installer/record.c and common/sys/journal.c: any bytes are a record or none; its texts end, and no line is made up. The lines
 * also get their right checks, or nothing behind these would ever be reached.
 */
#include <stdlib.h>

#include "common/sys/hash.h"
#include "installer/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_one(struct blob log)
{
	/* Exactly as much memory as the log has, so that a read beyond it is seen. */
	char *copy = malloc(log.n ? log.n : 1);
	_cleanup_record_ struct record record = {0};
	int r;

	if (log.n)
		memcpy(copy, log.p, log.n);
	r = record_parse((struct blob){copy, log.n}, &record);
	if (r == 0 && (!sha256_is_hex(blob_of(record.fingerprint)) || strlen(record.uuid.luks) >= UUID_TEXT ||
		       record.answers.n > log.n || record.steps.n > log.n))
		abort();
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct blob rest = {(const char *)data, size}, line;
	_cleanup_strbuf_ struct strbuf log = {0};
	char hex[SHA256_HEX];

	try_one(rest);
	while (blob_token(&rest, '\n', &line)) {
		sha256_hex(line.p, line.n, hex);
		strbuf_printf(&log, "%.16s ", hex);
		strbuf_add(&log, line.p, line.n);
		strbuf_add_char(&log, '\n');
	}
	try_one(strbuf_blob(&log));
	return 0;
}
