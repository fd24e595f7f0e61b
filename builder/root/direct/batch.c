#include "builder/root/direct/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "builder/root/direct/database.h"
#include "builder/root/direct/merge.h"
#include "builder/root/plan.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

struct batch {
	const struct lock *lock;
	const struct judgement *list;
	int wave;
	int out; /* places of packages that need dpkg after all, one a line */

	/* Inside */
	int root, stage;
	struct staged *packages;
	size_t n;
	struct merge merge;
	struct database database;
	struct error *err;
};

static int read_package(struct batch *b, size_t place)
{
	return staged_read(b->stage, place, lock_package_file(&b->lock->packages[place]),
			   &b->packages[b->n++], b->err);
}

/* In the order of the lock; base-files, with the links of the merged /usr, before anything that
 * could make a folder of that name. */
static int read_packages(struct batch *b)
{
	int r = 0;

	b->packages = xcalloc(b->lock->n_packages + 1, sizeof(*b->packages));
	for (int others = 0; others < 2; others++)
		for (size_t i = 0; r == 0 && i < b->lock->n_packages; i++)
			if (b->list[i].wave == b->wave &&
			    (strcmp(b->lock->packages[i].name, "base-files") != 0) == others)
				r = read_package(b, i);
	for (size_t i = 0; r == 0 && i < b->n; i++) {
		r = merge_note_folders(&b->merge, &b->packages[i]);
		if (r < 0)
			return error_errno(b->err, r, b->packages[i].label,
					   "its list of folders is wrong");
	}
	return r;
}

static int put_in(struct batch *b, const struct staged *s)
{
	bool dpkg = b->list[s->place].dpkg, essential = b->wave == WAVE_ESSENTIAL;
	int r;

	if (dpkg)
		return essential ? merge_files(&b->merge, s, true, b->err) : 0;
	r = merge_fits(&b->merge, s, b->err);
	if (r < 0)
		return r;
	if (r == 0) {
		if (dprintf(b->out, "%zu\n", s->place) < 0)
			return error_errno(b->err, -errno, s->label, "cannot leave it to dpkg");
		return essential ? merge_files(&b->merge, s, true, b->err) : 0;
	}
	r = merge_files(&b->merge, s, false, b->err);
	if (r < 0)
		return r;
	r = database_add(&b->database, s);
	return r < 0 ? error_errno(b->err, r, s->label, "cannot enter it into dpkg's database") : 0;
}

static int put_all_in(struct batch *b)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->n; i++)
		r = put_in(b, &b->packages[i]);
	return r;
}

static int prepare_root(struct batch *b)
{
	int r;

	if (b->wave == WAVE_ESSENTIAL) {
		r = workplace_seed(b->root);
		if (r == 0)
			r = database_seed(b->root);
		if (r < 0)
			return error_errno(b->err, r, "root", "cannot prepare it for dpkg");
	}
	r = merge_read_special(&b->merge);
	if (r == 0)
		r = database_begin(&b->database, b->root);
	return r < 0 ? error_errno(b->err, r, "root", "cannot read dpkg's database") : 0;
}

/* In the sandbox; what is not freed ends with the process. */
static int merge_inside(void *arg, struct error *err)
{
	struct batch *b = arg;
	int r;

	b->err = err;
	b->root = open("/target/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b->stage = open("/target/stage", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->root < 0 || b->stage < 0)
		return error_errno(err, -errno, "/target", "cannot open");
	b->merge = (struct merge){
		.root = b->root, .bare = b->wave == WAVE_ESSENTIAL, .arena = arena_new()};
	if ((r = read_packages(b)) < 0 || (r = prepare_root(b)) < 0 || (r = put_all_in(b)) < 0)
		return r;
	r = database_write(&b->database);
	return r < 0 ? error_errno(err, r, "root", "cannot write dpkg's database") : 0;
}

/* The child has handled foreign data: what it says is checked like any other input. */
static int read_left(int fd, const struct lock *l, struct judgement *list)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : read_fd(fd, 1 << 20, &text);

	if (r < 0)
		return r;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		uint64_t place;

		if (!blob_to_u64(line, UINT32_MAX, &place) || place >= l->n_packages)
			return -EBADMSG;
		list[place].dpkg = true;
	}
	return 0;
}

static int call(const struct workplace *w, int (*fn)(void *arg, struct error *err), void *arg,
		struct error *err)
{
	const struct sandbox_bind bind = {
		.source = w->job->out_dir, .target = "/target", .writable = true};
	const struct sandbox sb = {
		.binds = &bind, .n_binds = 1, .epoch = (uint64_t)lock_epoch(w->job->lock)};

	return sandbox_call(&sb, fn, arg, err);
}

int batch_merge(const struct workplace *w, int wave, struct judgement *list, struct error *err)
{
	_cleanup_close_ int out = memfd_create("left", MFD_CLOEXEC);
	struct batch b = {.lock = w->job->lock, .list = list, .wave = wave, .out = out};
	int r;

	if (out < 0)
		return error_errno(err, -errno, "packages", "memfd");
	r = call(w, merge_inside, &b, err);
	if (r < 0)
		return r;
	r = read_left(out, b.lock, list);
	return r < 0 ? error_errno(err, r, "packages", "cannot learn which are for dpkg") : 0;
}

struct settle {
	const struct lock *lock;
	const struct judgement *list;
};

/* The value is a pointer whose order is that of unpacking. */
static void rank_packages(const struct settle *s, char *first, struct strmap *ranks)
{
	for (int wave = WAVE_ESSENTIAL; wave <= PLAN_WAVES_MAX; wave++)
		for (size_t i = 0; i < s->lock->n_packages; i++) {
			const struct lock_package *p = &s->lock->packages[i];
			_cleanup_free_ char *qualified = xasprintf("%s:%s", p->name, p->arch);

			if (s->list[i].wave != wave)
				continue;
			strmap_put(ranks, p->name, first);
			strmap_put(ranks, qualified, first++);
		}
}

static int settle_inside(void *arg, struct error *err)
{
	const struct settle *s = arg;
	_cleanup_free_ char *order = xcalloc(s->lock->n_packages + 1, 1);
	_cleanup_strmap_ struct strmap ranks = {0};
	_cleanup_close_ int root = open("/target/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (root < 0)
		return error_errno(err, -errno, "/target/root", "cannot open");
	rank_packages(s, order, &ranks);
	r = database_sort_triggers(root, &ranks);
	return r < 0 ? error_errno(err, r, "root", "cannot write dpkg's triggers") : 0;
}

int batch_settle(const struct workplace *w, const struct judgement *list, struct error *err)
{
	struct settle s = {.lock = w->job->lock, .list = list};

	return call(w, settle_inside, &s, err);
}
