/*
 * runtime/qubesdb/engine.c: a peer sends any bytes, cut anywhere; the first byte says which kind of
 * peer it is. The store keeps its order and its bounds, and other peers are still served.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/qubesdb/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_store(const struct qdb_store *store)
{
	size_t bytes = 0;

	for (size_t i = 0; i < store->n; i++) {
		bytes += store->entries[i]->n;
		if (i && strcmp(store->entries[i - 1]->path, store->entries[i]->path) >= 0)
			abort();
	}
	if (bytes != store->bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qdb_engine engine = {0};
	struct qdb_header read = qdb_header_make(QDB_LIST, "/", 0);

	if (size < 2)
		return 0;

	struct qdb_peer *hostile = qdb_engine_add(&engine, (enum qdb_peer_kind)(data[0] & 3));
	struct qdb_peer *other = qdb_engine_add(&engine, QDB_PEER_CLIENT);
	size_t step = data[1] ? data[1] * 16U : 1;

	for (size_t at = 2; at < size && !hostile->broken; at += step)
		qdb_engine_feed(&engine, hostile, data + at, size - at < step ? size - at : step);
	check_store(&engine.store);
	qdb_engine_feed(&engine, other, &read, sizeof(read));
	if (other->broken || !qdb_peer_pending(other).n)
		abort();
	qdb_engine_free(&engine);
	return 0;
}
