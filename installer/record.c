#include "installer/record.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/journal.h"
#include "installer/device.h"

#define LOOK_FOLDER "/run/bulkhead/earlier"

static void take_uuid(struct uuids *uuid, struct blob rest)
{
	const struct {
		const char *name;
		char *value;
	} known[] = {{"luks", uuid->luks}, {"boot", uuid->boot}, {"root", uuid->root}, {"esp", uuid->esp}};
	struct blob name, value;

	if (!blob_word(&rest, &name) || !blob_word(&rest, &value) || value.n >= UUID_TEXT)
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (blob_eq_str(name, known[i].name)) {
			memcpy(known[i].value, value.p, value.n);
			known[i].value[value.n] = '\0';
		}
}

static bool take_begin(struct record *out, struct blob line)
{
	struct blob begin, version, fingerprint;

	if (!blob_word(&line, &begin) || !blob_eq_str(begin, "begin") || !blob_word(&line, &version) ||
	    !blob_eq_str(version, "1") || !blob_word(&line, &fingerprint) || !sha256_is_hex(fingerprint))
		return false;
	memcpy(out->fingerprint, fingerprint.p, SHA256_HEX - 1);
	out->fingerprint[SHA256_HEX - 1] = '\0';
	return true;
}

static void take_line(struct record *out, struct blob line)
{
	struct blob rest = line, key;

	if (blob_has_prefix(line, "answer ")) {
		strbuf_add(&out->answers, line.p + 7, line.n - 7);
		strbuf_add_char(&out->answers, '\n');
	} else if (!blob_word(&rest, &key)) {
		return;
	} else if (blob_eq_str(key, "uuid")) {
		take_uuid(&out->uuid, rest);
	} else if (blob_eq_str(key, "step")) {
		strv_push_take(&out->steps, blob_dup(blob_trim(rest)));
	} else if (blob_eq_str(key, "complete")) {
		out->complete = true;
	}
}

int record_parse(struct blob log, struct record *out)
{
	struct blob line;

	*out = (struct record){0};
	if (!journal_next(&log, &line) || !take_begin(out, line))
		return -EBADMSG;
	while (journal_next(&log, &line))
		take_line(out, line);
	return 0;
}

bool record_has(const struct record *record, const char *step)
{
	return record && strv_contains(&record->steps, step);
}

void record_free(struct record *record)
{
	strbuf_free(&record->answers);
	strv_free(&record->steps);
	*record = (struct record){0};
}

int record_look(const char *boot, struct record *out)
{
	_cleanup_free_ char *path = xasprintf("%s/bulkhead/install.journal", boot);
	_cleanup_free_ char *kernel = xasprintf("%s/vmlinuz", boot);
	_cleanup_strbuf_ struct strbuf log = {0};
	int r = device_has_file(path) ? read_file(AT_FDCWD, path, 1 << 20, &log) : -ENOENT;

	if (r == 0)
		r = record_parse(strbuf_blob(&log), out);
	/* Cut off while it was begun, it lacks answers, or steps that were finished before there was a place to note them. */
	if (r == 0)
		return out->complete || record_has(out, "mount") ? 0 : -ENOENT;
	/* A kernel without a record: a system that was installed before there were any. */
	return access(kernel, F_OK) ? -ENOENT : -ENXIO;
}

int record_find(const struct disk *disk, struct record *out)
{
	const struct partition *boot = layout_find(disk, LAYOUT_BOOT, true);
	_cleanup_free_ char *device = boot ? disk_partition_device(disk->device, boot->number) : NULL;
	int r;

	if (!boot || !layout_find(disk, LAYOUT_ESP, true) || !layout_find(disk, LAYOUT_BIOS, true) ||
	    (!layout_find(disk, LAYOUT_ROOT, true) && !layout_find(disk, LAYOUT_ROOT, false)))
		return -ENXIO;
	/* New partitions are wiped. Whatever else is there, or cannot be read just now, may be a system that is in use. */
	if (!boot->type)
		return -ENOENT;
	if (strcmp(boot->type, "ext4") != 0 || !boot->label || strcmp(boot->label, "bh-boot") != 0)
		return -ENXIO;
	r = mkdir_p(AT_FDCWD, LOOK_FOLDER, 0700);
	if (r < 0)
		return r;
	if (mount(device, LOOK_FOLDER, "ext4", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return -ENXIO;
	r = record_look(LOOK_FOLDER, out);
	umount2(LOOK_FOLDER, UMOUNT_NOFOLLOW);
	return r;
}

static int append_answers(int fd, const struct answers *answers)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, line;
	int r = 0;

	answers_write(answers, &text);
	rest = strbuf_blob(&text);
	while (r == 0 && blob_token(&rest, '\n', &line)) {
		_cleanup_free_ char *answer = xasprintf("answer %.*s", BLOB_ARG(line));

		r = journal_append(fd, answer);
	}
	return r;
}

static int append_begin(int fd, const struct plan *plan, const struct uuids *uuid)
{
	const struct {
		const char *name, *value;
	} known[] = {{"luks", uuid->luks}, {"boot", uuid->boot}, {"root", uuid->root}, {"esp", uuid->esp}};
	_cleanup_free_ char *begin = NULL;
	char fingerprint[SHA256_HEX];
	int r;

	plan_fingerprint(plan, fingerprint);
	begin = xasprintf("begin 1 %s", fingerprint);
	r = journal_append(fd, begin);
	for (size_t i = 0; r == 0 && i < sizeof(known) / sizeof(*known); i++) {
		_cleanup_free_ char *line = xasprintf("uuid %s %s", known[i].name, known[i].value);

		if (*known[i].value)
			r = journal_append(fd, line);
	}
	return r < 0 ? r : append_answers(fd, plan->answers);
}

static int open_record(const struct plan *plan, bool create, struct error *err, char **path)
{
	_cleanup_free_ char *folder = xasprintf("%s/" RECORD_FOLDER, plan->places.target);
	int r = mkdir_p(AT_FDCWD, folder, 0700);

	*path = xasprintf("%s/" RECORD_FILE, plan->places.target);
	if (r == 0 && create && unlink(*path) && errno != ENOENT)
		r = -errno;
	if (r == 0)
		r = journal_open(AT_FDCWD, *path, NULL);
	return r < 0 ? error_errno(err, r, *path, "cannot open") : r;
}

int record_create(const struct plan *plan, const struct uuids *uuid, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = open_record(plan, true, err, &path);
	int r = fd < 0 ? fd : append_begin(fd, plan, uuid);

	if (fd >= 0 && r < 0)
		return error_errno(err, r, path, "cannot write");
	return fd < 0 ? fd : take_fd(&fd);
}

int record_continue(const struct plan *plan, struct error *err)
{
	_cleanup_free_ char *path = NULL;

	return open_record(plan, false, err, &path);
}

int record_step(int fd, const char *step, struct error *err)
{
	_cleanup_free_ char *line = step ? xasprintf("step %s", step) : xstrdup("complete");
	int r = journal_append(fd, line);

	return r < 0 ? error_errno(err, r, RECORD_FILE, "cannot write") : 0;
}
