/*
 * Promise: what dom0 writes into QubesDB decides which packets a client gets through, from one moment to the next, and
 * a client cannot pose as another. The real daemons in a network namespace: a client behind vif1.0, a server outside.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/tests/test.h"
#include "runtime/network/vif.h"
#include "runtime/qubesdb/include/qubesdb-client.h"

static const char client4[] = "10.137.0.4", client6[] = "fd09::4", server4[] = "192.0.2.1", server6[] = "2001:db8::1";

enum { PATIENCE_MS = 20000, POLL_MS = 20, CONNECT_MS = 300, PORT = 8080 };

static char *dir;
static int netvm, client, outside; /* network namespaces */
static pid_t database, firewall;
static qdb_handle_t db;

static int new_namespace(void)
{
	return unshare(CLONE_NEWNET) < 0 ? -1 : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static void in(int ns, const char *command)
{
	const char *argv[] = {"sh", "-ec", command, NULL};

	CHECK(setns(ns, CLONE_NEWNET) == 0);
	CHECK_INT(process_run(&(struct process){.argv = argv}), 0);
}

/* Interfaces go over by pid, and this process is in the one that they leave. */
static void move_link(int from, const char *link, int to)
{
	int ready[2], done[2];
	char c = 0;
	pid_t pid;

	CHECK(pipe(ready) == 0 && pipe(done) == 0);
	pid = fork();
	if (pid == 0) {
		_exit(setns(to, CLONE_NEWNET) < 0 || write(ready[1], "x", 1) != 1 || read(done[0], &c, 1) != 1);
	}
	CHECK(read(ready[0], &c, 1) == 1);
	_cleanup_free_ char *command = xasprintf("ip link set %s netns %d", link, (int)pid);
	in(from, command);
	CHECK(write(done[1], "x", 1) == 1);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(done[i]);
	}
}

static pid_t start(const char *program, const char *const *more)
{
	const char *build = getenv("BUILD") ? getenv("BUILD") : "build";
	_cleanup_free_ char *path = xasprintf("%s/socket/bin/%s", build, program);
	const char *argv[8] = {path};

	for (size_t i = 0; more[i] && i < 6; i++)
		argv[i + 1] = more[i];
	return process_spawn(&(struct process){.argv = argv, .null_stdin = 1});
}

static void pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

static void put(const char *path, const char *value)
{
	CHECK(qdb_write(db, path, value, (unsigned)strlen(value)));
}

static unsigned long handled(const char *of)
{
	_cleanup_free_ char *path = xasprintf("/qubes-firewall-handled/%s", of);
	char *value = qdb_read(db, path, NULL);
	unsigned long n = value ? strtoul(value, NULL, 10) : 0;

	free(value);
	return n;
}

/* Until the daemon says that a change is in force. */
static bool wait_handled(const char *of, unsigned long before)
{
	for (int ms = 0; ms < PATIENCE_MS; ms += POLL_MS) {
		if (handled(of) > before)
			return true;
		pause_ms(POLL_MS);
	}
	return false;
}

/* The policy of a client and the one rule before it, which may be NULL. */
static void set_rules(const char *of, const char *policy, const char *first)
{
	_cleanup_free_ char *top = xasprintf("/qubes-firewall/%s", of), *all = xasprintf("%s/", top);
	_cleanup_free_ char *policy_path = xasprintf("%s/policy", top), *rule_path = xasprintf("%s/0000", top);
	unsigned long before = handled(of);

	qdb_rm(db, all);
	put(policy_path, policy);
	if (first)
		put(rule_path, first);
	put(top, "");
	CHECK(wait_handled(of, before));
}

static void rules(const char *policy, const char *first)
{
	set_rules(client4, policy, first);
}

static struct sockaddr_storage address(const char *ip, int port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	struct sockaddr_storage a = {.ss_family = AF_UNSPEC};

	if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1)
		memcpy(&a, &v4, sizeof(v4));
	else if (inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1)
		memcpy(&a, &v6, sizeof(v6));
	return a;
}

/* A connection from the client to an address behind the netvm; -1 when none comes about. */
static int connect_to(const char *source, const char *ip, int port)
{
	struct sockaddr_storage from = address(source, 0), to = address(ip, port);
	struct pollfd p = {.events = POLLOUT};
	int error = 0;
	socklen_t n = sizeof(error);

	CHECK(setns(client, CLONE_NEWNET) == 0);
	p.fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(p.fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		error = errno;
	else if (connect(p.fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		error = errno;
	else if (poll(&p, 1, CONNECT_MS * 10) != 1 || getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = ETIMEDOUT;
	if (!error)
		return p.fd;
	close(p.fd);
	return -1;
}

static int connect_from(const char *source)
{
	return connect_to(source, server4, PORT);
}

static bool reaches(const char *source, const char *ip, int port)
{
	int fd = connect_to(source, ip, port);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool passes(const char *source)
{
	return reaches(source, server4, PORT);
}

/* Takes connections and sends back what comes, until it is killed. */
static pid_t start_server(const char *ip, int port)
{
	struct sockaddr_storage at = address(ip, port);
	int listener;
	pid_t pid = fork();

	if (pid)
		return pid;
	if (setns(outside, CLONE_NEWNET) < 0)
		_exit(1);
	listener = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 8) < 0)
		_exit(1);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char buffer[64];
		ssize_t n;

		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			while ((n = read(fd, buffer, sizeof(buffer))) > 0 && write(fd, buffer, (size_t)n) == n)
				;
			_exit(0);
		}
		close(fd);
	}
}

static bool echoes(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c;

	return write(fd, "x", 1) == 1 && poll(&p, 1, CONNECT_MS * 3) == 1 && read(fd, &c, 1) == 1;
}

static bool prepare(void)
{
	dir = xasprintf("%s", test_dir());
	if ((netvm = new_namespace()) < 0 || (client = new_namespace()) < 0 || (outside = new_namespace()) < 0)
		return false;
	in(netvm, "ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding;"
		  "ip link add vif1.0 type veth peer name eth0; ip link add up0 type veth peer name out0");
	move_link(netvm, "eth0", client);
	move_link(netvm, "out0", outside);
	in(netvm, "ip addr add 10.137.0.2/32 dev vif1.0; ip link set vif1.0 up; ip route add 10.137.0.4 dev vif1.0;"
		  "ip route add 10.137.0.5 dev vif1.0; ip addr add 192.0.2.2/24 dev up0; ip link set up0 up;"
		  "ip addr add fd09::2/128 dev vif1.0 nodad; ip route add fd09::4 dev vif1.0; ip addr add 2001:db8::2/64 dev up0 nodad;"
		  "nft 'add table ip qubes; add chain ip qubes dnat-dns { type nat hook prerouting priority dstnat; };"
		  " add rule ip qubes dnat-dns ip daddr 10.139.1.1 tcp dport 53 dnat to 192.0.2.1'");
	in(client, "ip link set eth0 up; ip addr add 10.137.0.4/32 dev eth0; ip addr add 10.137.0.5/32 dev eth0;"
		   "ip route add 10.137.0.2 dev eth0; ip route add default via 10.137.0.2;"
		   "ip addr add fd09::4/128 dev eth0 nodad; ip route add fd09::2 dev eth0; ip route add default via fd09::2");
	in(outside, "ip addr add 192.0.2.1/24 dev out0; ip link set out0 up; ip route add 10.137.0.0/16 via 192.0.2.2;"
		    "ip addr add 2001:db8::1/64 dev out0 nodad; ip route add fd09::/16 via 2001:db8::2");
	return true;
}

static bool start_daemons(void)
{
	const char *of_database[] = {"--foreground", "--socket-dir", dir, "0", "dom0", NULL};
	const char *of_firewall[] = {"--no-scripts", "--qubesdb-dir", dir, NULL};

	CHECK(setns(netvm, CLONE_NEWNET) == 0);
	database = start("qubesdb-daemon", of_database);
	for (int ms = 0; ms < PATIENCE_MS && !(db = qdb_open_dir(dir, NULL)); ms += POLL_MS)
		pause_ms(POLL_MS);
	if (!CHECK(db))
		return false;
	put("/connected-ips", "10.137.0.4");
	put("/qubes-netvm-primary-dns", "10.139.1.1");
	put("/qubes-firewall/10.137.0.4/policy", "drop");
	put("/connected-ips6", client6);
	put("/qubes-firewall/fd09::4/policy", "drop");
	firewall = start("qubes-firewall", of_firewall);
	return CHECK(wait_handled(client4, 0) && wait_handled(client6, 0));
}

/* A daemon ends with 0, and not with what a sanitizer has to say. */
static void stop(pid_t pid)
{
	int status = -1;

	if (pid <= 0)
		return;
	kill(pid, SIGTERM);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void stop_server(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void try_rules(void)
{
	int open_one;

	CHECK(!passes("10.137.0.4"));
	rules("accept", NULL);
	CHECK(passes("10.137.0.4"));
	rules("drop", "action=accept proto=tcp dst4=192.0.2.0/24 dstports=8080");
	CHECK(passes("10.137.0.4"));
	rules("accept", "action=drop proto=tcp dst4=192.0.2.1/32 dstports=8000-8100");
	CHECK(!passes("10.137.0.4"));
	/* A name that cannot be looked up must not open what it was to block. */
	rules("accept", "action=drop dsthost=does-not-exist.invalid");
	CHECK(!passes("10.137.0.4"));
	rules("accept", "action=nonsense");
	CHECK(!passes("10.137.0.4"));
	rules("accept", NULL);
	/* No rules of its own, no way out. */
	CHECK(!passes("10.137.0.5"));
	/* A connection that stands does not outlive the rule that let it through. */
	open_one = connect_from("10.137.0.4");
	CHECK(open_one >= 0 && echoes(open_one));
	rules("drop", NULL);
	CHECK(!echoes(open_one));
	close(open_one);
	/* Name servers are meant by the addresses that clients know, whatever is put in their place on the way. */
	rules("drop", "action=accept specialtarget=dns");
	CHECK(reaches("10.137.0.4", "10.139.1.1", 53));
	CHECK(!reaches("10.137.0.4", "192.0.2.1", 53));
	CHECK(!passes("10.137.0.4"));
}

static void try_ipv6(void)
{
	CHECK(!reaches(client6, server6, PORT));
	set_rules(client6, "drop", "action=accept proto=tcp dst6=2001:db8::/64 dstports=8080");
	CHECK(reaches(client6, server6, PORT));
	set_rules(client6, "accept", "action=drop dst6=2001:db8::1/128");
	CHECK(!reaches(client6, server6, PORT));
	set_rules(client6, "accept", NULL);
	CHECK(reaches(client6, server6, PORT));
}

/* The tables that every qube loads, in a system without netbase's lists of names. The second time replaces the first. */
TEST(tables)
{
	static const char script[] =
		"mount --make-rprivate /; for f in protocols services; do"
		"  [ ! -e /etc/$f ] || mount --bind /dev/null /etc/$f; done;"
		"mkdir -p $1/etc; ln -sfn $PWD/runtime/network/etc $1/etc/qubes;"
		"for i in 1 2; do $2/socket/bin/qubes-network --root $1 tables; done";
	const char *build = getenv("BUILD") ? getenv("BUILD") : "build";
	const char *argv[] = {"unshare", "-m", "sh", "-ec", script, "sh", test_dir(), build, NULL};
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (geteuid() != 0) {
		test_skip("needs root");
		return;
	}
	CHECK(unshare(CLONE_NEWNET) == 0);
	CHECK_INT(process_run(&(struct process){.argv = argv}), 0);
	CHECK(setns(home, CLONE_NEWNET) == 0);
	close(home);
}

/* The interface of a client, as its netvm sets it up. */
static void add_client(unsigned domid, const char *ip)
{
	_cleanup_free_ char *commands_path = xasprintf("%s/commands", dir), *rules_path = xasprintf("%s/rules", dir);
	_cleanup_free_ char *both = xasprintf("ip -batch %s; nft -f %s", commands_path, rules_path);
	_cleanup_strbuf_ struct strbuf commands = {0}, allowed = {0};
	const char *problem;
	struct vif v;

	if (!CHECK(vif_read(domid, 0, "00:16:3e:5e:6c:00", ip, &v, &problem)))
		return;
	vif_commands(&v, "10.137.0.2", NULL, &commands);
	vif_rules(&v, true, &allowed);
	CHECK_INT(write_file(AT_FDCWD, commands_path, commands.p, commands.n, 0600), 0);
	CHECK_INT(write_file(AT_FDCWD, rules_path, allowed.p, allowed.n, 0600), 0);
	in(netvm, both);
}

/* What a client sends from the address of another is dropped at its own interface, and counted there. */
TEST(posing)
{
	const char *build = getenv("BUILD") ? getenv("BUILD") : "build";
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *tables = NULL;

	if (geteuid() != 0) {
		test_skip("needs root");
		return;
	}
	dir = xasprintf("%s", test_dir());
	tables = xasprintf("mkdir %s/etc; ln -s $PWD/runtime/network/etc %s/etc/qubes; %s/socket/bin/qubes-network --root %s tables",
			   dir, dir, build, dir);
	CHECK((netvm = new_namespace()) >= 0 && (client = new_namespace()) >= 0);
	in(netvm, tables);
	in(netvm, "ip link set lo up; ip link add vif1.0 type veth peer name other; ip link add vif2.0 type veth peer name eth0");
	move_link(netvm, "eth0", client);
	add_client(1, "10.137.0.4");
	add_client(2, "10.137.0.5");
	in(client, "ip link set eth0 up; ip addr add 10.137.0.4/32 dev eth0; ip addr add 10.137.0.5/32 dev eth0;"
		   "ip route add 10.137.0.2 dev eth0");
	CHECK(!reaches("10.137.0.5", "10.137.0.2", PORT));
	in(netvm, "nft list chain ip qubes input | grep -q 'packets [1-9].*host-prohibited'");
	in(netvm, "nft list chain ip qubes antispoof | grep -q 'packets 0 '");
	CHECK(!reaches("10.137.0.4", "10.137.0.2", PORT));
	in(netvm, "nft list chain ip qubes antispoof | grep -q 'packets [1-9]'");
	CHECK(setns(home, CLONE_NEWNET) == 0);
	close(home);
	free(dir);
}

TEST(packets)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	pid_t server, name_server, other_server;

	if (geteuid() != 0) {
		test_skip("needs root");
		return;
	}
	if (!CHECK(prepare()))
		return;
	server = start_server(server4, PORT);
	name_server = start_server(server4, 53);
	other_server = start_server(server6, PORT);
	if (start_daemons()) {
		try_rules();
		try_ipv6();
	}
	if (db)
		qdb_close(db);
	stop(firewall);
	stop(database);
	stop_server(server);
	stop_server(name_server);
	stop_server(other_server);
	CHECK(setns(home, CLONE_NEWNET) == 0);
}
