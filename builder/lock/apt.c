#include "builder/lock/apt.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "builder/lock/words.h"
#include "builder/sandbox.h"
#include "common/base/alloc.h"
#include "common/base/deb822.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"
#include "common/sys/process.h"

enum { MAX_ANSWER = 8 << 20 };

/* Where the private root lies for apt when it runs in the sandbox. */
static const char inside[] = "/run/bulkhead-apt";

static int put(const char *dir, const char *name, struct blob data, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	int r = mkdir_parents(AT_FDCWD, path, 0755);

	if (r == 0)
		r = write_file(AT_FDCWD, path, data.p, data.n, 0644);
	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}

/*
 * apt reads this file before all others (APT_CONFIG), so that nothing of the configuration of the
 * place it runs in counts. The indexes were verified outside: what apt would check again by clock
 * or key is off.
 */
static int put_config(const char *dir, const char *seen, const struct apt_query *q,
		      struct error *err)
{
	_cleanup_strbuf_ struct strbuf s = {0};

	strbuf_printf(&s, "Dir \"%s\";\n", seen);
	strbuf_printf(&s, "Dir::State::status \"%s/status\";\n", seen);
	strbuf_add_str(
		&s,
		"Dir::State \"state\";\nDir::Cache \"cache\";\nDir::Etc \"etc\";\nDir::Log "
		"\"log\";\n"
		"Dir::Bin::methods \"/usr/lib/apt/methods\";\nDir::Bin::dpkg \"/usr/bin/dpkg\";\n");
	strbuf_printf(&s, "APT::Architecture \"%s\";\nAPT::Architectures { \"%s\"; };\n", q->arch,
		      q->arch);
	strbuf_add_str(&s,
		       "APT::Sandbox::User \"root\";\nAPT::Install-Recommends \"false\";\n"
		       "APT::Install-Suggests \"false\";\nAcquire::Languages \"none\";\n"
		       "Acquire::By-Hash \"no\";\nAcquire::Check-Valid-Until \"false\";\n"
		       "Acquire::Check-Date \"false\";\nAcquire::AllowReleaseInfoChange \"true\";\n"
		       "Dir::Cache::pkgcache \"\";\nDir::Cache::srcpkgcache \"\";\n"
		       /* apt would count itself among the essential packages. */
		       "pkgCacheGen::ForceEssential \",\";\n");
	return put(dir, "apt.conf", strbuf_blob(&s), err);
}

/* The suite's own Release, so that pins on its fields hold, but listing only the files that are here. */
static void format_release(const struct lock_suite *s, struct strbuf *out)
{
	static const char *const digests[] = {"MD5Sum", "SHA1", "SHA256", "SHA512"};
	struct deb822 d = {.rest = strbuf_blob(&s->text)};
	struct deb822_stanza fields;

	if (deb822_next(&d, &fields) != 1) /* it was read before */
		return;
	for (size_t i = 0; i < fields.n; i++) {
		bool digest = false;

		for (size_t k = 0; k < sizeof(digests) / sizeof(digests[0]); k++)
			digest |= blob_eq_str(fields.fields[i].name, digests[k]);
		if (!digest)
			strbuf_printf(out, "%.*s: %.*s\n", BLOB_ARG(fields.fields[i].name),
				      BLOB_ARG(fields.fields[i].value));
	}
	strbuf_add_str(out, "SHA256:\n");
	for (size_t i = 0; i < s->n_packages; i++) {
		const struct lock_suite_packages *p = &s->packages[i];
		char hex[SHA256_HEX];

		sha256_hex(p->text.p, p->text.n, hex);
		strbuf_printf(out, " %s %zu %s\n", hex, p->text.n, p->path);
	}
}

static int put_suite(const char *dir, const char *seen, const struct lock_suite *s,
		     struct strbuf *list, struct error *err)
{
	_cleanup_free_ char *release = xasprintf("archive/%s/dists/%s/Release", s->name, s->name);
	_cleanup_strbuf_ struct strbuf text = {0};
	int r;

	format_release(s, &text);
	r = put(dir, release, strbuf_blob(&text), err);
	strbuf_printf(list, "deb [trusted=yes] file://%s/archive/%s %s", seen, s->name, s->name);
	for (size_t i = 0; i < s->n_packages && r == 0; i++) {
		const struct lock_suite_packages *p = &s->packages[i];
		_cleanup_free_ char *path =
			xasprintf("archive/%s/dists/%s/%s", s->name, s->name, p->path);

		strbuf_printf(list, " %s", p->component);
		r = put(dir, path, strbuf_blob(&p->text), err);
	}
	strbuf_add_char(list, '\n');
	return r;
}

static int make_root(const char *dir, const char *seen, const struct apt_query *q,
		     struct error *err)
{
	static const char *const folders[] = {"etc/apt.conf.d",
					      "etc/preferences.d",
					      "etc/sources.list.d",
					      "etc/trusted.gpg.d",
					      "state/lists/partial",
					      "cache/archives/partial",
					      "log"};
	_cleanup_strbuf_ struct strbuf list = {0};
	int r = 0;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, folders[i]);

		r = mkdir_p(AT_FDCWD, path, 0755);
		if (r < 0)
			return error_errno(err, r, path, "cannot make");
	}
	for (size_t i = 0; i < q->n_suites && r == 0; i++)
		r = put_suite(dir, seen, &q->suites[i], &list, err);
	if (r == 0 && q->local.n) {
		strbuf_printf(&list, "deb [trusted=yes] file://%s/local ./\n", seen);
		r = put(dir, "local/Packages", q->local, err);
	}
	if (r == 0)
		r = put(dir, "etc/sources.list", strbuf_blob(&list), err);
	if (r == 0)
		r = put(dir, "status", BLOB(""), err);
	return r ? r : put_config(dir, seen, q, err);
}

/* Runs apt-get of the host, what it says in *out. Returns its exit code. */
static int run_on_host(const char *dir, const char *const *argv, struct strbuf *out,
		       struct error *err)
{
	_cleanup_free_ char *log = xasprintf("%s/answer", dir),
			    *config = xasprintf("APT_CONFIG=%s/apt.conf", dir);
	_cleanup_close_ int fd = open(log, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C.UTF-8",
	     zone[] = "TZ=UTC";
	char *env[] = {config, path, locale, zone, NULL};
	struct process p = {
		.argv = argv, .env = env, .stdout_fd = fd, .stderr_fd = fd, .null_stdin = 1};
	int r, code;

	if (fd < 0)
		return error_errno(err, -errno, log, "cannot open");
	code = process_run(&p);
	if (code < 0)
		return error_set(err, code, argv[0], "install the package apt",
				 "cannot start it: %s", strerror(-code));
	r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : read_fd(fd, MAX_ANSWER, out);
	return r < 0 ? error_errno(err, r, log, "cannot read") : code;
}

static int run_inside(const char *dir, const char *apt_root, const char *const *argv,
		      struct strbuf *out, struct error *err)
{
	_cleanup_free_ char *log = xasprintf("%s/answer", dir),
			    *config = xasprintf("APT_CONFIG=%s/apt.conf", inside);
	_cleanup_close_ int fd = open(log, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const char *const env[] = {config, NULL};
	const struct sandbox_bind bind = {.source = dir, .target = inside, .writable = true};
	struct sandbox sb = {.root = apt_root,
			     .mode = SANDBOX_READ_ONLY,
			     .binds = &bind,
			     .n_binds = 1,
			     .argv = argv,
			     .env = env,
			     .stdout_fd = fd,
			     .stderr_fd = fd,
			     .timeout_s = 600};
	int status = 0, r;

	if (fd < 0)
		return error_errno(err, -errno, log, "cannot open");
	r = sandbox_run(&sb, &status, err);
	if (r < 0)
		return r;
	r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : read_fd(fd, MAX_ANSWER, out);
	return r < 0 ? error_errno(err, r, log, "cannot read") : status;
}

static int run(const char *dir, const struct apt_query *q, const char *const *argv,
	       struct strbuf *out, struct error *err)
{
	strbuf_reset(out);
	return q->apt_root ? run_inside(dir, q->apt_root, argv, out, err)
			   : run_on_host(dir, argv, out, err);
}

/* apt's reasons are the lines after "unmet dependencies", or those that begin with "E: ". */
static int no_answer(struct blob said, struct error *err)
{
	_cleanup_strbuf_ struct strbuf why = {0};
	struct blob line;

	while (blob_token(&said, '\n', &line) && why.n < 2000) {
		line = blob_trim(line);
		if (blob_has_prefix(line, "E: ") || memmem(line.p, line.n, " : ", 3) ||
		    blob_has_prefix(line, "Depends: "))
			strbuf_printf(&why, "%s%.*s", why.n ? " | " : "", BLOB_ARG(line));
	}
	return error_set(err, -ENOPKG, "apt", "correct the definition's packages",
			 "finds no solution: %s", why.n ? why.p : "it gave no reason");
}

static int ask(const char *dir, const struct apt_query *q, struct strv *chosen, struct error *err)
{
	static const char *const update[] = {"apt-get", "update", "-q", NULL};
	_cleanup_strbuf_ struct strbuf out = {0};
	_cleanup_strv_ struct strv argv = {0};
	int r = make_root(dir, q->apt_root ? inside : dir, q, err);

	if (r < 0)
		return r;
	r = run(dir, q, update, &out, err);
	/* apt warns about an index that it does not take and goes on without: nothing may be left
	 * out here. */
	if (r >= 0 && (r > 0 || (out.n && (strstr(out.p, "\nW: ") || strstr(out.p, "\nE: ")))))
		return no_answer(strbuf_blob(&out), err);
	if (r < 0)
		return r;
	strv_push(&argv, "apt-get");
	strv_push(&argv, "-s");
	strv_push(&argv, "-q");
	strv_push(&argv, "--no-remove");
	strv_push(&argv, "install");
	strv_push(&argv, "--");
	for (size_t i = 0; i < q->install->n; i++)
		strv_push(&argv, q->install->v[i]);
	r = run(dir, q, (const char *const *)argv.v, &out, err);
	if (r > 0)
		return no_answer(strbuf_blob(&out), err);
	return r < 0 ? r : apt_read_answer(strbuf_blob(&out), chosen, err);
}

/* In a result of the store that never comes: what a killed process leaves goes when it is opened again. */
int apt_solve(const struct apt_query *q, struct strv *chosen, struct error *err)
{
	_cleanup_strbuf_ struct strbuf inputs = {0};
	struct store_entry scratch;
	char key[SHA256_HEX];
	int r;

	store_input_number(&inputs, "apt of process", (unsigned long long)getpid());
	store_key(&inputs, key);
	r = store_begin(q->store, key, &inputs, &scratch, err);
	if (r < 0)
		return r;
	r = ask(scratch.tmp, q, chosen, err);
	store_abort(q->store, &scratch);
	return r;
}

/* Inst NAME[:ARCH] (VERSION ORIGIN:SUITE [ARCH]) ... ; several "ORIGIN:SUITE" are separated by commas. */
static bool read_inst(struct blob line, struct strv *chosen)
{
	struct blob name, qualifier = {0}, version, arch = {0};
	const char *open = memchr(line.p, '(', line.n),
		   *close = open ? memchr(open, ')', line.n - (size_t)(open - line.p)) : NULL;
	struct blob rest = {open ? open + 1 : NULL, close ? (size_t)(close - open - 1) : 0}, word;

	if (!close || !blob_word(&line, &name) || !blob_word(&rest, &version))
		return false;
	while (blob_word(&rest, &word))
		arch = word;
	if (arch.n < 3 || arch.p[0] != '[' || arch.p[arch.n - 1] != ']')
		return false;
	arch = (struct blob){arch.p + 1, arch.n - 2};
	qualifier = name;
	blob_token(&qualifier, ':', &name);
	if (!word_is_package(name) || !word_is_version(version) || !word_is_arch(arch))
		return false;
	strv_pushf(chosen, "%.*s %.*s %.*s", BLOB_ARG(name), BLOB_ARG(version), BLOB_ARG(arch));
	return true;
}

int apt_read_answer(struct blob text, struct strv *chosen, struct error *err)
{
	struct blob line;

	while (blob_token(&text, '\n', &line)) {
		struct blob rest = line;

		if (blob_has_prefix(line, "Remv "))
			return error_set(err, -EBADMSG, "apt", NULL,
					 "it would remove a package from an empty root: %.*s",
					 BLOB_ARG(line));
		if (!blob_has_prefix(line, "Inst "))
			continue;
		rest.p += strlen("Inst ");
		rest.n -= strlen("Inst ");
		if (!read_inst(rest, chosen))
			return error_set(err, -EBADMSG, "apt", NULL,
					 "its answer is not understood: %.*s", BLOB_ARG(line));
	}
	return chosen->n ? 0 : error_set(err, -EBADMSG, "apt", NULL, "it would install nothing");
}
