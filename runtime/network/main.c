/*
 * qubes-network: what a qube sets up for its network. tables: the firewall that every qube has. forward: this one
 * carries packets for others. dns: stays, and sends their questions to the name servers there are at each moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/ui/options.h"
#include "runtime/network/address.h"
#include "runtime/network/dns.h"
#include "runtime/network/follow.h"
#include "runtime/network/nft.h"
#include "runtime/qubesdb/include/qubesdb-client.h"

enum { FILE_LIMIT = 64 << 10, QUIET_MS = 200 };

/* Where name servers are found, the better source first. */
static const char resolved_conf[] = "/run/systemd/resolve/resolv.conf",
		  network_manager_conf[] = "/run/NetworkManager/no-stub-resolv.conf", own_conf[] = "/etc/resolv.conf",
		  networkd_state[] = "/run/systemd/netif/state";

static const char *root = "", *qubesdb_dir;

static const struct option_def options[] = {
	{"root", 0, OPTION_STRING, &root, "DIR", "look for files below DIR"},
	{"qubesdb-dir", 0, OPTION_STRING, &qubesdb_dir, "DIR", "the folder with QubesDB's socket (/var/run/qubes)"},
	{0},
};

static const struct command_line command = {
	.program = "qubes-network",
	.operands = "tables|forward|dns",
	.summary = "Set up a part of this qube's network.",
	.options = options,
};

static int tables(struct error *err)
{
	static const char *const files[] = {"/etc/qubes/qubes-ipv4.nft", "/etc/qubes/qubes-ipv6.nft"};

	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *path = xasprintf("%s%s", root, files[i]);
		int r = nft_apply_file(path, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int set(const char *path, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, "1", 1) != 1 ? error_errno(err, -errno, path, "cannot be switched on") : 0;
}

static char *db_value(const char *key)
{
	qdb_handle_t h = qubesdb_dir ? qdb_open_dir(qubesdb_dir, NULL) : qdb_open(NULL);
	char *value = h ? qdb_read(h, key, NULL) : NULL;

	if (h)
		qdb_close(h);
	return value;
}

static int forward(struct error *err)
{
	static const char *const load[] = {"modprobe", "xen-netback", NULL};
	_cleanup_free_ char *gateway6 = db_value("/qubes-netvm-gateway6");
	int r = process_check(load, err);

	if (r == 0)
		r = set("/proc/sys/net/ipv4/ip_forward", err);
	if (r == 0 && gateway6 && *gateway6)
		r = set("/proc/sys/net/ipv6/conf/all/forwarding", err);
	return r;
}

static void read_servers(const char *name, struct dns_servers *out)
{
	_cleanup_free_ char *path = xasprintf("%s%s", root, name);
	_cleanup_strbuf_ struct strbuf text = {0};

	if (!out->n && read_file(AT_FDCWD, path, FILE_LIMIT, &text) >= 0)
		dns_read_resolv_conf(strbuf_blob(&text), out);
}

/* The first source that knows any: what resolved or NetworkManager use, what the qube itself uses. */
static int send_questions(struct error *err)
{
	_cleanup_free_ char *primary = db_value("/qubes-netvm-primary-dns"),
			    *secondary = db_value("/qubes-netvm-secondary-dns");
	const char *virtual[2] = {address_family(primary) == 4 ? primary : NULL,
				  address_family(secondary) == 4 ? secondary : NULL};
	_cleanup_strbuf_ struct strbuf script = {0};
	struct dns_servers servers = {.n = 0};

	read_servers(resolved_conf, &servers);
	read_servers(network_manager_conf, &servers);
	read_servers(own_conf, &servers);
	dns_rules(virtual, &servers, &script);
	return nft_apply("chain dnat-dns", script.p, err);
}

/* With systemd-networkd alone nobody else makes a resolv.conf of the lease. */
static int dns_once(struct error *err)
{
	static const char *const lease[] = {"/usr/lib/qubes/qubes-guest-setup", "lease", NULL};
	int r = access(lease[0], X_OK) == 0 ? process_check(lease, err) : 0;

	return r < 0 ? r : send_questions(err);
}

/* A failure is said, and the next change tries again. */
static int dns(struct error *err)
{
	static const char *const sources[] = {resolved_conf, network_manager_conf, own_conf, networkd_state};
	struct follow f;
	int r = follow_begin(&f, root, sources, sizeof(sources) / sizeof(*sources), err);

	while (r == 0) {
		_cleanup_error_ struct error failure = {0};

		if (dns_once(&failure) < 0)
			error_print("qubes-network", &failure);
		r = follow_wait(&f, QUIET_MS, err);
	}
	follow_end(&f);
	return r;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct error *err);
	} commands[] = {{"tables", tables}, {"forward", forward}, {"dns", dns}};
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_error_ struct error err = {0};
	enum options_result parsed = options_parse(&command, argc, argv, &operands);

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n != 1)
		return options_wrong(&command, "one of tables, forward, dns is needed");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(operands.v[0], commands[i].name) != 0)
			continue;
		if (commands[i].run(&err) == 0)
			return 0;
		error_print("qubes-network", &err);
		return 1;
	}
	return options_wrong(&command, "unknown part '%s'", operands.v[0]);
}
