#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/sys/cpio.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"
#include "installer/copy.h"
#include "installer/run.h"

enum { KEYMAP_MAX = 1 << 20 };

/* As the step that configures the machine wrote it; none when the layout is the kernel's own. */
static int read_keymap(const struct install *in, struct strbuf *out, struct error *err)
{
	_cleanup_free_ char *path = install_path(in, "etc/bulkhead/keymap");
	int r = read_file(AT_FDCWD, path, KEYMAP_MAX, out);

	return r < 0 && r != -ENOENT ? error_errno(err, r, path, "cannot read") : 0;
}

/*
 * What is this machine's own in the initramfs: a second cpio archive behind the generic one. The kernel unpacks one
 * after the other and skips zeros between them; an archive must start at a multiple of four.
 */
static int append_archive(const struct install *in, struct error *err)
{
	_cleanup_free_ char *path = install_path(in, "boot/initramfs.img");
	_cleanup_free_ char *crypttab = xasprintf("luks-%s UUID=%s none luks,discard\n", in->uuid.luks, in->uuid.luks);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	_cleanup_cpio_ struct cpio *archive = cpio_new(0);
	_cleanup_strbuf_ struct strbuf keymap = {0};
	struct stat st;
	int r = read_keymap(in, &keymap, err);

	if (r < 0)
		return r;
	cpio_add_file(archive, "etc/crypttab", 0600, crypttab, strlen(crypttab));
	if (keymap.n)
		cpio_add_file(archive, "etc/bulkhead/keymap", 0644, keymap.p, keymap.n);
	if (fd < 0 || fstat(fd, &st) || ftruncate(fd, (st.st_size + 511) / 512 * 512) || lseek(fd, 0, SEEK_END) < 0)
		r = -errno;
	if (r == 0)
		r = cpio_write(archive, fd);
	if (r == 0 && fsync(fd))
		r = -errno;
	return r < 0 ? error_errno(err, r, path, "cannot append to it") : 0;
}

/* What /boot gets, and where from: what packages bring from the verified root, by their names there. */
static const struct {
	const char *name, *pattern; /* no pattern: from the medium */
} boot_files[] = {{"xen.gz", "xen-*.gz"}, {"vmlinuz", "vmlinuz-*"}, {"initramfs.img", NULL}};

enum { BOOT_FILES = sizeof(boot_files) / sizeof(*boot_files) };

/* Where it lies, allocated, and its size. */
static int find_file(const struct plan_places *places, size_t i, char **path, uint64_t *size, struct error *err)
{
	const char *pattern = boot_files[i].pattern;
	_cleanup_free_ char *full = xasprintf("%s/boot/%s", pattern ? places->source : places->medium,
					      pattern ? pattern : boot_files[i].name);
	_cleanup_(globfree) glob_t found = {0};
	struct stat st;

	if (glob(full, 0, NULL, &found) || found.gl_pathc != 1)
		return error_set(err, -ENOENT, full, "write the stick again",
				 found.gl_pathc ? "more than one is there" : "missing on the medium");
	if (stat(found.gl_pathv[0], &st))
		return error_errno(err, -errno, full, "cannot read");
	*path = xstrdup(found.gl_pathv[0]);
	*size = (uint64_t)st.st_size;
	return 0;
}

/* The digest of what does not come from the verified root, or NULL. */
static const char *digest_of(const struct plan_places *places, size_t i)
{
	return boot_files[i].pattern ? NULL : places->initramfs;
}

static int check_digest(const char *path, const char *want, struct error *err)
{
	char is[SHA256_HEX];
	int r = sha256_file(AT_FDCWD, path, is, NULL);

	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	return strcmp(is, want) ? error_set(err, -EBADMSG, path, "write the stick again; nothing was written",
					    "is not what the boot menu was made with") :
				  0;
}

int boot_files_check(const struct plan *plan, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < BOOT_FILES; i++) {
		const char *want = digest_of(&plan->places, i);
		_cleanup_free_ char *path = NULL;
		uint64_t size;

		r = find_file(&plan->places, i, &path, &size, err);
		if (r == 0 && want)
			r = check_digest(path, want, err);
	}
	return r;
}

static int measure(const struct plan *plan, uint64_t *total, struct error *err)
{
	*total = 0;
	for (size_t i = 0; i < BOOT_FILES; i++) {
		_cleanup_free_ char *path = NULL;
		uint64_t size;
		int r = find_file(&plan->places, i, &path, &size, err);

		if (r < 0)
			return r;
		*total += size;
	}
	return 0;
}

int step_boot_files(struct install *in, struct error *err)
{
	const struct copy_watch watch = {.add = install_count, .data = in};
	uint64_t total;
	int r = measure(in->plan, &total, err);

	if (r < 0)
		return r;
	install_progress_total(in, total);
	for (size_t i = 0; i < BOOT_FILES; i++) {
		_cleanup_free_ char *from = NULL;
		_cleanup_free_ char *name = xasprintf("boot/%s", boot_files[i].name);
		_cleanup_free_ char *to = install_path(in, name);
		uint64_t size;

		if ((r = find_file(&in->plan->places, i, &from, &size, err)) < 0 ||
		    (r = copy_file(from, to, digest_of(&in->plan->places, i), &watch, err)) < 0)
			return r;
	}
	return in->plan->answers->plain ? 0 : append_archive(in, err);
}
