#pragma once
/* sd_notify(3) READY=1, without the library: a process that exists once per qube loads nothing it can do without. */
void notify_ready(void);
