/* bulkhead-installer: facts, plan, run. Each stage is usable alone; see bulkhead-installer --help. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"
#include "common/sys/process.h"
#include "common/ui/event.h"
#include "common/ui/options.h"
#include "installer/eject.h"
#include "installer/questions/dialogue.h"
#include "installer/session.h"
#include "installer/verdict/verdict.h"

#define PROGRAM "bulkhead-installer"

enum { CMDLINE_MAX = 64 << 10 };

/* Documented in docs/install.md. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_REFUSED = 3, EXIT_NO_VOLUME = 4 };

struct options {
	const char *facts, *save, *answers, *source, *medium, *target, *events, *front;
	bool ask, resume, anew;
};

static int refuse(const struct error *err)
{
	error_print(PROGRAM, err);
	event_emit("install.failed", "object", err->object ? err->object : "", "cause", err->cause ? err->cause : "",
		   "remedy", err->remedy ? err->remedy : "", NULL);
	return EXIT_REFUSED;
}

/* The last of the kernel's arguments that begins so, allocated: what follows its beginning. NULL: there is none. */
static char *kernel_argument(const char *beginning)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob rest, word, found = {0};

	if (read_file(AT_FDCWD, "/proc/cmdline", CMDLINE_MAX, &text) < 0)
		return NULL;
	rest = strbuf_blob(&text);
	while (blob_word(&rest, &word))
		if (blob_has_prefix(word, beginning))
			found = (struct blob){word.p + strlen(beginning), word.n - strlen(beginning)};
	return found.p ? blob_dup(found) : NULL;
}

/*
 * The initramfs lies on the medium, and dom0's root, from which it is made, cannot know it; the boot menu does, as it knows
 * the root's hash.
 */
static const char *named_initramfs(void)
{
	static char hex[SHA256_HEX];
	_cleanup_free_ char *named = kernel_argument("bulkhead.initramfs=");

	if (named && strlen(named) == sizeof(hex) - 1)
		memcpy(hex, named, sizeof(hex));
	return hex[0] ? hex : NULL;
}

static struct plan_places places_of(const struct options *o)
{
	return (struct plan_places){
		.source = o->source ? o->source : INSTALL_SOURCE,
		.medium = o->medium ? o->medium : INSTALL_MEDIUM,
		.target = o->target ? o->target : INSTALL_TARGET,
		.initramfs = named_initramfs(),
	};
}

static int get_facts(const struct options *o, struct facts *facts, struct error *err)
{
	const struct facts_source from = {"/sys", "/proc", "/dev", places_of(o).medium, true};

	return o->facts ? facts_load(o->facts, facts, err) : facts_gather(&from, facts, err);
}

static int get_answers(const struct options *o, struct answers *answers, struct error *err)
{
	if (!o->answers || !strcmp(o->answers, "auto"))
		return answers_load_volume(answers, err);
	return answers_load(o->answers, answers, err);
}

static const struct front *get_front(const struct options *o)
{
	/* The boot menu's entry for old screens. */
	_cleanup_free_ char *text = kernel_argument("bulkhead.text");
	const struct front *front = NULL;

	if (o->front ? !strcmp(o->front, "windows") : !text || *text)
		front = front_windows();
	return front ? front : front_plain();
}

/* What the answers leave open, asked on the terminal. */
static int ask_rest(const struct options *o, const struct facts *facts, struct answers *answers, struct error *err)
{
	struct dialogue d = {.front = get_front(o), .facts = facts, .answers = answers, .places = places_of(o),
			     .simulate = true};
	int r = dialogue_run(&d, err);

	d.front->close();
	return r;
}

static int command_facts(const struct options *o)
{
	_cleanup_facts_ struct facts facts = {0};
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_error_ struct error err = {0};
	int r = get_facts(o, &facts, &err);

	if (r == 0) {
		facts_write(&facts, &text);
		if (!o->save)
			fputs(text.p, stdout);
		else if ((r = write_atomic(AT_FDCWD, o->save, text.p, text.n, 0644)) < 0)
			error_errno(&err, r, o->save, "cannot write");
	}
	if (r == 0)
		return EXIT_DONE;
	error_print(PROGRAM, &err);
	return EXIT_FAILED;
}

static int command_plan(const struct options *o)
{
	const struct plan_places places = places_of(o);
	_cleanup_facts_ struct facts facts = {0};
	_cleanup_answers_ struct answers answers = {0};
	_cleanup_plan_ struct plan plan = {0};
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_error_ struct error err = {0};
	int r;

	r = get_facts(o, &facts, &err);
	if (r == 0 && o->ask && !o->answers)
		answers_new(&answers, "dialogue");
	else if (r == 0)
		r = get_answers(o, &answers, &err);
	if (r == 0 && o->ask)
		r = ask_rest(o, &facts, &answers, &err);
	if (r < 0 || (r = plan_make(&facts, &answers, &places, &plan, &err)) < 0) {
		error_print(PROGRAM, &err);
		return r == -ENXIO ? EXIT_NO_VOLUME : EXIT_REFUSED;
	}
	plan_write(&plan, &text);
	fputs(text.p, stdout);
	return EXIT_DONE;
}

static int command_verdict(const struct options *o, bool hcl)
{
	_cleanup_facts_ struct facts facts = {0};
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_error_ struct error err = {0};
	struct verdict verdict;

	if (get_facts(o, &facts, &err) < 0) {
		error_print(PROGRAM, &err);
		return EXIT_FAILED;
	}
	verdict_make(&facts, facts.arena, &verdict);
	if (hcl)
		verdict_hcl(&facts, &verdict, &text);
	else
		verdict_write(&verdict, &text);
	fputs(text.p, stdout);
	return EXIT_DONE;
}

static int command_judge(const struct options *o)
{
	return command_verdict(o, false);
}

static int command_hcl(const struct options *o)
{
	return command_verdict(o, true);
}

/* Raw, so that the line discipline neither changes nor echoes anything. */
static void open_events(const char *path)
{
	/* Never an ordinary file in /dev, where a port should have been. */
	int create = strncmp(path, "/dev/", 5) ? O_CREAT : 0;
	struct termios line;
	int fd;

	if (!strcmp(path, "none"))
		return;
	fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC | O_APPEND | create, 0600);
	if (fd < 0)
		return; /* a machine without a second serial port */
	if (!tcgetattr(fd, &line)) {
		cfmakeraw(&line);
		line.c_cflag |= CLOCAL;
		cfsetspeed(&line, B115200);
		tcsetattr(fd, TCSANOW, &line);
	}
	event_open_fd(fd);
}

/* By systemd, so that the live system ends in order. */
static void after_install(enum answers_after after, const char *medium, const struct strv *skipped)
{
	static const char *const off[] = {"systemctl", "poweroff", NULL};
	static const char *const again[] = {"systemctl", "reboot", NULL};

	_cleanup_error_ struct error err = {0};

	if (after == AFTER_EJECT && eject_prepare("/proc", "/sys", medium, EJECT_NOTE, &err) == 0)
		printf("Installed. The medium is ejected.\n");
	else
		printf("Installed. Remove the medium before the next start.\n");
	if (err.cause)
		error_print(PROGRAM, &err);
	for (size_t i = 0; i < skipped->n; i++)
		printf("Not done: %s.\n", skipped->v[i]);
	fflush(stdout);
	if (after != AFTER_STAY)
		process_check(after == AFTER_POWEROFF ? off : again, NULL);
}

/* Complete, or with gaps for a person to fill; EXIT_DONE when it can go on. */
static int get_run_answers(const struct options *o, struct answers *answers)
{
	_cleanup_error_ struct error err = {0};
	int r = get_answers(o, answers, &err);

	if (r == -ENXIO && isatty(STDIN_FILENO) && !o->answers) {
		answers_new(answers, "dialogue");
		return EXIT_DONE;
	}
	if (r == -ENXIO)
		error_print(PROGRAM, &err);
	if (r == 0 && !answers->unattended && !isatty(STDIN_FILENO))
		r = error_set(&err, -ENOTTY, answers->file, "run '" PROGRAM " run' at a console",
			      "without 'unattended: yes' the rest is asked for, and here is no terminal");
	return r == -ENXIO ? EXIT_NO_VOLUME : r < 0 ? refuse(&err) : EXIT_DONE;
}

static int run_session(const struct options *o, struct facts *facts, struct answers *answers)
{
	_cleanup_plan_ struct plan plan = {0};
	_cleanup_error_ struct error err = {0};
	struct session s = {.facts = facts, .answers = answers, .places = places_of(o),
			    .front = answers->unattended ? NULL : get_front(o),
			    .resume = o->resume ? SESSION_RESUME : o->anew ? SESSION_ANEW : SESSION_OFFER};
	struct rusage usage;
	int r = session_run(&s, &plan, &err);

	if (s.front)
		s.front->close();
	if (r) {
		strv_free(&s.skipped);
		refuse(&err);
		return r < 0 ? EXIT_REFUSED : EXIT_FAILED;
	}
	event_emit("install.done", "disk", plan.disk->name, NULL);
	getrusage(RUSAGE_SELF, &usage);
	printf("Peak memory: %ld MiB.\n", usage.ru_maxrss >> 10);
	/* A person has to read what was not done. */
	after_install(s.skipped.n && s.front ? AFTER_STAY : answers->after, s.places.medium, &s.skipped);
	strv_free(&s.skipped);
	return EXIT_DONE;
}

static int command_run(const struct options *o)
{
	const struct plan_places places = places_of(o);
	_cleanup_facts_ struct facts facts = {0};
	_cleanup_answers_ struct answers answers = {0};
	_cleanup_error_ struct error err = {0};
	int r;

	/* A reader of the events or of the output that goes away is no reason to leave a disk half partitioned. */
	signal(SIGPIPE, SIG_IGN);
	open_events(o->events ? o->events : "/dev/ttyS1");
	r = get_run_answers(o, &answers);
	if (r != EXIT_DONE)
		return r;
	if (session_begin(&places, &err) < 0 || get_facts(o, &facts, &err) < 0)
		return refuse(&err);
	return run_session(o, &facts, &answers);
}

static int command_questions(const struct options *o)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	(void)o;
	questions_document(&text);
	fputs(text.p, stdout);
	return EXIT_DONE;
}

/* For systemd's last step, see eject.h. */
static int command_eject(const struct options *o)
{
	_cleanup_error_ struct error err = {0};

	(void)o;
	if (eject_now(EJECT_NOTE, &err) == 0)
		return EXIT_DONE;
	error_print(PROGRAM, &err);
	return EXIT_FAILED;
}

/* Which commands an option is for. */
enum { FOR_FACTS = 1, FOR_VERDICT = 2, FOR_PLAN = 4, FOR_RUN = 8 };

static const struct {
	const char *name, *summary;
	int (*run)(const struct options *o);
	unsigned options; /* FOR_... */
} commands[] = {
	{"facts", "Says what is known about this machine and its disks.", command_facts, FOR_FACTS},
	{"verdict", "Says whether qubes can be kept apart on this machine, and what to switch on.", command_judge, FOR_VERDICT},
	{"hcl", "Prints this machine as an entry of a hardware compatibility list.", command_hcl, FOR_VERDICT},
	{"plan", "Prints every step of the installation with its commands; opens nothing for writing.", command_plan, FOR_PLAN},
	{"run", "Installs, by the answers of a file, of the volume " ANSWERS_LABEL " or of a person.", command_run, FOR_RUN},
	{"questions", "Prints the documentation of the answer file.", command_questions, 0},
	{"eject", "Ejects the disc that was installed from, when the live system has ended.", command_eject, 0},
};

static int run_command(size_t i, int argc, char **argv)
{
	struct options o = {0};
	_cleanup_free_ char *program = xasprintf(PROGRAM " %s", commands[i].name);
	_cleanup_strv_ struct strv operands = {0};
	const struct {
		unsigned commands;
		struct option_def option;
	} all[] = {
		{FOR_FACTS | FOR_VERDICT | FOR_PLAN,
		 {"facts", 0, OPTION_STRING, &o.facts, "FILE", "take the facts from FILE, not from this machine"}},
		{FOR_FACTS, {"save", 0, OPTION_STRING, &o.save, "FILE", "write them to FILE"}},
		{FOR_PLAN | FOR_RUN, {"answers", 0, OPTION_STRING, &o.answers, "FILE",
				      "the answer file; 'auto' and the default: the volume " ANSWERS_LABEL}},
		{FOR_PLAN | FOR_RUN, {"source", 0, OPTION_STRING, &o.source, "DIR", "root to copy (" INSTALL_SOURCE ")"}},
		{FOR_FACTS | FOR_VERDICT | FOR_PLAN | FOR_RUN,
		 {"medium", 0, OPTION_STRING, &o.medium, "DIR", "where the medium is mounted (" INSTALL_MEDIUM ")"}},
		{FOR_PLAN | FOR_RUN,
		 {"target", 0, OPTION_STRING, &o.target, "DIR", "where to mount the disk (" INSTALL_TARGET ")"}},
		{FOR_RUN,
		 {"events", 0, OPTION_STRING, &o.events, "FILE", "events as JSON lines go here (/dev/ttyS1); 'none'"}},
		{FOR_PLAN | FOR_RUN, {"front", 0, OPTION_STRING, &o.front, "NAME",
				      "ask in 'windows' or in 'plain' lines; default: what the terminal can"}},
		{FOR_PLAN, {"ask", 0, OPTION_FLAG, &o.ask, NULL, "ask for what the answers leave open"}},
		{FOR_RUN, {"resume", 0, OPTION_FLAG, &o.resume, NULL, "go on with an unfinished installation, or fail"}},
		{FOR_RUN, {"anew", 0, OPTION_FLAG, &o.anew, NULL, "start from the beginning even if one could be gone on with"}},
	};
	struct option_def options[sizeof(all) / sizeof(*all) + 1] = {{.name = NULL}};
	size_t n = 0;
	const struct command_line line = {.program = program, .operands = "", .summary = commands[i].summary,
					  .options = options};
	enum options_result parsed;

	for (size_t k = 0; k < sizeof(all) / sizeof(*all); k++)
		if (all[k].commands & commands[i].options)
			options[n++] = all[k].option;
	parsed = options_parse(&line, argc, argv, &operands);
	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
	if (o.front && strcmp(o.front, "plain") && strcmp(o.front, "windows"))
		return options_wrong(&line, "--front must be plain or windows");
	if (o.resume && o.anew)
		return options_wrong(&line, "--resume and --anew exclude each other");
	if (operands.n)
		return options_wrong(&line, "unexpected operand '%s'", operands.v[0]);
	return commands[i].run(&o);
}

static void usage(FILE *out)
{
	fprintf(out, "usage: " PROGRAM " COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
	fprintf(out, "  %-9s %s\n", "--version", "Prints the version.");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	secret_harden();
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(name, commands[i].name))
			return run_command(i, argc - 1, argv + 1);
	if (!strcmp(name, "--version")) {
		puts(PROGRAM " " BULKHEAD_VERSION);
		return EXIT_DONE;
	}
	if (!strcmp(name, "--help")) {
		usage(stdout);
		return EXIT_DONE;
	}
	if (*name)
		fprintf(stderr, PROGRAM ": unknown command '%s'\n\n", name);
	usage(stderr);
	return EXIT_USAGE;
}
