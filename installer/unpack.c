#include "installer/unpack.h"

#include <fcntl.h>
#include <string.h>
#include <zstd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"

/* 64 KiB: fine enough to find the holes of a file system's free space, coarse enough to be quick. */
enum { BLOCK = 64 << 10 };

struct unpacker {
	ZSTD_DStream *stream;
	struct sha256 *digest;
	char *in, *block;
	size_t in_size, filled; /* of in; of block */
	uint64_t size;
	int from, to;
};

static void unpacker_free(struct unpacker *u)
{
	ZSTD_freeDStream(u->stream);
	sha256_free(u->digest);
	free(u->in);
	free(u->block);
	cleanup_close(&u->from);
	cleanup_close(&u->to);
}

static bool all_zero(const char *p, size_t n)
{
	return n == 0 || (!p[0] && !memcmp(p, p + 1, n - 1));
}

static int flush_block(struct unpacker *u)
{
	int r = 0;

	if (all_zero(u->block, u->filled))
		r = lseek(u->to, (off_t)u->filled, SEEK_CUR) < 0 ? -errno : 0;
	else
		r = write_all(u->to, u->block, u->filled);
	u->size += u->filled;
	u->filled = 0;
	return r;
}

/* Unpacks one piece of input; *rest is what zstd still expects, 0 at the end of a frame. */
static int unpack_piece(struct unpacker *u, size_t n, size_t *rest)
{
	ZSTD_inBuffer in = {u->in, n, 0};

	for (;;) {
		ZSTD_outBuffer out = {u->block, BLOCK, u->filled};
		size_t hint = ZSTD_decompressStream(u->stream, &out, &in);
		bool full = out.pos == BLOCK;
		int r;

		if (ZSTD_isError(hint))
			return -EBADMSG;
		*rest = hint;
		u->filled = out.pos;
		if (full && (r = flush_block(u)) < 0)
			return r;
		/* A full block may hide more output; but not behind the end of a frame. */
		if (in.pos == in.size && (!full || !hint))
			return 0;
	}
}

static int unpack_stream(struct unpacker *u, const struct copy_watch *watch)
{
	size_t rest = 1;

	for (;;) {
		ssize_t n = read(u->from, u->in, u->in_size);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		sha256_add(u->digest, u->in, (size_t)n);
		r = unpack_piece(u, (size_t)n, &rest);
		if (r < 0)
			return r;
		if (watch && watch->add)
			watch->add(watch->data, (uint64_t)n);
	}
	if (rest)
		return -EBADMSG; /* cut off inside a frame */
	if (u->filled) {
		int r = flush_block(u);

		if (r < 0)
			return r;
	}
	/* The file may end in a hole. */
	return ftruncate(u->to, (off_t)u->size) || fsync(u->to) ? -errno : 0;
}

int unpack_zstd(const char *from_path, const char *to_path, const char *sha256, const struct copy_watch *watch,
		struct error *err)
{
	_cleanup_free_ char *part = xasprintf("%s.part", to_path);
	_cleanup_(unpacker_free) struct unpacker u = {.from = -1, .to = -1};
	char digest[SHA256_HEX];
	int r;

	u.from = open(from_path, O_RDONLY | O_CLOEXEC);
	if (u.from < 0)
		return error_errno(err, -errno, from_path, "cannot open");
	r = mkdir_parents(AT_FDCWD, part, 0755);
	if (r == 0)
		u.to = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (u.to < 0)
		return error_errno(err, r < 0 ? r : -errno, part, "cannot create");
	u.stream = ZSTD_createDStream();
	u.digest = sha256_new();
	u.in_size = ZSTD_DStreamInSize();
	u.in = xmalloc(u.in_size);
	u.block = xmalloc(BLOCK);
	r = u.stream ? unpack_stream(&u, watch) : -ENOMEM;
	if (r == -EBADMSG) {
		error_set(err, r, from_path, "write the stick again", "damaged, or not zstd");
	} else if (r < 0) {
		error_errno(err, r, to_path, "cannot unpack");
	} else {
		sha256_end_hex(u.digest, digest);
		u.digest = NULL;
		if (strcmp(digest, sha256))
			r = error_set(err, -EBADMSG, from_path, "write the stick again",
				      "its SHA-256 is %s, but dom0 was built with %s", digest, sha256);
		else if (rename(part, to_path))
			r = error_errno(err, -errno, to_path, "cannot rename");
	}
	if (r < 0)
		unlink(part);
	return r;
}
