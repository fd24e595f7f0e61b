/*
 * root_base_build_direct: packages are unpacked by us, several at a time and while others are still
 * on their way, into the state in which "dpkg --unpack" would have left them; "dpkg --configure" of
 * the root does the rest. What we do not unpack goes through dpkg in its place, so that both ways
 * give the same root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "builder/root/direct/batch.h"
#include "builder/root/direct/stage.h"
#include "builder/root/plan.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

static void files_for_dpkg(const struct lock *l, const struct judgement *list, int wave,
			   struct strv *files)
{
	for (size_t i = 0; i < l->n_packages; i++)
		if (list[i].wave == wave && list[i].dpkg)
			strv_push(files, lock_package_file(&l->packages[i]));
}

static int install_batch(struct workplace *w, int wave, struct judgement *list,
			 struct error *err)
{
	_cleanup_strv_ struct strv files = {0};
	int r = batch_merge(w, wave, list, err);

	workplace_phase(w, "merge");
	if (r < 0)
		return r;
	files_for_dpkg(w->job->lock, list, wave, &files);
	if (files.n)
		r = wave == WAVE_ESSENTIAL ? dpkg_unpack_essential(&w->dpkg, &files, err)
					   : dpkg_unpack(&w->dpkg, &files, err);
	workplace_phase(w, "unpack by dpkg");
	if (r == 0)
		r = dpkg_configure(&w->dpkg, false, err);
	workplace_phase(w, "configure");
	return r;
}

static int last_wave(const struct lock *l, const struct judgement *list)
{
	int last = WAVE_ESSENTIAL;

	for (size_t i = 0; i < l->n_packages; i++)
		last = list[i].wave > last ? list[i].wave : last;
	return last;
}

static int install(struct workplace *w, const struct review *review, struct error *err)
{
	_cleanup_free_ struct judgement *list =
		xcalloc(w->job->lock->n_packages + 1, sizeof(*list));
	int r = judge_packages(w, review, list, err);

	for (int wave = WAVE_ESSENTIAL; r == 0 && wave <= last_wave(w->job->lock, list); wave++)
		r = install_batch(w, wave, list, err);
	return r < 0 ? r : batch_settle(w, list, err);
}

static int remove_stage(const char *stage, struct error *err)
{
	int r = remove_tree(AT_FDCWD, stage);

	return r < 0 ? error_errno(err, r, stage, "cannot remove") : 0;
}

int root_base_build_direct(const struct root_job *job, const struct fetch_options *fetch,
			   const char *reviewed, struct error *err)
{
	_cleanup_free_ char *stage = xasprintf("%s/stage", job->out_dir);
	_cleanup_(review_free) struct review review = {0};
	_cleanup_(workplace_end) struct workplace w;
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = workplace_make(&w, job, err);

	if (r < 0)
		return r;
	r = read_file(AT_FDCWD, reviewed, 1 << 20, &text);
	if (r < 0)
		return error_errno(err, r, reviewed, "cannot read");
	if ((r = review_parse(strbuf_blob(&text), &review, err)) < 0 ||
	    (r = stage_packages(&w, fetch, stage, err)) < 0)
		return r;
	workplace_phase(&w, "unpack");
	if ((r = install(&w, &review, err)) < 0)
		return r;
	return remove_stage(stage, err);
}
