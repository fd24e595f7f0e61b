/*
 * The one stream of progress: a JSON object a line, for terminals, logs and QA to read. {"event":"install.step",
 * "id":"...",...}. Nothing is written until a descriptor is set. Values are text; secrets never go in.
 */
#pragma once

/* Where events go from now on; the caller keeps the descriptor. -1: nowhere. */
void event_open_fd(int fd);
/*
 * Writes one event with (key, value) pairs of strings, ended by NULL. A reader that is gone is no error. A value
 * that is not UTF-8 is left out.
 */
void event_emit(const char *name, ...) __attribute__((sentinel));
