/* Templates and guest kernels: from the medium into the qubes' pool. */
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "installer/manifest.h"
#include "installer/run.h"
#include "installer/unpack.h"

static int total_size(struct install *in, const char *folder, const char *const *names, const char *const *files,
		      struct error *err)
{
	uint64_t total = 0;

	for (; names && *names; names++)
		for (const char *const *f = files; *f; f++) {
			_cleanup_free_ char *path =
				xasprintf("%s/%s/%s/%s", in->plan->places.medium, folder, *names, *f);
			struct stat st;

			if (stat(path, &st))
				return error_errno(err, -errno, path, "cannot read");
			total += (uint64_t)st.st_size;
		}
	install_progress_total(in, total);
	return 0;
}

/* The names on the medium, and those Qubes' tools know them by. */
static const char *const template_files[] = {"root.img.zst", NULL};
static const char *const kernel_files[] = {"vmlinuz", "initramfs", "modules.erofs", NULL};
static const char *const kernel_names[] = {"vmlinuz", "initramfs", "modules.img", NULL};

/* A template is read once only, while it is unpacked: here it is enough that it is there and known. */
int images_check(const struct plan *plan, struct error *err)
{
	const char *medium = plan->places.medium;
	_cleanup_manifest_ struct manifest digests = {0};
	int r = 0;

	if ((plan->templates && *plan->templates) || plan->facts->guest_kernels)
		r = manifest_load_medium(plan->places.source, &digests, err);
	for (const char *const *t = plan->templates; r == 0 && t && *t; t++) {
		_cleanup_free_ char *name = xasprintf("templates/%s/%s", *t, template_files[0]);
		_cleanup_free_ char *path = xasprintf("%s/%s", medium, name);
		char digest[SHA256_HEX];

		r = manifest_digest(&digests, name, digest, err);
		if (r == 0 && access(path, R_OK))
			r = error_set(err, -errno, path, "write the stick again; nothing was written",
				      "missing on the medium");
	}
	for (const char *const *k = plan->facts->guest_kernels; r == 0 && k && *k; k++)
		for (const char *const *f = kernel_files; r == 0 && *f; f++) {
			_cleanup_free_ char *name = xasprintf("guest-kernel/%s/%s", *k, *f);

			r = manifest_check_file(&digests, medium, name, err);
		}
	return r;
}

int step_templates(struct install *in, struct error *err)
{
	const struct copy_watch watch = {.add = install_count, .data = in};
	_cleanup_manifest_ struct manifest digests = {0};
	int r = total_size(in, "templates", in->plan->templates, template_files, err);

	if (r == 0 && in->plan->templates)
		r = manifest_load_medium(in->plan->places.source, &digests, err);
	for (const char *const *t = in->plan->templates; r == 0 && t && *t; t++) {
		_cleanup_free_ char *name = xasprintf("templates/%s/%s", *t, template_files[0]);
		_cleanup_free_ char *from = xasprintf("%s/%s", in->plan->places.medium, name);
		_cleanup_free_ char *below = xasprintf("var/lib/qubes/vm-templates/%s/root.img", *t);
		_cleanup_free_ char *to = install_path(in, below);
		char digest[SHA256_HEX];

		/* It gets this name when it is whole and on the disk. */
		if (in->again && !access(to, F_OK))
			continue;
		r = manifest_digest(&digests, name, digest, err);
		if (r == 0)
			r = unpack_zstd(from, to, digest, &watch, err);
	}
	return r;
}

int step_guest_kernels(struct install *in, struct error *err)
{
	const struct copy_watch watch = {.add = install_count, .data = in};
	_cleanup_manifest_ struct manifest digests = {0};
	int r = total_size(in, "guest-kernel", in->plan->facts->guest_kernels, kernel_files, err);

	if (r == 0 && in->plan->facts->guest_kernels)
		r = manifest_load_medium(in->plan->places.source, &digests, err);
	for (const char *const *k = in->plan->facts->guest_kernels; r == 0 && k && *k; k++)
		for (size_t i = 0; r == 0 && kernel_files[i]; i++) {
			_cleanup_free_ char *name = xasprintf("guest-kernel/%s/%s", *k, kernel_files[i]);
			_cleanup_free_ char *from = xasprintf("%s/%s", in->plan->places.medium, name);
			_cleanup_free_ char *below =
				xasprintf("var/lib/qubes/vm-kernels/%s/%s", *k, kernel_names[i]);
			_cleanup_free_ char *to = install_path(in, below);
			char digest[SHA256_HEX];

			r = manifest_digest(&digests, name, digest, err);
			if (r == 0)
				r = copy_file(from, to, digest, &watch, err);
		}
	return r;
}
