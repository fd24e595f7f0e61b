/*
 * qubes-block-devices: tells dom0, through QubesDB, which block devices of this system other qubes can have:
 * /qubes-block-devices/NAME/{desc,size,mode,parent}. Run by udev for each change and by a unit when QubesDB is there; it
 * always brings everything up to date, so that no order of events matters.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "common/base/alloc.h"
#include "common/base/error.h"
#include "common/base/strmap.h"
#include "common/ui/options.h"
#include "runtime/block/devices.h"
#include "runtime/qubesdb/include/qubesdb-client.h"

#define BASE "/qubes-block-devices"

static const char *root = "", *qubesdb_dir = "/var/run/qubes";

static const struct option_def options[] = {
	{"root", 0, OPTION_STRING, &root, "DIR", "look for devices below DIR"},
	{"qubesdb-dir", 0, OPTION_STRING, &qubesdb_dir, "DIR", "the folder with QubesDB's socket (/var/run/qubes)"},
	{0},
};

static const struct command_line command = {
	.program = "qubes-block-devices",
	.operands = "list|publish",
	.summary = "Say which block devices other qubes can have: here, or to dom0.",
	.options = options,
};

/* What is published, and whether anything of it was changed. */
struct published {
	qdb_handle_t db;
	char **pairs;
	struct strmap values; /* by key */
	bool changed, failed;
};

static void done(struct published *p, int ok, const char *key)
{
	if (!ok && !p->failed)
		fprintf(stderr, "qubes-block-devices: %s: cannot be changed: %s\n", key, strerror(errno));
	p->changed |= ok != 0;
	p->failed |= !ok;
}

/* NULL removes it. */
static void set(struct published *p, const char *port, const char *what, const char *value)
{
	_cleanup_free_ char *key = xasprintf(BASE "/%s/%s", port, what);
	const char *old = strmap_get(&p->values, key);

	if (value && (!old || strcmp(old, value) != 0))
		done(p, qdb_write(p->db, key, value, (unsigned)strlen(value)), key);
	else if (!value && old)
		done(p, qdb_rm(p->db, key), key);
}

static void set_all(struct published *p, const struct block_device *d)
{
	_cleanup_free_ char *size = xasprintf("%llu", (unsigned long long)d->size), *parent = d->parent ? xstrdup(d->parent) : NULL;

	for (char *c = parent; c && (c = strchr(c, '!'));)
		*c = '_';
	set(p, d->port, "desc", d->desc);
	set(p, d->port, "size", size);
	set(p, d->port, "mode", d->read_only ? "r" : "w");
	set(p, d->port, "parent", parent);
}

/* Those that are gone. What another qube has stays as it was, so that it can be taken back. */
static void remove_others(struct published *p, const struct block_list *l)
{
	_cleanup_free_ char *last = xstrdup("");

	for (size_t i = 0; p->pairs[i]; i += 2) {
		struct blob rest = blob_of(p->pairs[i] + strlen(BASE "/")), port;
		const struct block_device *d;
		_cleanup_free_ char *folder = NULL;

		blob_token(&rest, '/', &port);
		d = block_find_port(l, port);
		folder = xasprintf(BASE "/%.*s/", BLOB_ARG(port));
		if (!rest.n || !strcmp(folder, last) || (d && (d->attached || !block_refusal(l, d))))
			continue;
		done(p, qdb_rm(p->db, folder), folder);
		free(last);
		last = take_ptr(folder);
	}
}

static int publish_to(qdb_handle_t db)
{
	_cleanup_block_list_ struct block_list l = {0};
	struct published p = {.db = db, .pairs = qdb_multiread(db, BASE "/", NULL, NULL)};

	if (!p.pairs) {
		fprintf(stderr, "qubes-block-devices: QubesDB: %s\n", strerror(errno));
		return 1;
	}
	for (size_t i = 0; p.pairs[i]; i += 2)
		strmap_put(&p.values, p.pairs[i], p.pairs[i + 1]);
	block_look(root, &l);
	remove_others(&p, &l);
	for (size_t i = 0; i < l.n; i++)
		if (!block_refusal(&l, &l.v[i]))
			set_all(&p, &l.v[i]);
	/* Whoever watches looks again when this one changes. */
	if (p.changed)
		done(&p, qdb_write(db, BASE, "", 0), BASE);
	for (size_t i = 0; p.pairs[i]; i++)
		free(p.pairs[i]);
	free(p.pairs);
	strmap_free(&p.values);
	return p.failed;
}

static int publish(void)
{
	/* One after the other, and the last one has looked last. */
	_cleanup_close_ int lock = open(qubesdb_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	qdb_handle_t db = NULL;
	int r;

	if (lock >= 0 && flock(lock, LOCK_EX) == 0)
		db = qdb_open_dir(qubesdb_dir, NULL);
	if (!db) {
		/* Early at boot: qubes-block-devices.service comes after QubesDB. */
		if (errno == ENOENT || errno == ECONNREFUSED)
			return 0;
		fprintf(stderr, "qubes-block-devices: QubesDB: %s\n", strerror(errno));
		return 1;
	}
	r = publish_to(db);
	qdb_close(db);
	return r;
}

static int list(void)
{
	_cleanup_block_list_ struct block_list l = {0};

	block_look(root, &l);
	for (size_t i = 0; i < l.n; i++) {
		const struct block_device *d = &l.v[i];
		const char *refusal = block_refusal(&l, d);

		if (refusal)
			printf("%s: not given: %s\n", d->port, refusal);
		else
			printf("%s: %s %llu %s%s\n", d->port, d->read_only ? "ro" : "rw", (unsigned long long)d->size, d->desc,
			       d->attached ? ", given to another qube" : "");
	}
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(&command, argc, argv, &operands);

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n == 1 && !strcmp(operands.v[0], "list"))
		return list();
	if (operands.n == 1 && !strcmp(operands.v[0], "publish"))
		return publish();
	return options_wrong(&command, "one of list, publish is needed");
}
