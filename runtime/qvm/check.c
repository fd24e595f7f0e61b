/* qvm-check, qvm-console, qvm-service, qvm-template-postprocess: small tools. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "runtime/qvm/qvm.h"

static bool running, paused, is_template, networked, all;
static struct strv excluded;

static bool matches(const struct qvm_vm *vm)
{
	_cleanup_strbuf_ struct strbuf netvm = {0};
	struct admin_property v;

	if (running && strcmp(vm->state, "Running") != 0)
		return false;
	if (paused && strcmp(vm->state, "Paused") != 0)
		return false;
	if (is_template && strcmp(vm->class, "TemplateVM") != 0)
		return false;
	if (!networked)
		return true;
	return !qvm_call(vm->name, "admin.vm.property.Get", "netvm", NULL, &netvm) &&
	       admin_property_parse(strbuf_blob(&netvm), &v) && v.value.n;
}

int qvm_check(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"all", 0, OPTION_FLAG, &all, NULL, "every qube but dom0"},
		{"exclude", 0, OPTION_LIST, &excluded, "VM", "with --all: not this one"},
		{"running", 0, OPTION_FLAG, &running, NULL, "they run"},
		{"paused", 0, OPTION_FLAG, &paused, NULL, "they are paused"},
		{"template", 0, OPTION_FLAG, &is_template, NULL, "they are templates"},
		{"networked", 0, OPTION_FLAG, &networked, NULL, "they have a netvm"},
		{0},
	};
	static const struct command_line cmd = {
		"qvm-check",
		"VM...",
		"Tell whether qubes exist, and what they are.",
		"Exit codes: 0 all match, 1 none does or one does not exist, 3 some match.",
		options,
		false};
	_cleanup_strv_ struct strv operands = {0}, good = {0}, bad = {0};
	_cleanup_list_ struct qvm_list list = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	bool missing = false;
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (all == (operands.n > 0))
		return options_wrong(&cmd, "qubes have to be named, or --all");
	r = qvm_list_read(&list);
	if (r)
		return r;
	for (size_t i = 0; all && i < list.n; i++)
		if (strcmp(list.v[i].class, "AdminVM") && !strv_contains(&excluded, list.v[i].name))
			strv_push(&operands, list.v[i].name);
	for (size_t i = 0; i < operands.n; i++) {
		const struct qvm_vm *vm = qvm_list_find(&list, operands.v[i]);
		bool match = vm && matches(vm);

		strv_push(match ? &good : &bad, operands.v[i]);
		missing |= !vm;
		if (!match && !qvm_quiet)
			fprintf(stderr, "qvm-check: %s: %s\n", operands.v[i],
				vm ? "does not match" : "non-existent");
	}
	return !bad.n ? 0 : good.n && !missing ? 3 : 1;
}

static bool enable, disable, unset, as_json;

/* 0, also for a service that is off, or 1 for one that is not set. */
static int service_print(const char *vm, const char *feature)
{
	_cleanup_admin_error_ struct admin_error err = {0};
	_cleanup_strbuf_ struct strbuf out = {0};
	int r = admin_call(&qvm_admin, vm, "admin.vm.feature.Get", feature, (struct blob){0}, &out,
			   &err);

	if (r == -EREMOTEIO && !strcmp(err.type, "QubesFeatureNotFoundError"))
		return QVM_FAILED;
	if (r < 0)
		return qvm_report(vm, r, &err);
	printf("%s\n", out.n ? "on" : "off");
	return 0;
}

static int services_print(const char *vm)
{
	static const char *const head[] = {"service", "state", NULL};
	_cleanup_table_ struct qvm_table t = {.head = head};
	_cleanup_strbuf_ struct strbuf out = {0};
	_cleanup_strv_ struct strv names = {0};
	int r = qvm_call(vm, "admin.vm.feature.List", NULL, NULL, &out);
	struct blob rest = strbuf_blob(&out), name;

	while (!r && blob_token(&rest, '\n', &name))
		if (blob_has_prefix(name, "service."))
			strv_push_take(&names, blob_dup(name));
	strv_sort(&names);
	for (size_t i = 0; !r && i < names.n; i++) {
		_cleanup_strbuf_ struct strbuf value = {0};

		r = qvm_call(vm, "admin.vm.feature.Get", names.v[i], NULL, &value);
		qvm_table_add(&t, names.v[i] + strlen("service."));
		qvm_table_add(&t, value.n ? "on" : "off");
	}
	if (!r)
		qvm_table_print(&t, as_json, false);
	return r;
}

int qvm_service(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"enable", 'e', OPTION_FLAG, &enable, NULL, "switch it on"},
		{"disable", 'd', OPTION_FLAG, &disable, NULL, "switch it off"},
		{"default", 'D', OPTION_FLAG, &unset, NULL, "leave it to the qube"},
		{"unset", 0, OPTION_FLAG, &unset, NULL, NULL},
		{"json", 0, OPTION_FLAG, &as_json, NULL, "list as JSON"},
		{0},
	};
	static const struct command_line cmd = {"qvm-service",
						"VM [SERVICE [on|off]]",
						"List and switch services of a qube.",
						"Exit codes: 0, also for a service that is off; 1 for one that is not set.",
						options,
						false};
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_free_ char *feature = NULL;
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (!operands.n || operands.n > 3 || enable + disable + unset > 1)
		return options_wrong(&cmd, "a qube, a service and one of on, off");
	if (operands.n == 1)
		return services_print(operands.v[0]);
	feature = xasprintf("service.%s", operands.v[1]);
	if (operands.n == 3) {
		enable = !strcmp(operands.v[2], "on");
		disable = !strcmp(operands.v[2], "off");
		if (!enable && !disable)
			return options_wrong(&cmd, "'%s' is neither on nor off", operands.v[2]);
	}
	if (unset)
		return qvm_call(operands.v[0], "admin.vm.feature.Remove", feature, NULL, NULL);
	if (enable || disable)
		return qvm_call(operands.v[0], "admin.vm.feature.Set", feature, enable ? "1" : "",
				NULL);
	return service_print(operands.v[0], feature);
}

int qvm_console(int argc, char **argv)
{
	static const struct option_def options[] = {QVM_COMMON, {0}};
	static const struct command_line cmd = {"qvm-console", "VM",
						"Connect to the console of a running qube.",
						"End it with Ctrl-].",
						options,       false};
	_cleanup_strv_ struct strv operands = {0};
	_cleanup_strbuf_ struct strbuf path = {0};
	_cleanup_free_ char *address = NULL;
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (operands.n != 1)
		return options_wrong(&cmd, "one qube has to be named");
	r = qvm_call(operands.v[0], "admin.vm.Console", NULL, NULL, &path);
	if (r)
		return r;
	/* A terminal's size, modes and its end are socat's business. */
	address = xasprintf("open:%s,rawer,escape=0x1d", path.p);
	execlp("socat", "socat", "file:/dev/tty,rawer,escape=0x1d", address, (char *)NULL);
	fprintf(stderr, "qvm-console: socat: %s; without it: screen %s\n", strerror(errno), path.p);
	return QVM_FAILED;
}

static bool really, skip_start, keep_source;

/* The image beside the files of a template that was unpacked: into the volume, then away with it. */
static int take_image(const char *vm, const char *dir)
{
	_cleanup_free_ char *path = xasprintf("%s/root.img", dir);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "qvm-template-postprocess: %s: %s\n", path, strerror(errno));
		return QVM_FAILED;
	}
	r = qvm_import(vm, "root", fd, (uint64_t)st.st_size);
	if (!r && !keep_source && unlink(path) < 0)
		fprintf(stderr, "qvm-template-postprocess: %s: %s\n", path, strerror(errno));
	return r;
}

/* It tells its features when it runs the first time. */
static int first_start(const char *vm)
{
	int r = qvm_call(vm, "admin.vm.Start", NULL, NULL, NULL);

	if (r == QVM_OFFLINE)
		return 0;
	return r ? r : qvm_call(vm, "admin.vm.Shutdown", "wait", NULL, NULL);
}

static int post_install(const char *vm, const char *dir)
{
	_cleanup_free_ char *payload = xasprintf("name=%s label=black", vm);
	_cleanup_list_ struct qvm_list list = {0};
	int r = qvm_list_read(&list);

	if (!r && !qvm_list_find(&list, vm))
		r = qvm_call("dom0", "admin.vm.Create.TemplateVM", NULL, payload, NULL);
	if (!r)
		r = take_image(vm, dir);
	if (!r)
		r = qvm_call(vm, "admin.vm.property.Set", "installed_by_rpm", "False", NULL);
	return r || skip_start ? r : first_start(vm);
}

int qvm_template_postprocess(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"really", 0, OPTION_FLAG, &really, NULL, "needed: this is not for people"},
		{"skip-start", 0, OPTION_FLAG, &skip_start, NULL, "do not start the template"},
		{"keep-source", 0, OPTION_FLAG, &keep_source, NULL, "keep the image that was taken"},
		{0},
	};
	static const struct command_line cmd = {
		"qvm-template-postprocess",
		"post-install|pre-remove NAME DIR",
		"What the installation of a template ends with, or its removal begins with.",
		NULL,
		options,
		false};
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	if (!really || operands.n != 3)
		return options_wrong(&cmd, "--really, an action, a name and a directory are needed");
	if (!strcmp(operands.v[0], "post-install"))
		return post_install(operands.v[1], operands.v[2]);
	if (!strcmp(operands.v[0], "pre-remove"))
		return qvm_call(operands.v[1], "admin.vm.Remove", NULL, NULL, NULL);
	return options_wrong(&cmd, "'%s' is no action", operands.v[0]);
}
