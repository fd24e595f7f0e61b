/* One side of a connection whose other side is a real program: for the tests of what it does with a bad peer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/vchan/libvchan.h"

/* Which domain this process, and what it starts from now on, is. */
void peer_domain(int domain);
/* A program of $BUILD/socket/bin, silent, with at most 6 arguments. */
pid_t peer_start(const char *program, const char *const *arguments);
/* Open descriptors of a process, and its children. */
unsigned peer_descriptors(pid_t pid);
unsigned peer_children(pid_t pid);
/* Waits until the peer has gone, at most 3 s. */
bool peer_left(libvchan_t *v);
/* The same for a socket. */
bool peer_closes(int fd);
/* Whether the peer says hello in our version. */
bool peer_greets(libvchan_t *v);
void peer_say_version(libvchan_t *v, uint32_t version);
/* Connected as soon as somebody listens there; -1 after 3 s. */
int peer_connect(const char *path);
