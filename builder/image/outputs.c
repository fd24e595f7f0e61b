#include "builder/image/output.h"

#include <string.h>

/* A kind whose `write` is NULL is either made by the root step (tar, dir) or has no writer. */
static const struct output_class classes[OUTPUT_KINDS] = {
	[OUTPUT_TAR] = {.needs = {.root_tar = true}},
	[OUTPUT_DIR] = {.needs = {.root_dir = true}},
	[OUTPUT_EROFS] = {output_erofs_write, {.root_tar = true, .tools = true, .revision = 1}},
	[OUTPUT_EXT4] = {output_ext4_write, {.root_tar = true, .tools = true}},
	[OUTPUT_TEMPLATE_DISK] = {output_template_disk_write, {.root_tar = true, .tools = true}},
	[OUTPUT_FILE] = {output_file_write, {.root_tar = true}},
	[OUTPUT_DRACUT] = {output_dracut_write, {.root_dir = true, .tools = true, .revision = 1}},
	[OUTPUT_GUEST_INITRAMFS] = {output_guest_initramfs_write,
				    {.root_dir = true, .tools = true, .revision = 1}},
	[OUTPUT_ISO] = {output_iso_write, {.tools = true, .revision = 1}},
};

const struct output_class *output_class(enum output_kind kind)
{
	return &classes[kind];
}

void output_files(struct arena *a, const struct definition_output *o, const char *names[OUTPUT_FILES_MAX + 1])
{
	size_t n = 0;

	names[n++] = o->name;
	if (o->kind == OUTPUT_EROFS && o->verity) {
		const char *dot = strrchr(o->name, '.');
		size_t stem = dot ? (size_t)(dot - o->name) : strlen(o->name);

		names[n++] = arena_printf(a, "%.*s.verity", (int)stem, o->name);
		names[n++] = arena_printf(a, "%.*s.roothash", (int)stem, o->name);
	}
	if (o->kind == OUTPUT_TEMPLATE_DISK) {
		names[n++] = arena_printf(a, "%s.zst", o->name);
		names[n++] = arena_printf(a, "%s.manifest", o->name);
	}
	if (o->kind == OUTPUT_GUEST_INITRAMFS)
		names[n++] = arena_printf(a, "%s.version", o->name);
	names[n] = NULL;
}

const char *output_input_path(const struct output_job *job, const char *name)
{
	for (size_t i = 0; i < job->n_inputs; i++)
		if (!strcmp(job->inputs[i].name, name))
			return job->inputs[i].path;
	return NULL;
}
