/* Promise kept here: whatever a peer of the QubesDB daemon sends, it gets the documented answer or
 * loses its own link. */
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/tests/test.h"
#include "runtime/qubesdb/engine.h"

static void feed(struct qdb_engine *e, struct qdb_peer *p, int type, const char *path,
		 const char *data)
{
	struct qdb_header header = qdb_header_make((enum qdb_type)type, path, strlen(data));
	_cleanup_strbuf_ struct strbuf message = {0};

	strbuf_add(&message, &header, sizeof(header));
	strbuf_add_str(&message, data);
	qdb_engine_feed(e, p, message.p, message.n);
}

/* What waits for the peer, as "type:path=data" separated by spaces; the queue is empty afterwards.
 */
static const char *answer(struct qdb_peer *p)
{
	static struct strbuf text;
	struct blob pending = qdb_peer_pending(p);
	size_t all = pending.n;

	strbuf_reset(&text);
	strbuf_add_str(&text, "");
	while (pending.n >= sizeof(struct qdb_header)) {
		struct qdb_header header;

		memcpy(&header, pending.p, sizeof(header));
		strbuf_printf(&text, "%s%d:%s", text.n ? " " : "", header.type, header.path);
		if (header.data_len)
			strbuf_printf(&text, "=%.*s", (int)header.data_len,
				      pending.p + sizeof(header));
		pending.p += sizeof(header) + header.data_len;
		pending.n -= sizeof(header) + header.data_len;
	}
	qdb_peer_sent(p, all);
	return text.p;
}

static const char *ask(struct qdb_engine *e, struct qdb_peer *p, int type, const char *path,
		       const char *data)
{
	feed(e, p, type, path, data);
	return answer(p);
}

TEST(client_read_write_rm)
{
	struct qdb_engine e = {0};
	struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT);

	CHECK_STR(ask(&e, c, QDB_READ, "/name", ""), "8:/name");
	CHECK_STR(ask(&e, c, QDB_WRITE, "/name", "work"), "7:/name");
	CHECK_STR(ask(&e, c, QDB_READ, "/name", ""), "10:/name=work");
	CHECK_STR(ask(&e, c, QDB_WRITE, "/name", ""), "7:/name");
	CHECK_STR(ask(&e, c, QDB_READ, "/name", ""), "10:/name");
	CHECK_STR(ask(&e, c, QDB_RM, "/name", ""), "7:/name");
	CHECK_STR(ask(&e, c, QDB_RM, "/name", ""), "8:/name");
	CHECK_INT(e.store.n, 0);
	CHECK_INT(e.store.bytes, 0);
	qdb_engine_free(&e);
}

TEST(prefixes)
{
	struct qdb_engine e = {0};
	struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT);

	ask(&e, c, QDB_WRITE, "/a/2", "two");
	ask(&e, c, QDB_WRITE, "/a/1", "one");
	ask(&e, c, QDB_WRITE, "/ab", "ab");
	ask(&e, c, QDB_WRITE, "/b", "b");
	CHECK_STR(ask(&e, c, QDB_LIST, "/a", ""), "12:/a/1 12:/a/2 12:/ab 12:");
	CHECK_STR(ask(&e, c, QDB_LIST, "/c", ""), "12:");
	CHECK_STR(ask(&e, c, QDB_LIST, "", ""), "12:/a/1 12:/a/2 12:/ab 12:/b 12:");
	CHECK_STR(ask(&e, c, QDB_MULTIREAD, "/a/", ""), "11:/a/1=one 11:/a/2=two 11:");
	/* Everything goes out in reverse order, as Qubes OS sends it. */
	CHECK_STR(ask(&e, c, QDB_MULTIREAD, "", ""),
		  "11:/b=b 11:/ab=ab 11:/a/2=two 11:/a/1=one 11:");
	CHECK_STR(ask(&e, c, QDB_RM, "/a/", ""), "7:/a/");
	CHECK_STR(ask(&e, c, QDB_RM, "/a/", ""), "8:/a/");
	CHECK_STR(ask(&e, c, QDB_LIST, "", ""), "12:/ab 12:/b 12:");
	CHECK_STR(ask(&e, c, QDB_RM, "/", ""), "7:/");
	CHECK_INT(e.store.n, 0);
	CHECK_STR(ask(&e, c, QDB_RM, "", ""), "8:");
	qdb_engine_free(&e);
}

TEST(paths_refused)
{
	struct qdb_engine e = {0};
	struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT);
	char long_path[] = "/23456789012345678901234567890123456789012345678901234567890123";

	CHECK_INT(strlen(long_path), QDB_PATH_MAX - 1);
	CHECK_STR(ask(&e, c, QDB_WRITE, long_path, "x"),
		  "7:/23456789012345678901234567890123456789012345678901234567890123");
	CHECK_STR(ask(&e, c, QDB_WRITE, "name", "x"), "9:name");
	CHECK_STR(ask(&e, c, QDB_WRITE, "/name/", "x"), "9:/name/");
	CHECK_STR(ask(&e, c, QDB_WRITE, "/", "x"), "9:/");
	CHECK_STR(ask(&e, c, QDB_WRITE, "", "x"), "9:");
	CHECK_STR(ask(&e, c, QDB_WRITE, "/a b", "x"), "9:/a b");
	CHECK_STR(ask(&e, c, QDB_READ, "-a", ""), "9:-a");
	CHECK_STR(ask(&e, c, QDB_READ, "/\303\244", ""), "9:/\303\244");
	CHECK_STR(ask(&e, c, QDB_WRITE, "/a-b_c.d:e@f/0", "x"), "7:/a-b_c.d:e@f/0");
	CHECK(!c->broken);
	qdb_engine_free(&e);
}

TEST(path_without_end)
{
	struct qdb_engine e = {0};
	struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT);
	struct qdb_header header = {.type = QDB_READ};

	memset(header.path, 'a', sizeof(header.path));
	qdb_engine_feed(&e, c, &header, sizeof(header));
	CHECK_INT(strlen(answer(c)), 2 + 63);
	qdb_engine_free(&e);
}

TEST(data_refused)
{
	struct qdb_engine e = {0};
	struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT);
	char big[QDB_DATA_MAX + 2];

	memset(big, 'x', sizeof(big));
	big[QDB_DATA_MAX] = '\0';
	CHECK_STR(ask(&e, c, QDB_WRITE, "/big", big), "7:/big");
	CHECK_INT(strlen(ask(&e, c, QDB_READ, "/big", "")), strlen("10:/big=") + QDB_DATA_MAX);
	/* One byte more is thrown away, and the next message is understood. */
	big[QDB_DATA_MAX] = 'x';
	big[QDB_DATA_MAX + 1] = '\0';
	CHECK_STR(ask(&e, c, QDB_WRITE, "/big2", big), "9:/big2");
	CHECK_STR(ask(&e, c, QDB_READ, "/big2", ""), "8:/big2");
	/* Data where none belong. */
	CHECK_STR(ask(&e, c, QDB_READ, "/big", "x"), "9:/big");
	CHECK_STR(ask(&e, c, QDB_RM, "/big", "x"), "9:/big");
	CHECK_STR(ask(&e, c, QDB_LIST, "/big", "x"), "9:/big");
	CHECK_STR(ask(&e, c, QDB_MULTIREAD, "/big", "x"), "9:/big");
	CHECK_STR(ask(&e, c, QDB_WATCH, "/big", "x"), "9:/big");
	CHECK_STR(ask(&e, c, QDB_UNWATCH, "/big", "x"), "9:/big");
	/* A NUL in a value. */
	struct qdb_header header = qdb_header_make(QDB_WRITE, "/nul", 3);
	qdb_engine_feed(&e, c, &header, sizeof(header));
	qdb_engine_feed(&e, c, "a\0b", 3);
	CHECK_STR(answer(c), "9:/nul");
	qdb_engine_free(&e);
}

TEST(four_gigabytes_announced)
{
	struct qdb_engine e = {0};
	struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT);
	struct qdb_header header = qdb_header_make(QDB_WRITE, "/a", 0);
	static const char zeros[65536];

	header.data_len = 0xffffffff;
	qdb_engine_feed(&e, c, &header, sizeof(header));
	for (int i = 0; i < 100; i++)
		qdb_engine_feed(&e, c, zeros, sizeof(zeros));
	CHECK_INT(c->skip, 0xffffffffU - 100 * sizeof(zeros));
	CHECK_INT(c->in.n, 0);
	qdb_engine_free(&e);
}

TEST(types_refused)
{
	struct qdb_engine e = {0};
	struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT);

	for (int type = QDB_RESP_OK; type < 256; type++) {
		CHECK_STR(ask(&e, c, type, "/a", ""), "9:/a");
		CHECK_STR(ask(&e, c, type, "/a", "data"), "9:/a");
	}
	CHECK(!c->broken);
	qdb_engine_free(&e);
}

TEST(byte_by_byte)
{
	struct qdb_engine e = {0};
	struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT);
	struct qdb_header header = qdb_header_make(QDB_WRITE, "/a", 5);
	_cleanup_strbuf_ struct strbuf message = {0};

	strbuf_add(&message, &header, sizeof(header));
	strbuf_add_str(&message, "hello");
	header = qdb_header_make(QDB_READ, "/a", 0);
	strbuf_add(&message, &header, sizeof(header));
	for (size_t i = 0; i < message.n; i++)
		qdb_engine_feed(&e, c, message.p + i, 1);
	CHECK_STR(answer(c), "7:/a 10:/a=hello");
	qdb_engine_feed(&e, c, message.p, message.n);
	CHECK_STR(answer(c), "7:/a 10:/a=hello");
	qdb_engine_free(&e);
}

TEST(read_only)
{
	struct qdb_engine e = {0};
	struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT),
			*ro = qdb_engine_add(&e, QDB_PEER_CLIENT_RO);

	ask(&e, c, QDB_WRITE, "/a", "1");
	CHECK_STR(ask(&e, ro, QDB_READ, "/a", ""), "10:/a=1");
	CHECK_STR(ask(&e, ro, QDB_WRITE, "/a", "2"), "9:/a");
	CHECK_STR(ask(&e, ro, QDB_RM, "/a", ""), "9:/a");
	CHECK_STR(ask(&e, ro, QDB_WATCH, "/a", ""), "7:/a");
	CHECK_STR(ask(&e, c, QDB_READ, "/a", ""), "10:/a=1");
	qdb_engine_free(&e);
}

TEST(watches)
{
	struct qdb_engine e = {0};
	struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT),
			*w = qdb_engine_add(&e, QDB_PEER_CLIENT);

	CHECK_STR(ask(&e, w, QDB_WATCH, "/a/", ""), "7:/a/");
	CHECK_STR(ask(&e, w, QDB_WATCH, "/b", ""), "7:/b");
	ask(&e, c, QDB_WRITE, "/a/x", "1");
	CHECK_STR(answer(w), "13:/a/x");
	ask(&e, c, QDB_WRITE, "/b", "1");
	CHECK_STR(answer(w), "13:/b");
	ask(&e, c, QDB_WRITE, "/b/x", "1");
	ask(&e, c, QDB_WRITE, "/a", "1");
	CHECK_STR(answer(w), "");
	ask(&e, c, QDB_RM, "/a/", "");
	CHECK_STR(answer(w), "13:/a/");
	/* The one who changes it hears of it too, after the answer. */
	CHECK_STR(ask(&e, w, QDB_WRITE, "/b", "2"), "7:/b 13:/b");
	CHECK_STR(ask(&e, w, QDB_UNWATCH, "/b", ""), "7:/b");
	CHECK_STR(ask(&e, w, QDB_UNWATCH, "/b", ""), "8:/b");
	ask(&e, c, QDB_WRITE, "/b", "3");
	CHECK_STR(answer(w), "");
	for (int i = 0; i < QDB_WATCHES_MAX - 1; i++)
		ask(&e, w, QDB_WATCH, "/many", "");
	CHECK_STR(ask(&e, w, QDB_WATCH, "/many", ""), "9:/many");
	qdb_engine_free(&e);
}

TEST(dom0_side_of_the_link)
{
	struct qdb_engine e = {0};
	struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT),
			*q = qdb_engine_add(&e, QDB_PEER_LINK_TO_QUBE);

	ask(&e, c, QDB_WRITE, "/a", "1");
	ask(&e, c, QDB_WRITE, "/b", "2");
	CHECK_STR(answer(q), ""); /* nothing before it has asked */
	CHECK_STR(ask(&e, q, QDB_MULTIREAD, "", ""), "11:/b=2 11:/a=1 11:");
	ask(&e, c, QDB_WRITE, "/c", "3");
	ask(&e, c, QDB_RM, "/b", "");
	CHECK_STR(answer(q), "1:/c=3 4:/b");
	CHECK_STR(ask(&e, q, QDB_RESP_OK, "/c", ""), "");
	CHECK_STR(ask(&e, q, QDB_RESP_ERROR, "/c", ""), "");
	CHECK_STR(ask(&e, c, QDB_WATCH, "/from-qube", ""), "7:/from-qube");
	CHECK_STR(ask(&e, q, QDB_WRITE, "/from-qube", "x"),
		  "7:/from-qube"); /* acknowledged, not sent back */
	CHECK_STR(answer(c), "13:/from-qube");
	CHECK_STR(ask(&e, q, QDB_RM, "/from-qube", ""), "7:/from-qube");
	CHECK(!q->broken);
	CHECK_STR(ask(&e, q, QDB_MULTIREAD, "", ""), "");
	CHECK(q->broken);
	qdb_engine_free(&e);
}

TEST(qube_side_of_the_link)
{
	struct qdb_engine e = {0};
	struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT),
			*d = qdb_engine_add(&e, QDB_PEER_LINK_TO_DOM0);

	CHECK_STR(answer(d), "2:");
	feed(&e, d, QDB_RESP_MULTIREAD, "/b", "2");
	feed(&e, d, QDB_RESP_MULTIREAD, "/a", "");
	CHECK(!d->synced);
	CHECK_STR(ask(&e, c, QDB_WRITE, "/early", "1"), "7:/early");
	feed(&e, d, QDB_RESP_MULTIREAD, "", "");
	CHECK(d->synced);
	CHECK_STR(answer(d), "1:/early=1");
	CHECK_STR(ask(&e, c, QDB_READ, "/b", ""), "10:/b=2");
	CHECK_STR(ask(&e, d, QDB_WRITE, "/b", "3"), "7:/b");
	CHECK_STR(ask(&e, c, QDB_READ, "/b", ""), "10:/b=3");
	feed(&e, d, QDB_RESP_MULTIREAD, "/late", "");
	CHECK(d->broken);
	qdb_engine_free(&e);
}

/* Each of these ends the link, and only it. */
TEST(link_refuses)
{
	static const struct {
		int type;
		const char *path, *data;
	} bad[] = {
		{QDB_READ, "/a", ""},
		{QDB_LIST, "/a", ""},
		{QDB_WATCH, "/a", ""},
		{QDB_UNWATCH, "/a", ""},
		{QDB_RESP_READ, "/a", "1"},
		{QDB_RESP_LIST, "/a", ""},
		{QDB_RESP_WATCH, "/a", ""},
		{QDB_RESP_ERROR_NOENT, "/a", ""},
		{14, "/a", ""},
		{255, "/a", ""},
		{QDB_RM, "/none", ""},
		{QDB_RM, "/a", "data"},
		{QDB_WRITE, "a", "1"},
		{QDB_WRITE, "/a/", "1"},
		{QDB_WRITE, "/a b", "1"},
		{QDB_MULTIREAD, "", "data"},
		{QDB_RESP_OK, "", "data"},
		{QDB_RESP_ERROR, "", "data"},
		{QDB_RESP_MULTIREAD, "/a", "1"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct qdb_engine e = {0};
		struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT);
		struct qdb_peer *q = qdb_engine_add(&e, QDB_PEER_LINK_TO_QUBE);

		ask(&e, c, QDB_WRITE, "/a", "1");
		feed(&e, q, bad[i].type, bad[i].path, bad[i].data);
		if (!CHECK(q->broken))
			test_check(false, __FILE__, __LINE__, xasprintf("case %zu", i));
		CHECK_STR(ask(&e, c, QDB_READ, "/a", ""), "10:/a=1");
		qdb_engine_free(&e);
	}
}

TEST(store_is_bounded)
{
	struct qdb_engine e = {0};
	struct qdb_peer *q = qdb_engine_add(&e, QDB_PEER_LINK_TO_QUBE);
	char path[QDB_PATH_MAX];

	for (int i = 0; i < QDB_STORE_ENTRIES_MAX + 1 && !q->broken; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		feed(&e, q, QDB_WRITE, path, "x");
		qdb_peer_sent(q, qdb_peer_pending(q).n);
	}
	CHECK(q->broken);
	CHECK_INT(e.store.n, QDB_STORE_ENTRIES_MAX);
	qdb_engine_free(&e);
}

TEST(values_are_bounded)
{
	struct qdb_engine e = {0};
	struct qdb_peer *q = qdb_engine_add(&e, QDB_PEER_LINK_TO_QUBE);
	char path[QDB_PATH_MAX], big[QDB_DATA_MAX + 1];

	memset(big, 'x', QDB_DATA_MAX);
	big[QDB_DATA_MAX] = '\0';
	for (int i = 0; i < QDB_STORE_ENTRIES_MAX && !q->broken; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		feed(&e, q, QDB_WRITE, path, big);
		qdb_peer_sent(q, qdb_peer_pending(q).n);
	}
	CHECK(q->broken);
	CHECK(e.store.bytes <= QDB_STORE_BYTES_MAX);
	qdb_engine_free(&e);
}

TEST(peer_that_does_not_read)
{
	struct qdb_engine e = {0};
	struct qdb_peer *c = qdb_engine_add(&e, QDB_PEER_CLIENT),
			*w = qdb_engine_add(&e, QDB_PEER_CLIENT);

	feed(&e, w, QDB_WATCH, "/a", "");
	for (int i = 0; i < QDB_QUEUE_MAX / 72 + 10; i++)
		ask(&e, c, QDB_WRITE, "/a", "1");
	CHECK(w->broken);
	CHECK(!c->broken);
	qdb_engine_free(&e);
}
