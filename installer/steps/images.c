/* Templates and guest kernels: from the medium into the qubes' pool. */
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "installer/manifest.h"
#include "installer/run.h"
#include "installer/unpack.h"

static void count(void *data, uint64_t bytes)
{
	install_progress_add(data, bytes);
}

static char *medium_path(const struct install *in, const char *folder, const char *name, const char *file)
{
	return xasprintf("%s/%s/%s/%s", in->plan->places.medium, folder, name, file);
}

static int total_size(struct install *in, const char *folder, const char *const *names, const char *const *files,
		      struct error *err)
{
	uint64_t total = 0;

	for (; names && *names; names++)
		for (const char *const *f = files; *f; f++) {
			_cleanup_free_ char *path = medium_path(in, folder, *names, *f);
			struct stat st;

			if (stat(path, &st))
				return error_errno(err, -errno, path, "cannot read");
			total += (uint64_t)st.st_size;
		}
	install_progress_total(in, total);
	return 0;
}

int step_templates(struct install *in, struct error *err)
{
	static const char *const files[] = {"root.img.zst", NULL};
	const struct copy_watch watch = {.add = count, .data = in};
	int r = total_size(in, "templates", in->plan->templates, files, err);

	for (const char *const *t = in->plan->templates; r == 0 && t && *t; t++) {
		_cleanup_free_ char *list = medium_path(in, "templates", *t, "manifest");
		_cleanup_manifest_ struct manifest manifest = {0};
		_cleanup_free_ char *from = medium_path(in, "templates", *t, files[0]);
		_cleanup_free_ char *below = xasprintf("var/lib/qubes/vm-templates/%s/root.img", *t);
		_cleanup_free_ char *to = install_path(in, below);
		char digest[SHA256_HEX];

		/* It gets this name when it is whole and on the disk. */
		if (in->again && !access(to, F_OK))
			continue;
		r = manifest_load(list, &manifest, err);
		if (r == 0)
			r = manifest_digest(&manifest, files[0], digest, err);
		if (r == 0)
			r = unpack_zstd(from, to, digest, &watch, err);
	}
	return r;
}

int step_guest_kernels(struct install *in, struct error *err)
{
	/* The name on the medium, and the one Qubes' tools know it by. */
	static const char *const from_names[] = {"vmlinuz", "initramfs", "modules.erofs", NULL};
	static const char *const to_names[] = {"vmlinuz", "initramfs", "modules.img", NULL};
	const struct copy_watch watch = {.add = count, .data = in};
	_cleanup_manifest_ struct manifest digests = {0};
	int r = total_size(in, "guest-kernel", in->plan->facts->guest_kernels, from_names, err);

	if (r == 0 && in->plan->facts->guest_kernels)
		r = manifest_load_medium(in->plan->places.source, &digests, err);
	for (const char *const *k = in->plan->facts->guest_kernels; r == 0 && k && *k; k++)
		for (size_t i = 0; r == 0 && from_names[i]; i++) {
			_cleanup_free_ char *name = xasprintf("guest-kernel/%s/%s", *k, from_names[i]);
			_cleanup_free_ char *from = xasprintf("%s/%s", in->plan->places.medium, name);
			_cleanup_free_ char *below =
				xasprintf("var/lib/qubes/vm-kernels/%s/%s", *k, to_names[i]);
			_cleanup_free_ char *to = install_path(in, below);
			char digest[SHA256_HEX];

			r = manifest_digest(&digests, name, digest, err);
			if (r == 0)
				r = copy_file(from, to, digest, &watch, err);
		}
	return r;
}
