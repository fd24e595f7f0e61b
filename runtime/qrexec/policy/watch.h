#pragma once
/* The policy of a decider follows its files; inside this folder. */
struct decider;

/* Reads the policy. 0 or -errno: no inotify. */
int watch_setup(struct decider *d);
/* Reads it again if anything changed until now. */
void watch_refresh(struct decider *d);
void watch_free(struct decider *d);
