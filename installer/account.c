#include "installer/account.h"

#include <crypt.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "installer/copy.h"

enum { FILE_MAX = 4 << 20, USER_FIRST = 1000, USER_LAST = 59999, SYSTEM_FIRST = 100, SYSTEM_LAST = 999 };

struct account {
	int root, etc; /* folders */
	const char *name;
	struct strbuf passwd, shadow, group, gshadow;
	struct error *err;
};

static void account_close(struct account *a)
{
	if (a->etc >= 0)
		close(a->etc);
	if (a->root >= 0)
		close(a->root);
	strbuf_free(&a->passwd);
	/* Hashes are no passwords, but nothing needs them afterwards. */
	if (a->shadow.p)
		explicit_bzero(a->shadow.p, a->shadow.cap);
	strbuf_free(&a->shadow);
	strbuf_free(&a->group);
	strbuf_free(&a->gshadow);
}

static int read_one(struct account *a, const char *file, struct strbuf *out)
{
	int r = read_file(a->etc, file, FILE_MAX, out);

	if (r < 0)
		return error_errno(a->err, r, file, "cannot read");
	if (out->n && out->p[out->n - 1] != '\n')
		strbuf_add_char(out, '\n');
	return 0;
}

static int account_open(struct account *a, const char *root)
{
	int r;

	a->etc = -1;
	a->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->root >= 0)
		a->etc = openat(a->root, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->etc < 0)
		return error_errno(a->err, -errno, root, "cannot open");
	if ((r = read_one(a, "passwd", &a->passwd)) < 0 || (r = read_one(a, "shadow", &a->shadow)) < 0 ||
	    (r = read_one(a, "group", &a->group)) < 0 || (r = read_one(a, "gshadow", &a->gshadow)) < 0)
		return r;
	return 0;
}

/* The n-th field of a line with colons. */
static struct blob field(struct blob line, size_t n)
{
	struct blob token = {0};

	for (size_t i = 0; i <= n; i++)
		if (!blob_token(&line, ':', &token))
			return (struct blob){0};
	return token;
}

/* The line whose first field is `name`; p is NULL when there is none. */
static struct blob find_line(const struct strbuf *file, const char *name)
{
	struct blob rest = strbuf_blob(file), line;

	while (blob_token(&rest, '\n', &line))
		if (blob_eq_str(field(line, 0), name))
			return line;
	return (struct blob){0};
}

static bool id_is_used(const struct strbuf *file, uint64_t id)
{
	struct blob rest = strbuf_blob(file), line;
	uint64_t value;

	while (blob_token(&rest, '\n', &line))
		if (blob_to_u64(field(line, 2), UINT32_MAX, &value) && value == id)
			return true;
	return false;
}

/* Free as a user and as a group id, so that a user and its own group can share it. 0: none left. */
static uint64_t free_id(const struct account *a, uint64_t first, uint64_t last)
{
	for (uint64_t id = first; id <= last; id++)
		if (!id_is_used(&a->passwd, id) && !id_is_used(&a->group, id))
			return id;
	return 0;
}

/* Appends ",name" (or "name") to the last field of the line. */
static void line_add_member(struct strbuf *file, struct blob line, const char *name)
{
	size_t end = (size_t)(line.p - file->p) + line.n;
	_cleanup_free_ char *tail = xstrndup(file->p + end, file->n - end);
	bool empty = line.p[line.n - 1] == ':';

	file->n = end;
	strbuf_printf(file, "%s%s%s", empty ? "" : ",", name, tail);
}

static int join_group(struct account *a, const char *group)
{
	if (!find_line(&a->group, group).p) {
		uint64_t gid = free_id(a, SYSTEM_FIRST, SYSTEM_LAST);

		if (!gid)
			return error_set(a->err, -ENOSPC, group, NULL, "no system group id is free");
		strbuf_printf(&a->group, "%s:x:%" PRIu64 ":\n", group, gid);
	}
	if (!find_line(&a->gshadow, group).p)
		strbuf_printf(&a->gshadow, "%s:!::\n", group);
	line_add_member(&a->group, find_line(&a->group, group), a->name);
	line_add_member(&a->gshadow, find_line(&a->gshadow, group), a->name);
	return 0;
}

static int hash_password(struct account *a, const struct secret *password, char **hash)
{
	_cleanup_free_ struct crypt_data *data = NULL;
	_cleanup_free_ char *salt = NULL;

	if (!password || !password->p) {
		*hash = xstrdup("!");
		return 0;
	}
	data = xcalloc(1, sizeof(*data));
	salt = crypt_gensalt_ra("$y$", 0, NULL, 0);
	if (!salt || !crypt_r(password->p, salt, data) || data->output[0] == '*') {
		explicit_bzero(data, sizeof(*data));
		return error_set(a->err, -EIO, a->name, NULL, "yescrypt refused the password");
	}
	*hash = xstrdup(data->output);
	explicit_bzero(data, sizeof(*data));
	return 0;
}

/* The tree of etc/skel belongs to root; all of the home belongs to the user. */
static int own_tree(int dir, uid_t id)
{
	_cleanup_closedir_ DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;

	if (!d || fchown(dir, id, id))
		return -errno;
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (e->d_type == DT_DIR) {
			_cleanup_close_ int sub =
				openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			int r = sub < 0 ? -errno : own_tree(sub, id);

			if (r < 0)
				return r;
		} else if (fchownat(dir, e->d_name, id, id, AT_SYMLINK_NOFOLLOW)) {
			return -errno;
		}
	}
	return 0;
}

static int make_home(struct account *a, uid_t id)
{
	_cleanup_free_ char *path = xasprintf("home/%s", a->name);
	_cleanup_close_ int skel = openat(a->root, "etc/skel", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int home = -1;
	int r = mkdir_p(a->root, path, 0755);

	if (r < 0)
		return error_errno(a->err, r, path, "cannot create");
	home = openat(a->root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (home < 0)
		return error_errno(a->err, -errno, path, "cannot open");
	if (skel >= 0 && (r = copy_tree(skel, home, NULL, a->err)) < 0)
		return r;
	r = own_tree(home, id);
	if (r == 0 && fchmod(home, 0700))
		r = -errno;
	return r < 0 ? error_errno(a->err, r, path, "cannot set owner and mode") : 0;
}

static int write_one(struct account *a, const char *file, const struct strbuf *text)
{
	struct stat st;
	int r = fstatat(a->etc, file, &st, 0) ? -errno : 0;

	if (r == 0)
		r = write_atomic(a->etc, file, text->p, text->n, st.st_mode & 07777);
	/* /etc/shadow and gshadow belong to group shadow. */
	if (r == 0 && fchownat(a->etc, file, st.st_uid, st.st_gid, 0))
		r = -errno;
	if (r == 0 && fchmodat(a->etc, file, st.st_mode & 07777, 0))
		r = -errno;
	return r < 0 ? error_errno(a->err, r, file, "cannot write") : 0;
}

int account_check_free(const char *root, const char *name, struct error *err)
{
	struct account a = {.root = -1, .etc = -1, .name = name, .err = err};
	int r = account_open(&a, root);

	if (r == 0 && (find_line(&a.passwd, name).p || find_line(&a.group, name).p))
		r = error_set(err, -EEXIST, name, "choose another user name", "the system needs this name for itself");
	account_close(&a);
	return r;
}

static int account_add(struct account *a, const struct secret *password, const char *const *groups)
{
	const char *shell = faccessat(a->root, "bin/bash", F_OK, 0) ? "/bin/sh" : "/bin/bash";
	_cleanup_free_ char *hash = NULL;
	uint64_t id = free_id(a, USER_FIRST, USER_LAST);
	int r;

	if (!id)
		return error_set(a->err, -ENOSPC, a->name, NULL, "no user id is free");
	r = hash_password(a, password, &hash);
	if (r < 0)
		return r;
	strbuf_printf(&a->passwd, "%s:x:%" PRIu64 ":%" PRIu64 ":%s:/home/%s:%s\n", a->name, id, id, a->name, a->name,
		      shell);
	strbuf_printf(&a->shadow, "%s:%s:%lld:0:99999:7:::\n", a->name, hash, (long long)(time(NULL) / 86400));
	strbuf_printf(&a->group, "%s:x:%" PRIu64 ":\n", a->name, id);
	strbuf_printf(&a->gshadow, "%s:!::\n", a->name);
	for (; r == 0 && *groups; groups++)
		r = join_group(a, *groups);
	if (r == 0)
		r = make_home(a, (uid_t)id);
	if (r < 0)
		return r;
	if ((r = write_one(a, "group", &a->group)) < 0 || (r = write_one(a, "gshadow", &a->gshadow)) < 0 ||
	    (r = write_one(a, "passwd", &a->passwd)) < 0)
		return r;
	return write_one(a, "shadow", &a->shadow);
}

int account_create(const char *root, const char *name, const struct secret *password, const char *const *groups,
		   struct error *err)
{
	struct account a = {.root = -1, .etc = -1, .name = name, .err = err};
	int r = account_open(&a, root);

	if (r == 0)
		r = account_add(&a, password, groups);
	account_close(&a);
	return r;
}
