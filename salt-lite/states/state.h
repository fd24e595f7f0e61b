/* What the state functions share: programs of the system, files and their lines, accounts. */
#pragma once

#include <sys/types.h>

#include "salt-lite/engine/salt.h"

/*
 * A program of the system that is asked or changes something, as a list of words. With a root other than / it runs in
 * that root by chroot(8), so that the machine that we run on stays as it is.
 */
struct tool {
	const char *program;
	const char **argv;
	size_t n, cap;
};

void tool_start(struct salt *s, struct tool *t, const char *program);
void tool_add(struct salt *s, struct tool *t, const char *word);
/* Several words, up to a NULL. */
void tool_words(struct salt *s, struct tool *t, ...) __attribute__((sentinel));
/* Runs it with `input`; what it prints (both outputs) goes to *out, which may be NULL. Its exit code, or -errno. */
int tool_run(struct salt *s, struct tool *t, struct blob input, struct blob *out);
/* Runs it; anything but exit code 0 makes the state fail with the last line that it printed. In test mode: nothing. */
bool tool_do(struct salt *s, struct chunk *c, struct tool *t, struct blob input);

/* A file below the root, whole; false and an empty one when there is none. Fails for other reasons. */
bool file_content(struct salt *s, const char *path, struct blob *text);
/* Writes the file if it differs, and notes the change as a diff (not with show_changes: False). */
void file_store(struct salt *s, struct chunk *c, const char *path, struct blob old, struct blob new, bool existed);
/* The mode that the parameter says; "keep" is that of `source`, a file of the file roots, or NULL: there is none. */
void file_keep_mode(struct salt *s, struct chunk *c, const char *path, const char *parameter, const char *source);
void file_keep_owner(struct salt *s, struct chunk *c, const char *path);
/* The comment of a state that may have changed a file. */
void file_finish(struct salt *s, struct chunk *c, const char *good);
/* `text` through the engine when the state has `template: jinja`. */
struct blob file_templated(struct salt *s, const struct chunk *c, const char *path, struct blob text);

/* The lines for which is() holds replaced by `by` (the first one; the others go); appended when there is none. */
struct blob lines_set(struct salt *s, struct blob text, bool (*is)(struct blob line, const void *data), const void *data,
		      const char *by);
/* Without the lines for which is() holds. */
struct blob lines_drop(struct salt *s, struct blob text, bool (*is)(struct blob line, const void *data), const void *data);

/* The line of `name` in a file such as /etc/passwd, cut at its colons; the number of fields, 0: there is none. */
size_t account_fields(struct salt *s, const char *file, const char *name, struct blob fields[], size_t max);
/* uid or gid of a name or number; -1: there is none. */
int64_t account_id(struct salt *s, const char *file, const char *name);
