/* The highest number that a domain can have; those above are reserved (Xen public/xen.h, DOMID_FIRST_RESERVED). */
#pragma once

enum { XEN_DOMID_MAX = 0x7fef };
