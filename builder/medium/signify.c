#include "builder/medium/signify.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"

enum { KEY_BYTES = 32, SIGNATURE_BYTES = 64, ID_BYTES = 8, FILE_MAX = 4096, TEXT_MAX = 64 << 20 };

static const char comment[] = "untrusted comment: ";

/* As they lie, in base64, on the second line of a file. */
struct public_key {
	char algorithm[2]; /* "Ed" */
	unsigned char id[ID_BYTES], key[KEY_BYTES];
};

struct secret_key {
	char algorithm[2], kdf[2]; /* "Ed", "BK" */
	unsigned char rounds[4];   /* 0: no passphrase */
	unsigned char salt[16], checksum[8], id[ID_BYTES];
	unsigned char seed[KEY_BYTES], public[KEY_BYTES];
};

struct signature {
	char algorithm[2];
	unsigned char id[ID_BYTES], bytes[SIGNATURE_BYTES];
};

static void cleanup_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void cleanup_digest(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

static void cleanup_secret(struct secret_key *key)
{
	OPENSSL_cleanse(key, sizeof(*key));
}

static int write_lines(const char *path, const char *what, const void *data, size_t n, mode_t mode, bool replace,
		       struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	unsigned char line[256];
	_cleanup_close_ int fd = -1;
	int r;

	EVP_EncodeBlock(line, data, (int)n);
	strbuf_printf(&text, "%s%s\n%s\n", comment, what, line);
	OPENSSL_cleanse(line, sizeof(line));
	if (replace) {
		r = write_file(AT_FDCWD, path, text.p, text.n, mode);
	} else {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		r = fd < 0 ? -errno : write_all(fd, text.p, text.n);
		if (fd >= 0 && r < 0)
			unlink(path);
	}
	OPENSSL_cleanse(text.p, text.n);
	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}

/* The n bytes of the second line, which must be of Ed25519. */
static int read_lines(const char *path, const char *what, void *data, size_t n, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	unsigned char raw[256];
	struct blob rest, first = {0}, second = {0};
	size_t encoded = (n + 2) / 3 * 4;
	int r = read_file(AT_FDCWD, path, FILE_MAX, &text);

	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	rest = strbuf_blob(&text);
	blob_token(&rest, '\n', &first);
	blob_token(&rest, '\n', &second);
	second = blob_trim(second);
	r = blob_has_prefix(first, comment) && second.n == encoded
		    ? EVP_DecodeBlock(raw, (const unsigned char *)second.p, (int)second.n)
		    : -1;
	if (r >= (int)n && !memcmp(raw, "Ed", 2))
		memcpy(data, raw, n);
	else
		r = -1;
	OPENSSL_cleanse(raw, sizeof(raw));
	OPENSSL_cleanse(text.p, text.n);
	return r < 0 ? error_set(err, -EBADMSG, path, NULL, "is no %s of signify's", what) : 0;
}

static void checksum_of(const struct secret_key *k, unsigned char sum[8])
{
	unsigned char digest[SHA512_DIGEST_LENGTH], both[2 * KEY_BYTES];

	memcpy(both, k->seed, KEY_BYTES);
	memcpy(both + KEY_BYTES, k->public, KEY_BYTES);
	SHA512(both, sizeof(both), digest);
	memcpy(sum, digest, 8);
	OPENSSL_cleanse(both, sizeof(both));
}

int signify_generate(const char *base, struct error *err)
{
	_cleanup_free_ char *secret_path = xasprintf("%s.sec", base), *public_path = xasprintf("%s.pub", base);
	_cleanup_(cleanup_secret) struct secret_key secret = {.algorithm = "Ed", .kdf = "BK"};
	_cleanup_(cleanup_key) EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct public_key public = {.algorithm = "Ed"};
	size_t n_seed = KEY_BYTES, n_public = KEY_BYTES;
	int r;

	if (!key || EVP_PKEY_get_raw_private_key(key, secret.seed, &n_seed) != 1 ||
	    EVP_PKEY_get_raw_public_key(key, secret.public, &n_public) != 1 ||
	    RAND_bytes(secret.salt, sizeof(secret.salt)) != 1 || RAND_bytes(secret.id, sizeof(secret.id)) != 1)
		return error_set(err, -EIO, base, NULL, "libcrypto cannot make a key");
	checksum_of(&secret, secret.checksum);
	memcpy(public.id, secret.id, ID_BYTES);
	memcpy(public.key, secret.public, KEY_BYTES);
	r = write_lines(secret_path, "bulkhead secret key", &secret, sizeof(secret), 0600, false, err);
	if (r < 0)
		return r;
	r = write_lines(public_path, "bulkhead public key", &public, sizeof(public), 0644, false, err);
	/* Half a pair is of no use, and in the way of the next try. */
	if (r < 0)
		unlink(secret_path);
	return r;
}

static int read_secret(const char *path, struct secret_key *k, struct error *err)
{
	unsigned char sum[8];
	int r = read_lines(path, "secret key", k, sizeof(*k), err);

	if (r < 0)
		return r;
	if (memcmp(k->rounds, (const unsigned char[4]){0}, 4) != 0)
		return error_set(err, -ENOTSUP, path, "sign with signify itself: signify -S -s KEY -m SHA256SUMS",
				 "this key has a passphrase");
	checksum_of(k, sum);
	if (memcmp(sum, k->checksum, sizeof(sum)) != 0)
		return error_set(err, -EBADMSG, path, NULL, "the secret key is damaged");
	return 0;
}

/* "verify with release.pub", from the path of the secret key. */
static char *sign_comment(const char *secret_path)
{
	const char *slash = strrchr(secret_path, '/'), *name = slash ? slash + 1 : secret_path;
	struct blob b = blob_of(name);
	size_t n = blob_has_suffix(b, ".sec") ? b.n - 4 : b.n;

	return xasprintf("verify with %.*s.pub", (int)n, name);
}

int signify_sign(const char *secret_path, const char *file, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s.sig", file), *what = sign_comment(secret_path);
	_cleanup_(cleanup_secret) struct secret_key secret;
	_cleanup_(cleanup_digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	_cleanup_(cleanup_key) EVP_PKEY *key = NULL;
	_cleanup_strbuf_ struct strbuf text = {0};
	struct signature signature = {.algorithm = "Ed"};
	size_t n = SIGNATURE_BYTES;
	int r = read_secret(secret_path, &secret, err);

	if (r < 0)
		return r;
	r = read_file(AT_FDCWD, file, TEXT_MAX, &text);
	if (r < 0)
		return error_errno(err, r, file, "cannot read");
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret.seed, KEY_BYTES);
	if (!key || EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) != 1 ||
	    EVP_DigestSign(ctx, signature.bytes, &n, (const unsigned char *)strbuf_blob(&text).p, text.n) != 1)
		return error_set(err, -EIO, file, NULL, "libcrypto cannot sign");
	memcpy(signature.id, secret.id, ID_BYTES);
	return write_lines(path, what, &signature, sizeof(signature), 0644, true, err);
}

int signify_verify(const char *public_path, struct blob text, const char *signature_path,
		   struct error *err)
{
	_cleanup_(cleanup_digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	_cleanup_(cleanup_key) EVP_PKEY *key = NULL;
	struct signature signature;
	struct public_key public;
	int r = read_lines(public_path, "public key", &public, sizeof(public), err);

	if (r == 0)
		r = read_lines(signature_path, "signature", &signature, sizeof(signature), err);
	if (r < 0)
		return r;
	if (memcmp(public.id, signature.id, ID_BYTES) != 0)
		return error_set(err, -EBADMSG, signature_path, NULL, "was made with another key than %s",
				 public_path);
	key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public.key, KEY_BYTES);
	if (!key || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) != 1 ||
	    EVP_DigestVerify(ctx, signature.bytes, SIGNATURE_BYTES, (const unsigned char *)text.p, text.n) != 1)
		return error_set(err, -EBADMSG, signature_path, "do not use it",
				 "is not the signature of this text");
	return 0;
}
