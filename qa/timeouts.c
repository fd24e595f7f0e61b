#include <fcntl.h>

#include "common/base/yaml.h"
#include "qa/machine.h"
#include "qa/run.h"

struct timeouts {
	const struct yaml_node *table;
	uint64_t scale_percent;
};

struct timeouts *timeouts_load(struct arena *a, const char *path, struct error *err)
{
	static const char *const keys[] = {"seconds", "without-kvm-percent", NULL};
	struct timeouts *t = arena_alloc(a, sizeof(*t));
	struct yaml_node *root;

	t->scale_percent = 100;
	if (yaml_load_file(a, AT_FDCWD, path, &root, err) < 0 || yaml_check_keys(root, keys, err) < 0)
		return NULL;
	if (!machine_has_kvm() &&
	    yaml_u64(root, "without-kvm-percent", 10000, &t->scale_percent, err) < 0)
		return NULL;
	t->table = yaml_get(root, "seconds");
	if (!t->table || t->table->kind != YAML_MAP) {
		yaml_error(root, err, "'seconds' must be a table of names and numbers");
		return NULL;
	}
	return t;
}

int timeouts_get(const struct timeouts *t, const char *name, int64_t *seconds, struct error *err)
{
	uint64_t value = 0;
	int r = yaml_u64(t->table, name, 100000, &value, err);

	if (r < 0)
		return r;
	if (!value)
		return error_set(err, -ENOENT, name, "add it to qa/timeouts.yaml", "no such timeout");
	*seconds = (int64_t)(value * t->scale_percent / 100);
	return 0;
}
