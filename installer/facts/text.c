/* The text form of the facts. Order and names are those of struct facts; an absent value is an absent line. */
#include "installer/facts/facts.h"

#include <fcntl.h>
#include <inttypes.h>

#include "common/base/alloc.h"
#include "common/base/yaml.h"
#include "installer/facts/source.h"

static void write_quoted(struct strbuf *out, const char *indent, const char *before, const char *value)
{
	strbuf_printf(out, "%s%s\"", indent, before);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			strbuf_add_char(out, '\\');
		strbuf_add_char(out, *value);
	}
	strbuf_add_str(out, "\"\n");
}

void facts_write_text(struct strbuf *out, const char *indent, const char *key, const char *value)
{
	_cleanup_free_ char *before = xasprintf("%s: ", key);

	if (value)
		write_quoted(out, indent, before, value);
}

static void write_disk(struct strbuf *out, const struct disk *d)
{
	strbuf_printf(out, "- name: %s\n", d->name);
	facts_write_text(out, "  ", "device", d->device);
	facts_write_text(out, "  ", "model", d->model);
	facts_write_text(out, "  ", "serial", d->serial);
	facts_write_text(out, "  ", "id", d->id);
	facts_write_text(out, "  ", "transport", d->transport);
	strbuf_printf(out, "  size: %" PRIu64 "\n  logical: %u\n  physical: %u\n", d->size, d->logical, d->physical);
	strbuf_printf(out, "  removable: %s\n  read-only: %s\n  medium: %s\n", d->removable ? "yes" : "no",
		      d->read_only ? "yes" : "no", d->medium ? "yes" : "no");
	facts_write_text(out, "  ", "in-use", d->in_use);
	facts_write_text(out, "  ", "table", d->table);
	facts_write_text(out, "  ", "type", d->type);
	facts_write_text(out, "  ", "label", d->label);
	facts_write_text(out, "  ", "uuid", d->uuid);
	if (d->unfinished)
		strbuf_add_str(out, "  unfinished: yes\n");
	if (d->partitions)
		strbuf_add_str(out, "  partitions:\n");
	for (const struct partition *p = d->partitions; p; p = p->next) {
		strbuf_printf(out, "  - number: %u\n    start: %" PRIu64 "\n    size: %" PRIu64 "\n", p->number,
			      p->start, p->size);
		facts_write_text(out, "    ", "name", p->name);
		facts_write_text(out, "    ", "gpt-type", p->gpt_type);
		facts_write_text(out, "    ", "type", p->type);
		facts_write_text(out, "    ", "label", p->label);
		facts_write_text(out, "    ", "uuid", p->uuid);
	}
}

void facts_write_list(struct strbuf *out, const char *indent, const char *key, const char *const *values)
{
	if (!values || !*values)
		return;
	strbuf_printf(out, "%s%s:\n", indent, key);
	for (; *values; values++)
		write_quoted(out, indent, "- ", *values);
}

void facts_write(const struct facts *facts, struct strbuf *out)
{
	strbuf_printf(out, "firmware: %s\nxen: %s\nmemory: %" PRIu64 "\n",
		      facts->firmware == FIRMWARE_UEFI ? "uefi" : "bios", facts->xen ? "yes" : "no", facts->memory);
	facts_write_list(out, "", "templates", facts->templates);
	facts_write_list(out, "", "guest-kernels", facts->guest_kernels);
	facts_hardware_write(&facts->hardware, out);
	if (facts->disks)
		strbuf_add_str(out, "disks:\n");
	for (const struct disk *d = facts->disks; d; d = d->next)
		write_disk(out, d);
}

static int load_u32(const struct yaml_node *node, const char *key, uint32_t *value, struct error *err)
{
	uint64_t wide = *value;
	int r = yaml_u64(node, key, UINT32_MAX, &wide, err);

	*value = (uint32_t)wide;
	return r;
}

static int load_partition(struct arena *a, const struct yaml_node *node, struct partition **out, struct error *err)
{
	static const char *const keys[] = {"number", "start", "size", "name", "gpt-type", "type", "label", "uuid", NULL};
	struct partition *p = arena_alloc(a, sizeof(*p));
	int r;

	if ((r = yaml_check_keys(node, keys, err)) < 0 || (r = load_u32(node, "number", &p->number, err)) < 0 ||
	    (r = yaml_u64(node, "start", UINT64_MAX, &p->start, err)) < 0 ||
	    (r = yaml_size(node, "size", &p->size, err)) < 0 || (r = yaml_string(node, "name", &p->name, err)) < 0 ||
	    (r = yaml_string(node, "gpt-type", &p->gpt_type, err)) < 0 ||
	    (r = yaml_string(node, "type", &p->type, err)) < 0 ||
	    (r = yaml_string(node, "label", &p->label, err)) < 0 || (r = yaml_string(node, "uuid", &p->uuid, err)) < 0)
		return r;
	*out = p;
	return 0;
}

static int load_partitions(struct arena *a, const struct yaml_node *list, struct disk *d, struct error *err)
{
	struct partition **tail = &d->partitions;

	if (list && list->kind != YAML_LIST)
		return yaml_error(list, err, "'partitions' must be a list");
	for (const struct yaml_node *n = list ? list->first : NULL; n; n = n->next, tail = &(*tail)->next) {
		int r = load_partition(a, n, tail, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int load_disk(struct arena *a, const struct yaml_node *node, struct disk **out, struct error *err)
{
	static const char *const keys[] = {"name",    "device",	   "model",	"serial", "id",	     "transport",
					   "size",    "logical",   "physical",	"removable", "read-only", "medium",
					   "in-use",  "table",	   "type",	"label",  "uuid",    "unfinished",
					   "partitions", NULL};
	struct disk *d = arena_alloc(a, sizeof(*d));
	const struct {
		const char *key;
		const char **value;
	} texts[] = {{"name", &d->name}, {"device", &d->device}, {"model", &d->model}, {"serial", &d->serial},
		     {"id", &d->id}, {"transport", &d->transport}, {"in-use", &d->in_use}, {"table", &d->table},
		     {"type", &d->type}, {"label", &d->label}, {"uuid", &d->uuid}};
	int r = yaml_check_keys(node, keys, err);

	for (size_t i = 0; r == 0 && i < sizeof(texts) / sizeof(*texts); i++)
		r = yaml_string(node, texts[i].key, texts[i].value, err);
	if (r < 0)
		return r;
	if (!d->name)
		return yaml_error(node, err, "a disk needs a 'name'");
	if (!d->device)
		d->device = arena_printf(a, "/dev/%s", d->name);
	d->logical = d->physical = 512;
	if ((r = yaml_size(node, "size", &d->size, err)) < 0 ||
	    (r = load_u32(node, "logical", &d->logical, err)) < 0 ||
	    (r = load_u32(node, "physical", &d->physical, err)) < 0 ||
	    (r = yaml_bool(node, "removable", &d->removable, err)) < 0 ||
	    (r = yaml_bool(node, "read-only", &d->read_only, err)) < 0 ||
	    (r = yaml_bool(node, "medium", &d->medium, err)) < 0 ||
	    (r = yaml_bool(node, "unfinished", &d->unfinished, err)) < 0 ||
	    (r = load_partitions(a, yaml_get(node, "partitions"), d, err)) < 0)
		return r;
	*out = d;
	return 0;
}

static int load_facts(const struct yaml_node *root, struct facts *out, struct error *err)
{
	static const char *const keys[] = {"firmware", "xen", "memory", "templates", "guest-kernels", "disks",
					   FACTS_HARDWARE_KEYS, NULL};
	const struct yaml_node *disks = yaml_get(root, "disks");
	struct disk **tail = &out->disks;
	const char *firmware = "bios";
	int r;

	if ((r = yaml_check_keys(root, keys, err)) < 0 || (r = yaml_string(root, "firmware", &firmware, err)) < 0 ||
	    (r = yaml_bool(root, "xen", &out->xen, err)) < 0 || (r = yaml_size(root, "memory", &out->memory, err)) < 0 ||
	    (r = yaml_strings(out->arena, root, "templates", &out->templates, err)) < 0 ||
	    (r = yaml_strings(out->arena, root, "guest-kernels", &out->guest_kernels, err)) < 0)
		return r;
	if (strcmp(firmware, "bios") && strcmp(firmware, "uefi"))
		return yaml_error(yaml_get(root, "firmware"), err, "'firmware' must be bios or uefi");
	r = facts_hardware_load(out->arena, root, &out->hardware, err);
	if (r < 0)
		return r;
	out->firmware = strcmp(firmware, "uefi") ? FIRMWARE_BIOS : FIRMWARE_UEFI;
	if (disks && disks->kind != YAML_LIST)
		return yaml_error(disks, err, "'disks' must be a list");
	for (const struct yaml_node *n = disks ? disks->first : NULL; n; n = n->next, tail = &(*tail)->next) {
		r = load_disk(out->arena, n, tail, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int facts_load(const char *path, struct facts *out, struct error *err)
{
	struct yaml_node *root;
	int r;

	*out = (struct facts){.arena = arena_new()};
	r = yaml_load_file(out->arena, AT_FDCWD, path, &root, err);
	if (r == 0)
		r = load_facts(root, out, err);
	return r;
}
