/* Grains: what templates can ask of this machine (ref/distro.md 5.2). */
#include <fcntl.h>
#include <sys/utsname.h>

#include "common/sys/file.h"
#include "salt-lite/engine/salt.h"
#include "salt-lite/value/yaml.h"

static void os_release(struct salt *s, struct value *grains)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;

	if (read_file(AT_FDCWD, rooted(s, "/etc/os-release"), 1 << 16, &text) < 0)
		return;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		struct blob key, value = line;

		if (!blob_token(&value, '=', &key))
			continue;
		if (value.n > 1 && value.p[0] == '"')
			value = (struct blob){value.p + 1, value.n - 2};
		if (blob_eq_str(key, "ID")) {
			bool debian = blob_eq_str(value, "debian"), fedora = blob_eq_str(value, "fedora");

			map_set_str(&s->h, grains, "os", debian ? value_string(&s->h, "Debian")
							  : fedora ? value_string(&s->h, "Fedora")
								   : value_blob(&s->h, value));
			map_set_str(&s->h, grains, "os_family", value_string(&s->h, fedora ? "RedHat" : "Debian"));
		} else if (blob_eq_str(key, "VERSION_ID")) {
			map_set_str(&s->h, grains, "osrelease", value_blob(&s->h, value));
			map_set_str(&s->h, grains, "osmajorrelease", yaml_resolve(&s->h, value));
		} else if (blob_eq_str(key, "VERSION_CODENAME")) {
			map_set_str(&s->h, grains, "oscodename", value_blob(&s->h, value));
		}
	}
}

static void kernel_parameters(struct salt *s, struct value *grains)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct value *list = list_new(&s->h);
	struct blob rest, word;

	if (read_file(AT_FDCWD, rooted(s, "/proc/cmdline"), 1 << 16, &text) < 0)
		return;
	rest = strbuf_blob(&text);
	while (blob_word(&rest, &word)) {
		struct value *pair = list_new(&s->h);
		struct blob value = word, key;

		blob_token(&value, '=', &key);
		list_push(&s->h, pair, value_blob(&s->h, key));
		list_push(&s->h, pair, value_blob(&s->h, value));
		list_push(&s->h, list, pair);
	}
	map_set_str(&s->h, grains, "kernelparams", list);
}

static bool is_of_class(struct blob class, const char *const *beginnings)
{
	for (; *beginnings; beginnings++)
		if (blob_has_prefix(class, *beginnings))
			return true;
	return false;
}

/*
 * "00:19.0" as lspci(8) names it, for Xen's and Qubes' tools; a device outside of PCI domain 0 keeps its domain.
 * Devices that are hidden from this kernel's drivers are in /sys all the same.
 */
static void pci_devices(struct salt *s, struct value *grains, const char *grain, const char *const *classes)
{
	const char *folder = rooted(s, "/sys/bus/pci/devices");
	_cleanup_closedir_ DIR *dir = opendir(folder);
	_cleanup_strv_ struct strv names = {0};
	struct value *list = list_new(&s->h);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		_cleanup_strbuf_ struct strbuf text = {0};
		const char *name = e->d_name;

		if (name[0] == '.' ||
		    read_file(AT_FDCWD, arena_printf(s->h.arena, "%s/%s/class", folder, name), 64, &text) < 0 ||
		    !is_of_class(strbuf_blob(&text), classes))
			continue;
		strv_push(&names, strncmp(name, "0000:", 5) ? name : name + 5);
	}
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		list_push(&s->h, list, value_string(&s->h, names.v[i]));
	map_set_str(&s->h, grains, grain, list);
}

const struct value *grains_gather(struct salt *s)
{
	/* What dom0 hides from its own drivers at the start; 0d is wireless: modems for cellular networks. */
	static const char *const network[] = {"0x02", "0x0d", NULL}, *const usb[] = {"0x0c03", NULL};
	struct value *grains = map_new(&s->h);
	struct utsname name;

	uname(&name);
	map_set_str(&s->h, grains, "id", value_string(&s->h, s->id));
	map_set_str(&s->h, grains, "kernel", value_string(&s->h, name.sysname));
	map_set_str(&s->h, grains, "kernelrelease", value_string(&s->h, name.release));
	map_set_str(&s->h, grains, "num_cpus", value_int(&s->h, sysconf(_SC_NPROCESSORS_ONLN)));
	map_set_str(&s->h, grains, "mem_total",
		    value_int(&s->h, sysconf(_SC_PHYS_PAGES) / 1024 * (sysconf(_SC_PAGESIZE) / 1024)));
	os_release(s, grains);
	kernel_parameters(s, grains);
	pci_devices(s, grains, "pci_net_devs", network);
	pci_devices(s, grains, "pci_usb_devs", usb);
	return grains;
}
