#include "runtime/network/vif.h"

#include <stdio.h>
#include <string.h>

#include "common/base/blob.h"
#include "runtime/network/address.h"

/* Of two clients with one address the newer one, with the higher number, is meant. */
enum { METRIC_BASE = 32752 };

bool vif_read(unsigned domid, unsigned device, const char *mac, const char *ips, struct vif *out, const char **problem)
{
	struct blob rest = blob_of(ips), word;

	*out = (struct vif){.domid = domid, .device = device};
	snprintf(out->name, sizeof(out->name), "vif%u.%u", domid, device);
	*problem = "its MAC address is none";
	if (!address_is_mac(mac))
		return false;
	memcpy(out->mac, mac, sizeof(out->mac));
	while (blob_word(&rest, &word)) {
		*problem = "it has too many addresses";
		if (out->n == VIF_ADDRESSES_MAX)
			return false;
		*problem = "one of its IP addresses is none";
		if (word.n >= sizeof(out->ip[0]))
			return false;
		memcpy(out->ip[out->n], word.p, word.n);
		if (!address_family(out->ip[out->n++]))
			return false;
	}
	*problem = "it has no IP address";
	return out->n;
}

void vif_commands(const struct vif *v, const char *gateway, const char *gateway6, struct strbuf *out)
{
	strbuf_printf(out, "link set dev %s group 2\nlink set dev %s up\n", v->name, v->name);
	if (gateway)
		strbuf_printf(out, "address replace %s/32 dev %s\n", gateway, v->name);
	if (gateway6)
		strbuf_printf(out, "-6 address replace %s/128 dev %s nodad\n", gateway6, v->name);
	for (size_t i = 0; i < v->n; i++) {
		const char *option = address_family(v->ip[i]) == 6 ? "-6 " : "";

		strbuf_printf(out, "%sroute replace %s dev %s metric %u\n", option, v->ip[i], v->name,
			      v->domid < METRIC_BASE ? METRIC_BASE - v->domid : 1);
		strbuf_printf(out, "%sneighbour replace %s dev %s lladdr %s nud permanent\n", option, v->ip[i], v->name,
			      v->mac);
	}
}

void vif_rules(const struct vif *v, bool online, struct strbuf *out)
{
	const char *verb = online ? "add" : "delete";

	for (size_t i = 0; i < v->n; i++) {
		const char *ip = address_family(v->ip[i]) == 6 ? "ip6" : "ip";

		strbuf_printf(out, "%s element %s qubes allowed { \"%s\" . %s }\n", verb, ip, v->name, v->ip[i]);
		strbuf_printf(out, "%s element %s qubes downstream { %s }\n", verb, ip, v->ip[i]);
	}
}
