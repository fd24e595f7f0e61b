#include "builder/deb/signature.h"

#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

enum { MAX_KEYRING = 4 << 20, MAX_STATUS = 1 << 20 };

static int load_file(const char *path, struct strbuf *out, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = read_file(AT_FDCWD, path, MAX_KEYRING, &text);

	if (r < 0)
		return error_errno(err, r, path, "cannot read the keys");
	if (blob_has_prefix(blob_trim(strbuf_blob(&text)), "-----BEGIN")) {
		r = deb_dearmor(strbuf_blob(&text), out);
		return r < 0 ? error_set(err, r, path, NULL, "no armoured public key") : 0;
	}
	/* The first bit of every OpenPGP packet is set. */
	if (!text.n || !(text.p[0] & 0x80))
		return error_set(err, -EBADMSG, path, NULL, "no public key");
	strbuf_add(out, text.p, text.n);
	return 0;
}

int deb_keyring_load(const char *path, struct strbuf *out, struct error *err)
{
	_cleanup_free_ char *asc = xasprintf("%s/*.asc", path), *gpg = xasprintf("%s/*.gpg", path);
	_cleanup_(globfree) glob_t g = {0};
	struct stat st;

	if (stat(path, &st) < 0)
		return error_errno(err, -errno, path, "cannot read the keys");
	if (!S_ISDIR(st.st_mode))
		return load_file(path, out, err);
	glob(asc, 0, NULL, &g);
	glob(gpg, GLOB_APPEND, NULL, &g);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		int r = load_file(g.gl_pathv[i], out, err);

		if (r < 0)
			return r;
	}
	return out->n ? 0 : error_set(err, -ENOENT, path, NULL, "no key in this folder");
}

/* What the verifier found. */
struct verdict {
	unsigned good;
	bool bad;
	char *unknown_key;
};

/* gpgv's --status-fd lines (GnuPG doc/DETAILS): GOODSIG and VALIDSIG come together for each good one. */
static void read_status(struct blob rest, struct verdict *v)
{
	bool good = false;
	struct blob line;

	while (blob_token(&rest, '\n', &line)) {
		struct blob word, hash = {0};

		if (!blob_word(&line, &word) || !blob_eq_str(word, "[GNUPG:]") ||
		    !blob_word(&line, &word))
			continue;
		if (blob_eq_str(word, "NEWSIG")) {
			good = false;
		} else if (blob_eq_str(word, "GOODSIG")) {
			good = true;
		} else if (blob_eq_str(word, "BADSIG")) {
			v->bad = true;
		} else if (blob_eq_str(word, "NO_PUBKEY") && !v->unknown_key &&
			   blob_word(&line, &word)) {
			v->unknown_key = blob_dup(word);
		} else if (blob_eq_str(word, "VALIDSIG")) {
			for (int i = 0; i < 8 && blob_word(&line, &word); i++)
				hash = word;
			/* RFC 9580 9.5: SHA-256, SHA-384, SHA-512 */
			if (good && (blob_eq_str(hash, "8") || blob_eq_str(hash, "9") ||
				     blob_eq_str(hash, "10")))
				v->good++;
			good = false;
		}
	}
}

/* Exit code of the program, with its stdout in *out; -ENOENT when the host has no such program. */
static int capture(const char *const *argv, struct strbuf *out)
{
	_cleanup_close_ int pipe_fd = memfd_create("status", MFD_CLOEXEC);
	_cleanup_close_ int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct process p = {
		.argv = argv, .stdout_fd = pipe_fd, .stderr_fd = null_fd, .null_stdin = 1};
	int r, code;

	if (pipe_fd < 0 || null_fd < 0)
		return -errno;
	code = process_run(&p);
	if (code < 0)
		return code;
	if (lseek(pipe_fd, 0, SEEK_SET) < 0)
		return -errno;
	r = read_fd(pipe_fd, MAX_STATUS, out);
	return r < 0 ? r : code;
}

static int ask_verifier(const char *dir, struct verdict *v, struct error *err)
{
	_cleanup_free_ char *keys = xasprintf("%s/keys.gpg", dir),
			    *sig = xasprintf("%s/signature", dir);
	_cleanup_free_ char *text = xasprintf("%s/text", dir);
	const char *gpgv[] = {"gpgv", "--status-fd", "1", "--keyring", keys, sig, text, NULL};
	const char *sqv[] = {"sqv", "--keyring", keys, sig, text, NULL};
	_cleanup_strbuf_ struct strbuf out = {0};
	int r = capture(gpgv, &out);

	if (r >= 0 && r != 127) {
		read_status(strbuf_blob(&out), v);
		return 0;
	}
	strbuf_reset(&out);
	r = capture(sqv, &out);
	if (r < 0 || r == 127)
		return error_set(err, r < 0 ? r : -ENOENT, "gpgv", "install the package gpgv",
				 "cannot verify signatures without gpgv or sqv");
	v->good = r == 0;
	return 0;
}

static int put(const char *dir, const char *name, struct blob data)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	return write_file(AT_FDCWD, path, data.p, data.n, 0600);
}

static int verify_in(const char *dir, const char *name, struct blob keys, const struct strbuf *text,
		     const struct strbuf *signature, struct error *err)
{
	struct verdict v = {0};
	_cleanup_free_ char *unknown = NULL;
	int r;

	if ((r = put(dir, "keys.gpg", keys)) < 0 ||
	    (r = put(dir, "signature", strbuf_blob(signature))) < 0 ||
	    (r = put(dir, "text", strbuf_blob(text))) < 0)
		return error_errno(err, r, dir, "cannot write");
	r = ask_verifier(dir, &v, err);
	unknown = v.unknown_key;
	if (r < 0)
		return r;
	if (v.bad)
		return error_set(err, -EKEYREJECTED, name, "use another mirror",
				 "its signature does not fit its text: one of them was changed");
	if (!v.good && unknown)
		return error_set(err, -EKEYREJECTED, name,
				 "use another mirror, or --keyring FILE if you trust that key",
				 "it is signed by key %s, which is not in the keyring", unknown);
	if (!v.good)
		return error_set(err, -EKEYREJECTED, name, "use another mirror, or --keyring FILE",
				 "no good signature by a key of the keyring");
	return 0;
}

int deb_signature_verify(const char *name, struct blob in, struct blob keys, struct strbuf *text,
			 struct error *err)
{
	_cleanup_strbuf_ struct strbuf signature = {0};
	const char *tmp = getenv("TMPDIR");
	_cleanup_free_ char *dir =
		xasprintf("%s/bulkhead-verify.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	int r = deb_clearsign_split(name, in, text, &signature, err);

	if (r < 0)
		return r;
	if (!mkdtemp(dir))
		return error_errno(err, -errno, dir, "cannot make a folder");
	r = verify_in(dir, name, keys, text, &signature, err);
	remove_tree(AT_FDCWD, dir);
	return r;
}
