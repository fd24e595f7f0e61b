#include "qa/scenario.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "qa/run.h"

int scenario_load(struct arena *a, const char *dir, const char *name, struct scenario *s, struct error *err)
{
	static const char *const keys[] = {"summary", "machine", "steps", NULL};
	const char *path = arena_printf(a, "%s/%s.yaml", dir, name);
	struct yaml_node *root;
	int r = yaml_load_file(a, AT_FDCWD, path, &root, err);

	*s = (struct scenario){.name = arena_strdup(a, name), .summary = ""};
	if (r == 0)
		r = yaml_check_keys(root, keys, err);
	if (r == 0)
		r = yaml_string(root, "summary", &s->summary, err);
	if (r == 0)
		r = yaml_string(root, "machine", &s->machine, err);
	if (r < 0)
		return r;
	s->steps = yaml_get(root, "steps");
	if (!s->machine || !s->steps || s->steps->kind != YAML_LIST || !s->steps->n)
		return yaml_error(root, err, "a scenario needs a machine and steps");
	for (const struct yaml_node *n = s->steps->first; n; n = n->next)
		if (n->kind != YAML_MAP || n->n != 1)
			return yaml_error(n, err, "a step is one 'verb: arguments'");
	return 0;
}

/* The value of an argument with ${NAME} replaced from the environment; an unset name is an error. */
static int expand(struct run *r, const struct yaml_node *node, const char *text, const char **out, struct error *err)
{
	_cleanup_strbuf_ struct strbuf s = {0};
	const char *at;

	while ((at = strstr(text, "${"))) {
		const char *end = strchr(at, '}');
		_cleanup_free_ char *name = end ? xstrndup(at + 2, (size_t)(end - at - 2)) : NULL;
		const char *value = name ? getenv(name) : NULL;

		if (!value)
			return yaml_error(node, err, "%s is not set; qa/run is called with it by make", name ? name : at);
		strbuf_add(&s, text, (size_t)(at - text));
		strbuf_add_str(&s, value);
		text = end + 1;
	}
	strbuf_add_str(&s, text);
	*out = arena_strdup(r->arena, s.p ? s.p : "");
	return 0;
}

static int argument(struct run *r, const struct yaml_node *args, const char *key, const char **value, struct error *err)
{
	int e = yaml_string(args, key, value, err);

	return e < 0 || !*value ? e : expand(r, args, *value, value, err);
}

/* An ext4 image labelled BULKHEAD_ANS with answers.yaml: what a person would put on a second stick. */
static int make_answers(struct run *r, const char *text, const char **image, struct error *err)
{
	const char *dir = arena_printf(r->arena, "%s/answers", r->scratch);
	const char *file = arena_printf(r->arena, "%s/answers.yaml", dir);
	int e = mkdir_p(AT_FDCWD, dir, 0755);

	*image = arena_printf(r->arena, "%s/answers.img", r->scratch);
	if (e == 0)
		e = write_file(AT_FDCWD, file, text, strlen(text), 0644);
	/* Made first: mke2fs would tell that it makes it. */
	if (e == 0)
		e = write_file(AT_FDCWD, *image, "", 0, 0600);
	if (e < 0)
		return error_errno(err, e, file, "cannot write");
	return process_check((const char *const[]){"mke2fs", "-qF", "-t", "ext4", "-L", "BULKHEAD_ANS", "-d", dir,
						   *image, "8M", NULL},
			     err);
}

/* Where on the medium a file of it begins, as xorriso tells: `File data lba: N , START , BLOCKS , SIZE , 'PATH'`. */
static int offset_on_medium(const char *image, const char *path, uint64_t *offset, struct error *err)
{
	const char *const argv[] = {"xorriso", "-report_about", "FAILURE", "-indev", image, "-find", path,
				    "-exec", "report_lba", "--", NULL};
	_cleanup_strbuf_ struct strbuf said = {0};
	int r = process_capture(argv, 1 << 16, &said);
	struct blob rest = strbuf_blob(&said), line, field;

	while (r == 0 && blob_token(&rest, '\n', &line)) {
		if (!blob_has_prefix(line, "File data lba:") || !blob_token(&line, ',', &field) ||
		    !blob_token(&line, ',', &field))
			continue;
		if (blob_to_u64(blob_trim(field), UINT32_MAX, offset)) {
			*offset *= 2048;
			return 0;
		}
	}
	return error_set(err, -ENOENT, path, NULL, "xorriso finds no such file on %s", image);
}

/* A copy of the medium with one bit of the file on it changed (FILE+OFFSET): what a bad stick does. */
static int damage(struct run *r, const char *image, const char *where, const char **copy, struct error *err)
{
	const char *plus = strrchr(where, '+');
	_cleanup_close_ int fd = -1;
	uint64_t at = 0, start = 0;
	unsigned char byte;
	int e;

	if (!image || !plus || !blob_to_u64(blob_of(plus + 1), INT64_MAX / 2, &at))
		return error_set(err, -EINVAL, where, NULL, "'damage' is FILE+OFFSET, a place on the stick");
	*copy = arena_printf(r->arena, "%s/damaged.iso", r->scratch);
	e = offset_on_medium(image, arena_strndup(r->arena, where, (size_t)(plus - where)), &start, err);
	if (e == 0)
		e = process_check((const char *const[]){"cp", "--reflink=auto", image, *copy, NULL}, err);
	if (e < 0)
		return e;
	fd = open(*copy, O_RDWR | O_CLOEXEC);
	if (fd < 0 || pread(fd, &byte, 1, (off_t)(start + at)) != 1)
		return error_errno(err, fd < 0 ? -errno : -EINVAL, *copy, "cannot read at the offset to damage");
	byte ^= 1;
	if (pwrite(fd, &byte, 1, (off_t)(start + at)) != 1)
		return error_errno(err, -errno, *copy, "cannot write");
	return 0;
}

static int verb_boot(struct run *r, const struct yaml_node *args, struct error *err)
{
	static const char *const keys[] = {"stick", "cd", "answers", "damage", NULL};
	struct machine_boot boot = {0};
	const char *answers = NULL, *where = NULL;
	int e = args->kind == YAML_SCALAR ? 0 : yaml_check_keys(args, keys, err);

	if (e == 0)
		e = argument(r, args, "stick", &boot.stick, err);
	if (e == 0)
		e = argument(r, args, "cd", &boot.cd, err);
	if (e == 0)
		e = argument(r, args, "answers", &answers, err);
	if (e == 0)
		e = argument(r, args, "damage", &where, err);
	if (e == 0 && answers)
		e = make_answers(r, answers, &boot.answers, err);
	if (e == 0 && where)
		e = damage(r, boot.stick, where, &boot.stick, err);
	return e < 0 ? e : run_boot(r, &boot, err);
}

static int verb_event(struct run *r, const struct yaml_node *args, struct error *err)
{
	static const char *const keys[] = {"name", "with", "timeout", NULL};
	const char *name = NULL, *timeout = "command";
	const struct yaml_node *with = yaml_get(args, "with");
	int e = yaml_check_keys(args, keys, err);

	if (e == 0)
		e = argument(r, args, "name", &name, err);
	if (e == 0)
		e = argument(r, args, "timeout", &timeout, err);
	if (e < 0)
		return e;
	if (!name || (with && with->kind != YAML_MAP))
		return yaml_error(args, err, "wait-event needs a name; 'with' is a map of what the event must hold");
	return run_wait_event(r, name, with, timeout, err);
}

static int verb_expect(struct run *r, const struct yaml_node *args, struct error *err)
{
	static const char *const keys[] = {"text", "timeout", NULL};
	const char *text = NULL, *timeout = "command";
	int e = yaml_check_keys(args, keys, err);

	if (e == 0)
		e = argument(r, args, "text", &text, err);
	if (e == 0)
		e = argument(r, args, "timeout", &timeout, err);
	if (e < 0)
		return e;
	return text ? run_expect(r, text, timeout, err) : yaml_error(args, err, "expect needs a text");
}

static int verb_login(struct run *r, const struct yaml_node *args, struct error *err)
{
	static const char *const keys[] = {"user", "password", "timeout", NULL};
	const char *user = NULL, *password = NULL, *timeout = "login";
	int e = yaml_check_keys(args, keys, err);

	if (e == 0)
		e = argument(r, args, "user", &user, err);
	if (e == 0)
		e = argument(r, args, "password", &password, err);
	if (e == 0)
		e = argument(r, args, "timeout", &timeout, err);
	if (e < 0)
		return e;
	if (!user || !password)
		return yaml_error(args, err, "login needs a user and a password");
	return run_login(r, user, password, timeout, err);
}

/* What the command printed, without the carriage returns of the terminal. */
static struct blob clean(struct strbuf *s)
{
	size_t to = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->p[i] != '\r')
			s->p[to++] = s->p[i];
	s->n = to;
	return blob_trim(strbuf_blob(s));
}

static int judge_output(const char *command, struct blob got, const char *has, const char *is,
			struct error *err)
{
	if (has && !(got.n && memmem(got.p, got.n, has, strlen(has))))
		return error_set(err, -EIO, command, NULL, "printed no '%s' but:\n%.*s", has, BLOB_ARG(got));
	if (is && !blob_eq(got, blob_trim(blob_of(is))))
		return error_set(err, -EIO, command, NULL, "should print '%s' but printed:\n%.*s", is, BLOB_ARG(got));
	return 0;
}

static int verb_run(struct run *r, const struct yaml_node *args, struct error *err)
{
	static const char *const keys[] = {"command", "has", "is", "exit", "timeout", NULL};
	const char *command = NULL, *has = NULL, *is = NULL, *timeout = "command";
	_cleanup_strbuf_ struct strbuf out = {0};
	struct blob got;
	uint64_t want = 0;
	int e = yaml_check_keys(args, keys, err);

	if (e == 0)
		e = argument(r, args, "command", &command, err);
	if (e == 0)
		e = argument(r, args, "has", &has, err);
	if (e == 0)
		e = argument(r, args, "is", &is, err);
	if (e == 0)
		e = yaml_u64(args, "exit", 255, &want, err);
	if (e == 0)
		e = argument(r, args, "timeout", &timeout, err);
	if (e < 0)
		return e;
	if (!command)
		return yaml_error(args, err, "run needs a command");
	e = run_command(r, command, timeout, &out, err);
	if (e < 0)
		return e;
	got = clean(&out);
	if ((uint64_t)e != want)
		return error_set(err, -EIO, command, NULL, "exit code %d instead of %llu; it printed:\n%.*s", e,
				 (unsigned long long)want, BLOB_ARG(got));
	printf("%.*s%s", BLOB_ARG(got), got.n ? "\n" : "");
	return judge_output(command, got, has, is, err);
}

static int verb_send(struct run *r, const struct yaml_node *args, struct error *err)
{
	const char *text = NULL;
	int e = args->kind == YAML_SCALAR ? expand(r, args, args->text, &text, err)
					  : yaml_error(args, err, "send takes a text");

	return e < 0 ? e : run_send(r, text, err);
}

/* The keys of the menu's entries stand in iso/grub.cfg. */
static int verb_menu(struct run *r, const struct yaml_node *args, struct error *err)
{
	int e;

	if (args->kind != YAML_SCALAR || strlen(args->text) != 1)
		return yaml_error(args, err, "menu takes the key of an entry");
	e = run_expect(r, "Install Bulkhead", "boot-menu", err);
	return e < 0 ? e : run_send(r, args->text, err);
}

static int verb_wait_off(struct run *r, const struct yaml_node *args, struct error *err)
{
	return run_wait_off(r, args->kind == YAML_SCALAR && *args->text ? args->text : "power-off", err);
}

static int verb_screenshot(struct run *r, const struct yaml_node *args, struct error *err)
{
	if (args->kind != YAML_SCALAR || !*args->text)
		return yaml_error(args, err, "screenshot takes a name");
	run_screenshot(r, args->text);
	return 0;
}

static int verb_cut_power(struct run *r, const struct yaml_node *args, struct error *err)
{
	(void)args;
	(void)err;
	run_cut_power(r);
	return 0;
}

static const struct {
	const char *verb;
	int (*run)(struct run *r, const struct yaml_node *args, struct error *err);
	const char *shown; /* the argument that goes into the log; never a password */
} verbs[] = {
	{"boot", verb_boot, NULL},	     {"wait-event", verb_event, "name"}, {"expect", verb_expect, "text"},
	{"menu", verb_menu, NULL},	     {"send", verb_send, NULL},		 {"login", verb_login, "user"},	 {"run", verb_run, "command"},
	{"wait-off", verb_wait_off, NULL},   {"screenshot", verb_screenshot, NULL},
	{"cut-power", verb_cut_power, NULL},
};

int scenario_step(struct run *r, const struct yaml_node *step, const char **label, struct error *err)
{
	const struct yaml_node *args = step->first;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		const char *shown = NULL;

		if (strcmp(verbs[i].verb, args->key))
			continue;
		if (verbs[i].shown)
			yaml_string(args, verbs[i].shown, &shown, NULL);
		*label = shown ? arena_printf(r->arena, "%s %s", args->key, shown) : args->key;
		return verbs[i].run(r, args, err);
	}
	*label = args->key;
	return yaml_error(args, err, "unknown verb '%s'", args->key);
}
