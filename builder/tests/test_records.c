/* Promise: what a build says of itself is complete, and an outsider can check it with sha256sum and a JSON reader. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/archive/tar_write.h"
#include "builder/build_info.h"
#include "builder/publish.h"
#include "builder/records.h"
#include "builder/tests/world.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strmap.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/tests/test.h"

/* A root.tar of one file. */
static void tar_of(struct strbuf *bytes)
{
	_cleanup_free_ char *path = xasprintf("%s/x.tar", test_dir());
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	struct tar_writer *w = tar_writer_new(fd);
	const struct tar_member m = {.name = "./k", .type = '0', .mode = 0644, .size = 3};

	CHECK_INT(tar_writer_member(w, &m), 0);
	CHECK_INT(tar_writer_data(w, "abc", 3), 0);
	CHECK_INT(tar_writer_end(w), 0);
	CHECK_INT(read_file(AT_FDCWD, path, 1 << 20, bytes), 0);
}

static bool open_built(struct world *w, const char *image)
{
	_cleanup_strbuf_ struct strbuf tar = {0};

	if (!world_open(w, image))
		return false;
	w->options.out = w->folder;
	tar_of(&tar);
	world_finish(w, w->image->base);
	world_finish_with(w, w->image->root, "root.tar", tar.p, tar.n);
	world_finish_with(w, w->image->outputs[1], "k", "abc", 3);
	return true;
}

static int write_records(struct world *w)
{
	_cleanup_error_ struct error err = {0};
	const struct records r = {
		.graph = w->graph, .image = w->image, .goals = w->image->outputs, .n_goals = 2};
	int code = records_write(&r, &err);

	if (code < 0)
		error_print("records", &err);
	return code;
}

static void read_record(const struct world *w, const char *name, struct strbuf *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s/%s", w->folder, w->image->definition->name, name);

	CHECK_INT(read_file(AT_FDCWD, path, 1 << 20, text), 0);
}

static void check_keys(struct blob text)
{
	_cleanup_strbuf_ struct strbuf body = {0};
	struct blob line, key = {0};
	size_t checked = 0;

	for (bool more = true; more;) {
		char hex[SHA256_HEX];

		more = blob_token(&text, '\n', &line);
		if (more && line.n && *line.p == '\t') {
			strbuf_printf(&body, "%.*s\n", (int)line.n - 1, line.p + 1);
			continue;
		}
		if (key.n) {
			sha256_hex(body.p, body.n, hex);
			CHECK(blob_eq_str(key, hex));
			checked++;
		}
		strbuf_reset(&body);
		key = blob_has_prefix(line, "step ") && line.n > 64 ? (struct blob){line.p + line.n - 64, 64}
								    : (struct blob){0};
	}
	CHECK_INT(checked, 3);
}

TEST(build_info_can_be_checked)
{
	struct world w;
	_cleanup_strbuf_ struct strbuf text = {0};

	world_new(&w);
	if (open_built(&w, "b")) {
		CHECK_INT(write_records(&w), 0);
		read_record(&w, "build-info", &text);
		check_keys(strbuf_blob(&text));
		CHECK(strstr(text.p, "result k ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"));
	}
	world_close(&w);
	world_end(&w);
}

/* The base came out as before, so that nothing after it was built again. */
TEST(build_info_tells_of_inputs_that_changed_nothing)
{
	struct world w;
	_cleanup_strbuf_ struct strbuf text = {0};

	world_new(&w);
	if (open_built(&w, "b")) {
		CHECK_INT(write_records(&w), 0);
		strbuf_add_str(&w.image->base->inputs, "further input\n");
		CHECK_INT(write_records(&w), 0);
		read_record(&w, "build-info", &text);
		CHECK(strstr(text.p, "\tfurther input\n"));
	}
	world_close(&w);
	world_end(&w);
}

TEST(manifest_is_of_the_root)
{
	struct world w;
	_cleanup_strbuf_ struct strbuf text = {0};

	world_new(&w);
	if (open_built(&w, "a")) {
		CHECK_INT(write_records(&w), 0);
		read_record(&w, "manifest", &text);
		CHECK_STR(text.p, "bulkhead-manifest 1\n"
				  "f 0644 0:0 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad /k\n");
	}
	world_close(&w);
	world_end(&w);
}

/* A medium m.iso of the image a, made of `bytes`, with its step as the goal. */
static bool open_medium(struct world *w, const char *bytes)
{
	world_image(w->folder, "tools-image", "1.0", "");
	world_write(w->folder, "iso/m.yaml", xstrdup("name: m\nfamily: iso\nimages: [a]\noutputs: {m.iso: {kind: iso}}\n"));
	if (!world_open(w, "m"))
		return false;
	w->options.out = w->folder;
	for (size_t i = 0; i < w->graph->n_steps; i++) {
		struct step *s = w->graph->steps[i];
		_cleanup_strbuf_ struct strbuf tar = {0};

		tar_of(&tar);
		if (s == w->image->outputs[0])
			world_finish_with(w, s, "m.iso", bytes, strlen(bytes));
		else if (s->kind == STEP_OUTPUT)
			world_finish_with(w, s, s->output->name, "abc", 3);
		else
			world_finish_with(w, s, "root.tar", tar.p, tar.n);
	}
	return true;
}

static int hand_out(struct world *w)
{
	_cleanup_error_ struct error err = {0};
	const struct records r = {
		.graph = w->graph, .image = w->image, .goals = w->image->outputs, .n_goals = 1, .medium = "m-1.iso"};
	int code = publish_medium(w->graph, w->image->outputs[0], "m.iso", &err);

	return code < 0 ? code : records_write(&r, &err);
}

TEST(a_medium_is_summed_as_it_was_built)
{
	struct world w;
	_cleanup_free_ char *iso = NULL, *sums = NULL;
	_cleanup_strbuf_ struct strbuf text = {0}, list = {0};
	struct stat st;

	world_new(&w);
	iso = xasprintf("%s/m-1.iso", w.folder);
	sums = xasprintf("%s/SHA256SUMS", w.folder);
	if (open_medium(&w, "abc")) {
		CHECK_INT(hand_out(&w), 0);
		CHECK_INT(read_file(AT_FDCWD, sums, 1 << 20, &list), 0);
		CHECK(strstr(list.p, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  m-1.iso\n"));
		/* Another size, another time: it is handed out anew. */
		world_write(w.folder, "m-1.iso", xstrdup("ab"));
		CHECK_INT(hand_out(&w), 0);
		world_write(w.folder, "m-1.iso", xstrdup("xyz"));
		CHECK(utimensat(AT_FDCWD, iso, (const struct timespec[2]){{1, 0}, {1, 0}}, 0) == 0);
		CHECK_INT(hand_out(&w), 0);
		CHECK_INT(read_file(AT_FDCWD, iso, 1 << 20, &text), 0);
		CHECK_STR(text.p, "abc");
		/* Nothing tells but its bytes. */
		CHECK(stat(iso, &st) == 0);
		world_write(w.folder, "m-1.iso", xstrdup("xyz"));
		CHECK(utimensat(AT_FDCWD, iso, (const struct timespec[2]){st.st_atim, st.st_mtim}, 0) == 0);
		CHECK_INT(hand_out(&w), -EBADMSG);
	}
	world_close(&w);
	world_end(&w);
}

/* Has the folder's lock, and leaves "done" in it just before it ends. */
static _Noreturn void hand_out_elsewhere(const char *folder, int ready)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = flock(fd, LOCK_EX);

	if (write(ready, "", 1) != 1 || r < 0)
		_exit(1);
	usleep(300 * 1000);
	world_write(folder, "done", xstrdup("x"));
	_exit(0);
}

TEST(two_builds_hand_out_one_after_the_other)
{
	_cleanup_free_ char *done = NULL;
	int fds[2];
	struct world w;
	pid_t pid;
	char c;

	world_new(&w);
	done = xasprintf("%s/done", w.folder);
	if (open_medium(&w, "abc") && CHECK_INT(pipe2(fds, O_CLOEXEC), 0)) {
		pid = fork();
		if (pid == 0)
			hand_out_elsewhere(w.folder, fds[1]);
		CHECK_INT(read(fds[0], &c, 1), 1);
		CHECK_INT(hand_out(&w), 0);
		CHECK_INT(access(done, F_OK), 0);
		CHECK_INT(process_wait(pid), 0);
		close(fds[0]);
		close(fds[1]);
	}
	world_close(&w);
	world_end(&w);
}

/* Every element has an identifier of its own, and every relation is between two that are there. */
static void check_spdx(const char *text)
{
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *o;
	_cleanup_strmap_ struct strmap ids = {0};
	size_t i;

	if (!CHECK(root))
		return;
	CHECK_STR(json_string_value(json_object_get(root, "spdxVersion")), "SPDX-2.3");
	strmap_put(&ids, "SPDXRef-DOCUMENT", root);
	json_array_foreach(json_object_get(root, "packages"), i, o)
		CHECK(!strmap_put(&ids, json_string_value(json_object_get(o, "SPDXID")), o));
	CHECK_INT(ids.n, 3);
	CHECK_INT(json_array_size(json_object_get(root, "relationships")), 2);
	json_array_foreach(json_object_get(root, "relationships"), i, o)
		CHECK(strmap_get(&ids, json_string_value(json_object_get(o, "spdxElementId"))) &&
		      strmap_get(&ids, json_string_value(json_object_get(o, "relatedSpdxElement"))));
	json_decref(root);
}

TEST(spdx_is_whole)
{
	struct world w;
	_cleanup_strbuf_ struct strbuf text = {0};

	world_new(&w);
	if (open_built(&w, "a")) {
		CHECK_INT(write_records(&w), 0);
		read_record(&w, "packages.spdx.json", &text);
		check_spdx(text.p);
	}
	world_close(&w);
	world_end(&w);
}

TEST(nothing_changed_nothing_written)
{
	struct world w;
	_cleanup_strbuf_ struct strbuf text = {0};

	world_new(&w);
	if (open_built(&w, "a")) {
		CHECK_INT(write_records(&w), 0);
		world_write(w.folder, "a/manifest", xstrdup("mine"));
		CHECK_INT(write_records(&w), 0);
		read_record(&w, "manifest", &text);
		CHECK_STR(text.p, "mine");
	}
	world_close(&w);
	world_end(&w);
}

TEST(differences_name_the_step)
{
	static const char before[] = "bulkhead-build-info 1\nimage a\nresult k 1\nstep a:base 0\n\tepoch 1\nstep a:x 0\n\ty 1\n",
			  now[] = "bulkhead-build-info 1\nimage a\nresult k 1\nstep a:base 1\n\tepoch 2\nstep a:z 0\n\ty 1\n";
	_cleanup_strv_ struct strv list = {0};

	build_info_differences(blob_of(before), blob_of(now), &list);
	if (CHECK_INT(list.n, 3)) {
		CHECK_STR(list.v[0], "a:base: epoch 1 -> 2");
		CHECK_STR(list.v[1], "step a:z is new");
		CHECK_STR(list.v[2], "step a:x is gone");
	}
}
