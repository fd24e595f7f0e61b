#pragma once
/* Something is sent over a stream socket, the other side answers and closes: without blocking the event loop. */
#include <stddef.h>
#include <systemd/sd-event.h>

#include "common/base/blob.h"

struct exchange;

/* `r`: 0 or -errno; `answer` is valid during the call. The exchange is over and freed behind it. */
typedef void (*exchange_done)(int r, struct blob answer, void *arg);

/* Takes `fd`, a connected socket, over in any case. More than `max` bytes are -EFBIG. */
int exchange_start(struct exchange **x, sd_event *event, int fd, struct blob request, size_t max, exchange_done done, void *arg);
/* Forgets it; `done` is not called. NULL is allowed. */
void exchange_cancel(struct exchange *x);
