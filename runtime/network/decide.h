/*
 * What to do about a backend device of ours when its node in xenstore changes. The states are xenbus's (Xen
 * public/io/xenbus.h); libxl in dom0 makes the node, the kernel's backend driver moves through the states, and who plays
 * the hot-plug scripts' part says `hotplug-status`.
 */
#pragma once

#include <stdbool.h>

#include "common/base/blob.h"

enum backend_action {
	BACKEND_NOTHING,
	BACKEND_ONLINE,	 /* set it up and say so */
	BACKEND_OFFLINE, /* take its set-up down */
	BACKEND_REMOVE,	 /* the same, and remove the node: nobody else does when the backend is not dom0 */
};

/* Whether a change of this key of a node, empty for the node itself, can mean something: what we write there does not. */
bool backend_key_matters(struct blob key);
/*
 * Values as they are in xenstore, NULL when absent: `status` is hotplug-status. `known`: it has been set up. One that could
 * not be set up is not tried again.
 */
enum backend_action backend_decide(const char *state, const char *online, const char *status, bool known);
