/*
 * qubes-dom0-update: dom0, which has no network, brought up to date. The update qube downloads; dom0's apt believes nothing
 * but the distribution's signatures, and installs from a local folder. A snapshot is taken before, the boot menu gets an
 * entry for what is new, and keeps what was.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/ui/options.h"
#include "runtime/dom0update/apt.h"
#include "runtime/dom0update/fetch.h"
#include "runtime/dom0update/sources.h"

enum { SOURCES_MAX = 1 << 20, PREFS_MAX = 4096, CHECK_ONLY_UPDATES = 100 };
static const uint64_t index_bytes_max = 512 << 20;
/* What the framing of a stream of files needs besides their content, with a good margin. */
static const uint64_t framing_bytes = 1 << 20;
/* A kernel with its initramfs, with a good margin. */
static const uint64_t kernel_bytes = 200 << 20;

struct request {
	struct strv packages;
	const char *qube, *state, *sources, *snapshots, *call, *unpacker, *after, *boot;
	bool check_only, yes, no_snapshot, quiet;
	char *mirror, *incoming;
	struct strv indexes;
};

static void request_end(struct request *q)
{
	strv_free(&q->packages);
	strv_free(&q->indexes);
	free(q->mirror);
	free(q->incoming);
}

/* The property `updatevm` of the system, unless the caller has named one. */
static int find_qube(struct request *q, struct strbuf *name, struct error *err)
{
	static const char *const argv[] = {"qubes-prefs", "updatevm", NULL};
	struct blob text;

	if (q->qube)
		return 0;
	if (process_capture(argv, PREFS_MAX, name) != 0)
		return error_set(err, -EIO, "updatevm", "is qubesd running?", "cannot be asked for");
	text = blob_trim(strbuf_blob(name));
	if (!text.n || blob_eq_str(text, "None"))
		return error_set(err, -ENOENT, "updatevm", "set it: qubes-prefs updatevm sys-firewall", "there is none");
	name->p[(size_t)(text.p - name->p) + text.n] = '\0';
	q->qube = text.p;
	return 0;
}

/* Below the state's folder, which is root's. */
static int cannot(const char *doing, const char *path, int code, struct error *err)
{
	return error_set(err, code, path, code == -EACCES ? "run it with sudo" : NULL, "cannot %s: %s", doing, strerror(-code));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_sources(const struct dirent *e)
{
	return e->d_name[0] != '.' &&
	       (blob_has_suffix(blob_of(e->d_name), ".sources") || blob_has_suffix(blob_of(e->d_name), ".list"));
}

static int read_source_file(struct request *q, const char *file, struct strbuf *local, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", q->sources, file);
	_cleanup_strbuf_ struct strbuf text = {0};
	int r;

	if (blob_has_suffix(blob_of(file), ".list"))
		return error_set(err, -EINVAL, path, "write it as a .sources file", "only that form is read here");
	r = read_file(AT_FDCWD, path, SOURCES_MAX, &text);
	return r < 0 ? error_errno(err, r, path, "cannot read")
		     : sources_read(path, strbuf_blob(&text), q->mirror, &q->indexes, local, err);
}

/* dom0's own sources, as the local apt is to see them. */
static int prepare_sources(struct request *q, struct error *err)
{
	_cleanup_free_ char *to = xasprintf("%s/sources/dom0.sources", q->state);
	_cleanup_strbuf_ struct strbuf local = {0};
	struct dirent **list = NULL;
	int n = scandir(q->sources, &list, is_sources, by_name), r = n < 0 ? -errno : 0;

	if (r < 0)
		return error_errno(err, r, q->sources, "cannot list");
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = read_source_file(q, list[i]->d_name, &local, err);
		free(list[i]);
	}
	free(list);
	if (r < 0)
		return r;
	if (!q->indexes.n)
		return error_set(err, -ENOENT, q->sources, NULL, "there are no package sources");
	r = mkdir_parents(AT_FDCWD, to, 0755);
	if (r == 0)
		r = write_file(AT_FDCWD, to, local.p, local.n, 0644);
	return r < 0 ? cannot("write", to, r, err) : 0;
}

static int fetch(const struct request *q, const struct strv *uris, uint64_t max, struct error *err)
{
	const struct fetch_from from = {.qube = q->qube, .call = q->call, .unpacker = q->unpacker,
					.incoming = q->incoming, .mirror = q->mirror, .max_bytes = max};

	return fetch_files(&from, uris, err);
}

/* Where a file of the mirror comes from: below the source whose lists lie in the same place. */
static char *remote_uri(const struct request *q, const char *uri)
{
	size_t skip = strlen("file:") + strlen(q->mirror) + 1;
	const char *path = strlen(uri) > skip ? uri + skip : "";

	for (size_t i = 0; i < q->indexes.n; i++) {
		const char *index = q->indexes.v[i], *base = sources_path(index);
		size_t n = (size_t)(strstr(base, "/dists/") - base);

		if (!strncmp(path, base, n + 1))
			return xasprintf("%.*s%s", (int)(base - index), index, path);
	}
	return NULL;
}

static int remote_uris(const struct request *q, const struct strv *local, struct strv *remote, struct error *err)
{
	for (size_t i = 0; i < local->n; i++) {
		char *uri = remote_uri(q, local->v[i]);

		if (!uri || !sources_path(uri)) {
			free(uri);
			return error_set(err, -EBADMSG, local->v[i], NULL, "is of none of the sources");
		}
		strv_push_take(remote, uri);
	}
	return 0;
}

static bool confirm(const struct request *q)
{
	char answer[16];

	if (q->yes)
		return true;
	printf("Install them? [y/N] ");
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int take_snapshot(const struct request *q, struct error *err)
{
	char stamp[32];
	time_t now = time(NULL);
	struct tm tm;

	if (q->no_snapshot)
		return 0;
	if (access(q->snapshots, W_OK) < 0)
		return error_set(err, -errno, q->snapshots, "or say --no-snapshot", "no snapshot can be taken there");
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H%M%SZ", &tm);

	_cleanup_free_ char *to = xasprintf("%s/before-update-%s", q->snapshots, stamp);
	const char *const argv[] = {"btrfs", "-q", "subvolume", "snapshot", "-r", "/", to, NULL};
	int r = process_check(argv, err);

	if (r == 0 && !q->quiet)
		printf("dom0 as it is now stays in %s\n", to);
	return r;
}

/* What speaks against it, before anybody is asked and anything is fetched. */
static int check_install(const struct request *q, const struct strv *names, const struct strv *removed, struct error *err)
{
	struct statvfs fs;

	if (q->yes && removed->n)
		return error_set(err, -EPERM, removed->v[0], "if that is what you want, do it without --assumeyes",
				 "would be removed");
	/* Nobody removes old kernels, and half an initramfs does not start. */
	for (size_t i = 0; i < names->n; i++)
		if (blob_has_prefix(blob_of(names->v[i]), "linux-image-") && statvfs(q->boot, &fs) == 0 &&
		    fs.f_bavail * (uint64_t)fs.f_frsize < kernel_bytes)
			return error_set(err, -ENOSPC, q->boot, "remove an old one: apt purge linux-image-VERSION",
					 "has no room for another kernel");
	return 0;
}

/* 0; CHECK_ONLY_UPDATES: there is something; or -errno. */
static int install(struct request *q, const struct apt *apt, struct error *err)
{
	_cleanup_strv_ struct strv local = {0}, remote = {0}, names = {0}, removed = {0};
	const char *const after[] = {q->after, NULL};
	uint64_t bytes = 0;
	int r = apt_wanted(apt, &q->packages, &local, &names, &bytes, err);

	if (r < 0)
		return r;
	if (!local.n) {
		puts("dom0 is up to date.");
		/* Its packages are; an update that was cut short may have left the rest undone. */
		return q->check_only ? 0 : process_check(after, err);
	}
	if ((r = apt_removed(apt, &q->packages, &removed, err)) < 0)
		return r;
	for (size_t i = 0; i < names.n; i++)
		puts(names.v[i]);
	for (size_t i = 0; i < removed.n; i++)
		printf("removed: %s\n", removed.v[i]);
	printf("%zu packages, %llu bytes\n", names.n, (unsigned long long)bytes);
	if (q->check_only)
		return CHECK_ONLY_UPDATES;
	if ((r = check_install(q, &names, &removed, err)) < 0)
		return r;
	if (!confirm(q))
		return 0;
	if ((r = remote_uris(q, &local, &remote, err)) < 0 || (r = fetch(q, &remote, bytes + framing_bytes, err)) < 0 ||
	    (r = take_snapshot(q, err)) < 0 || (r = apt_install(apt, &q->packages, err)) < 0)
		return r;
	return process_check(after, err);
}

static int update(struct request *q, struct error *err)
{
	_cleanup_strbuf_ struct strbuf qube = {0};
	const struct apt apt = {.state = q->state, .quiet = q->quiet};
	int r;

	q->mirror = xasprintf("%s/mirror", q->state);
	q->incoming = xasprintf("%s/incoming", q->state);
	if ((r = find_qube(q, &qube, err)) < 0)
		return r;
	r = remove_tree(AT_FDCWD, q->mirror);
	if (r < 0)
		return cannot("remove", q->mirror, r, err);
	if ((r = prepare_sources(q, err)) < 0 || (r = fetch(q, &q->indexes, index_bytes_max, err)) < 0 ||
	    (r = apt_refresh(&apt, err)) < 0)
		return r;
	r = install(q, &apt, err);
	/* What was installed is of no use any more, and lists are kept by apt. */
	remove_tree(AT_FDCWD, q->mirror);
	return r;
}

int main(int argc, char **argv)
{
	_cleanup_(request_end) struct request q = {
		.state = "/var/lib/qubes/updates", .sources = "/etc/apt/sources.list.d", .snapshots = "/.snapshots",
		.call = "qvm-run", .unpacker = "/usr/lib/qubes/qfile-dom0-unpacker",
		.after = "/usr/lib/bulkhead/dom0-updated", .boot = "/boot"};
	_cleanup_error_ struct error err = {0};
	const struct option_def options[] = {
		{"updatevm", 0, OPTION_STRING, &q.qube, "VM", "downloads (default: the system's updatevm)"},
		{"check-only", 0, OPTION_FLAG, &q.check_only, NULL, "say what there is, install nothing"},
		{"assumeyes", 'y', OPTION_FLAG, &q.yes, NULL, "do not ask; fail where a package would be removed"},
		{"no-snapshot", 0, OPTION_FLAG, &q.no_snapshot, NULL, "there will be no way back"},
		{"quiet", 'q', OPTION_FLAG, &q.quiet, NULL, "say little"},
		/* For tests. */
		{"state", 0, OPTION_STRING, &q.state, "DIR", NULL},
		{"sources", 0, OPTION_STRING, &q.sources, "DIR", NULL},
		{"snapshots", 0, OPTION_STRING, &q.snapshots, "DIR", NULL},
		{"call", 0, OPTION_STRING, &q.call, "PROGRAM", NULL},
		{"unpacker", 0, OPTION_STRING, &q.unpacker, "PROGRAM", NULL},
		{"after", 0, OPTION_STRING, &q.after, "PROGRAM", NULL},
		{"boot", 0, OPTION_STRING, &q.boot, "DIR", NULL},
		{0},
	};
	const struct command_line cmd = {
		.program = "qubes-dom0-update",
		.operands = "[PACKAGE]...",
		.summary = "Bring dom0 up to date, or install packages in it, by way of the update qube.",
		.notes = "Exit codes: 0 done, or nothing to do; 1 failed (one line on stderr says what); 2 wrong usage;\n"
			 "100 with --check-only: there are updates.",
		.options = options,
	};
	enum options_result parsed = options_parse(&cmd, argc, argv, &q.packages);
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	setenv("DEBIAN_FRONTEND", "noninteractive", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = update(&q, &err);
	if (r >= 0)
		return r;
	error_print(cmd.program, &err);
	return 1;
}
