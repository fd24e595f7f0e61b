#include "runtime/dom0update/apt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"
#include "common/sys/process.h"

enum { ANSWER_MAX = 8 << 20 };

/* What makes apt-get look nowhere else, and believe nothing unsigned. */
static void begin(const struct apt *a, struct strv *argv)
{
	strv_push(argv, "apt-get");
	strv_push(argv, "-oDir::Etc::sourcelist=/dev/null");
	strv_pushf(argv, "-oDir::Etc::sourceparts=%s/sources", a->state);
	strv_pushf(argv, "-oDir::State::lists=%s/lists", a->state);
	strv_pushf(argv, "-oDir::Cache::archives=%s/archives", a->state);
	strv_push(argv, "-oAcquire::Languages=none");
	strv_push(argv, "-oAPT::Architectures=amd64");
	strv_push(argv, "-oAPT::Update::Error-Mode=any");
	strv_push(argv, "-oAPT::Install-Recommends=false");
	strv_push(argv, "-oDpkg::Options::=--force-confdef");
	strv_push(argv, "-oDpkg::Options::=--force-confold");
	strv_push(argv, "-oAcquire::AllowInsecureRepositories=false");
	strv_push(argv, "-oAPT::Get::AllowUnauthenticated=false");
	strv_push(argv, a->quiet ? "-qq" : "-q");
}

static void add_action(struct strv *argv, const struct strv *packages)
{
	strv_push(argv, packages->n ? "install" : "dist-upgrade");
	strv_push(argv, "--");
	for (size_t i = 0; i < packages->n; i++)
		strv_push(argv, packages->v[i]);
}

int apt_refresh(const struct apt *a, struct error *err)
{
	static const char *const folders[] = {"lists/partial", "archives/partial"};
	_cleanup_strv_ struct strv argv = {0};

	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", a->state, folders[i]);
		int r = mkdir_p(AT_FDCWD, path, 0755);

		if (r < 0)
			return error_errno(err, r, path, "cannot create");
	}
	begin(a, &argv);
	strv_push(&argv, "update");
	if (process_run(&(struct process){.argv = (const char *const *)argv.v, .null_stdin = 1}) != 0)
		return error_set(err, -EBADMSG, "package lists", "try again later; if it stays, do not trust the update qube",
				 "apt does not take them, see above; nothing was installed");
	return 0;
}

/* 'URI' NAME_VERSION_ARCH.deb SIZE HASH:... */
static bool read_line(struct blob line, struct blob *uri, struct blob *file, uint64_t *size)
{
	const char *end = line.n && line.p[0] == '\'' ? memchr(line.p + 1, '\'', line.n - 1) : NULL;
	struct blob rest, word;

	if (!end)
		return false;
	*uri = (struct blob){line.p + 1, (size_t)(end - line.p - 1)};
	rest = (struct blob){end + 1, line.n - (size_t)(end + 1 - line.p)};
	return blob_word(&rest, file) && blob_word(&rest, &word) && blob_to_u64(word, UINT32_MAX, size);
}

/* %2b and the like: what lies on the disk is named plainly. */
static char *decode(struct blob uri)
{
	_cleanup_strbuf_ struct strbuf out = {0};

	for (size_t i = 0; i < uri.n; i++) {
		char c = uri.p[i];
		bool escape = c == '%' && uri.n - i > 2 && hex_decode((struct blob){uri.p + i + 1, 2}, &c, 1) == 0;

		strbuf_add_char(&out, c);
		i += escape ? 2 : 0;
	}
	return strbuf_steal(&out);
}

int apt_read_uris(struct blob text, struct strv *uris, struct strv *names, uint64_t *bytes, struct error *err)
{
	struct blob line, uri, file;
	uint64_t size;

	while (blob_token(&text, '\n', &line)) {
		if (!blob_trim(line).n)
			continue;
		if (!read_line(line, &uri, &file, &size))
			return error_set(err, -EBADMSG, "apt-get --print-uris", NULL, "printed '%.*s'", BLOB_ARG(line));
		strv_push_take(uris, decode(uri));
		strv_pushf(names, "%.*s", BLOB_ARG(file));
		*bytes += size;
	}
	return 0;
}

/* What apt says, with this option, to what is to be done; nothing is. */
static int ask(const struct apt *a, const char *option, const struct strv *packages, struct strbuf *text)
{
	_cleanup_strv_ struct strv argv = {0};

	begin(&(struct apt){a->state, true}, &argv);
	strv_push(&argv, option);
	add_action(&argv, packages);
	return process_capture((const char *const *)argv.v, ANSWER_MAX, text);
}

int apt_wanted(const struct apt *a, const struct strv *packages, struct strv *uris, struct strv *names, uint64_t *bytes,
	       struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	if (ask(a, "--print-uris", packages, &text) != 0)
		return error_set(err, -ENOPKG, packages->n ? packages->v[0] : "dist-upgrade", NULL,
				 "apt finds no way, see above");
	return apt_read_uris(strbuf_blob(&text), uris, names, bytes, err);
}

void apt_read_removed(struct blob text, struct strv *names)
{
	struct blob line, word;

	while (blob_token(&text, '\n', &line))
		if (blob_word(&line, &word) && blob_eq_str(word, "Remv") && blob_word(&line, &word))
			strv_pushf(names, "%.*s", BLOB_ARG(word));
}

int apt_removed(const struct apt *a, const struct strv *packages, struct strv *names, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	if (ask(a, "--simulate", packages, &text) != 0)
		return error_set(err, -ENOPKG, "apt-get --simulate", NULL, "finds no way, see above");
	apt_read_removed(strbuf_blob(&text), names);
	return 0;
}

int apt_install(const struct apt *a, const struct strv *packages, struct error *err)
{
	_cleanup_strv_ struct strv argv = {0};

	begin(a, &argv);
	strv_push(&argv, "-y");
	add_action(&argv, packages);
	if (process_run(&(struct process){.argv = (const char *const *)argv.v, .null_stdin = 1}) != 0)
		return error_set(err, -EIO, "apt-get", "correct that and run it again, or go back to the snapshot",
				 "has not installed everything, see above");
	return 0;
}
