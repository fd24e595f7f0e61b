/* Promises: what is noted of an installation is read again after a cut; steps that were finished are not done again. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/journal.h"
#include "common/tests/test.h"
#include "installer/questions/questions.h"
#include "installer/run.h"

static char trace[64];

static int do_it(struct install *in, struct error *err)
{
	(void)err;
	strcat(trace, in->step->id);
	strcat(trace, in->again ? "'" : "");
	if (in->step->opens_record && !in->earlier)
		snprintf(in->uuid.boot, UUID_TEXT, "B-1");
	return 0;
}

static int stand_in(struct install *in, struct error *err)
{
	(void)err;
	strcat(trace, "(");
	strcat(trace, in->step->id);
	strcat(trace, strcmp(in->uuid.boot, "B-1") ? "?)" : ")");
	return 0;
}

static int fail_once(struct install *in, struct error *err)
{
	strcat(trace, in->again ? "x'" : "x");
	return in->again ? 0 : error_set(err, -EIO, "thing", NULL, "broke");
}

static struct step steps[] = {
	{.id = "a", .sentence = "A", .run = do_it, .again = stand_in},
	{.id = "m", .sentence = "M", .run = do_it, .again = stand_in, .opens_record = true, .writes = true},
	{.id = "c", .sentence = "C", .run = do_it},
	{.id = "x", .sentence = "X", .run = fail_once},
	{.id = "d", .sentence = "D", .run = do_it},
};

struct example {
	struct answers answers;
	struct facts facts;
	struct disk disk;
	struct plan plan;
};

static void make_example(struct example *e)
{
	char *why;

	*e = (struct example){.disk = {.name = "vda", .device = "/dev/vda", .serial = "S", .size = 1 << 30}};
	answers_new(&e->answers, "test");
	question_answer(&e->answers, question_find("user.name"), "alice", &why);
	question_answer(&e->answers, question_find("passphrase"), "correct horse", &why);
	e->plan = (struct plan){.facts = &e->facts, .answers = &e->answers, .disk = &e->disk, .steps = steps,
				.n_steps = sizeof(steps) / sizeof(*steps), .places = {.source = "/", .medium = "/", .target = test_dir()}};
	for (size_t i = 0; i < LAYOUT_PARTS; i++)
		e->plan.layout.parts[i] = (struct layout_part){.number = (unsigned)i + 1, .type = "t", .name = "n"};
	trace[0] = '\0';
}

static int load_record(const struct example *e, struct record *out)
{
	_cleanup_close_ int dir = open(e->plan.places.target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_strbuf_ struct strbuf log = {0};

	CHECK_INT(read_file(dir, RECORD_FILE, 1 << 20, &log), 0);
	CHECK(!memmem(log.p, log.n, "correct horse", 13));
	return record_parse(strbuf_blob(&log), out);
}

static enum install_choice leave(void *data, const struct step *step, int code, const struct error *err)
{
	CHECK_INT(code, -EIO);
	*(const char **)data = step->id;
	CHECK_STR(err->cause, "broke");
	return INSTALL_LEAVE;
}

static enum install_choice retry(void *data, const struct step *step, int code, const struct error *err)
{
	(void)code;
	(void)data;
	(void)step;
	(void)err;
	return INSTALL_RETRY;
}

TEST(record_and_resume)
{
	_cleanup_error_ struct error err = {0};
	_cleanup_record_ struct record record = {0};
	const char *failed = NULL;
	struct install_options options = {.failed = leave, .data = &failed};
	char fingerprint[SHA256_HEX];
	struct example e;

	make_example(&e);
	CHECK_INT(install_run(&e.plan, &options, &err), -EIO);
	CHECK_STR(trace, "amcx");
	CHECK_STR(failed, "x");
	CHECK_INT(load_record(&e, &record), 0);
	plan_fingerprint(&e.plan, fingerprint);
	CHECK_STR(record.fingerprint, fingerprint);
	CHECK_STR(record.uuid.boot, "B-1");
	CHECK_STR(record.uuid.luks, "");
	CHECK(strstr(record.answers.p, "name: \"alice\"\n") != NULL);
	CHECK(record.steps.n == 3 && record_has(&record, "a") && record_has(&record, "c") && !record_has(&record, "x"));
	CHECK(!record.complete && !record_has(NULL, "a"));

	trace[0] = '\0';
	options.earlier = &record;
	CHECK_INT(install_run(&e.plan, &options, &err), 0);
	CHECK_STR(trace, "(a)(m)x'd'");
	record_free(&record);
	CHECK_INT(load_record(&e, &record), 0);
	CHECK_INT(record.steps.n, 5);
	answers_free(&e.answers);
}

TEST(record_retry_of_a_step)
{
	_cleanup_error_ struct error err = {0};
	const struct install_options options = {.failed = retry};
	struct example e;

	make_example(&e);
	CHECK_INT(install_run(&e.plan, &options, &err), 0);
	CHECK_STR(trace, "amcxx'd");
	answers_free(&e.answers);
}

TEST(record_of_another_plan)
{
	char first[SHA256_HEX], second[SHA256_HEX];
	struct example e;
	char *why;

	make_example(&e);
	plan_fingerprint(&e.plan, first);
	/* How the disk is called and what happens afterwards does not matter; who the user is does. */
	e.disk.name = "vdb";
	question_answer(&e.answers, question_find("after"), "reboot", &why);
	plan_fingerprint(&e.plan, second);
	CHECK_STR(first, second);
	question_answer(&e.answers, question_find("user.name"), "bob", &why);
	plan_fingerprint(&e.plan, second);
	CHECK(strcmp(first, second) != 0);
	answers_free(&e.answers);
}

TEST(record_that_is_none)
{
	_cleanup_record_ struct record record = {0};

	CHECK_INT(record_parse(BLOB(""), &record), -EBADMSG);
	CHECK_INT(record_parse(BLOB("begin 1 0123\n"), &record), -EBADMSG);
	CHECK_INT(record_parse(BLOB("0123456789abcdef begin 1 x\n"), &record), -EBADMSG);
}

static struct disk disk_of_ours(struct partition parts[LAYOUT_PARTS])
{
	static const char *const names[LAYOUT_PARTS] = {"bh-bios", "BH-ESP", "bh-boot", "bh-luks"};

	for (unsigned i = 0; i < LAYOUT_PARTS; i++)
		parts[i] = (struct partition){.number = i + 1, .name = names[i],
					      .next = i + 1 < LAYOUT_PARTS ? &parts[i + 1] : NULL};
	return (struct disk){.name = "none", .device = "/dev/bulkhead-none", .partitions = parts};
}

/* Begun anew is what certainly was not finished: no file system that somebody made since. */
TEST(record_of_what_may_be_finished)
{
	struct partition parts[LAYOUT_PARTS], *boot = &parts[LAYOUT_BOOT];
	_cleanup_record_ struct record record = {0};
	const struct disk disk = disk_of_ours(parts);

	CHECK_INT(record_find(&disk, &record), -ENOENT);
	boot->type = "btrfs";
	CHECK_INT(record_find(&disk, &record), -ENXIO);
	boot->type = "ext4";
	CHECK_INT(record_find(&disk, &record), -ENXIO);
}

static void note(int dir, const char *const *lines, size_t n)
{
	int fd = journal_open(dir, "bulkhead/install.journal", NULL);

	for (size_t i = 0; i < n; i++)
		CHECK_INT(journal_append(fd, lines[i]), 0);
	close(fd);
}

/* After a cut between its first lines nothing is gone on with: what is missing in it would be taken for left to do. One that
 * is complete is told, so that the same answers do not install it again. */
TEST(record_that_was_being_begun)
{
	static const char *const lines[] = {
		"begin 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "uuid boot B-1",
		"answer user: {name: alice}", "step check", "step release", "step partition", "step mount", "complete"};
	const char *boot = test_dir();
	_cleanup_close_ int dir = open(boot, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_INT(mkdir_p(dir, "bulkhead", 0700), 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		_cleanup_record_ struct record record = {0};

		note(dir, &lines[i], 1);
		CHECK_INT(record_look(boot, &record), i < 6 ? -ENOENT : 0);
		CHECK_INT(record.complete, i == 7);
	}
}

/* A pipe in its place is not waited for, and a link is not followed. */
TEST(record_that_is_no_file)
{
	const char *boot = test_dir();
	_cleanup_close_ int dir = open(boot, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_record_ struct record record = {0};

	CHECK(!mkdirat(dir, "bulkhead", 0700) && !mkfifoat(dir, "bulkhead/install.journal", 0600));
	CHECK_INT(record_look(boot, &record), -ENOENT);
	CHECK(!unlinkat(dir, "bulkhead/install.journal", 0));
	CHECK(!symlinkat("/dev/tty", dir, "bulkhead/install.journal"));
	CHECK_INT(record_look(boot, &record), -ENOENT);
	CHECK(!write_file(dir, "vmlinuz", "", 0, 0644));
	CHECK_INT(record_look(boot, &record), -ENXIO);
}
