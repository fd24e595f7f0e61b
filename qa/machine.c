#include "qa/machine.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/yaml.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

static int load_disk(struct arena *a, const struct yaml_node *node, struct machine_disk **out, struct error *err)
{
	static const char *const keys[] = {"id", "serial", "bus", "size", NULL};
	static const char *const buses[] = {"virtio", "nvme", "ahci", "usb", NULL};
	struct machine_disk *d = arena_alloc(a, sizeof(*d));
	const char *const *bus = buses;
	int r = yaml_check_keys(node, keys, err);

	d->bus = "virtio";
	if (r == 0)
		r = yaml_string(node, "id", &d->id, err);
	if (r == 0)
		r = yaml_string(node, "serial", &d->serial, err);
	if (r == 0)
		r = yaml_string(node, "bus", &d->bus, err);
	if (r == 0)
		r = yaml_size(node, "size", &d->bytes, err);
	if (r < 0)
		return r;
	while (*bus && strcmp(*bus, d->bus))
		bus++;
	if (!*bus)
		return yaml_error(node, err, "bus '%s' is none of virtio, nvme, ahci, usb", d->bus);
	if (!d->id || !d->bytes)
		return yaml_error(node, err, "a disk needs an id and a size");
	*out = d;
	return 0;
}

/* `model`, or `{model, network}`. */
static int load_nic(struct arena *a, const struct yaml_node *node, struct machine_nic **out, struct error *err)
{
	static const char *const keys[] = {"model", "network", NULL};
	struct machine_nic *nic = arena_alloc(a, sizeof(*nic));
	const char *network = "none";
	int r = 0;

	if (node->kind == YAML_SCALAR)
		nic->model = node->text;
	else if ((r = yaml_check_keys(node, keys, err)) == 0 && (r = yaml_string(node, "model", &nic->model, err)) == 0)
		r = yaml_string(node, "network", &network, err);
	if (r < 0)
		return r;
	nic->lab = !strcmp(network, "lab");
	if (!nic->model || (!nic->lab && strcmp(network, "none")))
		return yaml_error(node, err, "a NIC needs a model; its network is lab or none");
	*out = nic;
	return 0;
}

static int load_nics(struct arena *a, const struct yaml_node *nics, struct machine_nic **nic, struct error *err)
{
	if (nics && nics->kind != YAML_LIST)
		return yaml_error(nics, err, "'nics' must be a list");
	for (const struct yaml_node *n = nics ? nics->first : NULL; n; n = n->next, nic = &(*nic)->next) {
		int r = load_nic(a, n, nic, err);

		if (r < 0)
			return r;
	}
	return 0;
}

bool machine_in_lab(const struct machine *m)
{
	for (const struct machine_nic *nic = m->nics; nic; nic = nic->next)
		if (nic->lab)
			return true;
	return false;
}

static int load_lists(struct arena *a, const struct yaml_node *root, struct machine *m, struct error *err)
{
	const struct yaml_node *disks = yaml_get(root, "disks");
	struct machine_disk **disk = &m->disks;

	if (disks && disks->kind != YAML_LIST)
		return yaml_error(disks, err, "'disks' must be a list");
	for (const struct yaml_node *n = disks ? disks->first : NULL; n; n = n->next, disk = &(*disk)->next) {
		int r = load_disk(a, n, disk, err);

		if (r < 0)
			return r;
	}
	return load_nics(a, yaml_get(root, "nics"), &m->nics, err);
}

int machine_load(struct arena *a, const char *dir, const char *name, struct machine **out, struct error *err)
{
	static const char *const keys[] = {"firmware", "memory", "cpus", "cpu-without", "iommu", "xhci", "disks", "nics", NULL};
	const char *path = arena_printf(a, "%s/%s.yaml", dir, name);
	const char *firmware = "uefi", *iommu = "none";
	struct machine *m = arena_alloc(a, sizeof(*m));
	uint64_t memory = 2ull << 30;
	struct yaml_node *root;
	int r = yaml_load_file(a, AT_FDCWD, path, &root, err);

	m->name = arena_strdup(a, name);
	m->cpus = 2;
	if (r == 0)
		r = yaml_check_keys(root, keys, err);
	if (r == 0)
		r = yaml_string(root, "firmware", &firmware, err);
	if (r == 0)
		r = yaml_string(root, "iommu", &iommu, err);
	if (r == 0)
		r = yaml_size(root, "memory", &memory, err);
	if (r == 0)
		r = yaml_u64(root, "cpus", 64, &m->cpus, err);
	if (r == 0)
		r = yaml_string(root, "cpu-without", &m->cpu_without, err);
	if (r == 0)
		r = yaml_bool(root, "xhci", &m->xhci, err);
	if (r == 0)
		r = load_lists(a, root, m, err);
	if (r < 0)
		return r;
	if (strcmp(firmware, "uefi") && strcmp(firmware, "bios"))
		return yaml_error(yaml_get(root, "firmware"), err, "'firmware' must be uefi or bios");
	if (strcmp(iommu, "intel") && strcmp(iommu, "none"))
		return yaml_error(yaml_get(root, "iommu"), err, "'iommu' must be intel or none");
	if (m->cpu_without && m->cpu_without[strspn(m->cpu_without, "abcdefghijklmnopqrstuvwxyz0123456789. ")])
		return yaml_error(yaml_get(root, "cpu-without"), err, "'cpu-without' must be names of CPU features");
	m->uefi = !strcmp(firmware, "uefi");
	m->vtd = !strcmp(iommu, "intel");
	m->memory_mib = memory >> 20;
	*out = m;
	return 0;
}
