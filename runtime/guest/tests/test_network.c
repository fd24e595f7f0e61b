/* Promise kept here: dom0's words about the network become exactly these commands, and words that
 * are no addresses become none. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "common/sys/file.h"
#include "common/tests/test.h"
#include "runtime/guest/setup/setup.h"

#define MAC "00:16:3e:5e:6c:00"

static struct setup begin(void)
{
	struct setup s = {.testing = true,
			  .root = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};

	remove_tree(s.root, "etc");
	remove_tree(s.root, "run");
	mkdir_p(s.root, "etc", 0755);
	mkdir_p(s.root, "run/qubes-service", 0755);
	mkdir_p(s.root, "proc/net", 0755);
	write_file(s.root, "proc/net/if_inet6", "", 0, 0644);
	return s;
}

static void put(struct setup *s, const char *key, const char *value)
{
	strmap_put(&s->values, key, (void *)(uintptr_t)value);
}

static void check(struct setup *s, int want_r, const char *want)
{
	_cleanup_strbuf_ struct strbuf out = {0};

	CHECK_INT(setup_uplink_commands(s, "eth0", MAC, &out), want_r);
	CHECK_STR(out.p ? out.p : "", want);
	strmap_free(&s->values);
	close(s->root);
}

#define LINK "link set dev eth0 group 1 addrgenmode none\nlink set dev eth0 up\n"

TEST(uplink_of_an_app_qube)
{
	struct setup s = begin();

	put(&s, "/qubes-ip", "10.137.0.5");
	put(&s, "/qubes-gateway", "10.137.0.2");
	check(&s, 0,
	      LINK "addr replace 10.137.0.5/32 dev eth0\n"
		   "neigh replace 10.137.0.2 lladdr fe:ff:ff:ff:ff:ff dev eth0 nud permanent\n"
		   "route replace 10.137.0.2/32 dev eth0\n"
		   "route replace 0.0.0.0/0 via 10.137.0.2 dev eth0 onlink\n");
}

TEST(uplink_by_mac_goes_first)
{
	struct setup s = begin();

	put(&s, "/qubes-ip", "10.137.0.5");
	put(&s, "/qubes-gateway", "10.137.0.2");
	put(&s, "/net-config/" MAC "/ip", "10.1.1.1");
	put(&s, "/net-config/" MAC "/gateway", "10.1.1.254");
	put(&s, "/net-config/" MAC "/custom", "True");
	check(&s, 0,
	      LINK "addr replace 10.1.1.1/32 dev eth0\nroute replace 10.1.1.254/32 dev eth0\n"
		   "route replace 0.0.0.0/0 via 10.1.1.254 dev eth0 onlink\n");
}

TEST(uplink_with_ipv6_alone)
{
	struct setup s = begin();

	put(&s, "/qubes-ip6", "fd09:24ef:4179::a89:5");
	put(&s, "/qubes-gateway6", "fd09:24ef:4179::a89:2");
	check(&s, 0,
	      LINK "addr replace fd09:24ef:4179::a89:5/128 dev eth0 nodad\n"
		   "neigh replace fd09:24ef:4179::a89:2 lladdr fe:ff:ff:ff:ff:ff dev eth0 nud "
		   "permanent\n"
		   "route replace fd09:24ef:4179::a89:2/128 dev eth0\n"
		   "route replace ::/0 via fd09:24ef:4179::a89:2 dev eth0 onlink\n");
}

TEST(uplink_in_a_kernel_without_ipv6)
{
	struct setup s = begin();

	unlinkat(s.root, "proc/net/if_inet6", 0);
	put(&s, "/qubes-ip", "10.137.0.5");
	put(&s, "/qubes-gateway", "10.137.0.2");
	put(&s, "/qubes-ip6", "fd09:24ef:4179::a89:5");
	put(&s, "/qubes-gateway6", "fd09:24ef:4179::a89:2");
	check(&s, 0,
	      "link set dev eth0 group 1\nlink set dev eth0 up\naddr replace 10.137.0.5/32 dev eth0\n"
	      "neigh replace 10.137.0.2 lladdr fe:ff:ff:ff:ff:ff dev eth0 nud permanent\n"
	      "route replace 10.137.0.2/32 dev eth0\nroute replace 0.0.0.0/0 via 10.137.0.2 dev eth0 onlink\n");
}

TEST(uplink_without_default_route)
{
	struct setup s = begin();

	write_file(s.root, "run/qubes-service/disable-default-route", "", 0, 0644);
	put(&s, "/qubes-ip", "10.137.0.5");
	put(&s, "/qubes-gateway", "10.137.0.2");
	check(&s, 0,
	      LINK "addr replace 10.137.0.5/32 dev eth0\n"
		   "neigh replace 10.137.0.2 lladdr fe:ff:ff:ff:ff:ff dev eth0 nud permanent\n"
		   "route replace 10.137.0.2/32 dev eth0\n");
}

TEST(uplink_is_not_the_way_to_clients)
{
	struct setup s = begin();

	put(&s, "/qubes-ip", "10.137.0.5");
	put(&s, "/qubes-gateway", "10.137.0.2");
	put(&s, "/qubes-mac", "00:16:3e:5e:6c:01");
	check(&s, -ENOENT, "");
}

TEST(uplink_of_nobody)
{
	static const char *const wrong[] = {"", "10.137.0.5\nlink del eth0", "10.137.0", "fd00::1",
					    "x"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct setup s = begin();

		put(&s, "/qubes-ip", wrong[i]);
		check(&s, -ENOENT, "");
	}
}

TEST(resolvers)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct setup s = begin();

	/* A link that leads nowhere, as a template without resolved has it, gives way to a file. */
	CHECK_INT(symlinkat("../run/systemd/resolve/stub-resolv.conf", s.root, "etc/resolv.conf"),
		  0);
	put(&s, "/qubes-primary-dns", "10.139.1.1");
	put(&s, "/qubes-secondary-dns", "10.139.1.2");
	CHECK_INT(setup_resolvers(&s, "eth0"), 0);
	CHECK_INT(read_file(s.root, "etc/resolv.conf", 4096, &text), 0);
	CHECK_STR(text.p, "nameserver 10.139.1.1\nnameserver 10.139.1.2\n");
	write_file(s.root, "etc/resolv.conf", "mine\n", 5, 0644);
	write_file(s.root, "run/qubes-service/disable-dns-server", "", 0, 0644);
	CHECK_INT(setup_resolvers(&s, "eth0"), 0);
	strbuf_reset(&text);
	CHECK_INT(read_file(s.root, "etc/resolv.conf", 4096, &text), 0);
	CHECK_STR(text.p, "mine\n");
	strmap_free(&s.values);
	close(s.root);
}

TEST(resolvers_of_a_lease)
{
	static const char state[] = "# This is private data.\nOPER_STATE=routable\nDNS=192.0.2.53 "
				    "2001:db8::53 bad;name\n"
				    "DOMAINS=example.org x|y\n";
	_cleanup_strbuf_ struct strbuf text = {0};
	struct setup s = begin();

	/* Nothing known yet: the file stays. */
	write_file(s.root, "etc/resolv.conf", "old\n", 4, 0644);
	CHECK_INT(setup_lease(&s), 0);
	CHECK_INT(read_file(s.root, "etc/resolv.conf", 4096, &text), 0);
	CHECK_STR(text.p, "old\n");
	mkdir_p(s.root, "run/systemd/netif", 0755);
	write_file(s.root, "run/systemd/netif/state", state, strlen(state), 0644);
	CHECK_INT(setup_lease(&s), 0);
	strbuf_reset(&text);
	CHECK_INT(read_file(s.root, "etc/resolv.conf", 4096, &text), 0);
	CHECK_STR(text.p, "nameserver 192.0.2.53\nnameserver 2001:db8::53\n");
	/* systemd-resolved knows better. */
	mkdir_p(s.root, "run/systemd/resolve", 0755);
	write_file(s.root, "etc/resolv.conf", "of resolved\n", 12, 0644);
	CHECK_INT(setup_lease(&s), 0);
	strbuf_reset(&text);
	CHECK_INT(read_file(s.root, "etc/resolv.conf", 4096, &text), 0);
	CHECK_STR(text.p, "of resolved\n");
	close(s.root);
}
