/* builder/manifest.c and builder/build_info.c: any text is a manifest or an error; one that was read is written as it
 * was read; build infos can be compared whatever they hold. */
#include "builder/build_info.h"
#include "builder/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct blob in = {(const char *)data, size}, half = {in.p, in.n / 2}, rest = {in.p + in.n / 2, in.n - in.n / 2};
	_cleanup_strbuf_ struct strbuf once = {0}, twice = {0};
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_strv_ struct strv sentences = {0};
	_cleanup_error_ struct error err = {0};
	struct manifest m;

	build_info_differences(half, rest, &sentences);
	if (manifest_parse(a, "fuzz", in, &m, &err) < 0)
		return 0;
	manifest_format(&m, &once);
	if (manifest_parse(a, "once", strbuf_blob(&once), &m, &err) < 0)
		abort();
	manifest_format(&m, &twice);
	if (!blob_eq(strbuf_blob(&once), strbuf_blob(&twice)))
		abort();
	return 0;
}
