/*
 * runtime/qubesd/block.c and qdbread.c, runtime/qubesadmin/values.c: what qubes tell of their devices is a line of the API that its
 * reader understands; and whatever it gets, the reader stays within it.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "runtime/qubesadmin/include/qubesadmin-values.h"
#include "runtime/qubesd/block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The daemon's; nothing that is called here calls them. */
int qubesd_save(struct qubesd *d, struct error *err)
{
	(void)d;
	(void)err;
	return -ENOTSUP;
}

void qubesd_ready(void)
{
}

const char *qubesd_program(const struct qubesd *d, struct arena *a, const char *installed)
{
	(void)d;
	(void)a;
	return installed;
}

static int read_values(struct arena *a, struct blob line)
{
	const char *key, *value;
	int r;

	while ((r = admin_next_value(a, &line, &key, &value)) > 0) {
		for (const char *p = key; *p; p++)
			if (!isalnum((unsigned char)*p) && !strchr("_.-", *p))
				abort();
		for (const char *p = value; *p; p++)
			if (iscntrl((unsigned char)*p))
				abort();
	}
	return r;
}

static void read_devices(struct arena *a, struct blob text)
{
	struct device_list list = {0};

	block_parse(text, a, &list);
	for (size_t i = 0; i < list.n; i++) {
		_cleanup_strbuf_ struct strbuf line = {0};

		device_format(&list.v[i], &line);
		if (read_values(a, strbuf_blob(&line)) < 0)
			abort();
	}
}

static void read_answers(struct blob text)
{
	struct blob rest = text;
	struct admin_property property;
	struct admin_vm vm;

	while (admin_next_vm(&rest, &vm))
		if (!vm.name.n)
			abort();
	admin_property_parse(text, &property);
}

/* As qdb_read_all() gives it: lines of a qube, a path and a value, which has no character that is not printed. */
static void make_plain(const uint8_t *data, size_t size, char *plain)
{
	unsigned tabs = 0;

	for (size_t i = 0; i < size; i++) {
		bool separates = data[i] == '\n' || (data[i] == '\t' && tabs++ < 2);

		plain[i] = separates || isprint(data[i]) ? (char)data[i] : '_';
		if (data[i] == '\n')
			tabs = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_free_ char *plain = xmalloc(size + 1);
	struct blob text = {(const char *)data, size};

	read_values(a, text);
	read_answers(text);
	make_plain(data, size, plain);
	read_devices(a, (struct blob){plain, size});
	return 0;
}
