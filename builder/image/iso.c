/*
 * The medium: an ISO 9660 file system that starts from a disc and from a stick, on BIOS and on UEFI. xorriso(1)
 * assembles it; all of its dates and identifiers are given, so that the same artefacts make the same medium.
 */
#include "builder/image/iso.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "builder/image/derive.h"
#include "builder/image/tool.h"
#include "builder/medium/sums.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"

enum { MENU_MAX = 1 << 20 };

const char *iso_volume(const struct output_job *job)
{
	return job->output->volume ? job->output->volume : "BULKHEAD";
}

/* Where a source of `files` lies outside: an input, or a file beside the definition. Allocated, or NULL. */
static char *source_path(const struct output_job *job, const char *source)
{
	const char *input = output_input_path(job, source);

	if (input)
		return xstrdup(input);
	return strchr(source, '/') ? NULL : xasprintf("%s/%s", job->definition->folder, source);
}

/* Binds every file into the sandbox, lists where it goes, and digests all into the seed of what is derived. */
static int graft_files(const struct output_job *job, struct arena *a, struct sandbox_bind *binds, struct strbuf *graft,
		       struct strbuf *sums, char seed[SHA256_HEX], struct error *err)
{
	_cleanup_sha256_ struct sha256 *s = sha256_new();
	const struct definition *d = job->definition;

	for (size_t i = 0; i < d->n_files; i++) {
		_cleanup_free_ char *path = source_path(job, d->files[i].source);
		_cleanup_strbuf_ struct strbuf to = {0};
		char hex[SHA256_HEX];
		int r;

		if (!path)
			return error_set(err, -EINVAL, d->path, "add its image to `images`",
					 "no image here makes %s", d->files[i].source);
		r = iso_place(job, &d->files[i], path, &to, hex, err);
		if (r < 0)
			return r;
		binds[i] = (struct sandbox_bind){.source = arena_strdup(a, path),
						 .target = arena_printf(a, "/run/in/%zu", i)};
		strbuf_printf(graft, "%s=%s\n", to.p, binds[i].target);
		sha256_add(s, to.p, to.n + 1);
		sha256_add(s, hex, sizeof(hex));
		sums_add(sums, hex, to.p + 1);
	}
	sha256_end_hex(take_ptr(s), seed);
	return 0;
}

static int make_menu(const struct output_job *job, struct strbuf *graft, struct error *err)
{
	_cleanup_free_ char *from = xasprintf("%s/%s", job->definition->folder,
					      job->output->menu ? job->output->menu : "grub.cfg");
	_cleanup_free_ char *path = job_work(job, "grub.cfg");
	_cleanup_strbuf_ struct strbuf text = {0}, menu = {0};
	int r = read_file(AT_FDCWD, from, MENU_MAX, &text);

	if (r < 0)
		return error_errno(err, r, from, "cannot read");
	r = iso_fill_in(job, from, strbuf_blob(&text), &menu, err);
	if (r < 0)
		return r;
	strbuf_add_str(graft, "/boot/grub/grub.cfg=" TOOL_WORK "/grub.cfg\n");
	r = write_file(AT_FDCWD, path, menu.p, menu.n, 0644);
	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}

/* "2026010203040500", as xorriso wants it; also what GRUB's search --fs-uuid sees. */
static void date_text(uint64_t epoch, char text[17])
{
	time_t t = (time_t)epoch;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, 17, "%Y%m%d%H%M%S00", &tm);
}

static int assemble(const struct output_job *job, struct arena *a, const char *seed, const struct sandbox_bind *binds,
		    struct error *err)
{
	char date[17], disk[UUID_TEXT];

	date_text(job->epoch, date);
	derive_uuid_text(seed, "iso disk", disk);

	const char *const argv[] = {
		"xorriso",
		"-as",
		"mkisofs",
		"-quiet",
		"-o",
		arena_printf(a, TOOL_OUT "/%s", job->output->name),
		"-V",
		iso_volume(job),
		"-preparer",
		"BULKHEAD",
		/* Files beyond 4 GiB; names as they are, by Rock Ridge; owner root, all readable. */
		"-iso-level",
		"3",
		"-r",
		arena_printf(a, "--modification-date=%s", date),
		"--set_all_file_dates",
		date,
		"--gpt_disk_guid",
		disk,
		/* BIOS, from disc and stick. */
		"-b",
		"boot/grub/" ISO_ELTORITO,
		"-c",
		"boot/boot.cat",
		"-no-emul-boot",
		"-boot-load-size",
		"4",
		"-boot-info-table",
		"--grub2-boot-info",
		"--grub2-mbr",
		"/usr/lib/grub/i386-pc/boot_hybrid.img",
		/* UEFI: the same FAT is El Torito image and partition. */
		"-partition_offset",
		"16",
		"-append_partition",
		"2",
		"0xef",
		TOOL_WORK "/" ISO_ESP,
		"-appended_part_as_gpt",
		"-eltorito-alt-boot",
		"-e",
		"--interval:appended_partition_2:all::",
		"-no-emul-boot",
		"-graft-points",
		"-path-list",
		TOOL_WORK "/graft",
		NULL,
	};

	return tool_run(job, &(struct tool){.argv = argv, .binds = binds, .n_binds = job->definition->n_files}, err);
}

int output_iso_write(const struct output_job *job, struct error *err)
{
	_cleanup_arena_ struct arena *a = arena_new();
	struct sandbox_bind *binds = arena_alloc(a, (job->definition->n_files + 1) * sizeof(*binds));
	_cleanup_free_ char *list = job_work(job, "graft");
	_cleanup_strbuf_ struct strbuf graft = {0}, sums = {0}, rest = {0};
	char seed[SHA256_HEX];
	int r = graft_files(job, a, binds, &graft, &sums, seed, err);

	if (!r)
		r = make_menu(job, &rest, err);
	if (!r)
		r = iso_boot_make(job, seed, &rest, err);
	strbuf_add(&graft, strbuf_blob(&rest).p, rest.n);
	if (!r)
		r = iso_sums_make(job, strbuf_blob(&rest), &sums, &graft, err);
	if (r < 0)
		return r;
	r = write_file(AT_FDCWD, list, graft.p, graft.n, 0644);
	if (r < 0)
		return error_errno(err, r, list, "cannot write");
	return assemble(job, a, seed, binds, err);
}
