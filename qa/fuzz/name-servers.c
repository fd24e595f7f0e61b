/*
 * runtime/guest/setup/lease.c and runtime/network/dns.c: whatever DHCP gave, /etc/resolv.conf has addresses alone; whatever is in
 * that, so have the rules for the qubes behind this one.
 */
#include "runtime/guest/setup/lease.c"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "runtime/network/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[] = "/tmp/fuzz-name-servers.XXXXXX";
static int root = -1;

static void rules_of(struct blob resolv_conf)
{
	static const char *const virtual[2] = {"10.139.1.1", "10.139.1.2"};
	_cleanup_strbuf_ struct strbuf rules = {0};
	struct dns_servers servers = {0};
	struct in_addr address;

	dns_read_resolv_conf(resolv_conf, &servers);
	for (unsigned i = 0; i < servers.n; i++)
		if (inet_pton(AF_INET, servers.ip[i], &address) != 1)
			abort();
	dns_rules(virtual, &servers, &rules);
}

void setup_replace_file(struct setup *s, const char *path, const char *text)
{
	struct blob rest = blob_of(text), line;
	char word[WORD_MAX];

	(void)s;
	(void)path;
	while (blob_token(&rest, '\n', &line))
		if (!blob_has_prefix(line, "nameserver ") || !is_address((struct blob){line.p + 11, line.n - 11}, word))
			abort();
	rules_of(blob_of(text));
}

static void leave(void)
{
	remove_tree(AT_FDCWD, top);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct setup s = {0};

	if (root < 0) {
		if (!mkdtemp(top) || (root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
		    mkdir_p(root, "run/systemd/netif", 0700) < 0)
			abort();
		atexit(leave);
	}
	if (write_file(root, "run/systemd/netif/state", data, size, 0600) < 0)
		abort();
	s.root = root;
	setup_lease(&s);
	rules_of((struct blob){(const char *)data, size});
	return 0;
}
