/* Parts of the ISO writer. */
#pragma once

#include "builder/image/output.h"
#include "common/base/strbuf.h"
#include "common/base/strv.h"
#include "common/sys/hash.h"

#define ISO_ELTORITO "eltorito.img" /* in tmp_dir: GRUB for BIOS, started from the El Torito boot catalogue */
#define ISO_ESP "esp.img"	    /* in tmp_dir: FAT with GRUB for UEFI */

/*
 * Makes ISO_ELTORITO and ISO_ESP in tmp_dir and adds lines "path-on-iso=path-inside" for what GRUB reads at run time
 * (modules, a font) to `graft`. `seed`: what the FAT's serial number is derived from.
 */
int iso_boot_make(const struct output_job *job, const char *seed, struct strbuf *graft, struct error *err);

/*
 * Text with placeholders: @VERSION@, @ROOTHASH@ (first line of the .roothash beside what lies at /live/dom0.erofs),
 * @image/artefact@ (first line of that input) and @SHA256/image/artefact@ (its digest). -EINVAL: a placeholder that stands for nothing; err names it.
 */
int iso_fill_in(const struct output_job *job, const char *where, struct blob text, struct strbuf *out,
		struct error *err);

/* Where a file of the definition goes on the medium (to, filled in), and the digest of what lies at `path`. */
int iso_place(const struct output_job *job, const struct definition_file *file, const char *path, struct strbuf *to,
	      char hex[SHA256_HEX], struct error *err);
/*
 * Appends a line "DIGEST  PATH" for each file that the medium `job->definition` takes from job->inputs; others are left
 * out. Of the job only definition, version and inputs are used.
 */
int iso_digests(const struct output_job *job, struct strbuf *text, struct error *err);

/* The volume id: that of the definition, or BULKHEAD. */
const char *iso_volume(const struct output_job *job);

/*
 * Writes the medium's own list of digests and adds it to `graft`. `sums` has those of the definition's files already;
 * `rest` are the lines of the graft list that came after them.
 */
int iso_sums_make(const struct output_job *job, struct blob rest, struct strbuf *sums, struct strbuf *graft,
		  struct error *err);
