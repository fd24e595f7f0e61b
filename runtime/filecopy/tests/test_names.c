/* Promise: each flag of the name checks allows what it is for and nothing else; a receiver's limits hold to the byte. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/blob.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/tests/test.h"
#include "runtime/filecopy/names.h"
#include "runtime/filecopy/receive.h"

TEST(flags)
{
	static const struct {
		const char *path, *target; /* target: of a link */
		unsigned flag;
		int without, with;
	} cases[] = {
		{"a\x01", NULL, NAME_ALLOW_UNSAFE_CHARACTERS, -EILSEQ, 0},
		{"../a\x01", NULL, NAME_ALLOW_UNSAFE_CHARACTERS, -EILSEQ, -EILSEQ},
		{"d/l", "a\x01", NAME_ALLOW_UNSAFE_CHARACTERS, -EILSEQ, 0},
		{"d/l", "./a", NAME_ALLOW_NON_CANONICAL_SYMLINKS, -ENOLINK, 0},
		{"d/l", "./../a", NAME_ALLOW_NON_CANONICAL_SYMLINKS, -ENOLINK, -ENOLINK},
		{"l", "/etc", NAME_ALLOW_UNSAFE_SYMLINKS, -ENOLINK, 0},
		{"d/l", "", NAME_ALLOW_UNSAFE_SYMLINKS, -ENOLINK, -ENOLINK},
		{"../l", "a", NAME_ALLOW_UNSAFE_SYMLINKS, -EILSEQ, -EILSEQ},
		{"d/./a", NULL, NAME_ALLOW_NON_CANONICAL_PATHS, -EILSEQ, 0},
		{"d//a", NULL, NAME_ALLOW_NON_CANONICAL_PATHS, -EILSEQ, 0},
		{"d/../a", NULL, NAME_ALLOW_NON_CANONICAL_PATHS, -EILSEQ, -EILSEQ},
		{".", NULL, NAME_ALLOW_NON_CANONICAL_PATHS, -EILSEQ, -EILSEQ},
		{"d/", NULL, NAME_ALLOW_TRAILING_SLASH, -EILSEQ, 0},
		{"/d/", NULL, NAME_ALLOW_TRAILING_SLASH, -EILSEQ, -EILSEQ},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (int with = 0; with < 2; with++) {
			unsigned flags = with ? cases[i].flag : 0;
			struct blob path = blob_of(cases[i].path);
			int r = cases[i].target ? name_check_symlink(path, blob_of(cases[i].target), flags)
						: name_check_path(path, flags);

			if (!CHECK_INT(r, with ? cases[i].with : cases[i].without))
				CHECK_STR(cases[i].path, with ? "with the flag" : "without it");
		}
	}
}

TEST(names_of_qubes)
{
	static const char *const good[] = {"a", "sys-net", "Work_2.x", "a234567890123456789012345678901", "dm", "x-dm2"};
	static const char *const bad[] = {"", "2a", "-a", "a b", "a/b", "\xc3\xa4", "a2345678901234567890123456789012",
					  "x-dm", "none", "default", "Domain-0"};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (!CHECK(name_is_qube(blob_of(good[i]))))
			CHECK_STR(good[i], "a name");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (!CHECK(!name_is_qube(blob_of(bad[i]))))
			CHECK_STR(bad[i], "no name");
}

static void add(struct strbuf *stream, const char *name, uint32_t mode, const char *body)
{
	struct file_header h = {.namelen = (uint32_t)strlen(name) + 1, .mode = mode, .filelen = strlen(body)};

	strbuf_add(stream, &h, sizeof(h));
	strbuf_add(stream, name, h.namelen);
	strbuf_add_str(stream, body);
}

/* What comes of two files of three bytes each and a folder. */
static uint32_t received_with(uint64_t max_bytes, uint64_t max_files, bool links, bool folders)
{
	static const struct file_header end;
	_cleanup_strbuf_ struct strbuf stream = {0};
	const char *dir = test_dir();
	static struct receive r;
	int p[2];

	add(&stream, "d", S_IFDIR | 0700, "");
	add(&stream, "d/a", S_IFREG | 0600, "abc");
	add(&stream, "d/l", S_IFLNK | 0777, "a");
	add(&stream, "b", S_IFREG | 0600, "abc");
	strbuf_add(&stream, &end, sizeof(end));
	CHECK_INT(pipe2(p, O_CLOEXEC), 0);
	CHECK_INT(write_all(p[1], stream.p, stream.n), 0);
	close(p[1]);

	_cleanup_close_ int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), in = p[0];
	receive_init(&r, in, root);
	r.max_bytes = max_bytes;
	r.max_files = max_files;
	r.allow_symlinks = links;
	r.allow_directories = folders;
	receive_run(&r);
	uint32_t code = r.error_code;
	receive_free(&r);
	remove_tree(root, "d");
	unlinkat(root, "b", 0);
	return code;
}

TEST(limits)
{
	CHECK_INT(received_with(0, 0, true, true), 0);
	CHECK_INT(received_with(6, 0, true, true), 0);
	CHECK_INT(received_with(5, 0, true, true), EDQUOT);
	CHECK_INT(received_with(2, 0, true, true), EDQUOT);
	CHECK_INT(received_with(0, 4, true, true), 0);
	CHECK_INT(received_with(0, 3, true, true), EDQUOT);
	CHECK_INT(received_with(0, 0, false, true), EINVAL);
	CHECK_INT(received_with(0, 0, true, false), EINVAL);
}
