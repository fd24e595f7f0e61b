#include "installer/session.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/ui/event.h"
#include "installer/localise.h"
#include "installer/report.h"
#include "installer/stick.h"
#include "installer/target.h"

#define LOCK_FILE "/run/bulkhead/installer.lock"

struct going_on {
	struct session *session;
	const struct plan *plan;
	bool resumed;
};

static bool may_be_target(const struct disk *d)
{
	return !d->medium && !d->read_only && !d->in_use;
}

int session_begin(const struct plan_places *places, struct error *err)
{
	int r = mkdir_p(AT_FDCWD, "/run/bulkhead", 0755);
	int lock = r < 0 ? r : open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (lock < 0)
		return error_errno(err, r < 0 ? r : -errno, LOCK_FILE, "cannot open");
	if (flock(lock, LOCK_EX | LOCK_NB))
		return error_set(err, -EBUSY, LOCK_FILE, "let it come to its end", "another installation is running");
	qubes_end_stale();
	return target_release(places->target, err);
}

void session_look(struct facts *facts)
{
	for (struct disk *d = facts->disks; d; d = d->next) {
		_cleanup_record_ struct record record = {0};
		int r = may_be_target(d) ? record_find(d, &record) : -ENXIO;

		d->unfinished = (r == 0 && !record.complete) || r == -ENOENT;
	}
}

/* The first disk whose record can be read, or `only` that one (NULL: any); NULL: none. */
static const struct disk *find_record(const struct facts *facts, const struct disk *only, struct record *out)
{
	for (const struct disk *d = facts->disks; d; d = d->next) {
		if (d->unfinished && (!only || d == only) && record_find(d, out) == 0)
			return d;
		record_free(out);
	}
	return NULL;
}

/* A layout that is given is not asked for, and what is typed next may be the passphrase. */
static int load_given_keymap(const struct session *s, struct error *err)
{
	int r;

	if (!question_is_given(s->answers, question_find("keymap")))
		return 0;
	r = localise_check(s->places.source, "keymap", s->answers->keymap, err);
	return r < 0 ? r : localise_load_keymap(s->answers->keymap, err);
}

static int ask_rest(struct session *s, bool resumed, struct error *err)
{
	struct dialogue d = {.front = s->front, .facts = s->facts, .answers = s->answers, .places = s->places,
			     .resumed = resumed};
	int r = load_given_keymap(s, err);

	return r < 0 ? r : dialogue_run(&d, err);
}

/* The record's answers, but for the secrets that are at hand already, and the disk it was found on. */
static int take_answers(struct session *s, const struct record *record, const struct disk *disk, struct error *err)
{
	struct answers *a = s->answers, recorded;
	char *why;
	int r = answers_load_text("record on the disk", strbuf_blob(&record->answers), &recorded, err);

	if (r < 0) {
		answers_free(&recorded);
		return r;
	}
	if (a->passphrase.p)
		question_answer(&recorded, question_find("passphrase"), a->passphrase.p, &why);
	if (a->password.p)
		question_answer(&recorded, question_find("user.password"), a->password.p, &why);
	else if (record_has(record, "user"))
		question_waive(&recorded, question_find("user.password"));
	/* The key is in the header already. */
	question_waive(&recorded, question_find("recovery-key"));
	recorded.disk = DISK_BY_NAME;
	recorded.disk_value = arena_strdup(recorded.arena, disk->name);
	question_answer(&recorded, question_find("erase"), disk->name, &why);
	recorded.unattended = a->unattended;
	answers_free(a);
	*a = recorded;
	return 0;
}

static bool same_plan(const struct plan *plan, const struct record *record)
{
	char fingerprint[SHA256_HEX];

	plan_fingerprint(plan, fingerprint);
	return !strcmp(fingerprint, record->fingerprint);
}

/* Does a person want to go on with it? */
static bool wants_resume(const struct session *s, const struct record *record, const struct disk *disk)
{
	_cleanup_arena_ struct arena *a = arena_new();
	const char *last = record->steps.n ? record->steps.v[record->steps.n - 1] : "none";

	return s->resume == SESSION_RESUME || dialogue_resume(s->front, facts_disk_name(a, disk), last);
}

/* With the medium and the answers left where they are, the next start would wipe what this one has made, and the next. */
static int refuse_complete(const struct plan *plan, struct error *err)
{
	_cleanup_record_ struct record record = {0};

	if (!may_be_target(plan->disk) || record_find(plan->disk, &record) < 0 || !record.complete || !same_plan(plan, &record))
		return 0;
	return error_set(err, -EEXIST, facts_disk_name(plan->arena, plan->disk), "remove the medium, or start anew with --anew",
			 "is installed with these answers already");
}

static int nothing_to_resume(struct error *err)
{
	return error_set(err, -ESTALE, "--resume", "start anew with --anew",
			 "there is no unfinished installation to go on with");
}

/* Fills *record when the installation goes on from there, and leaves it empty when it starts anew. */
static int make_plan(struct session *s, struct record *record, struct plan *plan, struct error *err)
{
	bool attended = !s->answers->unattended, anew = s->resume == SESSION_ANEW, resumed = false;
	const struct disk *disk = NULL;
	int r = 0;

	if (attended && !anew)
		disk = find_record(s->facts, plan_named_disk(s->facts, s->answers), record);
	if (attended && !disk && s->resume == SESSION_RESUME)
		return nothing_to_resume(err);
	if (disk && wants_resume(s, record, disk)) {
		resumed = true;
		r = take_answers(s, record, disk, err);
	}
	if (r == 0 && attended)
		r = ask_rest(s, resumed, err);
	if (r == 0)
		r = plan_make(s->facts, s->answers, &s->places, plan, err);
	if (r == 0 && !attended && !anew)
		r = refuse_complete(plan, err);
	if (r < 0)
		return r;
	/* Unattended, the answers say which disk it is about, and there may be records on others. */
	if (!attended && !anew)
		disk = find_record(s->facts, plan->disk, record);
	if (!attended && !disk && s->resume == SESSION_RESUME)
		return nothing_to_resume(err);
	if (disk && plan->disk == disk && same_plan(plan, record) && (resumed || !attended))
		return 0;
	record_free(record);
	if (resumed || s->resume == SESSION_RESUME)
		return error_set(err, -ESTALE, facts_disk_name(plan->arena, plan->disk), "start anew with --anew",
				 "the unfinished installation is of another plan, medium or disk");
	return 0;
}

static void save_logs(const struct going_on *g, const struct step *step, const struct error *failure)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_free_ char *where = NULL;
	_cleanup_error_ struct error err = {0};

	report_failure(g->plan, step, failure, &text);
	if (stick_save(g->plan, "bulkhead-failure.txt", strbuf_blob(&text), &where, &err) < 0)
		error_print("logs", &err);
	else
		printf("The logs are in %s.\n", where);
}

/* The installation is complete whether there is a stick or not. */
static void save_report(const struct plan *plan, const struct strv *skipped)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_free_ char *where = NULL;
	_cleanup_error_ struct error err = {0};

	report_whole(plan, skipped, &text);
	if (stick_save(plan, "bulkhead-report.txt", strbuf_blob(&text), &where, &err) < 0)
		error_print("report", &err);
	else
		printf("The report is in %s.\n", where);
}

static enum install_choice choose(const struct going_on *g, const struct step *step, int code, const struct error *failure)
{
	if (g->resumed && code == -EPERM && !strcmp(step->id, "encrypt") &&
	    dialogue_passphrase(g->session->front, g->session->answers))
		return INSTALL_RETRY;
	for (;;) {
		switch (dialogue_failure(g->session->front, step->id, failure, plan_can_undo(g->plan))) {
		case RESCUE_RETRY:
			return INSTALL_RETRY;
		case RESCUE_LOGS:
			save_logs(g, step, failure);
			break;
		case RESCUE_UNDO:
			return INSTALL_UNDO;
		case RESCUE_LEAVE:
			return INSTALL_LEAVE;
		}
	}
}

static enum install_choice on_failure(void *data, const struct step *step, int code, const struct error *failure)
{
	struct going_on *g = data;
	enum install_choice choice;

	g->session->front->resume();
	choice = choose(g, step, code, failure);
	g->session->front->pause();
	return choice;
}

int session_run(struct session *s, struct plan *plan, struct error *err)
{
	_cleanup_record_ struct record record = {0};
	struct going_on g = {s, plan, false};
	struct install_options options = {.data = &g, .skipped = &s->skipped, .failed = s->answers->unattended ? NULL : on_failure};
	int r;

	session_look(s->facts);
	r = make_plan(s, &record, plan, err);
	if (r < 0)
		return r;
	g.resumed = record.steps.n > 0;
	if (g.resumed) {
		options.earlier = &record;
		printf("Going on behind the step '%s'.\n", record.steps.v[record.steps.n - 1]);
		event_emit("install.resumed", "after", record.steps.v[record.steps.n - 1], NULL);
	}
	if (options.failed)
		s->front->pause();
	if (install_run(plan, &options, err) < 0)
		return 1;
	if (plan->answers->report_stick)
		save_report(plan, &s->skipped);
	return 0;
}
