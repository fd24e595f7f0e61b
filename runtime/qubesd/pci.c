#include "runtime/qubesd/pci.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-hwdb.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qubesd/denied.h"
#include "runtime/qubesd/property_net.h"

enum { FACTS_MAX = 1 << 20, DEVICES_MAX = 1024, SBDF_LEN = 12 };

static const char bus_dir[] = "/sys/bus/pci/devices";

/* SSSS:BB:DD.F */
static bool sbdf_valid(struct blob b)
{
	static const char shape[] = "xxxx:xx:xx.x";

	if (b.n != SBDF_LEN)
		return false;
	for (size_t i = 0; i < SBDF_LEN; i++)
		if (shape[i] == 'x' ? !isxdigit((unsigned char)b.p[i]) : b.p[i] != shape[i])
			return false;
	return true;
}

static bool hex_valid(struct blob b, size_t digits)
{
	for (size_t i = 0; i < b.n; i++)
		if (!isxdigit((unsigned char)b.p[i]))
			return false;
	return b.n == digits;
}

/* The segment only where it is not the first. */
static const char *slot(struct arena *a, const char *sbdf, unsigned bus)
{
	bool segment = strncmp(sbdf, "0000", 4) != 0;

	return arena_printf(a, "%.*s%s%02x_%s", segment ? 4 : 0, sbdf, segment ? "_" : "", bus,
			    sbdf + 8);
}

static void add(struct pci_list *l, struct arena *a, const char *sbdf, const char *port,
		struct blob vendor, struct blob product, struct blob class)
{
	struct pci_device *d;

	if (l->n == DEVICES_MAX || !hex_valid(vendor, 4) || !hex_valid(product, 4) ||
	    !hex_valid(class, 6))
		return;
	d = &l->v[l->n++];
	*d = (struct pci_device){
		.sbdf = sbdf,
		.port = port,
		.vendor = arena_printf(a, "0x%.*s", BLOB_ARG(vendor)),
		.product = arena_printf(a, "0x%.*s", BLOB_ARG(product)),
		.class = arena_strndup(a, class.p, class.n),
	};
	d->id = arena_printf(a, "%s:%s::p%s", d->vendor, d->product, d->class);
}

/* A value of sysfs without 0x and line end, from the arena. */
static struct blob attribute(struct arena *a, const char *dir, const char *name)
{
	_cleanup_strbuf_ struct strbuf s = {0};
	struct blob b;

	if (read_file(AT_FDCWD, arena_printf(a, "%s/%s", dir, name), 4096, &s) < 0)
		return (struct blob){0};
	b = blob_trim(strbuf_blob(&s));
	if (blob_has_prefix(b, "0x"))
		b = (struct blob){b.p + 2, b.n - 2};
	return blob_of(arena_strndup(a, b.p, b.n));
}

/* From the path in sysfs, which goes through all bridges. */
static const char *port_of(struct arena *a, const char *link)
{
	const char *port = NULL, *path = "/sys/devices";
	struct blob rest = blob_of(link), part;
	uint64_t secondary = 0;

	while (blob_token(&rest, '/', &part)) {
		const char *name = arena_strndup(a, part.p, part.n);

		if (!strcmp(name, "..") || !strcmp(name, "devices"))
			continue;
		path = arena_printf(a, "%s/%s", path, name);
		if (!sbdf_valid(part))
			continue;
		if (!port) {
			port = slot(a, name, (unsigned)strtoul(name + 5, NULL, 16));
		} else {
			unsigned bus = (unsigned)strtoul(name + 5, NULL, 16);

			port = arena_printf(a, "%s-%02x_%s", port, bus - (unsigned)secondary,
					    name + 8);
		}
		secondary = 0;
		blob_to_u64(attribute(a, path, "secondary_bus_number"), 255, &secondary);
	}
	return port;
}

static int by_sbdf(const void *a, const void *b)
{
	return strcmp(((const struct pci_device *)a)->sbdf, ((const struct pci_device *)b)->sbdf);
}

static void scan_sysfs(struct arena *a, struct pci_list *out)
{
	_cleanup_closedir_ DIR *dir = opendir(bus_dir);
	const struct dirent *e;
	while (dir && (e = readdir(dir))) {
		const char *path = arena_printf(a, "%s/%s", bus_dir, e->d_name), *port;
		char link[PATH_MAX];
		ssize_t n = readlink(path, link, sizeof(link) - 1);

		if (n <= 0 || !sbdf_valid(blob_of(e->d_name)))
			continue;
		link[n] = 0;
		port = port_of(a, link);
		if (port)
			add(out, a, arena_strdup(a, e->d_name), port, attribute(a, path, "vendor"),
			    attribute(a, path, "device"), attribute(a, path, "class"));
	}
	qsort(out->v, out->n, sizeof(*out->v), by_sbdf);
}

static void scan_facts(const char *facts, struct arena *a, struct pci_list *out)
{
	_cleanup_strbuf_ struct strbuf s = {0};
	struct blob rest, line;

	if (read_file(AT_FDCWD, facts, FACTS_MAX, &s) < 0)
		return;
	rest = strbuf_blob(&s);
	while (blob_token(&rest, '\n', &line)) {
		struct blob sbdf, ids, vendor, class, port;
		const char *name;

		if (!blob_word(&line, &sbdf) || !sbdf_valid(sbdf) || !blob_word(&line, &ids) ||
		    !blob_token(&ids, ':', &vendor) || !blob_word(&line, &class))
			continue;
		name = arena_strndup(a, sbdf.p, sbdf.n);
		add(out, a, name,
		    blob_word(&line, &port)
			    ? arena_strndup(a, port.p, port.n)
			    : slot(a, name, (unsigned)strtoul(name + 5, NULL, 16)),
		    vendor, ids, class);
	}
}

void pci_scan(const char *facts, struct arena *a, struct pci_list *out)
{
	*out = (struct pci_list){.v = arena_alloc(a, DEVICES_MAX * sizeof(*out->v))};
	if (facts)
		scan_facts(facts, a, out);
	else
		scan_sysfs(a, out);
}

/* NULL for a device that is not in the database. */
static const char *name_of(sd_hwdb *db, struct arena *a, const char *modalias)
{
	static const char *const keys[] = {"ID_PCI_CLASS_FROM_DATABASE", "ID_VENDOR_FROM_DATABASE",
					   "ID_MODEL_FROM_DATABASE"};
	const char *words[3] = {0};

	for (size_t i = 0; i < 3; i++)
		if (sd_hwdb_get(db, modalias, keys[i], &words[i]) < 0)
			words[i] = NULL;
	return words[1] && words[2]
		       ? arena_printf(a, "%s%s%s %s", words[0] ? words[0] : "", words[0] ? ": " : "", words[1], words[2])
		       : NULL;
}

void pci_add_names(struct arena *a, struct pci_list *l)
{
	sd_hwdb *db;

	if (sd_hwdb_new(&db) < 0)
		return;
	for (size_t i = 0; i < l->n; i++) {
		const char *path = arena_printf(a, "%s/%s", bus_dir, l->v[i].sbdf), *alias = attribute(a, path, "modalias").p;

		if (alias)
			l->v[i].name = name_of(db, a, alias);
	}
	sd_hwdb_unref(db);
}

/* `SSSS_BB_DD.F` or without the segment, against SSSS:BB:DD.F. */
static bool names_sbdf(const char *port, const char *sbdf)
{
	if (strlen(port) == SBDF_LEN - 5)
		sbdf = strncmp(sbdf, "0000:", 5) ? "" : sbdf + 5;
	for (; *port && *sbdf; port++, sbdf++)
		if (*sbdf == ':' ? *port != '_' && *port != ':' : *port != *sbdf)
			return false;
	return !*port && !*sbdf;
}

const struct pci_device *pci_find(const struct pci_list *l, const char *port)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i].port, port))
			return &l->v[i];
	for (size_t i = 0; i < l->n; i++)
		if (names_sbdf(port, l->v[i].sbdf))
			return &l->v[i];
	return NULL;
}

static bool is_pci(const struct assignment *as)
{
	return !strcmp(as->class, "pci") && !strcmp(as->backend, "dom0");
}

/* Is it the model that was assigned, and not another one that sits in the slot now? */
static bool identity_fits(const struct assignment *as, const struct pci_device *dev)
{
	const char *identity = kv_get(&as->attrs, "identity");

	return !identity || !*identity || !strcmp(identity, "*") || !strcmp(identity, "any") ||
	       !strcmp(identity, dev->id);
}

const struct vm *pci_user(const struct model *m, const struct vm *but, const struct pci_list *l,
			  const struct pci_device *dev)
{
	for (size_t i = 0; i < m->n_vms; i++) {
		const struct vm *other = m->vms[i];

		for (size_t k = 0; other != but && other->domid > 0 && k < other->n_assignments; k++)
			if (is_pci(&other->assignments[k]) &&
			    pci_find(l, other->assignments[k].port) == dev)
				return other;
	}
	return NULL;
}

static int check_one(const struct qubesd *d, const struct vm *vm, const struct assignment *as,
		     const struct pci_list *l, struct arena *a, struct error *err)
{
	const struct pci_device *dev = pci_find(l, as->port);
	const struct vm *user;
	char interface[DENIED_CODE + 1];

	if (!dev || !identity_fits(as, dev))
		return error_set(err, -ENODEV, vm->name,
				 arena_printf(a,
					      "qvm-pci lists those that are there, qvm-pci unassign %s dom0:%s "
					      "takes it from the qube",
					      vm->name, as->port),
				 "its PCI device dom0:%s is %s", as->port, dev ? "another one now" : "not there");
	snprintf(interface, sizeof(interface), "p%s", dev->class);
	if (denied_matches(d->model, vm, interface))
		return error_set(err, -EPERM, vm->name, NULL, "its PCI device dom0:%s is of a kind that is denied to it",
				 as->port);
	user = pci_user(d->model, vm, l, dev);
	if (user)
		return error_set(err, -EBUSY, vm->name, NULL, "its PCI device dom0:%s is used by %s",
				 as->port, user->name);
	return 0;
}

const char *pci_domain_type(const struct property_ctx *ctx)
{
	const char *mode = property_value(ctx, "virt_mode");

	if (strcmp(mode, "hvm") != 0)
		return mode;
	return vm_needs_pv(ctx->m, ctx->vm) ? "pv" : "pvh";
}

int pci_check(const struct qubesd *d, const struct vm *vm, struct arena *a, struct error *err)
{
	struct pci_list l;
	int r = 0;

	if (!vm_has_assigned(vm, "pci"))
		return 0;
	pci_scan(d->pci_facts, a, &l);
	for (size_t i = 0; i < vm->n_assignments && r == 0; i++)
		if (is_pci(&vm->assignments[i]))
			r = check_one(d, vm, &vm->assignments[i], &l, a, err);
	return r;
}

static bool is_network_card(const struct pci_device *dev)
{
	return dev && !strncmp(dev->class, "02", 2);
}

static bool has_network_card(const struct vm *vm, const struct pci_list *l)
{
	for (size_t i = 0; i < vm->n_assignments; i++)
		if (is_pci(&vm->assignments[i]) && is_network_card(pci_find(l, vm->assignments[i].port)))
			return true;
	return false;
}

/* The first that no other qube uses, or NULL. */
static const struct pci_device *free_network_card(const struct qubesd *d, const struct vm *vm, const struct pci_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (is_network_card(&l->v[i]) && !pci_user(d->model, vm, l, &l->v[i]))
			return &l->v[i];
	return NULL;
}

const char *pci_warning(const struct qubesd *d, const struct vm *vm, struct arena *a)
{
	const struct pci_device *dev;
	struct pci_list l;

	if (!net_provides(d->model, vm) || net_uplink(d->model, vm))
		return NULL;
	pci_scan(d->pci_facts, a, &l);
	if (has_network_card(vm, &l))
		return NULL;
	dev = free_network_card(d, vm, &l);
	if (!dev)
		return arena_printf(a, "%s: no network card is assigned to it, and this machine has none to assign; see "
				       "qvm-pci list", vm->name);
	return arena_printf(a, "%s: no network card is assigned to it; see qvm-pci list, then shut it down and: qvm-pci "
			       "assign %s dom0:%s%s%s%s", vm->name, vm->name, dev->port,
			    d->model->no_iommu ? "; this machine has no working IOMMU (VT-d, AMD-Vi), so the qube could "
						 "reach all memory with it; to accept that: qvm-features " : "",
			    d->model->no_iommu ? vm->name : "", d->model->no_iommu ? " permit-without-iommu 1" : "");
}

static bool option(const struct assignment *as, const char *name)
{
	const char *value = kv_get(&as->options, name);

	return value && *value && strcasecmp(value, "false") != 0 && strcmp(value, "0") != 0;
}

void pci_lines(const struct qubesd *d, const struct vm *vm, struct arena *a, struct strbuf *out)
{
	const char *permit = kv_get(&vm->features, "permit-without-iommu");
	const char *e820 = kv_get(&vm->features, "pci-e820-host");
	struct pci_list l;

	if (!vm_has_assigned(vm, "pci"))
		return;
	pci_scan(d->pci_facts, a, &l);
	for (size_t i = 0; i < vm->n_assignments; i++) {
		const struct assignment *as = &vm->assignments[i];
		const struct pci_device *dev = is_pci(as) ? pci_find(&l, as->port) : NULL;

		if (dev)
			strbuf_printf(out, "pci=%s%s%s\n", dev->sbdf,
				      option(as, "permissive") ? " permissive" : "",
				      option(as, "no-strict-reset") ? " no-strict-reset" : "");
	}
	/* The machine's memory map, with its holes where devices are. */
	if (!e820)
		strbuf_add_str(out, "e820_host=auto\n");
	else if (*e820 && strcmp(e820, "0") != 0)
		strbuf_add_str(out, "e820_host=1\n");
	if (permit && *permit)
		strbuf_add_str(out, "permit_without_iommu=1\n");
}
