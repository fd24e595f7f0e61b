#include "installer/facts/facts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "installer/facts/source.h"

enum { LINE_MAX_BYTES = 4096 };

const char *facts_clean(struct arena *a, struct blob text)
{
	char *s;

	/* Fixed-width fields are padded with NULs as often as with blanks. */
	while (text.n && !text.p[text.n - 1])
		text.n--;
	text = blob_trim(text);
	if (!text.n)
		return NULL;
	s = arena_strndup(a, text.p, text.n);
	for (size_t i = 0; i < text.n; i++)
		s[i] = text.p[i] >= ' ' && text.p[i] <= '~' ? text.p[i] : '?';
	return s;
}

const char *facts_line(struct arena *a, int dirfd, const char *path)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line = {0};

	if (read_file(dirfd, path, LINE_MAX_BYTES, &text) < 0)
		return NULL;
	rest = strbuf_blob(&text);
	blob_token(&rest, '\n', &line);
	return facts_clean(a, line);
}

uint64_t facts_number(int dirfd, const char *path, uint64_t otherwise)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	uint64_t value;

	if (read_file(dirfd, path, LINE_MAX_BYTES, &text) < 0 ||
	    !blob_to_u64(blob_trim(strbuf_blob(&text)), UINT64_MAX, &value))
		return otherwise;
	return value;
}

const char *const *facts_list(struct arena *a, const struct strv *values)
{
	const char **list;

	if (!values->n)
		return NULL;
	list = arena_alloc(a, (values->n + 1) * sizeof(*list));
	for (size_t i = 0; i < values->n; i++)
		list[i] = arena_strdup(a, values->v[i]);
	return list;
}

int facts_gather(const struct facts_source *from, struct facts *out, struct error *err)
{
	int r;

	*out = (struct facts){.arena = arena_new()};
	facts_firmware(from, out);
	facts_memory(from, out);
	r = facts_disks(from, out, err);
	if (r < 0)
		return r;
	facts_signatures(from, out);
	facts_use(from, out);
	facts_contents(from, out);
	facts_cpu(from, out);
	facts_acpi(from, out);
	facts_pci(from, out);
	facts_keyboards(from, out);
	facts_machine(from, out);
	facts_xen(from, out);
	return 0;
}

void facts_free(struct facts *facts)
{
	arena_free(facts->arena);
	*facts = (struct facts){0};
}

char *disk_partition_device(const char *disk, unsigned number)
{
	size_t n = strlen(disk);
	bool digit = n && disk[n - 1] >= '0' && disk[n - 1] <= '9';

	return xasprintf("%s%s%u", disk, digit ? "p" : "", number);
}

const char *facts_size(struct arena *a, uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
	size_t unit = 0;
	uint64_t tenths = bytes * 10;

	if (bytes > UINT64_MAX / 10)
		return arena_printf(a, "%" PRIu64 " TiB", bytes >> 40);
	if (bytes < 1024)
		return arena_printf(a, "%" PRIu64 " bytes", bytes);
	while (tenths >= 10240 && unit < 5) {
		tenths /= 1024;
		unit++;
	}
	return arena_printf(a, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, units[unit]);
}

const char *facts_disk_name(struct arena *a, const struct disk *disk)
{
	return arena_printf(a, "%s (%s%sserial %s, %s)", disk->name, disk->model ? disk->model : "",
			    disk->model ? ", " : "", disk->serial ? disk->serial : "none",
			    facts_size(a, disk->size));
}
