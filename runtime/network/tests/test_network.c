/* Promise: what comes out of QubesDB and xenstore turns into exactly these commands and rules, or into a refusal. */
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/tests/test.h"
#include "runtime/network/decide.h"
#include "runtime/network/dns.h"
#include "runtime/network/follow.h"
#include "runtime/network/vif.h"

TEST(vif_of_a_client)
{
	_cleanup_strbuf_ struct strbuf commands = {0}, on = {0}, off = {0};
	const char *problem;
	struct vif v;

	if (!CHECK(vif_read(7, 0, "00:16:3e:5e:6c:00", "10.137.0.4 fd09:24ef:4179::a89:4", &v, &problem)))
		return;
	vif_commands(&v, "10.137.0.2", NULL, &commands);
	CHECK_STR(commands.p, "link set dev vif7.0 group 2\nlink set dev vif7.0 up\n"
			      "address replace 10.137.0.2/32 dev vif7.0\n"
			      "route replace 10.137.0.4 dev vif7.0 metric 32745\n"
			      "neighbour replace 10.137.0.4 dev vif7.0 lladdr 00:16:3e:5e:6c:00 nud permanent\n"
			      "-6 route replace fd09:24ef:4179::a89:4 dev vif7.0 metric 32745\n"
			      "-6 neighbour replace fd09:24ef:4179::a89:4 dev vif7.0 lladdr 00:16:3e:5e:6c:00 nud permanent\n");
	vif_rules(&v, true, &on);
	CHECK_STR(on.p, "add element ip qubes allowed { \"vif7.0\" . 10.137.0.4 }\n"
			"add element ip qubes downstream { 10.137.0.4 }\n"
			"add element ip6 qubes allowed { \"vif7.0\" . fd09:24ef:4179::a89:4 }\n"
			"add element ip6 qubes downstream { fd09:24ef:4179::a89:4 }\n");
	vif_rules(&v, false, &off);
	CHECK(blob_has_prefix(strbuf_blob(&off), "delete element ip qubes allowed { \"vif7.0\" . 10.137.0.4 }\n"));
}

TEST(vif_refusals)
{
	static const char *const wrong[][3] = {
		{"00:16:3e:5e:6c", "10.137.0.4", "its MAC address is none"},
		{"00:16:3e:5e:6c:0g", "10.137.0.4", "its MAC address is none"},
		{"00:16:3e:5e:6c:00", "", "it has no IP address"},
		{"00:16:3e:5e:6c:00", "10.137.0.4;x", "one of its IP addresses is none"},
		{"00:16:3e:5e:6c:00", "10.137.0.4/8", "one of its IP addresses is none"},
		{"00:16:3e:5e:6c:00", "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8 1.1.1.9",
		 "it has too many addresses"},
		{"00:16:3e:5e:6c:00", "1234567890123456789012345678901234567890123456", "one of its IP addresses is none"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		const char *problem = NULL;
		struct vif v;

		CHECK(!vif_read(1, 0, wrong[i][0], wrong[i][1], &v, &problem));
		CHECK_STR(problem, wrong[i][2]);
	}
}

TEST(what_a_change_of_a_node_means)
{
	CHECK_INT(backend_decide("1", "1", NULL, false), BACKEND_NOTHING);
	CHECK_INT(backend_decide("2", "1", NULL, false), BACKEND_ONLINE);
	CHECK_INT(backend_decide("2", "1", NULL, true), BACKEND_NOTHING);
	CHECK_INT(backend_decide("4", "1", NULL, true), BACKEND_NOTHING);
	CHECK_INT(backend_decide("4", "1", NULL, false), BACKEND_ONLINE);
	CHECK_INT(backend_decide("5", "0", NULL, true), BACKEND_NOTHING);
	CHECK_INT(backend_decide("6", "0", NULL, true), BACKEND_REMOVE);
	CHECK_INT(backend_decide("6", "0", NULL, false), BACKEND_REMOVE);
	CHECK_INT(backend_decide("6", "1", NULL, true), BACKEND_OFFLINE);
	CHECK_INT(backend_decide(NULL, NULL, NULL, true), BACKEND_OFFLINE);
	CHECK_INT(backend_decide(NULL, NULL, NULL, false), BACKEND_NOTHING);
	CHECK_INT(backend_decide("2", "1", "connected", false), BACKEND_ONLINE);
	/* What failed is not tried again, but goes as everything does. */
	CHECK_INT(backend_decide("2", "1", "error", false), BACKEND_NOTHING);
	CHECK_INT(backend_decide("4", "1", "error", false), BACKEND_NOTHING);
	CHECK_INT(backend_decide("6", "0", "error", false), BACKEND_REMOVE);
	CHECK(backend_key_matters(BLOB("")) && backend_key_matters(BLOB("state")) && backend_key_matters(BLOB("online")));
	CHECK(!backend_key_matters(BLOB("hotplug-status")) && !backend_key_matters(BLOB("hotplug-error")));
}

TEST(name_servers)
{
	static const char *const virtual[2] = {"10.139.1.1", "10.139.1.2"};
	_cleanup_strbuf_ struct strbuf none = {0}, two = {0};
	struct dns_servers s = {.n = 0};

	dns_rules(virtual, &s, &none);
	CHECK_STR(none.p, "flush chain ip qubes dnat-dns\n"
			  "add rule ip qubes dnat-dns ip daddr 10.139.1.1 tcp dport 53 drop\n"
			  "add rule ip qubes dnat-dns ip daddr 10.139.1.1 udp dport 53 drop\n"
			  "add rule ip qubes dnat-dns ip daddr 10.139.1.2 tcp dport 53 drop\n"
			  "add rule ip qubes dnat-dns ip daddr 10.139.1.2 udp dport 53 drop\n");
	dns_read_resolv_conf(BLOB("# no\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver x;y\nnameserver 2001:db8::1\n"
				  "nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions a\n"),
			     &s);
	CHECK_INT(s.n, 2);
	dns_rules(virtual, &s, &two);
	CHECK_STR(two.p, "flush chain ip qubes dnat-dns\n"
			 "add rule ip qubes dnat-dns ip daddr 10.139.1.1 tcp dport 53 dnat to 192.0.2.1\n"
			 "add rule ip qubes dnat-dns ip daddr 10.139.1.1 udp dport 53 dnat to 192.0.2.1\n"
			 "add rule ip qubes dnat-dns ip daddr 10.139.1.2 tcp dport 53 dnat to 192.0.2.2\n"
			 "add rule ip qubes dnat-dns ip daddr 10.139.1.2 udp dport 53 dnat to 192.0.2.2\n");
}

static pid_t run_beside(const char *script)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/sh", "sh", "-ec", script, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void check_seen(struct follow *f, const char *script)
{
	_cleanup_error_ struct error err = {0};
	int status = -1;
	pid_t pid = run_beside(script);

	CHECK_INT(follow_wait(f, 100, &err), 0);
	waitpid(pid, &status, 0);
	CHECK_INT(status, 0);
}

TEST(follow)
{
	static const char *const paths[] = {"/run/netif/state", "/etc/resolv.conf"};
	const char *root = test_dir();
	_cleanup_free_ char *folder = xasprintf("cd %s; mkdir -p etc run/netif", root),
			    *first = xasprintf("cd %s; echo 1 >run/netif/state", root),
			    /* The way that daemons do it. */
			    *renamed = xasprintf("cd %s; echo 2 >run/netif/.new; mv run/netif/.new run/netif/state", root),
			    *other = xasprintf("cd %s; echo x >etc/other; echo x >etc/resolv.conf", root);
	_cleanup_error_ struct error err = {0};
	struct follow f;

	CHECK_INT(follow_begin(&f, root, paths, 2, &err), 0);
	/* Folders that come later, too. */
	check_seen(&f, folder);
	check_seen(&f, first);
	check_seen(&f, renamed);
	check_seen(&f, other);
	follow_end(&f);
}
