/*
 * Client of a QubesDB daemon. Names, arguments and results are those of Qubes OS's libqubesdb, so
 * that programs written for it build and run against this one; that is why qdb_handle_t is a
 * typedef and why 1 means success.
 *
 * A key is a path of at most 63 characters [A-Za-z0-9_/.:@-] with a leading '/' and no trailing
 * one; a value is at most 3071 bytes without NUL. On failure errno says why; ENOENT: there is no
 * such key.
 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qdb_handle *qdb_handle_t;

/*
 * Connects to the daemon of the qube `vmname` (in dom0), or with NULL to the own one. Where the
 * caller may not write, the connection is to the read-only socket. NULL on failure.
 */
qdb_handle_t qdb_open(const char *vmname);
/* The same for sockets in `dir` instead of /var/run/qubes. Not in Qubes OS. */
qdb_handle_t qdb_open_dir(const char *dir, const char *vmname);
void qdb_close(qdb_handle_t h);

/* The value, followed by a NUL; to be freed. `value_len` may be NULL. */
char *qdb_read(qdb_handle_t h, const char *path, unsigned int *value_len);
/* NULL-terminated paths that begin with `path`, in byte order; each and the array to be freed.
 * `list_len` may be NULL. */
char **qdb_list(qdb_handle_t h, const char *path, unsigned int *list_len);
/*
 * path, value, path, value, ..., NULL, NULL for all paths that begin with `path`; all to be freed.
 * `values_len` gets an array of the values' lengths (to be freed), `list_len` the number of pairs;
 * both may be NULL.
 */
char **qdb_multiread(qdb_handle_t h, const char *path, unsigned int **values_len,
		     unsigned int *list_len);

/* These return 1, or 0 on failure. */
int qdb_write(qdb_handle_t h, const char *path, const char *value, unsigned int value_len);
/* A path that ends in '/' removes everything below it. */
int qdb_rm(qdb_handle_t h, const char *path);
/* A path that ends in '/' watches everything below it. */
int qdb_watch(qdb_handle_t h, const char *path);
int qdb_unwatch(qdb_handle_t h, const char *path);

/* Waits for a change of a watched path and returns that path, to be freed; NULL on failure. */
char *qdb_read_watch(qdb_handle_t h);
/* Readable when qdb_read_watch() would not block. */
int qdb_watch_fd(qdb_handle_t h);

#ifdef __cplusplus
}
#endif
