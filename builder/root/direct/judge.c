#include "builder/root/direct/judge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "builder/root/direct/stage.h"
#include "builder/root/direct/staged.h"
#include "builder/root/plan.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

struct judge {
	const struct lock *lock;
	const struct review *review;
	int out; /* lines "WAVE dpkg" or "WAVE direct" */
};

static bool preinst_is_harmless(const struct staged *s, const struct review *review)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = read_file(s->fd, "control/preinst", STAGE_TEXT_MAX, &text);

	return r == -ENOENT || (r == 0 && review_preinst(review, strbuf_blob(&text)));
}

/* Fields that belong to dpkg's database, not to a package. */
static bool has_fields_of_database(const struct staged *s)
{
	static const char *const fields[] = {"Status", "Conffiles", "Config-Version",
					     "Triggers-Pending", "Triggers-Awaited"};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (deb822_get(&s->stanza, fields[i]).p)
			return true;
	return false;
}

/* dpkg makes a md5sums for packages that bring none, and knows the flags of conffiles. */
static bool is_for_dpkg(const struct staged *s, const struct review *review)
{
	_cleanup_strmap_ struct strmap names = {0};

	return strmap_get(&review->dpkg, s->name) || !staged_has(s, "md5sums") ||
	       has_fields_of_database(s) ||
	       stage_conffiles(strbuf_blob(&s->conffiles), &names) < 0 ||
	       !preinst_is_harmless(s, review);
}

/* In the sandbox; what is not freed ends with the process. */
static int judge_inside(void *arg, struct error *err)
{
	const struct judge *j = arg;
	size_t n = j->lock->n_packages;
	struct staged *staged = xcalloc(n + 1, sizeof(*staged));
	struct plan_package *plan = xcalloc(n + 1, sizeof(*plan));
	int stage = open("/target", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	unsigned waves;

	if (stage < 0)
		return error_errno(err, -errno, "/target", "cannot open");
	for (size_t i = 0; i < n; i++) {
		const char *label = lock_package_file(&j->lock->packages[i]);

		r = staged_read(stage, i, label, &staged[i], err);
		if (r < 0)
			return r;
		plan[i] = (struct plan_package){.control = strbuf_blob(&staged[i].control),
						.label = label};
	}
	r = plan_make(plan, n, &waves, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (dprintf(j->out, "%d %s\n",
			    plan[i].essential ? WAVE_ESSENTIAL : (int)plan[i].wave,
			    is_for_dpkg(&staged[i], j->review) ? "dpkg" : "direct") < 0)
			r = error_errno(err, -errno, "plan", "cannot write");
	return r;
}

static bool parse_judgement(struct blob line, struct judgement *j)
{
	struct blob wave, way;
	uint64_t number = 0;

	if (!blob_word(&line, &wave) || !blob_word(&line, &way))
		return false;
	if (!blob_eq_str(wave, "-1") && !blob_to_u64(wave, PLAN_WAVES_MAX, &number))
		return false;
	j->wave = blob_eq_str(wave, "-1") ? WAVE_ESSENTIAL : (int)number;
	j->dpkg = !blob_eq_str(way, "direct");
	return true;
}

/* The child has parsed foreign data: what it says is checked like any other input. */
static int read_judgements(int fd, size_t n, struct judgement *list)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;
	size_t i = 0;
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : read_fd(fd, 1 << 20, &text);

	if (r < 0)
		return r;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line))
		if (i == n || !parse_judgement(line, &list[i++]))
			return -EBADMSG;
	return i == n ? 0 : -EBADMSG;
}

int judge_packages(const struct workplace *w, const struct review *review, struct judgement *list,
		   struct error *err)
{
	_cleanup_free_ char *stage = xasprintf("%s/stage", w->job->out_dir);
	const struct sandbox_bind bind = {.source = stage, .target = "/target"};
	const struct sandbox sb = {.binds = &bind, .n_binds = 1};
	_cleanup_close_ int out = memfd_create("plan", MFD_CLOEXEC);
	struct judge j = {.lock = w->job->lock, .review = review, .out = out};
	int r;

	if (out < 0)
		return error_errno(err, -errno, "plan", "memfd");
	r = sandbox_call(&sb, judge_inside, &j, err);
	if (r < 0)
		return r;
	r = read_judgements(out, j.lock->n_packages, list);
	return r < 0 ? error_errno(err, r, "plan", "cannot read the order of packages") : 0;
}
