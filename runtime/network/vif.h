/*
 * The interface of a netvm towards one client (ref/runtime.md 8.4): a route to each of its addresses, the client's MAC
 * as fixed neighbour, and nothing let in that has another source.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/base/strbuf.h"

enum { VIF_ADDRESSES_MAX = 8 };

struct vif {
	unsigned domid, device;
	char name[16];				   /* vif5.0 */
	char mac[18];
	char ip[VIF_ADDRESSES_MAX][46];		   /* both families */
	size_t n;
};

/* `ips`: separated by blanks. False, with *problem, when anything in it is not what it should be. */
bool vif_read(unsigned domid, unsigned device, const char *mac, const char *ips, struct vif *out, const char **problem);
/* For `ip -batch -`. `gateway`, `gateway6`: this qube's own address for its clients, or NULL. */
void vif_commands(const struct vif *v, const char *gateway, const char *gateway6, struct strbuf *out);
/* For nftables: the addresses are the client's, or no longer. Adding again is harmless; taking away needs them there. */
void vif_rules(const struct vif *v, bool online, struct strbuf *out);
