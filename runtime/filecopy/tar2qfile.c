/*
 * tar2qfile FILE [PATH...]: sends what a tar archive has, as if its files had been copied. `-`: the archive comes from the original
 * stdin when we are the local program of qrexec-client-vm, whose stdin is the receiver's answer; else from stdin, and no answer
 * is read.
 *
 * A receiver gives a folder its mode when it is named for the second time, so that folders end when all is sent, the last first.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/base/strmap.h"
#include "common/ui/options.h"
#include "runtime/filecopy/send.h"

enum { BLOCK = 256 * 1024 };

struct folder {
	struct folder *before;
	struct file_header header;
	char *name;
};

struct conversion {
	struct archive *archive;
	struct send send;
	const struct strv *wanted;
	struct strmap folders_by_name;
	struct folder *folders; /* the last one first */
	char *block;
};

static bool ignore_symlinks;

static const struct option_def options[] = {
	{"ignore-symlinks", 0, OPTION_FLAG, &ignore_symlinks, NULL, "leave links out"},
	{0},
};

static const struct command_line usage = {
	.program = "tar2qfile",
	.operands = "FILE [PATH]...",
	.summary = "Send what a tar archive has to a receiver that stdin and stdout are connected to.",
	.notes = "FILE may be `-`. With PATH, only these files, and what is in these folders.\n"
		 "Environment: PROGRESS_TYPE=console|gui|none, FILECOPY_TOTAL_BYTES, SAVED_FD_0 (for `-`), SAVED_FD_1.\n"
		 "Exit codes: 0 the receiver has confirmed everything (or cannot), 1 not.",
	.options = options,
};

/* Without "./" before and "/" behind; empty for the top folder itself. */
static char *name_of(const char *path)
{
	size_t n;

	while (path[0] == '.' && path[1] == '/')
		path += 2 + strspn(path + 2, "/");
	if (!strcmp(path, "."))
		path = "";
	n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	return xstrndup(path, n);
}

static bool is_wanted(const struct conversion *c, const char *name)
{
	for (size_t i = 0; i < c->wanted->n; i++) {
		_cleanup_free_ char *wanted = name_of(c->wanted->v[i]);
		size_t n = strlen(wanted);

		if (!strncmp(name, wanted, n) && (!n || !name[n] || name[n] == '/'))
			return true;
	}
	return c->wanted->n == 0;
}

static int send_folder(struct conversion *c, const char *name, struct file_header h)
{
	struct folder *f = strmap_get(&c->folders_by_name, name);

	if (f) {
		f->header = h;
		return 0;
	}
	f = xcalloc(1, sizeof(*f));
	*f = (struct folder){c->folders, h, xstrdup(name)};
	c->folders = f;
	strmap_put(&c->folders_by_name, name, f);
	return send_header(&c->send, &h, name);
}

/* Folders that the archive does not name itself, or that were not asked for. */
static int send_parents(struct conversion *c, const char *name, const struct file_header *like)
{
	int r = 0;

	for (const char *slash = strchr(name, '/'); slash && !r; slash = strchr(slash + 1, '/')) {
		_cleanup_free_ char *parent = xstrndup(name, (size_t)(slash - name));
		struct file_header h = *like;

		h.namelen = (uint32_t)(slash - name) + 1;
		h.mode = S_IFDIR | 0755;
		h.filelen = 0;
		if (*parent && !strmap_get(&c->folders_by_name, parent))
			r = send_folder(c, parent, h);
	}
	return r;
}

static int archive_error(struct conversion *c, const char *name)
{
	return error_set(c->send.err, -EBADMSG, name, NULL, "%s", archive_error_string(c->archive));
}

static int send_body(struct conversion *c, const char *name, uint64_t n)
{
	while (n) {
		la_ssize_t got = archive_read_data(c->archive, c->block, n < BLOCK ? (size_t)n : BLOCK);
		int r;

		if (got < 0)
			return archive_error(c, name);
		if (!got)
			return error_set(c->send.err, -EBADMSG, name, NULL, "ends early in the archive");
		r = send_data(&c->send, c->block, (size_t)got);
		if (r < 0)
			return r;
		n -= (uint64_t)got;
	}
	return 0;
}

static int send_link(struct conversion *c, struct archive_entry *e, const char *name, struct file_header h)
{
	const char *target = archive_entry_symlink(e);
	int r;

	if (ignore_symlinks)
		return 0;
	if (!target)
		return error_set(c->send.err, -EBADMSG, name, NULL, "is a link to nothing");
	h.filelen = strlen(target);
	r = send_header(&c->send, &h, name);
	return r < 0 ? r : send_data(&c->send, target, h.filelen);
}

static struct file_header header_of(struct archive_entry *e, const char *name)
{
	struct file_header h = {
		.namelen = (uint32_t)strlen(name) + 1,
		.mode = archive_entry_mode(e),
		.mtime = (uint32_t)archive_entry_mtime(e),
		.mtime_nsec = (uint32_t)archive_entry_mtime_nsec(e),
	};

	h.atime = archive_entry_atime_is_set(e) ? (uint32_t)archive_entry_atime(e) : h.mtime;
	h.atime_nsec = archive_entry_atime_is_set(e) ? (uint32_t)archive_entry_atime_nsec(e) : h.mtime_nsec;
	return h;
}

static int send_entry(struct conversion *c, struct archive_entry *e)
{
	const char *path = archive_entry_pathname(e);
	_cleanup_free_ char *name = path ? name_of(path) : NULL;
	struct file_header h;
	int r;

	if (!name)
		return error_set(c->send.err, -EBADMSG, "archive", NULL, "has an entry without a name");
	if (!*name || !is_wanted(c, name))
		return 0;
	if (strlen(name) >= FILECOPY_PATH_MAX)
		return error_errno(c->send.err, -ENAMETOOLONG, name, "cannot send");
	if (archive_entry_hardlink(e))
		return error_set(c->send.err, -EINVAL, name, "make the archive with --hard-dereference",
				 "is a second name of another file, which no copy can have");
	h = header_of(e, name);
	r = send_parents(c, name, &h);
	if (r < 0)
		return r;
	switch (archive_entry_filetype(e)) {
	case AE_IFDIR:
		return send_folder(c, name, h);
	case AE_IFLNK:
		return send_link(c, e, name, h);
	case AE_IFREG:
		h.filelen = (uint64_t)archive_entry_size(e);
		r = send_header(&c->send, &h, name);
		return r < 0 ? r : send_body(c, name, h.filelen);
	default:
		c->send.skipped++;
		return 0;
	}
}

static int send_archive(struct conversion *c, const char *file)
{
	struct archive_entry *e;
	int r = 0, got = ARCHIVE_EOF;

	while (r >= 0 && ((got = archive_read_next_header(c->archive, &e)) == ARCHIVE_OK || got == ARCHIVE_WARN))
		r = send_entry(c, e);
	if (r >= 0 && got != ARCHIVE_EOF)
		r = archive_error(c, file);
	for (struct folder *f = c->folders; f && r >= 0; f = f->before)
		r = send_header(&c->send, &f->header, f->name);
	return r < 0 ? r : 0;
}

static void conversion_free(struct conversion *c)
{
	for (struct folder *f; (f = c->folders);) {
		c->folders = f->before;
		free(f->name);
		free(f);
	}
	strmap_free(&c->folders_by_name);
	archive_read_free(c->archive);
	send_free(&c->send);
	free(c->block);
}

/* The descriptor of the archive, and whether there is an answer to read on stdin. */
static int open_archive(const char *file, bool *answer, struct error *err)
{
	const char *saved = getenv("SAVED_FD_0");
	uint64_t fd = 0;

	*answer = strcmp(file, "-") || saved;
	if (!strcmp(file, "-")) {
		if (saved && !blob_to_u64(blob_of(saved), 1 << 20, &fd))
			return error_set(err, -EINVAL, "SAVED_FD_0", NULL, "is no descriptor");
		return (int)fd;
	}

	int opened = open(file, O_RDONLY | O_CLOEXEC);
	return opened < 0 ? error_errno(err, -errno, file, "cannot open") : opened;
}

static int convert(const char *file, const struct strv *wanted, struct error *err)
{
	struct conversion c = {.wanted = wanted, .archive = archive_read_new(), .block = xmalloc(BLOCK)};
	struct progress progress;
	bool answer;
	int fd = open_archive(file, &answer, err), r = fd < 0 ? fd : 0;

	progress_from_environment(&progress);
	send_init(&c.send, answer ? 0 : -1, 1, err);
	c.send.progress = &progress;
	archive_read_support_format_tar(c.archive);
	archive_read_support_filter_gzip(c.archive);
	archive_read_support_filter_bzip2(c.archive);
	archive_read_support_filter_xz(c.archive);
	archive_read_support_filter_zstd(c.archive);
	if (r >= 0 && archive_read_open_fd(c.archive, fd, BLOCK) != ARCHIVE_OK)
		r = archive_error(&c, file);
	if (r >= 0)
		r = send_archive(&c, file);
	r = answer ? send_finish(&c.send, r) : send_end(&c.send, r);
	if (c.send.skipped)
		fprintf(stderr, "tar2qfile: %llu sockets, pipes or devices were left out\n",
			(unsigned long long)c.send.skipped);
	conversion_free(&c);
	return r;
}

int main(int argc, char **argv)
{
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_error_ struct error err = {0};
	enum options_result parsed = options_parse(&usage, argc, argv, &operands);
	struct strv wanted;

	if (parsed)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (!operands.n)
		return options_wrong(&usage, "an archive is needed");
	signal(SIGPIPE, SIG_IGN);
	wanted = (struct strv){.v = operands.v + 1, .n = operands.n - 1};
	if (convert(operands.v[0], &wanted, &err) == 0)
		return 0;
	error_print(usage.program, &err);
	return 1;
}
