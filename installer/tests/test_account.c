/* Promise: a user is added to a root that is not running, all files stay well-formed, the password only as a hash. */
#include <crypt.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/sys/file.h"
#include "common/tests/test.h"
#include "installer/account.h"

static const char *const groups[] = {"sudo", "qubes", NULL};

static int make_root(const char *root)
{
	static const struct {
		const char *name, *text;
	} files[] = {
		{"etc/passwd", "root:x:0:0:root:/root:/bin/bash\nsomebody:x:1000:1000::/:/bin/sh\n"},
		{"etc/shadow", "root:!*:20000:0:99999:7:::\nsomebody:!:20000::::::\n"},
		/* No newline at the end, as an editor may have left it. */
		{"etc/group", "root:x:0:\nsudo:x:27:other\nsomebody:x:1000:\nstaff:x:1001:"},
		{"etc/gshadow", "root:*::\nsudo:*::other\n"},
		{"etc/skel/.profile", "export A=1\n"},
		{"etc/skel/deep/file", "x\n"},
	};
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		mkdir_parents(fd, files[i].name, 0755);
		write_file(fd, files[i].name, files[i].text, strlen(files[i].text), 0644);
	}
	return fd;
}

static void check_file(int root, const char *path, const char *want)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	CHECK_INT(read_file(root, path, 65536, &text), 0);
	CHECK_STR(text.p, want);
}

TEST(account_create_adds_everywhere)
{
	const char *dir = test_dir();
	_cleanup_close_ int root = make_root(dir);
	_cleanup_secret_ struct secret password = {0};
	_cleanup_strbuf_ struct strbuf shadow = {0};
	_cleanup_error_ struct error err = {0};
	struct stat st;
	char *hash, *end;

	if (geteuid()) {
		test_skip("only root gives files away");
		return;
	}
	secret_set(&password, "sesame");
	if (!CHECK_INT(account_create(dir, "alice", &password, groups, &err), 0))
		CHECK_STR(err.cause, "");
	check_file(root, "etc/passwd",
		   "root:x:0:0:root:/root:/bin/bash\nsomebody:x:1000:1000::/:/bin/sh\n"
		   "alice:x:1002:1002:alice:/home/alice:/bin/sh\n");
	check_file(root, "etc/group",
		   "root:x:0:\nsudo:x:27:other,alice\nsomebody:x:1000:\nstaff:x:1001:\nalice:x:1002:\n"
		   "qubes:x:100:alice\n");
	check_file(root, "etc/gshadow", "root:*::\nsudo:*::other,alice\nalice:!::\nqubes:!::alice\n");
	CHECK_INT(read_file(root, "etc/shadow", 65536, &shadow), 0);
	hash = strstr(shadow.p, "alice:$y$");
	if (CHECK(hash != NULL)) {
		struct crypt_data data = {0};

		hash += strlen("alice:");
		end = strchr(hash, ':');
		*end = '\0';
		CHECK_STR(crypt_r("sesame", hash, &data), hash);
	}
	CHECK(!fstatat(root, "home/alice", &st, 0) && st.st_uid == 1002 && (st.st_mode & 07777) == 0700);
	CHECK(!fstatat(root, "home/alice/deep/file", &st, 0) && st.st_uid == 1002 && st.st_gid == 1002);
}

TEST(account_name_taken)
{
	const char *dir = test_dir();
	int root = make_root(dir);
	_cleanup_error_ struct error err = {0};

	close(root);
	CHECK_INT(account_check_free(dir, "alice", &err), 0);
	CHECK_INT(account_check_free(dir, "somebody", &err), -EEXIST);
	CHECK_INT(account_check_free(dir, "staff", &err), -EEXIST);
	CHECK_STR(err.object, "staff");
}

TEST(secret_keeps_and_wipes)
{
	struct secret s = {0};
	char long_text[SECRET_MAX + 2];

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	CHECK_INT(secret_set(&s, "correct horse"), 0);
	CHECK_STR(s.p, "correct horse");
	CHECK_INT(secret_set(&s, long_text), -E2BIG);
	CHECK_STR(s.p, "correct horse");
	secret_wipe(&s);
	CHECK(!s.p && !s.n);
}
