/* What the watcher of domains tells (hypervisor.h): qubes that run already, stop by themselves or vanish. */
#pragma once

#include "runtime/qubesd/call.h"

void domains_seen(struct qubesd *d, int domid, struct blob uuid, struct blob state);
void domains_gone(struct qubesd *d, int domid);
/* Every domain there is has been seen once: a qube believed to run that was not seen has died
 * meanwhile. */
void domains_listed(struct qubesd *d);
