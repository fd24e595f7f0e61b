#include "common/sys/mounts.h"

#include <fcntl.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"

enum { LIST_MAX = 4 << 20 };

static int read_list(const char *proc, const char *file, struct strbuf *out)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", proc, file);

	return read_file(AT_FDCWD, path, LIST_MAX, out);
}

int mounts_read(const char *proc, struct strbuf *out)
{
	return read_list(proc, "self/mountinfo", out);
}

int swaps_read(const char *proc, struct strbuf *out)
{
	return read_list(proc, "swaps", out);
}

/* proc_pid_mountinfo(5): id, parent, major:minor, root, mount point, options, others, "-", type, source, ... */
bool mounts_next(struct blob *list, struct mount_entry *out)
{
	struct blob line, word;

	while (blob_token(list, '\n', &line)) {
		*out = (struct mount_entry){0};
		for (size_t field = 0; field < 5 && blob_word(&line, &word); field++) {
			if (field == 2)
				out->number = word;
			if (field == 4)
				out->point = word;
		}
		if (!out->point.n)
			continue;
		while (blob_word(&line, &word) && !blob_eq_str(word, "-"))
			;
		if (blob_word(&line, &word) && blob_word(&line, &word))
			out->source = word;
		return true;
	}
	return false;
}

/* proc_swaps(5): a header line, then the device first in each line. */
bool swaps_next(struct blob *list, struct blob *out)
{
	struct blob line;

	while (blob_token(list, '\n', &line))
		if (blob_word(&line, out) && !blob_eq_str(*out, "Filename"))
			return true;
	return false;
}

static bool is_octal(struct blob b)
{
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] < '0' || b.p[i] > '7')
			return false;
	return b.n == 3 && b.p[0] < '4';
}

char *mounts_unescape(struct blob text)
{
	_cleanup_strbuf_ struct strbuf s = {0};

	strbuf_add_str(&s, "");
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\\' && i + 3 < text.n && is_octal((struct blob){text.p + i + 1, 3})) {
			strbuf_add_char(&s, (char)((text.p[i + 1] - '0') << 6 | (text.p[i + 2] - '0') << 3 | (text.p[i + 3] - '0')));
			i += 3;
		} else {
			strbuf_add_char(&s, text.p[i]);
		}
	}
	return strbuf_steal(&s);
}
