#include "builder/history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

enum { TEXT_MAX = 4 << 20 };

static char *path_of(const struct store *s, const char *id)
{
	char *path = xasprintf("%s/last/%s", store_path(s), id);

	for (char *p = path + strlen(store_path(s)) + 6; *p; p++)
		if (*p == ':' || *p == '/')
			*p = '-';
	return path;
}

void history_free(struct history *h)
{
	strbuf_free(&h->inputs);
}

static int read_path(const char *path, struct history *h)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;
	uint64_t ms;

	*h = (struct history){.ms = -1};
	if (read_file(AT_FDCWD, path, TEXT_MAX, &text) < 0)
		return -ENOENT;
	rest = strbuf_blob(&text);
	if (!blob_token(&rest, '\n', &line) || !blob_has_prefix(line, "ms "))
		return -ENOENT;
	if (blob_to_u64((struct blob){line.p + 3, line.n - 3}, INT64_MAX, &ms))
		h->ms = (int64_t)ms;
	strbuf_add(&h->inputs, rest.p, rest.n);
	return 0;
}

int history_read(const struct store *s, const char *id, struct history *h)
{
	_cleanup_free_ char *path = path_of(s, id);

	return read_path(path, h);
}

int history_keys(const struct store *s, struct strmap *keys)
{
	_cleanup_free_ char *folder = xasprintf("%s/last", store_path(s));
	_cleanup_closedir_ DIR *d = opendir(folder);
	const struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d))) {
		_cleanup_free_ char *path = xasprintf("%s/%s", folder, e->d_name);
		_cleanup_history_ struct history h = {0};
		char key[SHA256_HEX];

		if (read_path(path, &h) < 0)
			continue;
		store_key(&h.inputs, key);
		strmap_put(keys, key, keys);
	}
	return 0;
}

void history_write(const struct store *s, const char *id, const struct strbuf *inputs, int64_t ms)
{
	_cleanup_free_ char *path = path_of(s, id), *tmp = xasprintf("%s.%d", path, getpid());
	_cleanup_history_ struct history old = {0};
	_cleanup_strbuf_ struct strbuf text = {0};

	if (history_read(s, id, &old) == 0) {
		if (ms < 0 && blob_eq(strbuf_blob(&old.inputs), strbuf_blob(inputs)))
			return;
		if (ms < 0)
			ms = old.ms;
	}
	strbuf_printf(&text, "ms %" PRId64 "\n", ms);
	strbuf_add(&text, inputs->p ? inputs->p : "", inputs->n);
	/* A store that cannot be written to has said so where it matters. */
	if (mkdir_parents(AT_FDCWD, path, 0755) < 0 || write_file(AT_FDCWD, tmp, text.p, text.n, 0644) < 0 ||
	    rename(tmp, path) < 0)
		unlink(tmp);
}
