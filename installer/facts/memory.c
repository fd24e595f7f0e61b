#include "installer/facts/source.h"

#include <fcntl.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"

void facts_memory(const struct facts_source *from, struct facts *facts)
{
	_cleanup_free_ char *path = xasprintf("%s/meminfo", from->proc);
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line, word;

	if (read_file(AT_FDCWD, path, 65536, &text) < 0)
		return;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		uint64_t kib;

		if (!blob_word(&line, &word) || !blob_eq_str(word, "MemTotal:"))
			continue;
		if (blob_word(&line, &word) && blob_to_u64(word, UINT64_MAX >> 10, &kib))
			facts->memory = kib << 10;
		return;
	}
}
