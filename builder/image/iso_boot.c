/* GRUB on the medium: one image for BIOS, one in a small FAT for UEFI, and what both read at run time. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "builder/image/derive.h"
#include "builder/image/iso.h"
#include "builder/image/tool.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"

#define GRUB "/usr/lib/grub/"

/* Room for a larger GRUB, and enough clusters of one sector to be a FAT16. */
enum { ESP_KIB = 2560 };

static int write_text(const struct output_job *job, const char *name, const char *text, struct error *err)
{
	_cleanup_free_ char *path = job_work(job, name);
	int r = write_file(AT_FDCWD, path, text, strlen(text), 0644);

	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}

/*
 * What was started from comes first: any other disk can have a volume of that name, with a menu and a live system of its
 * own. A comma at the end of a hint means the partitions too. Elsewhere the medium is found where firmware has started
 * GRUB from a place that GRUB knows by another name.
 */
static const char early_script[] = "regexp --set=1:disk '^([^,]*)' \"$root\"\n"
				   "search --no-floppy --label --hint=\"$disk,\" --set=root %s\n"
				   "set prefix=($root)/boot/grub\n";

/* Only what is needed to find the medium; the rest is loaded from there, with the menu. */
static int make_core(const struct output_job *job, const char *platform, const char *to, const char *disk,
		     struct error *err)
{
	const char *argv[] = {"grub-mkimage", "-O",	     platform, "-o",	       to,	"-p",  "/boot/grub",
			      "-c",	      "early.cfg",   "iso9660", "search_label", "search", "part_gpt", "part_msdos",
			      "fat",	      "normal",	     "test",	 "regexp",     disk,	NULL,	NULL};

	/* What UEFI needs to hand memory maps and graphics on cannot come late. */
	if (!disk) {
		argv[18] = "efi_gop";
		argv[19] = "efi_uga";
	}
	return tool_run(job, &(struct tool){.argv = argv}, err);
}

/* mtools takes the time from SOURCE_DATE_EPOCH, mkfs.vfat everything else from --invariant and -i. */
static int make_esp(const struct output_job *job, const char *seed, struct error *err)
{
	uint8_t serial[4];
	char serial_hex[2 * sizeof(serial) + 1];
	_cleanup_free_ char *kib = xasprintf("%u", ESP_KIB);

	derive_bytes(seed, "esp", serial, sizeof(serial));
	hex_encode(serial, sizeof(serial), serial_hex);

	const char *const mkfs[] = {"mkfs.vfat", "--invariant", "-i", serial_hex, "-F", "16", "-s", "1", "-n", "BH-BOOT",
				    "-C",	 ISO_ESP,	kib,  NULL};
	const char *const mmd[] = {"mmd", "-i", ISO_ESP, "::/EFI", "::/EFI/BOOT", NULL};
	const char *const mcopy[] = {"mcopy", "-i", ISO_ESP, "bootx64.efi", "::/EFI/BOOT/BOOTX64.EFI", NULL};
	int r = tool_run(job, &(struct tool){.argv = mkfs}, err);

	if (!r)
		r = tool_run(job, &(struct tool){.argv = mmd}, err);
	return r < 0 ? r : tool_run(job, &(struct tool){.argv = mcopy}, err);
}

/* GRUB's modules and their lists, sorted. */
static int graft_modules(const struct output_job *job, const char *platform, struct strbuf *graft, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s" GRUB "%s", job->tools_root, platform);
	_cleanup_closedir_ DIR *dir = opendir(path);
	_cleanup_strv_ struct strv names = {0};

	if (!dir)
		return error_errno(err, -errno, path, "cannot open");
	for (struct dirent *e; (e = readdir(dir));)
		if (blob_has_suffix(blob_of(e->d_name), ".mod") || blob_has_suffix(blob_of(e->d_name), ".lst"))
			strv_push(&names, e->d_name);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		strbuf_printf(graft, "/boot/grub/%s/%s=" GRUB "%s/%s\n", platform, names.v[i], platform, names.v[i]);
	return 0;
}

int iso_boot_make(const struct output_job *job, const char *seed, struct strbuf *graft, struct error *err)
{
	_cleanup_free_ char *early = xasprintf(early_script, iso_volume(job));
	int r = write_text(job, "early.cfg", early, err);

	if (!r)
		r = make_core(job, "i386-pc-eltorito", ISO_ELTORITO, "biosdisk", err);
	if (!r)
		r = make_core(job, "x86_64-efi", "bootx64.efi", NULL, err);
	if (!r)
		r = make_esp(job, seed, err);
	if (!r)
		r = graft_modules(job, "i386-pc", graft, err);
	if (!r)
		r = graft_modules(job, "x86_64-efi", graft, err);
	strbuf_add_str(graft, "/boot/grub/" ISO_ELTORITO "=" TOOL_WORK "/" ISO_ELTORITO "\n"
			      "/boot/grub/fonts/unicode.pf2=/usr/share/grub/unicode.pf2\n");
	return r;
}
