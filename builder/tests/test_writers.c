/*
 * Promise: the writers of artefacts give the same bytes from the same root, bytes that the tools of the file system
 * accept and that hold what the root holds; and they name what is missing.
 *
 * They need a root of tools-image, named by BULKHEAD_TOOLS_ROOT: make check runs them once the images are built.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/archive/tar_write.h"
#include "builder/image/output.h"
#include "builder/sandbox.h"
#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"
#include "common/sys/process.h"
#include "common/tests/test.h"

static const uint64_t epoch = 1750000000;
static const char *root_dir, *root_tar;

static const char *tools(void)
{
	return getenv("BULKHEAD_TOOLS_ROOT");
}

static void put(int fd, const char *path, const char *text, mode_t mode)
{
	CHECK_INT(mkdir_parents(fd, path, 0755), 0);
	CHECK_INT(write_file(fd, path, text, strlen(text), mode), 0);
}

/* A root with what writers look at, made once. */
static void make_root(void)
{
	static const char m[] = "usr/lib/modules/6.1/";
	int fd _cleanup_close_ = -1, tar _cleanup_close_ = -1;
	struct strbuf big _cleanup_strbuf_ = {0};
	struct error err _cleanup_error_ = {0};

	if (root_dir)
		return;
	root_dir = test_dir();
	root_tar = xasprintf("%s/root.tar", test_dir());
	fd = open(root_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 50000; i++)
		strbuf_printf(&big, "line %d\n", i);
	put(fd, "etc/big", big.p, 0644);
	put(fd, "boot/vmlinuz-6.1", "kernel", 0644);
	put(fd, "usr/bin/tool", "program", 04755);
	CHECK_INT(symlinkat("bin/tool", fd, "usr/link"), 0);
	CHECK_INT(linkat(fd, "usr/bin/tool", fd, "usr/bin/same", 0), 0);
	put(fd, "usr/lib/init", "init!", 0755);
	for (const char *const *f = (const char *const[]){"a", "b_c", "d", "e_generic", NULL}; *f; f++) {
		char *name _cleanup_free_ = xasprintf("%skernel/%s.ko", m, *f);

		put(fd, name, *f, 0644);
	}
	put(fd, "usr/lib/modules/6.1/modules.dep",
	    "kernel/a.ko: kernel/b_c.ko kernel/d.ko\nkernel/b_c.ko: kernel/d.ko\nkernel/d.ko:\nkernel/e_generic.ko:\n",
	    0644);
	put(fd, "usr/lib/modules/6.1/modules.builtin", "kernel/fs/in-kernel.ko\n", 0644);
	put(fd, "usr/lib/modules/6.1/modules.softdep", "# x\nsoftdep b_c pre: crypto-e post: a\n", 0644);
	tar = open(root_tar, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CHECK_INT(tar_write_tree(fd, tar, epoch, &err), 0);
}

/* Runs the writer of o->kind into a new folder, whose path is returned; -errno goes to *r. */
static char *write_output(const struct definition_output *o, int *r, struct error *err)
{
	static const struct definition definition = {.name = "test"};
	struct output_job job = {
		.definition = &definition,
		.output = o,
		.version = "1",
		.tools_root = tools(),
		.epoch = epoch,
		.out_dir = test_dir(),
		.tmp_dir = test_dir(),
	};

	make_root();
	job.root_dir = root_dir;
	job.root_tar = root_tar;
	*r = output_class(o->kind)->write(&job, err);
	return xstrdup(job.out_dir);
}

/* The digests of all files of two runs are the same. Returns the folder of the first. */
static char *write_twice(const struct definition_output *o)
{
	struct arena *a _cleanup_arena_ = arena_new();
	struct error err _cleanup_error_ = {0};
	const char *names[OUTPUT_FILES_MAX + 1];
	int r, again;
	char *one = write_output(o, &r, &err), *two _cleanup_free_ = write_output(o, &again, &err);

	CHECK_INT(r, 0);
	CHECK_INT(again, 0);
	CHECK_STR(err.cause, NULL);
	output_files(a, o, names);
	for (size_t i = 0; names[i]; i++) {
		char first[SHA256_HEX] = "1", second[SHA256_HEX] = "2";

		CHECK_INT(sha256_file(AT_FDCWD, arena_printf(a, "%s/%s", one, names[i]), first, NULL), 0);
		CHECK_INT(sha256_file(AT_FDCWD, arena_printf(a, "%s/%s", two, names[i]), second, NULL), 0);
		CHECK_STR(first, second);
	}
	return one;
}

/* What a shell command prints in the tools image, with `dir` as /run/out. */
static void expect(const char *dir, const char *command, const char *want)
{
	const char *const argv[] = {"sh", "-c", command, NULL};
	struct sandbox_bind bind = {.source = dir, .target = "/run/out", .writable = true};
	struct sandbox sb = {.root = tools(), .argv = argv, .binds = &bind, .n_binds = 1, .epoch = epoch};
	struct strbuf log _cleanup_strbuf_ = {0};
	struct error err _cleanup_error_ = {0};

	CHECK_INT(sandbox_check(&sb, "sh", &log, 1 << 20, &err), 0);
	CHECK_STR(err.cause, NULL);
	CHECK_STR(strbuf_blob(&log).p, want);
}

static const char *const none[] = {NULL};

TEST(erofs_holds_the_root)
{
	struct definition_output o = {.name = "root.erofs", .kind = OUTPUT_EROFS, .verity = true};
	char *dir _cleanup_free_ = NULL;

	if (!CHECK(tools() != NULL))
		return;
	dir = write_twice(&o);
	expect(dir,
	       "fsck.erofs --extract=/tmp/x /run/out/root.erofs >/dev/null && cd /tmp/x && find . | sort && "
	       "cat usr/bin/same usr/link usr/lib/init && echo && tail -1 etc/big && stat -c '%a %Y' usr/bin/tool && "
	       "veritysetup verify /run/out/root.erofs /run/out/root.verity $(cat /run/out/root.roothash)",
	       ".\n./boot\n./boot/vmlinuz-6.1\n./etc\n./etc/big\n./usr\n./usr/bin\n./usr/bin/same\n./usr/bin/tool\n"
	       "./usr/lib\n./usr/lib/init\n./usr/lib/modules\n./usr/lib/modules/6.1\n./usr/lib/modules/6.1/kernel\n"
	       "./usr/lib/modules/6.1/kernel/a.ko\n./usr/lib/modules/6.1/kernel/b_c.ko\n"
	       "./usr/lib/modules/6.1/kernel/d.ko\n./usr/lib/modules/6.1/kernel/e_generic.ko\n"
	       "./usr/lib/modules/6.1/modules.builtin\n./usr/lib/modules/6.1/modules.dep\n"
	       "./usr/lib/modules/6.1/modules.softdep\n./usr/link\n"
	       "programprograminit!\nline 49999\n4755 1750000000\n");
}

TEST(erofs_of_a_folder)
{
	struct definition_output o = {.name = "m.erofs", .kind = OUTPUT_EROFS, .path = "/usr/bin"};
	struct error err _cleanup_error_ = {0};
	char *dir _cleanup_free_ = NULL, *missing _cleanup_free_ = NULL;
	int r;

	if (!CHECK(tools() != NULL))
		return;
	dir = write_twice(&o);
	expect(dir, "fsck.erofs --extract=/tmp/x /run/out/m.erofs >/dev/null && cd /tmp/x && find . | sort && stat -c %h same",
	       ".\n./same\n./tool\n2\n");
	o.path = "/usr/nowhere";
	missing = write_output(&o, &r, &err);
	CHECK_INT(r, -ENOENT);
	CHECK_STR(err.object, "/usr/nowhere");
}

TEST(template_disk_holds_the_root)
{
	struct definition_output o = {.name = "root.img", .kind = OUTPUT_TEMPLATE_DISK, .size = 256 << 20};
	char *dir _cleanup_free_ = NULL;

	if (!CHECK(tools() != NULL))
		return;
	dir = write_twice(&o);
	expect(dir,
	       "cd /run/out && sha256sum --quiet -c root.img.manifest && sfdisk -V root.img | sed -n 2p && "
	       "zstd -dqc root.img.zst | cmp - root.img && sfdisk -l -o Name root.img | tail -1 && "
	       "dd if=root.img of=part bs=1M skip=1 count=254 status=none conv=sparse && e2fsck -fn part 2>&1 | tail -1 | cut -d, -f1 && "
	       "debugfs -R 'cat /usr/link' part 2>/dev/null; debugfs -R 'stat /usr/bin/same' part 2>/dev/null | grep -o 'Links: 2'; "
	       "dumpe2fs -h part 2>/dev/null | grep created; rm part",
	       "No errors detected.\nRoot filesystem\npart: 31/16256 files (0.0% non-contiguous)\nLinks: 2\n"
	       "Filesystem created:       Sun Jun 15 15:06:40 2025\n");
}

TEST(file_matches_once)
{
	struct definition_output o = {.name = "vmlinuz", .kind = OUTPUT_FILE, .path = "/boot/vmlinuz-*"};
	struct error err _cleanup_error_ = {0};
	char *dir _cleanup_free_ = write_twice(&o), *bad _cleanup_free_ = NULL, *worse _cleanup_free_ = NULL;
	char *path _cleanup_free_ = xasprintf("%s/vmlinuz", dir);
	struct strbuf text _cleanup_strbuf_ = {0};
	int r;

	CHECK_INT(read_file(AT_FDCWD, path, 100, &text), 0);
	CHECK_STR(text.p, "kernel");
	o.path = "/boot/xen*";
	bad = write_output(&o, &r, &err);
	CHECK_INT(r, -ENOENT);
	CHECK_STR(err.object, "/boot/xen*");
	o.path = "/usr/lib/modules/*/modules.*";
	worse = write_output(&o, &r, &err);
	CHECK_INT(r, -EINVAL);
	CHECK_STR(err.cause, "matches /usr/lib/modules/6.1/modules.builtin and /usr/lib/modules/6.1/modules.dep");
}

TEST(guest_initramfs_orders_modules)
{
	static const char *const wanted[] = {"b-c", "in-kernel", "a", NULL}, *const absent[] = {"zz", NULL};
	struct definition_output o = {
		.name = "initramfs", .kind = OUTPUT_GUEST_INITRAMFS, .init = "/usr/lib/init", .modules = wanted, .args = none};
	struct error err _cleanup_error_ = {0};
	char *dir _cleanup_free_ = write_twice(&o), *bad _cleanup_free_ = NULL, *worse _cleanup_free_ = NULL;
	char *command _cleanup_free_ = xasprintf("cd %s && cpio -idmu --quiet <initramfs && cat modules/order init && "
						 "echo && cat modules/*.ko && ls -l dev/console | cut -c1-10",
						 dir);
	const char *const argv[] = {"sh", "-c", command, NULL};
	struct strbuf text _cleanup_strbuf_ = {0};
	int r;

	CHECK_INT(process_capture(argv, 10000, &text), 0);
	CHECK_STR(text.p, "00-d.ko\n01-e_generic.ko\n02-b_c.ko\n03-a.ko\ninit!\nde_genericb_cacrw-------\n");
	o.modules = absent;
	bad = write_output(&o, &r, &err);
	CHECK_INT(r, -ENOENT);
	CHECK_STR(err.object, "zz");
	o.modules = wanted;
	o.init = "/usr/lib/absent";
	worse = write_output(&o, &r, &err);
	CHECK_INT(r, -ENOENT);
	CHECK_STR(err.object, "/usr/lib/absent");
}

static char *write_iso(const char *menu, struct definition *d, int *r, struct error *err)
{
	static struct definition_file files[] = {{"/live/dom0.erofs", "dom0/root.erofs"},
						 {"/kernel/@dom0/k.version@/vmlinuz", "dom0/vmlinuz"}};
	static const struct definition_output o = {.name = "x.iso", .kind = OUTPUT_ISO, .menu = "grub.cfg"};
	char *hash _cleanup_free_ = xasprintf("%s/hash", test_dir());
	char *version _cleanup_free_ = xasprintf("%s/version", test_dir());
	struct output_input inputs[] = {{"dom0/root.erofs", root_tar},
					{"dom0/vmlinuz", root_tar},
					{"dom0/root.roothash", hash},
					{"dom0/k.version", version}};
	struct output_job job = {.definition = d, .output = &o, .version = "7", .tools_root = tools(), .epoch = epoch,
				 .inputs = inputs, .n_inputs = 4, .out_dir = test_dir(), .tmp_dir = test_dir()};
	char *path _cleanup_free_ = NULL;

	d->name = d->path = "iso";
	d->folder = test_dir();
	d->files = files;
	d->n_files = 2;
	path = xasprintf("%s/grub.cfg", d->folder);
	CHECK_INT(write_file(AT_FDCWD, path, menu, strlen(menu), 0644), 0);
	CHECK_INT(write_file(AT_FDCWD, inputs[2].path, "abc\n", 4, 0644), 0);
	CHECK_INT(write_file(AT_FDCWD, inputs[3].path, "6.1\n", 4, 0644), 0);
	*r = output_iso_write(&job, err);
	return xstrdup(job.out_dir);
}

TEST(iso_boots_both_ways)
{
	static const char menu[] = "set a=@ROOTHASH@ v@VERSION@ mail@x @SHA256/dom0/k.version@\n";
	struct error err _cleanup_error_ = {0};
	struct definition d = {0};
	char first[SHA256_HEX] = "1", second[SHA256_HEX] = "2";
	int r;

	if (!CHECK(tools() != NULL))
		return;
	make_root();

	char *one _cleanup_free_ = write_iso(menu, &d, &r, &err);
	CHECK_INT(r, 0);
	CHECK_STR(err.cause, NULL);
	/* FAT's times have a step of two seconds. */
	sleep(3);
	char *two _cleanup_free_ = write_iso(menu, &d, &r, &err);
	char *a _cleanup_free_ = xasprintf("%s/x.iso", one), *b _cleanup_free_ = xasprintf("%s/x.iso", two);

	CHECK_INT(sha256_file(AT_FDCWD, a, first, NULL), 0);
	CHECK_INT(sha256_file(AT_FDCWD, b, second, NULL), 0);
	CHECK_STR(first, second);
	expect(one,
	       "cd /run/out && sfdisk -V x.iso | sed -n 2p; sfdisk -lqo Type x.iso | sed 1d | sort -u; "
	       "xorriso -indev x.iso -report_el_torito plain 2>/dev/null | grep 'boot img' | cut -c1-50; "
	       "xorriso -osirrox on -indev x.iso -extract /boot/grub/grub.cfg /tmp/c 2>/dev/null; cat /tmp/c; "
	       "xorriso -indev x.iso -lsl /kernel/6.1 2>/dev/null | tr -s ' ' | sed 1d | cut -d' ' -f1-4,6-; "
	       "esp=$(sfdisk -d x.iso | sed -n 's/.*start= *\\([0-9]*\\),.*type=C12A7328.*/\\1/p') && "
	       "dd if=x.iso bs=512 status=none skip=$esp count=16384 of=/tmp/esp && mdir -b -/ -i /tmp/esp :: && "
	       "fsck.vfat -n /tmp/esp | tail -1 | cut -d, -f1",
	       "No errors detected.\nEFI System\nMicrosoft basic data\n"
	       "El Torito boot img :   1  BIOS  y   none  0x0000  \nEl Torito boot img :   2  UEFI  y   none  0x0000  \n"
	       "set a=abc v7 mail@x "
	       "7fcc01bf57af3a1ba80b4d9a145f70989e6803500559cafd83fc67cd503f004d\n-r--r--r-- 1 0 0 Jun 15 2025 'vmlinuz'\n"
	       "::/EFI/\n::/EFI/BOOT/\n::/EFI/BOOT/BOOTX64.EFI\n/tmp/esp: 4 files\n");
}

TEST(iso_names_what_is_missing)
{
	struct error err _cleanup_error_ = {0};
	struct definition d = {0};
	char *dir _cleanup_free_ = NULL;
	int r;

	make_root();
	dir = write_iso("@dom0/nothing@\n", &d, &r, &err);
	CHECK_INT(r, -EINVAL);
	CHECK_STR(err.cause, "@dom0/nothing@ stands for nothing");
}
