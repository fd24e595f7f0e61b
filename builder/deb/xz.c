#include "builder/deb/xz.h"

#include <errno.h>
#include <lzma.h>

static const uint64_t max_memory = 128 << 20;

int deb_xz_decode(const char *name, struct blob in, size_t size, struct strbuf *out,
		  struct error *err)
{
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_ret r = lzma_stream_decoder(&s, max_memory, LZMA_CONCATENATED);
	size_t got;

	if (r != LZMA_OK)
		return error_set(err, -ENOMEM, name, NULL, "xz cannot start");
	s.next_in = (const uint8_t *)in.p;
	s.avail_in = in.n;
	/* One byte more than there may be tells a larger file from one of the right size. */
	s.next_out = (uint8_t *)strbuf_reserve(out, size + 1);
	s.avail_out = size + 1;
	r = lzma_code(&s, LZMA_FINISH);
	got = size + 1 - s.avail_out;
	lzma_end(&s);
	if (r != LZMA_STREAM_END && got <= size)
		return error_set(err, -EBADMSG, name, "use another mirror",
				 "its xz data is damaged (%d)", (int)r);
	if (got != size)
		return error_set(err, -EBADMSG, name, "use another mirror",
				 "unpacked it has not the %zu bytes that the Release names", size);
	out->n += got;
	out->p[out->n] = '\0';
	return 0;
}
