#include "qa/direct.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

/*
 * dom0 must hold the live root in memory, and leave the rest to qubes. The ring is large enough for what debug keys print
 * of a machine with qubes.
 */
#define XEN_OPTIONS "console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning conring_size=1M dom0_mem=3G,max:3G"
/* QEMU ends a module at a comma; a doubled one is a comma. */
#define LINUX_OPTIONS "console=hvc0 quiet bulkhead.live=LABEL=BULKHEAD bulkhead.rescue lsm=landlock,,lockdown,,yama systemd.gpt_auto=0"

enum { HASH_MAX = 200 };

static int read_word(struct arena *a, const char *path, const char **word, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = read_file(AT_FDCWD, path, HASH_MAX, &text);
	struct blob b = blob_trim(strbuf_blob(&text));

	if (r < 0)
		return error_errno(err, r, path, "build it with bulkhead build; cannot read");
	*word = arena_strndup(a, b.p, b.n);
	return 0;
}

static int unpack_xen(const char *from, const char *to, struct error *err)
{
	_cleanup_close_ int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	const struct process gzip = {.argv = (const char *const[]){"gzip", "-dc", from, NULL}, .null_stdin = 1, .stdout_fd = fd};
	int r;

	if (fd < 0)
		return error_errno(err, -errno, to, "cannot write");
	r = process_run(&gzip);
	return r ? error_set(err, -EIO, from, NULL, "gzip cannot unpack it (%d)", r) : 0;
}

static int make_volume(struct arena *a, const char *dom0, const char *volume, struct error *err)
{
	const char *const argv[] = {"xorriso", "-report_about", "FAILURE", "-outdev", volume, "-volid", "BULKHEAD",
				    "-map", arena_printf(a, "%s/root.erofs", dom0), "/live/dom0.erofs",
				    "-map", arena_printf(a, "%s/root.verity", dom0), "/live/dom0.verity", NULL};

	return process_check(argv, err);
}

static int link_file(struct arena *a, const char *from, const char *name, const char *folder, const char *to,
		     struct error *err)
{
	const char *target = arena_printf(a, "%s/%s", from, name), *path = arena_printf(a, "%s/%s", folder, to);
	int r = access(target, R_OK) ? -errno : mkdir_p(AT_FDCWD, folder, 0755);

	if (r == 0 && symlink(target, path))
		r = -errno;
	return r < 0 ? error_errno(err, r, target, "cannot be used") : 0;
}

/* An image folder is a template when it has a root for qubes, a guest kernel when it has modules; others pass. */
static int link_image(struct arena *a, const char *dir, const char *name, const char *tree, struct error *err)
{
	const char *version = NULL, *folder;
	int r;

	if (access(arena_printf(a, "%s/root.img", dir), R_OK) == 0)
		return link_file(a, dir, "root.img", arena_printf(a, "%s/vm-templates/%s", tree, name), "root.img", err);
	if (access(arena_printf(a, "%s/modules.erofs", dir), R_OK))
		return 0;
	r = read_word(a, arena_printf(a, "%s/initramfs.version", dir), &version, err);
	if (r < 0)
		return r;
	folder = arena_printf(a, "%s/vm-kernels/%s", tree, version);
	if ((r = link_file(a, dir, "vmlinuz", folder, "vmlinuz", err)) < 0 ||
	    (r = link_file(a, dir, "initramfs", folder, "initramfs", err)) < 0)
		return r;
	return link_file(a, dir, "modules.erofs", folder, "modules.img", err);
}

/* Holes of the templates stay holes: only what is in them passes through the emulated disk. */
static int make_archive(struct arena *a, const char *images, const char *setup, const char *scratch, const char *archive,
			struct error *err)
{
	const char *tree = arena_printf(a, "%s/images", scratch);
	_cleanup_closedir_ DIR *dir = opendir(images);
	struct dirent *e;
	int r = dir ? remove_tree(AT_FDCWD, tree) : -errno;

	if (r == 0)
		r = mkdir_p(AT_FDCWD, tree, 0755);
	if (r == 0 && setup && symlink(setup, arena_printf(a, "%s/setup", tree)))
		r = -errno;
	if (r < 0)
		return error_errno(err, r, images, "cannot be listed");
	while (r == 0 && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			r = link_image(a, arena_printf(a, "%s/%s", images, e->d_name), e->d_name, tree, err);
	if (r < 0)
		return r;
	return process_check((const char *const[]){"tar", "-chSf", archive, "--owner=0", "--group=0", "-C", tree, ".", NULL}, err);
}

int direct_prepare(struct arena *a, const char *images, const char *setup, const char *scratch,
		   struct machine_boot *boot, struct error *err)
{
	const char *dom0 = arena_printf(a, "%s/dom0", images), *hash = NULL;
	int r = read_word(a, arena_printf(a, "%s/root.roothash", dom0), &hash, err);

	boot->kernel = arena_printf(a, "%s/xen", scratch);
	boot->medium = arena_printf(a, "%s/medium.iso", scratch);
	boot->images = arena_printf(a, "%s/images.tar", scratch);
	boot->append = XEN_OPTIONS;
	boot->initrd = arena_printf(a, "%s/vmlinuz " LINUX_OPTIONS " bulkhead.roothash=%s,%s/initramfs.img", dom0, hash, dom0);
	if (r == 0)
		r = unpack_xen(arena_printf(a, "%s/xen.gz", dom0), boot->kernel, err);
	/* A later boot of the same run finds them. */
	if (r == 0 && access(boot->medium, R_OK))
		r = make_volume(a, dom0, boot->medium, err);
	if (r == 0 && access(boot->images, R_OK))
		r = make_archive(a, images, setup, scratch, boot->images, err);
	return r;
}
