/*
 * runtime/qrexec/policy: files that an administrator, or a program in his name, wrote wrong. Up to a NUL they are a policy file, behind it
 * one in the format of old. Whatever is in them, a policy with an error allows nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qrexec/policy/evaluate.h"
#include "runtime/qrexec/policy/rules.h"
#include "runtime/qrexec/policy/system.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char qubes[] =
	"{\"domains\": {"
	"\"dom0\": {\"type\": \"AdminVM\", \"tags\": [], \"internal\": false, \"template_for_dispvms\": false},"
	"\"work\": {\"type\": \"AppVM\", \"tags\": [\"a\"], \"internal\": false, \"template_for_dispvms\": false,"
	" \"default_dispvm\": \"dvm\", \"guivm\": \"dom0\", \"uuid\": \"11111111-1111-4111-8111-111111111111\"},"
	"\"off\": {\"type\": \"TemplateVM\", \"tags\": [], \"internal\": true, \"template_for_dispvms\": false},"
	"\"dvm\": {\"type\": \"AppVM\", \"tags\": [], \"internal\": false, \"template_for_dispvms\": true}}}";

static char folder[] = "/tmp/fuzz-policy.XXXXXX", *legacy;
static struct system_info *info;

static void leave(void)
{
	remove_tree(AT_FDCWD, folder);
}

static void prepare(void)
{
	struct error err = {0};

	if (info)
		return;
	info = system_info_parse(qubes, strlen(qubes), &err);
	if (!info || !mkdtemp(folder))
		abort();
	legacy = xasprintf("%s/legacy", folder);
	mkdir(legacy, 0700);
	atexit(leave);
}

static void ask(const struct policy *p, const char *source, const char *target, const char *service)
{
	struct arena *a = arena_new();
	struct policy_request r = {.source = source, .target = target, .service = service};
	struct policy_decision d;

	policy_evaluate(p, info, &r, a, &d);
	if (p->errors.n && d.action != RULE_DENY)
		abort();
	if (d.action == RULE_ALLOW && (!d.rule || d.rule->action != RULE_ALLOW || (d.target.kind != PLACE_DISPVM && !d.target.qube)))
		abort();
	if (d.action == RULE_ASK) {
		policy_decision_choose(&d, info, a, "not a choice");
		if (d.action != RULE_DENY)
			abort();
	}
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const targets[] = {"", "dom0", "work", "off", "@dispvm", "@dispvm:dvm", "@default", "no-such"};
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	size_t n = nul ? (size_t)(nul - data) : size;

	prepare();
	_cleanup_free_ char *file = xasprintf("%s/10-a.policy", folder), *old = xasprintf("%s/test.Old", legacy);
	const char *dirs[] = {folder, NULL};
	const struct policy_places places = {dirs, legacy};

	write_file(AT_FDCWD, file, data, n, 0600);
	write_file(AT_FDCWD, old, nul ? nul + 1 : data, nul ? size - n - 1 : 0, 0600);
	struct policy *p = policy_load(&places);
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		ask(p, "work", targets[i], "test.Old+x");
		ask(p, "off", targets[i], "test.New");
	}
	policy_free(p);
	return 0;
}
