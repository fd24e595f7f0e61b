/* Promises of single steps, done in folders. */
#include <fcntl.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/tests/test.h"
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
	e->plan = (struct plan){.answers = &e->answers, .facts = &e->facts, .places = {e->source, e->medium, e->target}};
}

static void end_example(struct example *e)
{
	close(e->top);
	free(e->source);
	free(e->medium);
	free(e->target);
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
