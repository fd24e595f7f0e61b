#include "builder/lock/lock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "builder/lock/words.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"

struct lock *lock_new(const char *image, const char *arch)
{
	struct arena *a = arena_new();
	struct lock *l = arena_alloc(a, sizeof(*l));

	l->arena = a;
	l->image = arena_strdup(a, image);
	l->arch = arena_strdup(a, arch);
	return l;
}

void lock_free(struct lock *l)
{
	if (!l)
		return;
	free(l->indexes);
	free(l->locals);
	free(l->packages);
	arena_free(l->arena);
}

static const char *archive_name(enum lock_archive archive)
{
	return archive == LOCK_SECURITY ? "security" : "main";
}

/* Arrays grow by doubling: full whenever the count is a power of two. */
static void *grow(void *array, size_t n, size_t size)
{
	return n & (n - 1) ? array : xreallocarray(array, n ? n * 2 : 1, size);
}

void lock_add_index(struct lock *l, const struct lock_index *index)
{
	struct lock_index *i;

	l->indexes = grow(l->indexes, l->n_indexes, sizeof(*l->indexes));
	i = &l->indexes[l->n_indexes++];
	*i = *index;
	i->suite = arena_strdup(l->arena, index->suite);
	i->component = arena_strdup(l->arena, index->component);
}

void lock_add_package(struct lock *l, const struct lock_package *package)
{
	struct lock_package *p;

	l->packages = grow(l->packages, l->n_packages, sizeof(*l->packages));
	p = &l->packages[l->n_packages++];
	*p = *package;
	p->name = arena_strdup(l->arena, package->name);
	p->version = arena_strdup(l->arena, package->version);
	p->arch = arena_strdup(l->arena, package->arch);
	p->path = arena_strdup(l->arena, package->path);
}

void lock_add_local(struct lock *l, const char *name)
{
	l->locals = grow(l->locals, l->n_locals, sizeof(*l->locals));
	l->locals[l->n_locals++] = arena_strdup(l->arena, name);
}

static int compare_packages(const void *a, const void *b)
{
	const struct lock_package *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void lock_format(struct lock *l, struct strbuf *out)
{
	if (l->n_packages)
		qsort(l->packages, l->n_packages, sizeof(*l->packages), compare_packages);
	if (l->n_locals)
		qsort(l->locals, l->n_locals, sizeof(*l->locals), compare_names);
	strbuf_printf(out, "bulkhead-lock 1\nimage %s\narchitecture %s\n", l->image, l->arch);
	for (size_t i = 0; i < l->n_indexes; i++) {
		const struct lock_index *x = &l->indexes[i];
		time_t date = x->date;
		char text[32] = "";
		struct tm tm;

		if (gmtime_r(&date, &tm))
			strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
		strbuf_printf(out, "index %s %s %s %s %s %s\n", archive_name(x->archive),
			      x->suite, x->component, text, x->release_sha256, x->packages_sha256);
	}
	for (size_t i = 0; i < l->n_locals; i++)
		strbuf_printf(out, "local %s\n", l->locals[i]);
	for (size_t i = 0; i < l->n_packages; i++) {
		const struct lock_package *p = &l->packages[i];

		strbuf_printf(out, "package %s %s %s %s %" PRIu64 " %s %s\n",
			      archive_name(p->archive), p->name, p->version, p->arch, p->size,
			      p->sha256, p->path);
	}
}

int lock_write(struct lock *l, const char *path, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int r;

	lock_format(l, &text);
	r = write_atomic(AT_FDCWD, path, text.p, text.n, 0644);
	return r < 0 ? error_errno(err, r, path, "cannot write the lock") : 0;
}

/* Reading */

struct reader {
	struct lock *lock;
	const char *file;
	unsigned line;
	struct error *err;
};

static int wrong(const struct reader *r, const char *what)
{
	_cleanup_free_ char *where = xasprintf("%s:%u", r->file, r->line);

	return error_set(r->err, -EBADMSG, where, "make the lock anew with `bulkhead lock`", "%s",
			 what);
}

static bool take_word(struct reader *r, struct blob *rest, word_check check, const char **out)
{
	struct blob w;

	if (!blob_token(rest, ' ', &w) || !check(w))
		return false;
	*out = arena_strndup(r->lock->arena, w.p, w.n);
	return true;
}

static bool take_archive(struct blob *rest, enum lock_archive *out)
{
	struct blob w;

	if (!blob_token(rest, ' ', &w))
		return false;
	*out = blob_eq_str(w, "security") ? LOCK_SECURITY : LOCK_MAIN;
	return *out == LOCK_SECURITY || blob_eq_str(w, "main");
}

static bool take_hash(struct blob *rest, char hex[SHA256_HEX])
{
	struct blob w;

	if (!blob_token(rest, ' ', &w) || !sha256_is_hex(w))
		return false;
	memcpy(hex, w.p, SHA256_HEX - 1);
	hex[SHA256_HEX - 1] = '\0';
	return true;
}

static bool take_date(struct blob *rest, int64_t *out)
{
	struct blob w;
	char text[24];
	struct tm tm = {0};
	const char *end;

	if (!blob_token(rest, ' ', &w) || w.n != strlen("2026-01-01T00:00:00Z"))
		return false;
	memcpy(text, w.p, w.n);
	text[w.n] = '\0';
	end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (!end || *end)
		return false;
	*out = timegm(&tm);
	return *out >= 0;
}

static int read_index(struct reader *r, struct blob rest)
{
	struct lock_index x = {0};

	if (!take_archive(&rest, &x.archive) || !take_word(r, &rest, word_is_suite, &x.suite) ||
	    !take_word(r, &rest, word_is_suite, &x.component) || !take_date(&rest, &x.date) ||
	    !take_hash(&rest, x.release_sha256) || !take_hash(&rest, x.packages_sha256) || rest.n)
		return wrong(r, "wrong index line: expected `index ARCHIVE SUITE COMPONENT DATE "
				"SHA256 SHA256`");
	if (lock_find_index(r->lock, x.archive, x.suite, x.component))
		return wrong(r, "this index stands here twice");
	lock_add_index(r->lock, &x);
	return 0;
}

static int read_local(struct reader *r, struct blob rest)
{
	const struct lock *l = r->lock;
	const char *name;

	if (!take_word(r, &rest, word_is_package, &name) || rest.n)
		return wrong(r, "wrong line: expected `local NAME`");
	if (l->n_locals && strcmp(l->locals[l->n_locals - 1], name) >= 0)
		return wrong(r, "local packages are not sorted by name, each once");
	lock_add_local(r->lock, name);
	return 0;
}

static int read_package(struct reader *r, struct blob rest)
{
	const struct lock *l = r->lock;
	struct lock_package p = {0};
	struct blob size = {0};
	bool ok;

	ok = take_archive(&rest, &p.archive) && take_word(r, &rest, word_is_package, &p.name) &&
	     take_word(r, &rest, word_is_version, &p.version) &&
	     take_word(r, &rest, word_is_arch, &p.arch) && blob_token(&rest, ' ', &size) &&
	     blob_to_u64(size, LOCK_MAX_PACKAGE_SIZE, &p.size) && take_hash(&rest, p.sha256) &&
	     take_word(r, &rest, word_is_path, &p.path);
	if (!ok || rest.n || !p.size)
		return wrong(r, "wrong package line: expected "
				"`package ARCHIVE NAME VERSION ARCHITECTURE SIZE SHA256 PATH`");
	if (strcmp(p.arch, l->arch) && strcmp(p.arch, "all"))
		return wrong(r, "package of another architecture");
	if (l->n_packages && strcmp(l->packages[l->n_packages - 1].name, p.name) >= 0)
		return wrong(r, "packages are not sorted by name, each once");
	lock_add_package(r->lock, &p);
	return 0;
}

static int read_line(struct reader *r, struct blob line)
{
	struct blob word;

	if (!line.n || line.p[0] == '#')
		return 0;
	if (line.p[line.n - 1] == ' ')
		return wrong(r, "the line ends in a blank");
	blob_token(&line, ' ', &word);
	if (!r->lock->image) {
		r->lock->image = "";
		return blob_eq_str(word, "bulkhead-lock") && blob_eq_str(line, "1")
			       ? 0
			       : wrong(r, "not a lock of this version: expected `bulkhead-lock 1`");
	}
	if (!*r->lock->image)
		return blob_eq_str(word, "image") &&
				       take_word(r, &line, word_is_suite, &r->lock->image)
			       ? 0
			       : wrong(r, "expected `image NAME`");
	if (!r->lock->arch)
		return blob_eq_str(word, "architecture") &&
				       take_word(r, &line, word_is_arch, &r->lock->arch)
			       ? 0
			       : wrong(r, "expected `architecture NAME`");
	if (blob_eq_str(word, "index"))
		return read_index(r, line);
	if (blob_eq_str(word, "local"))
		return read_local(r, line);
	if (blob_eq_str(word, "package"))
		return read_package(r, line);
	return wrong(r, "unknown word at the start of the line");
}

int lock_parse(const char *name, struct blob text, struct lock **out, struct error *err)
{
	_cleanup_lock_ struct lock *l = lock_new("", "");
	struct reader r = {.lock = l, .file = name, .err = err};
	struct blob line;

	l->image = l->arch = NULL;
	if (text.n > LOCK_MAX_FILE_SIZE || memchr(text.p ? text.p : "", '\0', text.n))
		return error_set(err, -EBADMSG, name, NULL, "no text file of a lock's size");
	while (blob_token(&text, '\n', &line)) {
		int e;

		r.line++;
		e = read_line(&r, line);
		if (e < 0)
			return e;
	}
	if (!l->arch)
		return wrong(&r, "the file ends before its first index");
	*out = take_ptr(l);
	return 0;
}

int lock_read(const char *path, struct lock **out, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = read_file(AT_FDCWD, path, LOCK_MAX_FILE_SIZE, &text);

	if (r == -ENOENT)
		return error_set(err, r, path, "make it with `bulkhead lock`", "there is no lock");
	if (r < 0)
		return error_errno(err, r, path, "cannot read the lock");
	return lock_parse(path, strbuf_blob(&text), out, err);
}

/* Lookups */

const struct lock_package *lock_find_package(const struct lock *l, const char *name)
{
	struct lock_package key = {.name = name};

	return l->n_packages
		       ? bsearch(&key, l->packages, l->n_packages, sizeof(key), compare_packages)
		       : NULL;
}

bool lock_has_local(const struct lock *l, const char *name)
{
	return l->n_locals &&
	       bsearch(&name, l->locals, l->n_locals, sizeof(*l->locals), compare_names);
}

const struct lock_index *lock_find_index(const struct lock *l, enum lock_archive archive,
					 const char *suite, const char *component)
{
	for (size_t i = 0; i < l->n_indexes; i++) {
		const struct lock_index *x = &l->indexes[i];

		if (x->archive == archive && !strcmp(x->suite, suite) &&
		    !strcmp(x->component, component))
			return x;
	}
	return NULL;
}

int64_t lock_epoch(const struct lock *l)
{
	int64_t newest = 0;

	for (size_t i = 0; i < l->n_indexes; i++)
		if (l->indexes[i].date > newest)
			newest = l->indexes[i].date;
	return newest;
}

uint64_t lock_total_size(const struct lock *l)
{
	uint64_t total = 0;

	for (size_t i = 0; i < l->n_packages; i++)
		total += l->packages[i].size;
	return total;
}

const char *lock_package_file(const struct lock_package *p)
{
	const char *slash = strrchr(p->path, '/');

	return slash ? slash + 1 : p->path;
}
