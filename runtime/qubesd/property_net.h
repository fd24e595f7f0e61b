/*
 * Addresses and uplinks (ref/runtime.md 7.3, 7.4). Functions of a property_ctx are the defaults and
 * checks of the network properties; NULL means that the qube has no such value.
 */
#pragma once

#include "runtime/qubesd/property.h"

/* The qube that gives network to this one, or NULL. */
struct vm *net_uplink(const struct model *m, const struct vm *vm);
bool net_provides(const struct model *m, const struct vm *vm);
/* The qube's value of a feature or, without one, that of its template, and so on; NULL for none. */
const char *net_feature(const struct model *m, const struct vm *vm, const char *name);

const char *net_netvm(const struct property_ctx *ctx);
const char *net_ip(const struct property_ctx *ctx);
const char *net_ip6(const struct property_ctx *ctx);
const char *net_gateway(const struct property_ctx *ctx);
const char *net_gateway6(const struct property_ctx *ctx);
const char *net_netmask(const struct property_ctx *ctx);
const char *net_dns(const struct property_ctx *ctx);
const char *net_visible_ip(const struct property_ctx *ctx);
const char *net_visible_ip6(const struct property_ctx *ctx);
const char *net_visible_gateway(const struct property_ctx *ctx);
const char *net_visible_gateway6(const struct property_ctx *ctx);
const char *net_visible_netmask(const struct property_ctx *ctx);
const char *net_check_netvm(const struct property_ctx *ctx, struct blob value);
const char *net_check_provides_network(const struct property_ctx *ctx, struct blob value);
const char *net_check_mac(const struct property_ctx *ctx, struct blob value);
const char *net_check_ip(const struct property_ctx *ctx, struct blob value);
const char *net_check_ip6(const struct property_ctx *ctx, struct blob value);

#define NET_DNS_PRIMARY "10.139.1.1"
#define NET_DNS_SECONDARY "10.139.1.2"
