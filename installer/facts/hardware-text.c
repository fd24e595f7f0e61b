/* The text form of struct hardware. ACPI tables are hexadecimal digits, so that a table can be changed by hand. */
#include "installer/facts/source.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/base/yaml.h"
#include "common/sys/hash.h"

static void write_u64(struct strbuf *out, const char *key, uint64_t value)
{
	if (value)
		strbuf_printf(out, "%s: %" PRIu64 "\n", key, value);
}

static void write_tables(const struct acpi_table *t, struct strbuf *out)
{
	if (t)
		strbuf_add_str(out, "acpi:\n");
	for (; t; t = t->next) {
		strbuf_printf(out, "- name: %s\n  data: \"", t->name);
		for (size_t i = 0; i < t->bytes.n; i++)
			strbuf_printf(out, "%02x", (unsigned char)t->bytes.p[i]);
		strbuf_add_str(out, "\"\n");
	}
}

static void write_devices(const struct hardware *hw, struct strbuf *out)
{
	if (hw->pci)
		strbuf_add_str(out, "pci:\n");
	for (const struct pci_device *d = hw->pci; d; d = d->next)
		strbuf_printf(out, "- {address: \"%s\", class: \"%06x\", id: \"%s\"}\n", d->address, d->class_code,
			      d->id);
	if (hw->keyboards)
		strbuf_add_str(out, "keyboards:\n");
	for (const struct keyboard *k = hw->keyboards; k; k = k->next) {
		strbuf_printf(out, "- bus: %s\n", k->bus);
		facts_write_text(out, "  ", "name", k->name);
	}
}

void facts_hardware_write(const struct hardware *hw, struct strbuf *out)
{
	if (hw->cpu_vendor || hw->cpuid || hw->cpu_flags)
		strbuf_add_str(out, "cpu:\n");
	facts_write_text(out, "  ", "vendor", hw->cpu_vendor);
	facts_write_text(out, "  ", "model", hw->cpu_model);
	facts_write_list(out, "  ", "cpuid", hw->cpuid);
	facts_write_list(out, "  ", "flags", hw->cpu_flags);
	if (hw->vendor || hw->model || hw->bios || hw->chassis)
		strbuf_add_str(out, "machine:\n");
	facts_write_text(out, "  ", "vendor", hw->vendor);
	facts_write_text(out, "  ", "model", hw->model);
	facts_write_text(out, "  ", "bios", hw->bios);
	write_u64(out, "  chassis", hw->chassis);
	facts_write_text(out, "", "tpm", hw->tpm);
	if (hw->secure_boot)
		strbuf_add_str(out, "secure-boot: yes\n");
	write_u64(out, "clock", hw->clock);
	write_u64(out, "medium-date", hw->medium_date);
	facts_write_list(out, "", "iommus", hw->iommus);
	write_tables(hw->tables, out);
	if (hw->xen_version || hw->virt_caps)
		strbuf_add_str(out, "xen-info:\n");
	facts_write_text(out, "  ", "version", hw->xen_version);
	facts_write_text(out, "  ", "xen-caps", hw->xen_caps);
	facts_write_text(out, "  ", "virt-caps", hw->virt_caps);
	write_u64(out, "  memory", hw->xen_memory);
	facts_write_list(out, "", "xen-log", hw->xen_log);
	if (hw->xen_log_complete)
		strbuf_add_str(out, "xen-log-complete: yes\n");
	write_devices(hw, out);
}

static int load_table(struct arena *a, const struct yaml_node *node, struct acpi_table *t, struct error *err)
{
	static const char *const keys[] = {"name", "data", NULL};
	const char *data = NULL;
	size_t n;
	char *bytes;
	int r;

	if ((r = yaml_check_keys(node, keys, err)) < 0 || (r = yaml_string(node, "name", &t->name, err)) < 0 ||
	    (r = yaml_string(node, "data", &data, err)) < 0)
		return r;
	if (!t->name || !data)
		return yaml_error(node, err, "an ACPI table needs 'name' and 'data'");
	n = strlen(data);
	bytes = arena_alloc(a, n / 2 + 1);
	if (hex_decode(blob_of(data), bytes, n / 2) < 0)
		return yaml_error(node, err, "'data' must be pairs of hexadecimal digits");
	t->bytes = (struct blob){bytes, n / 2};
	return 0;
}

static int load_device(const struct yaml_node *node, struct pci_device *d, struct error *err)
{
	static const char *const keys[] = {"address", "class", "id", NULL};
	const char *code = NULL;
	int r;

	if ((r = yaml_check_keys(node, keys, err)) < 0 || (r = yaml_string(node, "address", &d->address, err)) < 0 ||
	    (r = yaml_string(node, "class", &code, err)) < 0 || (r = yaml_string(node, "id", &d->id, err)) < 0)
		return r;
	if (!d->address || !code || !d->id)
		return yaml_error(node, err, "a PCI device needs 'address', 'class' and 'id'");
	d->class_code = (uint32_t)strtoul(code, NULL, 16) & 0xffffff;
	return 0;
}

static int load_keyboard(const struct yaml_node *node, struct keyboard *k, struct error *err)
{
	static const char *const keys[] = {"name", "bus", NULL};
	int r;

	k->name = "keyboard";
	k->bus = "other";
	if ((r = yaml_check_keys(node, keys, err)) < 0 || (r = yaml_string(node, "name", &k->name, err)) < 0)
		return r;
	return yaml_string(node, "bus", &k->bus, err);
}

static int load_lists(struct arena *a, const struct yaml_node *root, struct hardware *hw, struct error *err)
{
	static const char *const names[] = {"acpi", "pci", "keyboards"};
	struct acpi_table **table = &hw->tables;
	struct pci_device **device = &hw->pci;
	struct keyboard **keyboard = &hw->keyboards;
	int r = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct yaml_node *list = yaml_get(root, names[i]);

		if (list && list->kind != YAML_LIST)
			return yaml_error(list, err, "'%s' must be a list", names[i]);
		for (const struct yaml_node *n = list ? list->first : NULL; r == 0 && n; n = n->next) {
			if (i == 0) {
				*table = arena_alloc(a, sizeof(**table));
				r = load_table(a, n, *table, err);
				table = &(*table)->next;
			} else if (i == 1) {
				*device = arena_alloc(a, sizeof(**device));
				r = load_device(n, *device, err);
				device = &(*device)->next;
			} else {
				*keyboard = arena_alloc(a, sizeof(**keyboard));
				r = load_keyboard(n, *keyboard, err);
				keyboard = &(*keyboard)->next;
			}
		}
	}
	return r;
}

static int load_maps(struct arena *a, const struct yaml_node *root, struct hardware *hw, struct error *err)
{
	static const char *const cpu_keys[] = {"vendor", "model", "cpuid", "flags", NULL};
	static const char *const machine_keys[] = {"vendor", "model", "bios", "chassis", NULL};
	static const char *const xen_keys[] = {"version", "xen-caps", "virt-caps", "memory", NULL};
	const struct yaml_node *cpu = yaml_get(root, "cpu"), *machine = yaml_get(root, "machine");
	const struct yaml_node *xen = yaml_get(root, "xen-info");
	int r;

	if (cpu && ((r = yaml_check_keys(cpu, cpu_keys, err)) < 0 ||
		    (r = yaml_string(cpu, "vendor", &hw->cpu_vendor, err)) < 0 ||
		    (r = yaml_string(cpu, "model", &hw->cpu_model, err)) < 0 ||
		    (r = yaml_strings(a, cpu, "cpuid", &hw->cpuid, err)) < 0 ||
		    (r = yaml_strings(a, cpu, "flags", &hw->cpu_flags, err)) < 0))
		return r;
	if (machine && ((r = yaml_check_keys(machine, machine_keys, err)) < 0 ||
			(r = yaml_string(machine, "vendor", &hw->vendor, err)) < 0 ||
			(r = yaml_string(machine, "model", &hw->model, err)) < 0 ||
			(r = yaml_string(machine, "bios", &hw->bios, err)) < 0 ||
			(r = yaml_u64(machine, "chassis", 255, &hw->chassis, err)) < 0))
		return r;
	if (xen && ((r = yaml_check_keys(xen, xen_keys, err)) < 0 ||
		    (r = yaml_string(xen, "version", &hw->xen_version, err)) < 0 ||
		    (r = yaml_string(xen, "xen-caps", &hw->xen_caps, err)) < 0 ||
		    (r = yaml_string(xen, "virt-caps", &hw->virt_caps, err)) < 0 ||
		    (r = yaml_size(xen, "memory", &hw->xen_memory, err)) < 0))
		return r;
	return 0;
}

int facts_hardware_load(struct arena *a, const struct yaml_node *root, struct hardware *hw, struct error *err)
{
	int r;

	if ((r = load_maps(a, root, hw, err)) < 0 || (r = yaml_string(root, "tpm", &hw->tpm, err)) < 0 ||
	    (r = yaml_bool(root, "secure-boot", &hw->secure_boot, err)) < 0 ||
	    (r = yaml_u64(root, "clock", UINT64_MAX, &hw->clock, err)) < 0 ||
	    (r = yaml_u64(root, "medium-date", UINT64_MAX, &hw->medium_date, err)) < 0 ||
	    (r = yaml_strings(a, root, "iommus", &hw->iommus, err)) < 0 ||
	    (r = yaml_strings(a, root, "xen-log", &hw->xen_log, err)) < 0 ||
	    (r = yaml_bool(root, "xen-log-complete", &hw->xen_log_complete, err)) < 0)
		return r;
	return load_lists(a, root, hw, err);
}
