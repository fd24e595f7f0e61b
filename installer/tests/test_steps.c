/* Promises of single steps, done in folders. */
#include <fcntl.h>
#include <string.h>
#include <zstd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"
#include "common/tests/test.h"
#include "installer/manifest.h"
#include "installer/questions/questions.h"
#include "installer/report.h"
#include "installer/run.h"

static void put(int dir, const char *path, const char *text)
{
	mkdir_parents(dir, path, 0755);
	CHECK_INT(write_file(dir, path, text, strlen(text), 0644), 0);
}

static void check_text(int dir, const char *path, const char *want)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	if (CHECK_INT(read_file(dir, path, 4096, &text), 0))
		CHECK_STR(text.p, want);
}

/* A plan whose source, medium and target are folders of those names. */
struct example {
	int top;
	char *source, *medium, *target;
	struct answers answers;
	struct facts facts;
	struct plan plan;
};

static void make_example(struct example *e)
{
	const char *top = test_dir();

	*e = (struct example){.top = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			      .source = xasprintf("%s/source", top),
			      .medium = xasprintf("%s/medium", top),
			      .target = xasprintf("%s/target", top),
			      .answers = {.plain = true}};
	e->plan = (struct plan){.answers = &e->answers,
				.facts = &e->facts,
				.places = {.source = e->source, .medium = e->medium, .target = e->target}};
}

static void end_example(struct example *e)
{
	close(e->top);
	free(e->source);
	free(e->medium);
	free(e->target);
}

/* What comes from the medium has to be what the boot menu names, before anything is written and when it is copied. */
TEST(initramfs_of_the_boot_menu)
{
	_cleanup_(end_example) struct example e;
	_cleanup_error_ struct error err = {0};
	struct install in = {.plan = &e.plan};
	char hex[SHA256_HEX];

	make_example(&e);
	put(e.top, "source/boot/xen-4.20-amd64.gz", "xen");
	put(e.top, "source/boot/vmlinuz-6.12.1", "kernel");
	put(e.top, "medium/boot/initramfs.img", "initramfs");
	CHECK_INT(sha256_file(e.top, "medium/boot/initramfs.img", hex, NULL), 0);
	e.plan.places.initramfs = hex;
	CHECK_INT(boot_files_check(&e.plan, &err), 0);
	CHECK_INT(step_boot_files(&in, &err), 0);
	put(e.top, "medium/boot/initramfs.img", "altered");
	CHECK_INT(boot_files_check(&e.plan, &err), -EBADMSG);
	CHECK(err.object && strstr(err.object, "medium/boot/initramfs.img"));
	CHECK_INT(step_boot_files(&in, &err), -EBADMSG);
	CHECK_INT(faccessat(e.top, "target/boot/initramfs.img", F_OK, 0), -1);
}

/* What packages bring is taken from the verified root, whatever the medium has. */
TEST(boot_files_of_the_verified_root)
{
	_cleanup_(end_example) struct example e;
	_cleanup_error_ struct error err = {0};
	struct install in = {.plan = &e.plan};

	make_example(&e);
	put(e.top, "source/boot/xen-4.20-amd64.gz", "xen");
	put(e.top, "source/boot/vmlinuz-6.12.1", "kernel");
	put(e.top, "medium/boot/vmlinuz", "altered");
	put(e.top, "medium/boot/xen.gz", "altered");
	put(e.top, "medium/boot/initramfs.img", "initramfs");
	CHECK_INT(step_boot_files(&in, &err), 0);
	check_text(e.top, "target/boot/xen.gz", "xen");
	check_text(e.top, "target/boot/vmlinuz", "kernel");
	check_text(e.top, "target/boot/initramfs.img", "initramfs");
	/* Which of two would be meant is not guessed. */
	put(e.top, "source/boot/vmlinuz-6.12.2", "kernel");
	CHECK_INT(step_boot_files(&in, &err), -ENOENT);
	CHECK_STR(err.cause, "more than one is there");
}

static const char *const kernels[] = {"6.1", NULL};
static const char *const templates[] = {"deb", NULL};

/* Appends a line of the list of what lies on the medium. */
static void add_digest(struct strbuf *list, const char *name, struct blob content)
{
	char hex[SHA256_HEX];

	sha256_hex(content.p, content.n, hex);
	strbuf_printf(list, "%s  %s\n", hex, name);
}

/* A medium with one template and one kernel, and the root that knows them. */
static void make_medium(struct example *e, struct blob image)
{
	static const char *const names[] = {"guest-kernel/6.1/vmlinuz", "guest-kernel/6.1/initramfs",
					    "guest-kernel/6.1/modules.erofs"};
	_cleanup_strbuf_ struct strbuf list = {0};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		_cleanup_free_ char *path = xasprintf("medium/%s", names[i]);

		put(e->top, path, names[i]);
		add_digest(&list, names[i], blob_of(names[i]));
	}
	add_digest(&list, "templates/deb/root.img.zst", image);
	put(e->top, "source/" MEDIUM_DIGESTS, list.p);
	put(e->top, "medium/templates/deb/root.img.zst", "");
	write_file(e->top, "medium/templates/deb/root.img.zst", image.p, image.n, 0644);
	e->facts.guest_kernels = kernels;
	e->plan.templates = templates;
}

/* Whatever is missing or altered of the kernels, and whatever template is missing, is found before the disk is lost. */
TEST(images_are_checked)
{
	_cleanup_(end_example) struct example e;
	_cleanup_error_ struct error err = {0};

	make_example(&e);
	make_medium(&e, BLOB("image"));
	CHECK_INT(images_check(&e.plan, &err), 0);
	put(e.top, "medium/guest-kernel/6.1/modules.erofs", "altered");
	CHECK_INT(images_check(&e.plan, &err), -EBADMSG);
	CHECK(err.object && strstr(err.object, "modules.erofs"));
	CHECK(!unlinkat(e.top, "medium/guest-kernel/6.1/modules.erofs", 0));
	CHECK_INT(images_check(&e.plan, &err), -ENOENT);
	put(e.top, "medium/guest-kernel/6.1/modules.erofs", "guest-kernel/6.1/modules.erofs");
	CHECK_INT(images_check(&e.plan, &err), 0);
	CHECK(!unlinkat(e.top, "medium/templates/deb/root.img.zst", 0));
	CHECK_INT(images_check(&e.plan, &err), -ENOENT);
	CHECK(err.cause && strstr(err.cause, "missing on the medium"));
}

/* What the medium says of its own templates is not asked. */
TEST(templates_are_those_of_the_root)
{
	_cleanup_(end_example) struct example e;
	_cleanup_error_ struct error err = {0};
	struct install in = {.plan = &e.plan};
	_cleanup_strbuf_ struct strbuf forged = {0};
	char image[128], other[128];
	size_t n = ZSTD_compress(image, sizeof(image), "root", 4, 1), m = ZSTD_compress(other, sizeof(other), "evil", 4, 1);

	make_example(&e);
	make_medium(&e, (struct blob){image, n});
	CHECK_INT(step_templates(&in, &err), 0);
	check_text(e.top, "target/var/lib/qubes/vm-templates/deb/root.img", "root");
	CHECK(!write_file(e.top, "medium/templates/deb/root.img.zst", other, m, 0644));
	add_digest(&forged, "root.img.zst", (struct blob){other, m});
	put(e.top, "medium/templates/deb/manifest", forged.p);
	CHECK_INT(step_templates(&in, &err), -EBADMSG);
	CHECK(err.cause && strstr(err.cause, "but dom0 was built with"));
}

/* What is in the way of a folder is named. */
TEST(what_is_in_the_way_is_named)
{
	_cleanup_(end_example) struct example e;
	_cleanup_error_ struct error err = {0};
	struct install in = {.plan = &e.plan};

	make_example(&e);
	put(e.top, "source/file", "x");
	put(e.top, "target/var/lib", "a file");
	CHECK_INT(step_copy(&in, &err), -ENOTDIR);
	CHECK(err.object && strstr(err.object, "root.sha256"));
}

TEST(report_has_what_was_not_done)
{
	_cleanup_(end_example) struct example e;
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf text = {0};
	const struct disk disk = {.name = "vda", .device = "/dev/vda"};
	struct install in = {.plan = &e.plan};

	make_example(&e);
	e.plan.disk = &disk;
	e.plan.arena = arena_new();
	strv_push(&in.skipped, "boot-entry: efibootmgr: no room; start it by hand");
	CHECK_INT(step_report(&in, &err), 0);
	strv_free(&in.skipped);
	arena_free(e.plan.arena);
	CHECK_INT(read_file(e.top, "target/" REPORT_FOLDER "/report.txt", 1 << 16, &text), 0);
	CHECK(text.p && strstr(text.p, "\n== What was not done\nboot-entry: efibootmgr: no room; start it by hand\n"));
}

/* What is kept of a dialogue names the disk as it is called the next time, too. */
TEST(answers_of_a_dialogue_can_be_used_again)
{
	const struct disk disks[] = {{.name = "sda", .serial = "S1", .id = "naa.1"}, {.name = "sda", .id = "naa.1"}};

	for (size_t i = 0; i < 2; i++) {
		struct answers given;
		const struct plan plan = {.answers = &given, .disk = &disks[i]};
		_cleanup_answers_ struct answers again = {0};
		_cleanup_strbuf_ struct strbuf text = {0};
		char *why;

		answers_new(&given, "dialogue");
		given.disk = DISK_BY_NAME;
		given.disk_value = "sda";
		CHECK_INT(question_answer(&given, question_find("erase"), "sda", &why), 0);
		report_answers(&plan, &text);
		CHECK_INT(answers_load_text("again", strbuf_blob(&text), &again, NULL), 0);
		CHECK_INT(again.disk, i ? DISK_BY_ID : DISK_BY_SERIAL);
		CHECK_STR(again.disk_value, i ? "naa.1" : "S1");
		CHECK_STR(again.erase, again.disk_value);
		answers_free(&given);
	}
}
