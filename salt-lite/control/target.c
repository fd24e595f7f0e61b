/* One target, in a process of its own. */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "salt-lite/control/target.h"

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

enum { OUTPUT_MAX = 16 << 20, PILLAR_MAX = 16 << 20, NO_SERVICE = 127 };

/* The engine in dom0, asked about this qube. */
static int ask_engine(const struct control *c, const struct target *t, const char *question, struct strbuf *answer)
{
	_cleanup_strv_ struct strv argv = {0};

	control_engine(c, &argv);
	strv_push(&argv, "--id");
	strv_push(&argv, t->name);
	strv_push(&argv, question);
	for (size_t i = 1; i < c->words.n; i++)
		if (blob_has_prefix(blob_of(c->words.v[i]), "saltenv=") ||
		    blob_has_prefix(blob_of(c->words.v[i]), "pillarenv="))
			strv_push(&argv, c->words.v[i]);
	return process_capture((const char *const *)argv.v, PILLAR_MAX, answer);
}

/* A pillar or top file that does not compile. The engine has said why. */
static int engine_failed(const struct target *t, int code)
{
	printf("%s: ERROR (exit code %d)\n", t->name, code);
	return code < 0 ? 1 : code;
}

/* Text of a qube: nothing that a terminal would act on. */
static void make_safe(struct strbuf *s)
{
	for (size_t i = 0; i < s->n; i++)
		if ((s->p[i] < ' ' || s->p[i] > '~') && s->p[i] != '\n' && s->p[i] != '\t')
			s->p[i] = '_';
}

static void keep_log(const char *path, const struct control *c, int code, struct blob output)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
	time_t now = time(NULL);
	char date[32] = "";
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	strbuf_printf(&text, "%s calling '%s'...\n", date, c->words.v[0]);
	strbuf_add(&text, output.p, output.n);
	strbuf_printf(&text, "%s exit code: %d\n", date, code);
	if (fd < 0 || write_all(fd, text.p, text.n) < 0)
		fprintf(stderr, "qubesctl: %s: cannot be written: %s\n", path, strerror(errno));
}

/* The management qube's shell, which reads the bundle; all it prints goes to *output. */
static int call(const struct control *c, const struct target *t, const char *management, int bundle, struct strbuf *output)
{
	_cleanup_free_ char *inner = bundle_command(c, t->name), *command = xasprintf("root:%s", inner);
	const char *argv[] = {"qrexec-client", "-d", management, command, NULL};
	int ends[2], r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = process_spawn(&(struct process){.argv = argv, .stdin_fd = bundle, .stdout_fd = ends[1], .stderr_fd = ends[1]});
	close(ends[1]);
	r = pid < 0 ? pid : read_fd(ends[0], OUTPUT_MAX, output);
	close(ends[0]);
	if (pid < 0)
		return r;
	/* Too much output ends the call: nobody reads on. */
	return r < 0 ? (process_wait(pid), r) : process_wait(pid);
}

static void say_missing(const struct control *c, const struct target *t, const char *management)
{
	_cleanup_strbuf_ struct strbuf template = {0};

	control_property(c, t->name, "template", &template, NULL);
	printf("%s: ERROR (exit code %d: no shell for root; missing bulkhead-guest package in %s, or in the template of %s)\n",
	       t->name, NO_SERVICE, template.n ? template.p : t->name, management);
}

static int report(const struct control *c, const struct target *t, const char *management, int code, struct strbuf *output)
{
	_cleanup_free_ char *log = xasprintf("%s/mgmt-%s.log", c->log_folder, t->name);
	bool summary = memmem(strbuf_blob(output).p, output->n, "Summary for ", 12) != NULL;

	if (!c->force_color)
		make_safe(output);
	keep_log(log, c, code, strbuf_blob(output));
	if (code == NO_SERVICE)
		say_missing(c, t, management);
	else if (code)
		printf("%s: ERROR (exit code %d, details in %s)\n", t->name, code, log);
	else
		printf("%s: %s\n", t->name, summary ? "OK" : "ERROR (exit code 0, but no changes summary)");
	if (c->show_output)
		fwrite(output->p, 1, output->n, stdout);
	return code < 0 || (!code && !summary) ? 1 : code;
}

static int configure(const struct control *c, const struct target *t, struct blob pillar)
{
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf output = {0};
	_cleanup_close_ int bundle = bundle_make(c, pillar, &err);
	struct management m = {.lock = -1};
	int r = bundle < 0 ? bundle : management_start(c, t, &m, &err), code = 1;

	if (r == 0)
		code = call(c, t, m.name, bundle, &output);
	management_end(c, t, &m);
	if (!strcmp(t->state, "Halted") && r == 0)
		control_ask(c, t->name, "admin.vm.Shutdown", "wait", NULL, NULL, NULL);
	if (r == 0)
		return report(c, t, m.name, code, &output);
	error_print("qubesctl", &err);
	printf("%s: ERROR (%s)\n", t->name, err.cause);
	return code;
}

int target_configure(const struct control *c, const struct target *t)
{
	_cleanup_strv_ struct strv words = {0};
	_cleanup_strbuf_ struct strbuf names = {0}, pillar = {0};
	bool named = false;
	int code;

	control_words(c, &words);
	for (size_t i = 0; i < words.n; i++)
		named |= !strchr(words.v[i], '=');
	if (!named && !c->skip_top_check) {
		code = ask_engine(c, t, "show-top", &names);
		if (code)
			return engine_failed(t, code);
		if (!names.n)
			return printf("%s: SKIP (nothing to do)\n", t->name) < 0;
	}
	code = ask_engine(c, t, "show-pillar", &pillar);
	return code ? engine_failed(t, code) : configure(c, t, strbuf_blob(&pillar));
}
