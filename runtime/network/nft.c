#include "runtime/network/nft.h"

#include <errno.h>
#include <nftables/libnftables.h>

#include "common/base/blob.h"

static int apply(const char *object, const char *script, bool is_file, struct error *err)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	struct blob text, line = {0};
	int r = 0;

	if (!nft)
		return error_errno(err, -ENOMEM, object, "nftables");
	nft_ctx_buffer_error(nft);
	nft_ctx_buffer_output(nft);
	if ((is_file ? nft_run_cmd_from_filename(nft, script) : nft_run_cmd_from_buffer(nft, script)) != 0) {
		text = blob_of(nft_ctx_get_error_buffer(nft));
		blob_token(&text, '\n', &line);
		r = error_set(err, -EINVAL, object, NULL, "nftables refuses: %.*s", BLOB_ARG(line));
	}
	nft_ctx_free(nft);
	return r;
}

int nft_apply(const char *object, const char *script, struct error *err)
{
	return apply(object, script, false, err);
}

int nft_apply_file(const char *path, struct error *err)
{
	return apply(path, path, true, err);
}
