#include <string.h>

#include "qa/direct.h"
#include "qa/medium.h"
#include "qa/verbs.h"

int verb_boot(struct run *r, const struct yaml_node *args, struct error *err)
{
	static const char *const keys[] = {"stick", "cd", "answers", "damage", "direct", "disk-errors", NULL};
	struct machine_boot boot = {0};
	const char *answers = NULL, *where = NULL, *images = NULL;
	int e = args->kind == YAML_SCALAR ? 0 : yaml_check_keys(args, keys, err);

	if (e == 0)
		e = verb_argument(r, args, "stick", &boot.stick, err);
	if (e == 0)
		e = verb_argument(r, args, "cd", &boot.cd, err);
	if (e == 0)
		e = verb_argument(r, args, "answers", &answers, err);
	if (e == 0)
		e = verb_argument(r, args, "damage", &where, err);
	if (e == 0)
		e = verb_argument(r, args, "direct", &images, err);
	if (e == 0 && images)
		e = direct_prepare(r->arena, images, arena_printf(r->arena, "%s/direct/setup", r->qa_dir), r->scratch, &boot, err);
	boot.disk_errors = yaml_get(args, "disk-errors");
	if (e == 0 && answers)
		e = medium_answers(r, answers, &boot.answers, err);
	if (e == 0 && where)
		e = medium_damage(r, boot.stick, where, &boot.stick, err);
	return e < 0 ? e : run_boot(r, &boot, err);
}

int verb_wait_off(struct run *r, const struct yaml_node *args, struct error *err)
{
	return run_wait_off(r, args->kind == YAML_SCALAR && *args->text ? args->text : "power-off", err);
}

int verb_cut_power(struct run *r, const struct yaml_node *args, struct error *err)
{
	(void)args;
	(void)err;
	run_cut_power(r);
	return 0;
}

/* Both work on the disks of a machine that is off: what a running one has not written yet would be missing. */
static int name_of_checkpoint(struct run *r, const struct yaml_node *args, struct error *err)
{
	if (args->kind != YAML_SCALAR || !*args->text || strchr(args->text, '/'))
		return yaml_error(args, err, "%s takes a name", args->key);
	return run_is_off(r) ? 0 : yaml_error(args, err, "%s needs a machine that is off", args->key);
}

int verb_checkpoint(struct run *r, const struct yaml_node *args, struct error *err)
{
	int e = name_of_checkpoint(r, args, err);

	return e < 0 ? e : machine_checkpoint(r->machine, r->scratch, args->text, err);
}

int verb_restore(struct run *r, const struct yaml_node *args, struct error *err)
{
	int e = name_of_checkpoint(r, args, err);

	return e < 0 ? e : machine_restore(r->machine, r->scratch, args->text, err);
}
