/* Connections that the kernel already follows are let through before any rule: they have to be forgotten. */
#pragma once

/* Forgets all that come from this address; what the rules permit goes on as a new one. 0 or -errno. */
int conntrack_forget(int family, const char *ip);
