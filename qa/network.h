/*
 * The network of a run: a network namespace in which QEMU runs, with a bridge that its tap devices hang on and a
 * DHCP, DNS and web server at 10.99.0.1. It ends with the machine; nothing outside is reached from it.
 */
#pragma once

#include "common/base/strv.h"
#include "common/base/yaml.h"
#include "qa/machine.h"

#define NETWORK_SERVER "10.99.0.1"

struct network {
	const char *dir;  /* what is served and the servers' configuration */
	const char *logs; /* dnsmasq.log and web.log */
	const char *serve; /* qa/network/serve */
	const char *repository; /* qa/network/repository */
	const struct yaml_node *served; /* the scenario's `network:`; NULL: nothing but addresses */
	bool ready;
};

/* Checks the scenario's block, of which docs/qa.md says what may be in it. */
int network_check(const struct yaml_node *served, struct error *err);
/* Writes what is served; once for a run. */
int network_prepare(struct arena *a, struct network *n, struct error *err);
/* The words before QEMU's command line that start it in the network. */
void network_argv(const struct network *n, const struct machine *m, struct strv *argv);
