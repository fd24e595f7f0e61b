/*
 * qubes-backend: in a qube that gives others network, what libxl's hot-plug scripts are in dom0. It watches the backend
 * nodes of its own domain, sets each client's interface up when the kernel has made it, and clears up behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <xenstore.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strv.h"
#include "common/sys/hook.h"
#include "runtime/domid.h"
#include "runtime/firewall/conntrack.h"
#include "runtime/network/address.h"
#include "runtime/network/decide.h"
#include "runtime/network/ip.h"
#include "runtime/network/nft.h"
#include "runtime/network/vif.h"
#include "runtime/qubesdb/include/qubesdb-client.h"

#define NODES "backend/vif"
#define HOOKS "/rw/config/network-hooks.d"

enum { VIFS_MAX = 1024, DEVICE_MAX = 255 };

struct backend {
	struct xs_handle *xs;
	struct vif *vifs; /* those that are set up */
	size_t n;
};

static char *node_read(const struct backend *b, unsigned domid, unsigned device, const char *key)
{
	_cleanup_free_ char *path = xasprintf(NODES "/%u/%u/%s", domid, device, key);
	unsigned n;

	return xs_read(b->xs, XBT_NULL, path, &n);
}

static void node_write(const struct backend *b, unsigned domid, unsigned device, const char *key, const char *value)
{
	_cleanup_free_ char *path = xasprintf(NODES "/%u/%u/%s", domid, device, key);

	if (!xs_write(b->xs, XBT_NULL, path, value, (unsigned)strlen(value)))
		fprintf(stderr, "qubes-backend: %s: cannot be written: %s\n", path, strerror(errno));
}

static struct vif *find(struct backend *b, unsigned domid, unsigned device)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->vifs[i].domid == domid && b->vifs[i].device == device)
			return &b->vifs[i];
	return NULL;
}

static char *own_address(const char *key)
{
	qdb_handle_t h = qdb_open(NULL);
	char *value = h ? qdb_read(h, key, NULL) : NULL;

	if (h)
		qdb_close(h);
	if (address_family(value))
		return value;
	free(value);
	return NULL;
}

/* The user's: COMMAND VIF TYPE IP, as Qubes OS calls them. */
static void run_hooks(const char *what, const struct vif *v)
{
	_cleanup_strv_ struct strv hooks = {0};

	hook_list(HOOKS, NULL, &hooks);
	for (size_t i = 0; i < hooks.n; i++)
		if (hook_run((const char *const[]){hooks.v[i], what, v->name, "vif", v->ip[0], NULL}) != 0)
			fprintf(stderr, "qubes-backend: %s: failed\n", hooks.v[i]);
}

/* proxy_arp: a client may ask for any address and gets an answer, whatever its idea of the network is. */
static void answer_for_all(const struct vif *v)
{
	_cleanup_free_ char *path = xasprintf("/proc/sys/net/ipv4/conf/%s/proxy_arp", v->name);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "1", 1) != 1)
		fprintf(stderr, "qubes-backend: %s: %s\n", path, strerror(errno));
}

static int set_up(const struct vif *v, struct error *err)
{
	_cleanup_free_ char *gateway = own_address("/qubes-netvm-gateway"),
			    *gateway6 = own_address("/qubes-netvm-gateway6");
	_cleanup_strbuf_ struct strbuf commands = {0}, rules = {0};
	int r;

	vif_rules(v, true, &rules);
	vif_commands(v, gateway, gateway6, &commands);
	/* The rules first: no packet passes before it is known whose it may be. */
	r = nft_apply(v->name, rules.p, err);
	if (r == 0)
		r = ip_batch(v->name, &commands, false, err);
	if (r == 0)
		answer_for_all(v);
	return r;
}

static void online(struct backend *b, unsigned domid, unsigned device)
{
	_cleanup_free_ char *mac = node_read(b, domid, device, "mac"), *ip = node_read(b, domid, device, "ip");
	_cleanup_error_ struct error err = {0};
	const char *problem = "there are too many";
	struct vif v;

	if (b->n < VIFS_MAX && vif_read(domid, device, mac ? mac : "", ip ? ip : "", &v, &problem)) {
		if (set_up(&v, &err) == 0) {
			b->vifs[b->n++] = v;
			node_write(b, domid, device, "hotplug-status", "connected");
			run_hooks("online", &v);
			return;
		}
		error_print("qubes-backend", &err);
		problem = "cannot be set up; the journal of the qube that provides it says why";
	}
	fprintf(stderr, "qubes-backend: vif%u.%u: %s\n", domid, device, problem);
	node_write(b, domid, device, "hotplug-error", problem);
	node_write(b, domid, device, "hotplug-status", "error");
}

static void offline(struct backend *b, struct vif *v)
{
	_cleanup_strbuf_ struct strbuf rules = {0};
	_cleanup_error_ struct error err = {0};

	vif_rules(v, false, &rules);
	if (nft_apply(v->name, rules.p, &err) < 0)
		error_print("qubes-backend", &err);
	for (size_t i = 0; i < v->n; i++)
		conntrack_forget(address_family(v->ip[i]), v->ip[i]);
	run_hooks("offline", v);
	*v = b->vifs[--b->n];
}

static void look_at(struct backend *b, unsigned domid, unsigned device)
{
	_cleanup_free_ char *state = node_read(b, domid, device, "state"), *wanted = node_read(b, domid, device, "online"),
			    *status = node_read(b, domid, device, "hotplug-status"),
			    *node = xasprintf(NODES "/%u/%u", domid, device);
	struct vif *v = find(b, domid, device);
	enum backend_action action = backend_decide(state, wanted, status, v);

	if (action == BACKEND_ONLINE)
		online(b, domid, device);
	else if (action != BACKEND_NOTHING && v)
		offline(b, v);
	if (action == BACKEND_REMOVE)
		xs_rm(b->xs, XBT_NULL, node);
}

static bool number(const char *text, uint64_t max, unsigned *out)
{
	uint64_t n;

	if (!blob_to_u64(blob_of(text), max, &n))
		return false;
	*out = (unsigned)n;
	return true;
}

static void look_at_domain(struct backend *b, unsigned domid)
{
	_cleanup_free_ char *path = xasprintf(NODES "/%u", domid);
	unsigned n = 0, device;
	char **devices = xs_directory(b->xs, XBT_NULL, path, &n);

	for (unsigned i = 0; devices && i < n; i++)
		if (number(devices[i], DEVICE_MAX, &device))
			look_at(b, domid, device);
	free(devices);
}

/* All there are in xenstore, and those that went with their node. */
static void look_at_all(struct backend *b)
{
	unsigned n = 0, domid;
	char **domains = xs_directory(b->xs, XBT_NULL, NODES, &n);

	for (unsigned i = 0; domains && i < n; i++)
		if (number(domains[i], XEN_DOMID_MAX, &domid))
			look_at_domain(b, domid);
	free(domains);
	for (size_t i = b->n; i-- > 0;)
		look_at(b, b->vifs[i].domid, b->vifs[i].device);
}

/* backend/vif[/DOMID[/DEVICE[/KEY]]] */
static void on_path(struct backend *b, const char *path)
{
	struct blob rest = blob_of(path + (strncmp(path, NODES "/", sizeof(NODES)) ? strlen(path) : sizeof(NODES)));
	struct blob first, second;
	uint64_t domid, device;

	if (!blob_token(&rest, '/', &first) || !blob_to_u64(first, XEN_DOMID_MAX, &domid) ||
	    !blob_token(&rest, '/', &second) || !blob_to_u64(second, DEVICE_MAX, &device))
		look_at_all(b);
	else if (backend_key_matters(rest))
		look_at(b, (unsigned)domid, (unsigned)device);
}

int main(void)
{
	struct backend b = {.xs = xs_open(0), .vifs = xcalloc(VIFS_MAX, sizeof(struct vif))};

	if (!b.xs || !xs_watch(b.xs, NODES, "vif")) {
		fprintf(stderr, "qubes-backend: xenstore: %s\n", strerror(errno));
		return 1;
	}
	look_at_all(&b);
	sd_notify(0, "READY=1");
	for (;;) {
		unsigned n;
		char **event = xs_read_watch(b.xs, &n);

		if (!event) {
			fprintf(stderr, "qubes-backend: xenstore: %s\n", strerror(errno));
			return 1;
		}
		on_path(&b, event[XS_WATCH_PATH]);
		free(event);
	}
}
