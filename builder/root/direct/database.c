#include "builder/root/direct/database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builder/root/direct/status.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

#define DPKG "var/lib/dpkg/"

enum { TEXT_MAX = 64 << 20 };

int database_seed(int root)
{
	int r = mkdir_p(root, DPKG "info", 0755);

	if (r == 0)
		r = mkdir_p(root, DPKG "triggers", 0755);
	if (r == 0)
		r = mkdir_p(root, DPKG "updates", 0755);
	/* Files of packages that can be there for several architectures are NAME:ARCH.*. */
	return r == 0 ? write_file(root, DPKG "info/format", "1\n", 2, 0644) : r;
}

static int read_interests(struct database *d)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;
	int r = read_file(d->root, DPKG "triggers/File", TEXT_MAX, &text);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		struct blob path;
		_cleanup_free_ char *key = NULL;

		blob_token(&line, ' ', &path);
		key = blob_dup(path);
		strmap_put(&d->interests, key, d);
	}
	return 0;
}

int database_begin(struct database *d, int root)
{
	*d = (struct database){.root = root};
	return read_interests(d);
}

void database_end(struct database *d)
{
	strbuf_free(&d->stanzas);
	strbuf_free(&d->activations);
	strmap_free(&d->interests);
}

static int append(int root, const char *path, struct blob text)
{
	_cleanup_close_ int fd =
		openat(root, path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : write_all(fd, text.p, text.n);
}

/* A trigger's name becomes a file's (deb-triggers(5), dpkg's own rule: printable, no blank, no slash). */
static bool is_trigger_name(struct blob b)
{
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] <= ' ' || b.p[i] > '~' || (b.p[i] == '/' && b.p[0] != '/'))
			return false;
	return b.n && b.p[0] != '.';
}

static int add_interest(const struct database *d, const struct staged *s, struct blob trigger,
			bool await)
{
	const char *how = await ? "" : "/noawait";
	_cleanup_strbuf_ struct strbuf line = {0};
	_cleanup_free_ char *path = NULL;

	if (trigger.p[0] == '/') {
		strbuf_printf(&line, "%.*s %s%s\n", BLOB_ARG(trigger), s->info, how);
		return append(d->root, DPKG "triggers/File", strbuf_blob(&line));
	}
	strbuf_printf(&line, "%s%s\n", s->info, how);
	path = xasprintf(DPKG "triggers/%.*s", BLOB_ARG(trigger));
	return append(d->root, path, strbuf_blob(&line));
}

/* "interest-noawait ldconfig" */
static int add_trigger(struct database *d, const struct staged *s, struct blob line)
{
	struct blob directive, trigger;
	bool await;

	if (!blob_word(&line, &directive) || blob_has_prefix(directive, "#"))
		return 0;
	if (!blob_word(&line, &trigger) || !is_trigger_name(trigger))
		return -EBADMSG;
	await = !blob_has_suffix(directive, "-noawait");
	if (blob_has_prefix(directive, "interest"))
		return add_interest(d, s, trigger, await);
	if (!blob_has_prefix(directive, "activate"))
		return -EBADMSG;
	strbuf_printf(&d->activations, "%.*s %s\n", BLOB_ARG(trigger), await ? s->info : "-");
	return 0;
}

/* A file activates the triggers of its own name and of all folders above it. */
static void activate_for_file(struct database *d, const struct staged *s, struct blob file,
			      struct strmap *done)
{
	_cleanup_free_ char *path = blob_dup(file);

	for (char *end = path + strlen(path); end && end != path; end = strrchr(path, '/')) {
		*end = '\0';
		if (strmap_get(&d->interests, path) && !strmap_put(done, path, d))
			strbuf_printf(&d->activations, "%s %s\n", path, s->info);
	}
}

static int add_triggers(struct database *d, const struct staged *s)
{
	struct blob rest = strbuf_blob(&s->triggers), line;
	_cleanup_strmap_ struct strmap done = {0};
	int r = 0;

	while (r == 0 && blob_token(&rest, '\n', &line))
		r = add_trigger(d, s, line);
	rest = strbuf_blob(&s->names);
	while (r == 0 && d->interests.n && blob_token(&rest, '\n', &line))
		activate_for_file(d, s, line, &done);
	return r;
}

static void add_stanza(struct database *d, const struct staged *s)
{
	struct blob text = blob_trim(strbuf_blob(&s->control)), rest = strbuf_blob(&s->conffiles),
		    line;

	strbuf_printf(&d->stanzas, "%.*s\nStatus: install ok unpacked\n", BLOB_ARG(text));
	if (s->staged.n)
		strbuf_add_str(&d->stanzas, "Conffiles:\n");
	while (blob_token(&rest, '\n', &line))
		if (blob_trim(line).n)
			strbuf_printf(&d->stanzas, " %.*s newconffile\n",
				      BLOB_ARG(blob_trim(line)));
	strbuf_add_char(&d->stanzas, '\n');
}

static int move_info(const struct database *d, const struct staged *s, const char *from,
		     const char *kind)
{
	_cleanup_free_ char *to = xasprintf(DPKG "info/%s.%s", s->info, kind);

	return renameat(s->fd, from, d->root, to) < 0 ? -errno : 0;
}

/* All control files but "control", whose text goes into status. */
static int add_info(const struct database *d, const struct staged *s)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *e;
	int fd = openat(s->fd, "control", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (e = readdir(dir))) {
		_cleanup_free_ char *from = xasprintf("control/%s", e->d_name);

		if (e->d_name[0] != '.' && strcmp(e->d_name, "control") != 0)
			r = move_info(d, s, from, e->d_name);
	}
	return r == 0 ? move_info(d, s, "names", "list") : r;
}

int database_add(struct database *d, const struct staged *s)
{
	int r = add_info(d, s);

	if (r == 0)
		r = add_triggers(d, s);
	add_stanza(d, s);
	return r;
}

int database_write(struct database *d)
{
	int r = status_add(d->root, strbuf_blob(&d->stanzas));

	if (r == 0 && d->activations.n)
		r = append(d->root, DPKG "triggers/Unincorp", strbuf_blob(&d->activations));
	return r;
}

/* Triggers */

struct interest {
	struct blob line;
	const void *rank;
	size_t at;
};

static int by_rank(const void *a, const void *b)
{
	const struct interest *x = a, *y = b;

	if (x->rank != y->rank)
		return (uintptr_t)x->rank < (uintptr_t)y->rank ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* "[/path ]package[/noawait]" */
static const void *rank_of(const struct strmap *ranks, struct blob line)
{
	struct blob package = line, path;
	_cleanup_free_ char *name = NULL;

	if (blob_has_prefix(line, "/"))
		blob_token(&package, ' ', &path);
	name = blob_dup(package);
	name[strcspn(name, "/")] = '\0';
	return strmap_get(ranks, name);
}

static int sort_interests(int triggers, const char *name, const struct strmap *ranks)
{
	_cleanup_strbuf_ struct strbuf text = {0}, out = {0};
	_cleanup_free_ struct interest *list = NULL;
	struct blob rest, line;
	size_t n = 0;
	int r = read_file(triggers, name, TEXT_MAX, &text);

	if (r < 0)
		return r;
	rest = strbuf_blob(&text);
	for (; blob_token(&rest, '\n', &line); n++) {
		if (n % 64 == 0)
			list = xreallocarray(list, n + 64, sizeof(*list));
		list[n] = (struct interest){line, rank_of(ranks, line), n};
	}
	if (n)
		qsort(list, n, sizeof(*list), by_rank);
	for (size_t i = 0; i < n; i++)
		strbuf_printf(&out, "%.*s\n", BLOB_ARG(list[i].line));
	if (out.n != text.n || !memcmp(out.p, text.p, out.n))
		return 0;
	return write_file(triggers, name, out.p, out.n, 0644);
}

int database_sort_triggers(int root, const struct strmap *ranks)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *e;
	int fd = openat(root, DPKG "triggers", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (e = readdir(dir)))
		if (e->d_name[0] != '.' && strcmp(e->d_name, "Lock") &&
		    strcmp(e->d_name, "Unincorp"))
			r = sort_interests(fd, e->d_name, ranks);
	return r;
}
