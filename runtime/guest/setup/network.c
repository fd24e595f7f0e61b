#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/base/strv.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "runtime/guest/setup/setup.h"
#include "runtime/network/address.h"
#include "runtime/network/ip.h"

/* Every backend interface of Xen has this address: the way to it needs no question on the wire. */
#define BACKEND_MAC "fe:ff:ff:ff:ff:ff"
#define XEN_DEVICES "/sys/bus/xen/devices"

enum { UPLINK_SECONDS = 20 };

/*
 * A word of the interface's own settings in qubesdb, else the qube's, which are meant for the
 * interface with the qube's MAC address: a netvm has others, towards its clients.
 */
static const char *net_value(const struct setup *s, const char *mac, const char *own,
			     const char *general)
{
	_cleanup_free_ char *key = xasprintf("/net-config/%s/%s", mac, own),
			    *ip = xasprintf("/net-config/%s/ip", mac);
	const char *qube_mac = setup_value(s, "/qubes-mac");

	if (setup_value(s, ip))
		return setup_value(s, key);
	if (!general || (qube_mac && strcasecmp(qube_mac, mac)))
		return NULL;
	return setup_value(s, general);
}

/* The words go into commands: what is no address is no word. */
static const char *address(struct setup *s, int family, const char *what, const char *value)
{
	if (!value || !*value)
		return NULL;
	if (address_family(value) == family)
		return value;
	setup_complain(s, what, "dom0 sent no address: %.60s", value);
	return NULL;
}

static bool service_on(const struct setup *s, const char *name)
{
	_cleanup_free_ char *path = xasprintf("run/qubes-service/%s", name);

	return faccessat(s->root, path, F_OK, 0) == 0;
}

/* Not with ipv6.disable=1 among the kernel's options: then each command about it fails, with all else that it says. */
static bool has_ipv6(const struct setup *s)
{
	return faccessat(s->root, "proc/net/if_inet6", F_OK, 0) == 0;
}

static void add_family(struct setup *s, const char *iface, const char *ip, const char *gateway,
		       bool v6, bool custom, struct strbuf *out)
{
	/* Nobody else is on the link whose address it could be. */
	strbuf_printf(out, "addr replace %s/%d dev %s%s\n", ip, v6 ? 128 : 32, iface,
		      v6 ? " nodad" : "");
	if (!gateway)
		return;
	if (!custom)
		strbuf_printf(out, "neigh replace %s lladdr " BACKEND_MAC " dev %s nud permanent\n",
			      gateway, iface);
	strbuf_printf(out, "route replace %s/%d dev %s\n", gateway, v6 ? 128 : 32, iface);
	if (!service_on(s, "disable-default-route"))
		strbuf_printf(out, "route replace %s via %s dev %s onlink\n",
			      v6 ? "::/0" : "0.0.0.0/0", gateway, iface);
}

int setup_uplink_commands(struct setup *s, const char *iface, const char *mac, struct strbuf *out)
{
	const char *ip = address(s, 4, "IPv4 address", net_value(s, mac, "ip", "/qubes-ip")),
		   *ip6 = address(s, 6, "IPv6 address",
				  net_value(s, mac, "ip6", "/qubes-ip6")),
		   *custom = net_value(s, mac, "custom", NULL);

	bool v6 = has_ipv6(s);

	if (!ip && !ip6)
		return -ENOENT;
	/* Nobody here announces routers; a guess of the kernel's would only be another address of
	 * the qube. */
	strbuf_printf(out, "link set dev %s group 1%s\nlink set dev %s up\n", iface,
		      v6 ? " addrgenmode none" : "", iface);
	if (ip)
		add_family(s, iface, ip,
			   address(s, 4, "IPv4 gateway",
				   net_value(s, mac, "gateway", "/qubes-gateway")),
			   false, custom && *custom, out);
	if (ip6 && v6)
		add_family(s, iface, ip6,
			   address(s, 6, "IPv6 gateway",
				   net_value(s, mac, "gateway6", "/qubes-gateway6")),
			   true, custom && *custom, out);
	return 0;
}

int setup_resolvers(struct setup *s, const char *iface)
{
	const char *dns[] = {
		address(s, 4, "first resolver", setup_value(s, "/qubes-primary-dns")),
		address(s, 4, "second resolver", setup_value(s, "/qubes-secondary-dns")),
	};
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_strv_ struct strv argv = {0};

	if ((!dns[0] && !dns[1]) || service_on(s, "disable-dns-server"))
		return 0;
	strv_push(&argv, "resolvectl");
	strv_push(&argv, "dns");
	strv_push(&argv, iface);
	for (size_t i = 0; i < 2; i++) {
		if (!dns[i])
			continue;
		strbuf_printf(&text, "nameserver %s\n", dns[i]);
		strv_push(&argv, dns[i]);
	}
	if (!s->testing && access("/run/systemd/resolve/stub-resolv.conf", F_OK) == 0)
		return process_run(&(struct process){.argv = (const char *const *)argv.v,
						     .null_stdin = 1})
			       ? -EIO
			       : 0;
	setup_replace_file(s, "/etc/resolv.conf", text.p);
	return 0;
}

static int configure(struct setup *s, const char *iface)
{
	_cleanup_free_ char *path = xasprintf("/sys/class/net/%s/address", iface);
	_cleanup_strbuf_ struct strbuf mac = {0}, commands = {0};
	int r = read_file(AT_FDCWD, path, 64, &mac), resolvers;

	if (r < 0)
		return r;
	mac.p[blob_trim(strbuf_blob(&mac)).n] = '\0';
	r = setup_uplink_commands(s, iface, mac.p, &commands);
	/* An interface that dom0 says nothing about is somebody else's. */
	if (r == -ENOENT)
		return 0;
	if (!r && ip_batch(iface, &commands, true, NULL) < 0)
		r = -EIO;
	/* Whatever works of the way out is of no use without names. */
	resolvers = setup_resolvers(s, iface);
	if (!r)
		r = resolvers;
	setup_run_hook(s, "/rw/config/qubes-ip-change-hook");
	setup_run_hook(s, "/rw/config/qubes_ip_change_hook");
	return r;
}

/* The interface of one Xen device: its driver makes it some time after Xen has offered the device.
 */
static int wait_for_net(const char *device, char iface[16])
{
	_cleanup_free_ char *path = xasprintf(XEN_DEVICES "/%s/net", device);

	for (int i = 0; i < UPLINK_SECONDS * 20; i++) {
		_cleanup_closedir_ DIR *dir = opendir(path);
		struct dirent *entry;

		while (dir && (entry = readdir(dir)))
			if (entry->d_name[0] != '.')
				return snprintf(iface, 16, "%.15s", entry->d_name) > 0 ? 0 : -EIO;
		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	}
	return -ETIMEDOUT;
}

static int configure_all(struct setup *s)
{
	_cleanup_closedir_ DIR *dir = opendir(XEN_DEVICES);
	struct dirent *entry;
	char iface[16];
	int r = 0;

	while (!r && dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "vif-", 4))
			continue;
		r = wait_for_net(entry->d_name, iface);
		if (!r)
			r = configure(s, iface);
		if (r < 0)
			setup_complain(s, entry->d_name, "%s", strerror(-r));
	}
	return r;
}

int setup_uplink(struct setup *s)
{
	int r;

	if (!s->argument)
		return configure_all(s);
	/* It is made part of paths and commands. */
	r = address_is_interface(s->argument) ? configure(s, s->argument) : -EINVAL;
	if (r < 0)
		setup_complain(s, s->argument, "cannot set the interface up: %s", strerror(-r));
	return r;
}
