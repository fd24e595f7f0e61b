/* qvm: picks the tool by the name it was called by, or by its first operand. */
#include <stdio.h>
#include <string.h>

#include "runtime/qvm/qvm.h"

bool qvm_verbose, qvm_quiet;
const char *qvm_version = BULKHEAD_VERSION;
struct admin qvm_admin;
const char *qvm_name;

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} tools[] = {
	{"qvm-ls", qvm_ls},
	{"qvm-create", qvm_create},
	{"qvm-remove", qvm_remove},
	{"qvm-start", qvm_start},
	{"qvm-shutdown", qvm_shutdown},
	{"qvm-kill", qvm_kill},
	{"qvm-pause", qvm_pause},
	{"qvm-unpause", qvm_unpause},
	{"qvm-prefs", qvm_prefs},
	{"qvm-features", qvm_features},
	{"qvm-tags", qvm_tags},
	{"qvm-run", qvm_run},
	{"qvm-clone", qvm_clone},
	{"qvm-volume", qvm_volume},
	{"qvm-pool", qvm_pool},
	{"qvm-firewall", qvm_firewall},
	{"qvm-device", qvm_device},
	{"qvm-pci", qvm_device},
	{"qvm-block", qvm_device},
	{"qvm-check", qvm_check},
	{"qvm-service", qvm_service},
	{"qvm-console", qvm_console},
	{"qvm-template-postprocess", qvm_template_postprocess},
	/* Services of dom0, linked from /etc/qubes-rpc. */
	{"admin.vm.volume.Import", service_import},
	{"admin.vm.volume.ImportWithSize", service_import_with_size},
	{"qubes-prefs", qubes_prefs},
	{"qubesd-query", qubesd_query},
};

static int find(const char *name)
{
	for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++)
		if (!strcmp(name, tools[i].name))
			return (int)i;
	return -1;
}

int main(int argc, char **argv)
{
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	int tool = argc ? find(slash ? slash + 1 : argv[0]) : -1;

	if (tool < 0 && argc > 1) {
		tool = find(argv[1]);
		argc--;
		argv++;
	}
	if (tool >= 0) {
		qvm_name = tools[tool].name;
		return tools[tool].run(argc, argv);
	}
	fprintf(stderr, "Usage: qvm TOOL [ARGUMENTS], where TOOL is one of\n");
	for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++)
		fprintf(stderr, "  %s\n", tools[i].name);
	return 2;
}
