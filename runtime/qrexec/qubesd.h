#pragma once
/* Where qubesd listens (ref: runtime.md 7.1). */

#define QUBESD_SOCKET "/var/run/qubesd.sock"
#define QUBESD_INTERNAL_SOCKET "/var/run/qubesd.internal.sock"
