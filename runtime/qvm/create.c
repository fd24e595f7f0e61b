/* qvm-create, qvm-remove. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "runtime/qvm/qvm.h"

static const char *class_name = "AppVM", *template, *label, *pool, *root_copy, *root_move;
static bool standalone, disp, force, all;
static struct strv properties, volume_pools, excluded;

/* The value of --property NAME=VALUE, the last one given, or what an option of its own says. */
static const char *early_property(const char *name, const char *otherwise)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < properties.n; i++)
		if (!strncmp(properties.v[i], name, n) && properties.v[i][n] == '=')
			otherwise = properties.v[i] + n + 1;
	return otherwise;
}

/* What a qube is made with, and not only set afterwards. */
static bool is_early(const char *name)
{
	return !strcmp(name, "label") || !strcmp(name, "template");
}

static int set_properties(const char *vm)
{
	int result = 0;

	for (size_t i = 0; i < properties.n; i++) {
		_cleanup_free_ char *name = xstrdup(properties.v[i]);
		char *value = strchr(name, '=');
		int r;

		*value++ = 0; /* checked before */
		if (is_early(name))
			continue;
		r = qvm_call(vm, "admin.vm.property.Set", name, value, NULL);
		result = r ? r : result;
	}
	return result;
}

/* The root of the new qube from a file, which --root-move-from removes then. */
static int take_root(const char *vm)
{
	const char *path = root_copy ? root_copy : root_move;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "qvm-create: %s: %s\n", path, strerror(errno));
		r = QVM_FAILED;
	} else {
		r = qvm_import(vm, "root", fd, (uint64_t)st.st_size);
	}
	if (r)
		qvm_call(vm, "admin.vm.Remove", NULL, NULL, NULL);
	else if (root_move && unlink(root_move) < 0)
		fprintf(stderr, "qvm-create: %s: %s\n", path, strerror(errno));
	return r;
}

static const char *wrong_use(const struct strv *operands)
{
	if (operands->n != 1)
		return "one name is needed";
	if (!label)
		return "--label is needed";
	for (size_t i = 0; i < properties.n; i++)
		if (!strchr(properties.v[i], '='))
			return "--property needs NAME=VALUE";
	return NULL;
}

/* A standalone qube begins as its template is, but for what is private to that. */
static int make_from_template(const char *name)
{
	return qvm_clone_make(&(struct qvm_clone){.from = template,
						  .to = name,
						  .class = class_name,
						  .label = label,
						  .pool = pool,
						  .pools = &volume_pools,
						  .without_private = true});
}

static int make(const char *name)
{
	_cleanup_free_ char *method = xasprintf("admin.vm.Create%s.%s", pool || volume_pools.n ? "InPool" : "",
						class_name);
	_cleanup_strbuf_ struct strbuf payload = {0};

	if (!strcmp(class_name, "StandaloneVM") && template && *template)
		return make_from_template(name);
	strbuf_printf(&payload, "name=%s label=%s", name, label);
	qvm_pool_words(&payload, pool, &volume_pools);
	return qvm_call("dom0", method, template, payload.p, NULL);
}

int qvm_create(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"class", 'C', OPTION_STRING, &class_name, "CLASS",
		 "AppVM (default), TemplateVM, StandaloneVM"},
		{"standalone", 0, OPTION_FLAG, &standalone, NULL,
		 "the same as --class StandaloneVM"},
		{"disp", 0, OPTION_FLAG, &disp, NULL, "the same as --class DispVM"},
		{"template", 't', OPTION_STRING, &template, "VM",
		 "template (an AppVM's: the system's default_template; a StandaloneVM begins as a copy of it)"},
		{"label", 'l', OPTION_STRING, &label, "LABEL", "colour (needed; of --disp red)"},
		{"property", 0, OPTION_LIST, &properties, "NAME=VALUE",
		 "set a property; may be repeated"},
		{"prop", 0, OPTION_LIST, &properties, "NAME=VALUE", NULL},
		{"pool", 'p', OPTION_LIST, &volume_pools, "VOLUME=POOL", "pool of one volume"},
		{"pool-all", 'P', OPTION_STRING, &pool, "POOL", "pool of all volumes"},
		{"root-copy-from", 'r', OPTION_STRING, &root_copy, "FILE", "its root volume"},
		{"root-move-from", 'R', OPTION_STRING, &root_move, "FILE",
		 "the same, and remove the file"},
		{0},
	};
	static const struct command_line cmd = {"qvm-create", "NAME",  "Make a new qube.",
						NULL,	      options, false};
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (standalone)
		class_name = "StandaloneVM";
	if (disp)
		class_name = "DispVM";
	label = early_property("label", label || !disp ? label : "red");
	template = early_property("template", template);
	if (wrong_use(&operands))
		return options_wrong(&cmd, "%s", wrong_use(&operands));
	r = make(operands.v[0]);
	if (!r && (root_copy || root_move))
		r = take_root(operands.v[0]);
	return r ? r : set_properties(operands.v[0]);
}

static bool confirmed(const struct strv *names)
{
	char line[16];

	printf("This will completely remove the selected qube(s):\n");
	for (size_t i = 0; i < names->n; i++)
		printf("  %s\n", names->v[i]);
	printf("Are you sure? [y/N] ");
	fflush(stdout);
	return fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y');
}

int qvm_remove(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"all", 0, OPTION_FLAG, &all, NULL, "every qube but dom0"},
		{"exclude", 0, OPTION_LIST, &excluded, "VM", "with --all: not this one"},
		{"force", 'f', OPTION_FLAG, &force, NULL, "do not ask"},
		{0},
	};
	static const struct command_line cmd = {
		"qvm-remove", "VM...", "Remove qubes and all their data.", NULL, options, false};
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_strv_ struct strv names = {0};
	_cleanup_list_ struct qvm_list list = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	int result;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	result = qvm_list_read(&list);
	if (result == 0)
		result = qvm_select(&list, &operands, all, &excluded, &names);
	if (result)
		return result;
	if (!force && !confirmed(&names)) {
		fprintf(stderr, "qvm-remove: cancelled\n");
		return QVM_FAILED;
	}
	for (size_t i = 0; i < names.n; i++) {
		int r = qvm_call(names.v[i], "admin.vm.Remove", NULL, NULL, NULL);

		result = r ? r : result;
	}
	return result;
}
