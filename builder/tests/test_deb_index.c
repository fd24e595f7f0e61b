/* Promise: Release files, lists of packages, armour and apt's answers are read as documented, and bounded. */
#include "builder/deb/packages.h"
#include "builder/deb/release.h"
#include "builder/deb/signature.h"
#include "builder/lock/apt.h"
#include "common/base/alloc.h"
#include "common/tests/test.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TEST(release_fields)
{
	static const char text[] =
		"Suite: stable\nCodename: trixie\nDate: Sat, 12 Sep 2026 07:55:41 UTC\n"
		"Valid-Until: Sat, 19 Sep 2026 07:55:41 UTC\nAcquire-By-Hash: yes\nSHA256:\n " HASH
		"  12 main/binary-amd64/Packages\n " HASH " 7 main/binary-amd64/Packages.xz\n";
	_cleanup_error_ struct error err = {0};
	struct deb_release_file f;
	struct deb_release r;

	if (!CHECK_INT(deb_release_parse("Release", blob_of(text), &r, &err), 0))
		return;
	CHECK_INT(r.date, 1789199741);
	CHECK_INT(r.valid_until - r.date, 7 * 86400);
	CHECK(r.by_hash && deb_release_is(&r, "trixie") && deb_release_is(&r, "stable") &&
	      !deb_release_is(&r, "sid"));
	CHECK_INT(deb_release_find(&r, "main/binary-amd64/Packages.xz", &f), 0);
	CHECK_INT(f.size, 7);
	CHECK_STR(f.sha256, HASH);
	CHECK_INT(deb_release_find(&r, "main/binary-i386/Packages.xz", &f), -ENOENT);
}

TEST(release_refuses)
{
	static const char *const cases[] = {
		"",
		"Suite: a\nSHA256:\n x\n",
		"Date: Sat, 12 Sep 2026 07:55:41 UTC\n",
		"Date: Sat, 12 Sep 2026 07:55:41 CEST\nSHA256: x\n",
		"Date: Sat, 32 Sep 2026 07:55:41 UTC\nSHA256: x\n",
		"Date: Sat, 12 Sept 2026 07:55:41 UTC\nSHA256: x\n",
		"Date: Sat, 12 Sep 2026 07:55:41 UTC\nValid-Until: soon\nSHA256: x\n",
		"Date: Sat, 12 Sep 2026 07:55:41 UTC\nSHA256: x\n\nSuite: b\n",
	};
	struct deb_release r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_INT(deb_release_parse("Release", blob_of(cases[i]), &r, NULL), -EBADMSG);
}

static int count(const struct deb_package *p, void *arg)
{
	*(unsigned *)arg += p->essential ? 100 : 1;
	return 0;
}

#define STANZA(name, file)                                                                         \
	"Package: " name "\nVersion: 1\nArchitecture: all\nFilename: " file                        \
	"\nSize: 3\nSHA256: " HASH "\n"

TEST(packages_walk)
{
	_cleanup_error_ struct error err = {0};
	unsigned n = 0;

	CHECK_INT(deb_packages_each(
			  "P",
			  BLOB(STANZA("a", "./a.deb") "\n" STANZA("b", "b.deb") "Essential: yes\n"),
			  count, &n, &err),
		  0);
	CHECK_INT(n, 101);
	CHECK_INT(deb_packages_each("P", BLOB(STANZA("a", "a.deb") "\n" STANZA("b", "../b.deb")),
				    count, &n, &err),
		  -EBADMSG);
	CHECK_STR(err.object, "P:8");
	CHECK_STR(err.cause, "wrong file name");
}

TEST(clearsigned_text)
{
	static const char signature[] =
		"-----BEGIN PGP SIGNATURE-----\n\nxx\n-----END PGP SIGNATURE-----\n";
	_cleanup_free_ char *good =
		xasprintf("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nA: 1 \n- -b\r\n\n%s",
			  signature);
	_cleanup_free_ char *before = xasprintf("x\n%s", good), *after = xasprintf("%sx\n", good);
	_cleanup_free_ char *bare =
		xasprintf("-----BEGIN PGP SIGNED MESSAGE-----\n\n-b\n%s", signature);
	_cleanup_free_ char *header =
		xasprintf("-----BEGIN PGP SIGNED MESSAGE-----\nA: 1\n\nb\n%s", signature);
	const char *const wrong[] = {"",
				     "A: 1\n",
				     before,
				     after,
				     bare,
				     header,
				     "-----BEGIN PGP SIGNED MESSAGE-----\n\nA: 1\n"};
	_cleanup_strbuf_ struct strbuf text = {0}, sig = {0};

	CHECK_INT(deb_clearsign_split("x", blob_of(good), &text, &sig, NULL), 0);
	CHECK_STR(text.p, "A: 1\n-b\n");
	CHECK_STR(sig.p, signature);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		_cleanup_strbuf_ struct strbuf t = {0}, s = {0};

		CHECK_INT(deb_clearsign_split("x", blob_of(wrong[i]), &t, &s, NULL), -EKEYREJECTED);
	}
}

TEST(armour)
{
	static const char head[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
			  tail[] = "-----END PGP PUBLIC KEY BLOCK-----\n";
	_cleanup_free_ char *good = xasprintf("%sVersion: 1\n\nTWFu\nTWE=\n=abcd\n%s", head, tail);
	_cleanup_free_ char *bad = xasprintf("%s\nTW*u\n%s", head, tail),
			    *cut = xasprintf("%s\nTWFu\n", head);
	_cleanup_strbuf_ struct strbuf out = {0}, rest = {0};

	CHECK_INT(deb_dearmor(blob_of(good), &out), 0);
	CHECK_STR(out.p, "ManMa");
	CHECK_INT(deb_dearmor(blob_of(bad), &rest), -EBADMSG);
	CHECK_INT(deb_dearmor(blob_of(cut), &rest), -EBADMSG);
	CHECK_INT(deb_dearmor(BLOB("nothing"), &rest), -EBADMSG);
}

TEST(apt_answer)
{
	static const char text[] =
		"Reading package lists...\nNOTE: This is only a simulation!\n"
		"Inst gcc-14-base (14.2.0-19 Debian:13.7/stable [amd64])\n"
		"Inst libc6 (2.41-12 Debian:13.7/stable, Debian-Security:13/stable-security "
		"[amd64]) []\n"
		"Inst own:amd64 (0.1 localhost [all])\nConf libc6 (2.41-12 Debian [amd64])\n";
	_cleanup_strv_ struct strv got = {0}, none = {0};

	CHECK_INT(apt_read_answer(blob_of(text), &got, NULL), 0);
	if (CHECK_INT(got.n, 3)) {
		CHECK_STR(got.v[0], "gcc-14-base 14.2.0-19 amd64");
		CHECK_STR(got.v[1], "libc6 2.41-12 amd64");
		CHECK_STR(got.v[2], "own 0.1 all");
	}
	CHECK_INT(apt_read_answer(BLOB("Inst x\n"), &none, NULL), -EBADMSG);
	CHECK_INT(apt_read_answer(BLOB("Inst x (1 y)\n"), &none, NULL), -EBADMSG);
	CHECK_INT(apt_read_answer(BLOB("Remv x [1]\n"), &none, NULL), -EBADMSG);
	CHECK_INT(apt_read_answer(BLOB(""), &none, NULL), -EBADMSG);
}
