#include "runtime/firewall/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <string.h>

struct wanted {
	int family;
	unsigned char address[16];
	struct nfct_handle *kill;
};

static int on_entry(enum nf_conntrack_msg_type type, struct nf_conntrack *ct, void *user)
{
	const struct wanted *w = user;
	const void *source = nfct_get_attr(ct, w->family == AF_INET6 ? ATTR_ORIG_IPV6_SRC : ATTR_ORIG_IPV4_SRC);

	(void)type;
	/* One that ended meanwhile is gone as well. */
	if (source && !memcmp(source, w->address, w->family == AF_INET6 ? 16 : 4))
		nfct_query(w->kill, NFCT_Q_DESTROY, ct);
	return NFCT_CB_CONTINUE;
}

int conntrack_forget(int family, const char *ip)
{
	struct wanted w = {.family = family == 6 ? AF_INET6 : AF_INET};
	uint32_t query = (uint32_t)w.family;
	struct nfct_handle *dump;
	int r = 0;

	if (inet_pton(w.family, ip, w.address) != 1)
		return -EINVAL;
	dump = nfct_open(CONNTRACK, 0);
	w.kill = dump ? nfct_open(CONNTRACK, 0) : NULL;
	if (!w.kill || nfct_callback_register(dump, NFCT_T_ALL, on_entry, &w) < 0 ||
	    nfct_query(dump, NFCT_Q_DUMP, &query) < 0)
		r = errno ? -errno : -EIO;
	if (w.kill)
		nfct_close(w.kill);
	if (dump)
		nfct_close(dump);
	return r;
}
