/* Promise: dom0 asks for what its sources say and for nothing else, and every name it asks for stays below its folder. */
#include <errno.h>

#include "common/tests/test.h"
#include "runtime/dom0update/apt.h"
#include "runtime/dom0update/sources.h"

TEST(sources_name_their_indexes)
{
	static const char text[] = "# dom0\n"
				   "Types: deb deb-src\n"
				   "URIs: http://deb.lab.test/debian https://other.lab.test:8080/d/\n"
				   "Suites: lab lab-updates\n"
				   "Components: main extra\n"
				   "Signed-By:\n"
				   " -----BEGIN PGP PUBLIC KEY BLOCK-----\n"
				   " .\n"
				   "\n"
				   "Types: deb\nEnabled: no\nURIs: http://off.lab.test/d\nSuites: lab\nComponents: main\n"
				   "\n"
				   "Types: deb-src\nURIs: http://src.lab.test/d\nSuites: lab\nComponents: main\n";
	_cleanup_strv_ struct strv indexes = {0};
	_cleanup_strbuf_ struct strbuf local = {0};
	_cleanup_error_ struct error err = {0};

	CHECK_INT(sources_read("s", BLOB(text), "/m", &indexes, &local, &err), 0);
	if (!CHECK_INT(indexes.n, 12))
		return;
	CHECK_STR(indexes.v[0], "http://deb.lab.test/debian/dists/lab/InRelease");
	CHECK_STR(indexes.v[1], "http://deb.lab.test/debian/dists/lab/main/binary-amd64/Packages.xz");
	CHECK_STR(indexes.v[2], "http://deb.lab.test/debian/dists/lab/extra/binary-amd64/Packages.xz");
	CHECK_STR(indexes.v[3], "http://deb.lab.test/debian/dists/lab-updates/InRelease");
	CHECK_STR(indexes.v[6], "https://other.lab.test:8080/d/dists/lab/InRelease");
	CHECK(strstr(local.p, "URIs: file:/m/deb.lab.test/debian file:/m/other.lab.test:8080/d/\n"));
	/* Nothing is fetched for deb-src. */
	CHECK(!strncmp(local.p, "Types: deb\n", 11) && !strstr(local.p, "deb-src") && !strstr(local.p, "src.lab.test"));
	/* The key stays with its source. */
	CHECK(strstr(local.p, "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n\n"));
}

static void check_refused(const char *text, const char *cause)
{
	_cleanup_strv_ struct strv indexes = {0};
	_cleanup_strbuf_ struct strbuf local = {0};
	_cleanup_error_ struct error err = {0};

	CHECK_INT(sources_read("s", blob_of(text), "/m", &indexes, &local, &err), -EINVAL);
	CHECK(err.cause && strstr(err.cause, cause));
}

TEST(sources_that_are_refused)
{
	check_refused("Types: deb\nURIs: file:/etc\nSuites: a\nComponents: main\n", "cannot use file:/etc");
	check_refused("Types: deb\nURIs: http://h/../etc\nSuites: a\nComponents: main\n", "cannot use");
	check_refused("Types: deb\nURIs: http://h/d\nSuites: ../a\nComponents: main\n", "cannot use");
	check_refused("Types: deb\nURIs: http://h/d\nSuites: flat/\nComponents: main\n", "cannot use");
	check_refused("Types: deb\nURIs: http://h/d\nSuites: a\nComponents: main contrib@\n", "contrib@/binary");
	check_refused("Types: deb\nURIs: http://h/d\nSuites: a\nComponents: ../../../main\n", "/../");
	check_refused("Types: deb\nURIs: http://\nSuites: a\nComponents: main\n", "cannot use http://");
	check_refused("Types: deb\nSuites: a\nComponents: main\n", "needs URIs, Suites and Components");
	check_refused("Types: deb\nURIs:\n http://h/d\n # file:/etc\nSuites: a\nComponents: main\n", "cannot use #");
	check_refused("Types: deb\n\nnothing\n", "needs URIs");
	check_refused("# dom0\nnothing\n", "line 2: a line without a field name");
}

TEST(names_below_the_mirror)
{
	CHECK_STR(sources_path("http://h/a/b_1.0+x~y.deb"), "h/a/b_1.0+x~y.deb");
	CHECK(!sources_path("ftp://h/a") && !sources_path("http:///a") && !sources_path("http://h"));
	CHECK(!sources_path("http://h/a/..") && !sources_path("http://h/../a") && !sources_path("http://h/./a"));
	CHECK(!sources_path("http://h//a") && !sources_path("http://h/a b") && !sources_path("http://h/a\nb"));
}

TEST(what_apt_wants)
{
	static const char text[] = "'file:/m/h/pool/a%2bb_1_all.deb' a+b_1_all.deb 748 SHA256:9a\n"
				   "'file:/m/h/pool/c_2_amd64.deb' c_2_amd64.deb 52\n";
	_cleanup_strv_ struct strv uris = {0}, names = {0};
	_cleanup_error_ struct error err = {0};
	uint64_t bytes = 0;

	CHECK_INT(apt_read_uris(BLOB(text), &uris, &names, &bytes, &err), 0);
	if (!CHECK_INT(uris.n, 2))
		return;
	CHECK_STR(uris.v[0], "file:/m/h/pool/a+b_1_all.deb");
	CHECK_STR(names.v[1], "c_2_amd64.deb");
	CHECK_INT(bytes, 800);
	CHECK_INT(apt_read_uris(BLOB("E: nothing\n"), &uris, &names, &bytes, &err), -EBADMSG);
	CHECK_INT(apt_read_uris(BLOB("'file:/x' a\n"), &uris, &names, &bytes, &err), -EBADMSG);
}

TEST(removals_are_found)
{
	static const char text[] = "Remv dracut [106-6] [initramfs-tools ]\n"
				   "Inst initramfs-tools (0.148 lab [all]) []\n"
				   "Remv\n"
				   "Remvx a [1]\n"
				   "Remv libold:amd64 [2]\n"
				   "Conf initramfs-tools (0.148 lab [all])";
	_cleanup_strv_ struct strv names = {0};

	apt_read_removed(BLOB(text), &names);
	if (!CHECK_INT(names.n, 2))
		return;
	CHECK_STR(names.v[0], "dracut");
	CHECK_STR(names.v[1], "libold:amd64");
}
