/* salt-lite: the state engine as a command. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/sys/file.h"
#include "common/sys/journal.h"
#include "common/ui/options.h"
#include "salt-lite/engine/salt.h"
#include "salt-lite/value/yaml.h"

enum { EXIT_COMPILE = 1, EXIT_CHANGED = 2, EXIT_FAILED = 20, EXIT_USAGE = 64, EXIT_LOCKED = 75, FILE_MAX = 16 << 20 };

struct request {
	struct salt salt;
	const char *command, *grains, *pillar, *pillar_file, *wrong;
	struct strv operands, user_files, user_pillar;
	size_t failed, changed;
};

static const struct value *read_yaml(struct salt *s, const char *path)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	int code = read_file(AT_FDCWD, path, FILE_MAX, &text);

	if (code < 0)
		heap_fail(&s->h, "%s cannot be read: %s", path, strerror(-code));
	return yaml_parse(&s->h, path, value_blob(&s->h, strbuf_blob(&text))->s);
}

static void read_grains(struct request *r)
{
	struct salt *s = &r->salt;
	struct value *grains = s->absent ? map_new(&s->h) : (struct value *)(uintptr_t)grains_gather(s);
	const struct value *given = r->grains ? read_yaml(s, r->grains) : grains;

	map_set_str(&s->h, grains, "id", value_string(&s->h, s->id));
	for (size_t i = 0; r->grains && given->kind == V_MAP && i < given->map.n; i++)
		map_set(&s->h, grains, given->map.pairs[i].key, given->map.pairs[i].value);
	s->grains = grains;
}

static void read_pillar(struct request *r)
{
	struct salt *s = &r->salt;

	if (r->pillar_file) {
		salt_pillar_add(s, read_yaml(s, r->pillar_file));
		return;
	}
	salt_external_pillar(s);
	if (s->pillar_roots[ENV_BASE].n)
		salt_load_pillar(s);
}

static void show_top(struct salt *s)
{
	_cleanup_(top_names_free) struct top_names names = {0};

	top_matches(s, s->file_roots, s->saltenv, &names);
	for (enum environment e = ENV_BASE; e < ENVIRONMENTS; e++)
		for (size_t i = 0; i < names.v[e].n; i++)
			puts(names.v[e].v[i]);
}

static void render(struct request *r)
{
	struct blob text = salt_render(&r->salt, r->operands.v[0]);

	fwrite(text.p, 1, text.n, stdout);
}

static void work(struct heap *h, void *data)
{
	struct request *r = data;
	struct salt *s = &r->salt;

	h->user = s;
	read_grains(r);
	salt_prepare(s);
	read_pillar(r);
	if (r->pillar)
		salt_pillar_add(s, yaml_parse(h, "pillar=", value_string(h, r->pillar)->s));
	if (!strcmp(r->command, "render"))
		return render(r);
	if (!strcmp(r->command, "show-top"))
		return show_top(s);
	if (!strcmp(r->command, "show-pillar")) {
		printf("%.*s\n", BLOB_ARG(yaml_write(h, s->pillar, false)));
		return;
	}
	salt_compile(s, &r->operands);
	if (!strcmp(r->command, "show-low"))
		salt_show(s);
	else
		r->failed = salt_run(s, &r->changed);
}

static int open_state(struct salt *s)
{
	const char *dir = rooted(s, "/var/lib/salt-lite");

	s->lock = s->journal = -1;
	if (s->test)
		return 0;
	if (mkdir_p(AT_FDCWD, dir, 0700) < 0)
		return -errno;
	s->lock = open(arena_printf(s->h.arena, "%s/lock", dir), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock < 0)
		return -errno;
	if (flock(s->lock, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	/* What an earlier run noted is history; each run has its own log. */
	unlink(arena_printf(s->h.arena, "%s/journal.1", dir));
	rename(arena_printf(s->h.arena, "%s/journal", dir), arena_printf(s->h.arena, "%s/journal.1", dir));
	s->journal = journal_open(AT_FDCWD, arena_printf(s->h.arena, "%s/journal", dir), NULL);
	return s->journal < 0 ? s->journal : 0;
}

struct word {
	const char *text;
	const struct value *value;
};

static void resolve(struct heap *h, void *data)
{
	struct word *w = data;

	w->value = yaml_resolve(h, blob_of(w->text));
}

/* What is neither a boolean nor a number of YAML is refused: taken for False, it would change the system. */
static bool take_test(struct request *r, const char *text)
{
	struct word w = {.text = text};

	if (heap_try(&r->salt.h, resolve, &w) < 0 || !value_is_number(w.value))
		return false;
	r->salt.test = value_true(w.value);
	return true;
}

static bool take_environment(const char **environment, const char *name)
{
	*environment = name;
	return environment_find(blob_of(name)) < ENVIRONMENTS;
}

/* Salt's arguments NAME=VALUE; what would change the result and is not known is refused. */
static bool take_setting(struct request *r, const char *word)
{
	const char *value = strchr(word, '=') + 1;
	size_t n = (size_t)(value - word);

	if (!strncmp(word, "test=", n))
		return take_test(r, value);
	if (!strncmp(word, "saltenv=", n))
		return take_environment(&r->salt.saltenv, value);
	if (!strncmp(word, "pillarenv=", n))
		return take_environment(&r->salt.pillarenv, value);
	if (strncmp(word, "pillar=", n))
		return !strncmp(word, "queue=", n) || !strncmp(word, "concurrent=", n);
	r->pillar = value;
	return true;
}

/* The wrong word, or NULL. */
static const char *take_words(struct request *r, const struct strv *words)
{
	for (size_t i = 1; i < words->n; i++)
		if (!strchr(words->v[i], '='))
			strv_push(&r->operands, words->v[i]);
		else if (!take_setting(r, words->v[i]))
			return words->v[i];
	return NULL;
}

static void add_roots(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->n; i++)
		strv_push(to, from->v[i]);
}

/* Both environments have all roots, each its own first. */
static void order_roots(struct strv roots[ENVIRONMENTS], const struct strv *user)
{
	add_roots(&roots[ENV_USER], user);
	add_roots(&roots[ENV_USER], &roots[ENV_BASE]);
	add_roots(&roots[ENV_BASE], user);
}

static void request_end(struct request *r)
{
	strv_free(&r->operands);
	strv_free(&r->user_files);
	strv_free(&r->user_pillar);
	contents_forget(&r->salt);
	for (enum environment e = ENV_BASE; e < ENVIRONMENTS; e++) {
		strv_free(&r->salt.file_roots[e]);
		strv_free(&r->salt.pillar_roots[e]);
	}
}

static bool command_known(const char *word)
{
	static const char *const commands[] = {"render",   "show-top", "show-pillar",
					       "show-low", "show-states", "apply"};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i], word))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	_cleanup_error_ struct error err = {0};
	_cleanup_strv_ struct strv words = {0};
	_cleanup_(request_end) struct request r = {.salt = {.root = "", .id = "dom0"}};
	bool plan = false, detailed = false;
	const struct option_def options[] = {
		{"root", 0, OPTION_STRING, &r.salt.root, "DIR", "apply below DIR"},
		{"file-roots", 0, OPTION_LIST, &r.salt.file_roots[ENV_BASE], "DIR", "where state files lie (/srv/salt)"},
		{"pillar-roots", 0, OPTION_LIST, &r.salt.pillar_roots[ENV_BASE], "DIR", "where the pillar lies (/srv/pillar)"},
		{"user-file-roots", 0, OPTION_LIST, &r.user_files, "DIR", "where those of the environment user lie"},
		{"user-pillar-roots", 0, OPTION_LIST, &r.user_pillar, "DIR", "where its pillar lies"},
		{"pillar-file", 0, OPTION_STRING, &r.pillar_file, "FILE", "the pillar, as YAML, instead of that of the roots"},
		{"grains", 0, OPTION_STRING, &r.grains, "FILE", "facts, as YAML, over those that are gathered"},
		{"id", 0, OPTION_STRING, &r.salt.id, "NAME", "who this is for top files (dom0)"},
		{"qubesd", 0, OPTION_STRING, &r.salt.qubesd, "SOCKET", "the Admin API's socket"},
		{"plan", 0, OPTION_FLAG, &plan, NULL, "as test=True: only say what would change"},
		{"quiet", 'q', OPTION_FLAG, &r.salt.quiet, NULL, "only states that change or fail"},
		{"failhard", 0, OPTION_FLAG, &r.salt.failhard, NULL, "stop at the first failure"},
		{"detailed-exit", 0, OPTION_FLAG, &detailed, NULL, "exit with 2 when something changed"},
		{0},
	};
	const struct command_line cmd = {"salt-lite", "render FILE | show-top | show-pillar | show-low [SLS...] | show-states | "
					 "apply [SLS...] [test=True]",
					 "Makes a system what its state files say.",
					 "Exit codes: 0 done, 1 the files do not compile, 2 changed (--detailed-exit), "
					 "20 a state failed, 64 wrong use, 75 another run holds the lock.",
					 options, false};
	enum options_result parsed = options_parse(&cmd, argc, argv, &words);
	int code;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : EXIT_USAGE;
	if (!words.n || !command_known(words.v[0]) || (!strcmp(words.v[0], "render") && words.n != 2))
		return options_wrong(&cmd, "a command is needed, such as apply"), EXIT_USAGE;
	r.command = words.v[0];
	/* What is shown of another qube is shown without its being asked. */
	r.salt.absent = (!strcmp(r.command, "show-top") || !strcmp(r.command, "show-pillar")) && strcmp(r.salt.id, "dom0") != 0;
	heap_init(&r.salt.h, arena, &err);
	r.wrong = take_words(&r, &words);
	if (r.wrong)
		return options_wrong(&cmd, "%s is not supported", r.wrong), EXIT_USAGE;
	/* What is only shown changes nothing, whatever its templates call. */
	r.salt.test |= plan || strcmp(r.command, "apply") != 0;
	if (!r.salt.file_roots[ENV_BASE].n && !r.user_files.n)
		strv_push(&r.salt.file_roots[ENV_BASE], "/srv/salt");
	if (!r.salt.pillar_roots[ENV_BASE].n && !r.user_pillar.n && access("/srv/pillar", F_OK) == 0)
		strv_push(&r.salt.pillar_roots[ENV_BASE], "/srv/pillar");
	order_roots(r.salt.file_roots, &r.user_files);
	order_roots(r.salt.pillar_roots, &r.user_pillar);
	if (!strcmp(r.command, "show-states"))
		return salt_show_states(), 0;
	r.salt.lock = r.salt.journal = -1;
	code = strcmp(r.command, "apply") ? 0 : open_state(&r.salt);
	if (code == -EWOULDBLOCK) {
		fprintf(stderr, "salt-lite: another run holds the lock; wait for it to end\n");
		return EXIT_LOCKED;
	}
	if (code < 0)
		fprintf(stderr, "salt-lite: no journal: %s\n", strerror(-code));
	code = code < 0 ? EXIT_COMPILE : heap_try(&r.salt.h, work, &r) < 0 ? EXIT_COMPILE : 0;
	if (code && err.cause)
		error_print("salt-lite", &err);
	return code ? code : r.failed || r.salt.journal_failed ? EXIT_FAILED : detailed && r.changed ? EXIT_CHANGED : 0;
}
