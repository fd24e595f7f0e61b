/* The plan as people read it: what becomes of each partition, and every step with its commands. */
#include <inttypes.h>
#include <string.h>

#include "installer/plan.h"

void plan_command_text(const char *const *argv, struct strbuf *out)
{
	for (const char *const *a = argv; *a; a++) {
		bool plain = **a && !strpbrk(*a, " \t\"'\\$`*?[]#~;&|<>(){}");

		strbuf_add_str(out, a == argv ? "" : " ");
		strbuf_printf(out, plain ? "%s" : "'%s'", *a);
	}
}

/* A kept one, one of ours that is used again, or one that goes with the old table. */
static const char *fate(const struct plan *plan, const struct partition *p)
{
	for (size_t i = 0; i < LAYOUT_PARTS && plan->layout.again; i++)
		if (plan->layout.parts[i].number == p->number)
			return "left by an unfinished installation";
	return plan->layout.kind == DISK_BESIDE ? "kept" : "deleted";
}

void plan_write(const struct plan *plan, struct strbuf *out)
{
	const struct disk *disk = plan->disk;

	strbuf_printf(out, "Target: %s, %s\n", facts_disk_name(plan->arena, disk), disk->device);
	facts_write_signature(disk, out);
	for (const struct partition *p = disk->partitions; p; p = p->next)
		facts_write_partition(plan->arena, p, fate(plan, p), out);
	for (size_t i = 0; i < LAYOUT_PARTS; i++) {
		const struct layout_part *part = &plan->layout.parts[i];

		strbuf_printf(out, "  made and formatted: partition %u, %s, %s: %s\n", part->number,
			      facts_size(plan->arena, part->size), part->name, part->format);
	}
	if (plan->answers->plain)
		strbuf_add_str(out, "  NOT ENCRYPTED: " ANSWERS_NO_ENCRYPTION "\n");
	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct step *s = &plan->steps[i];

		strbuf_printf(out, "\n%2zu. %s: %s\n", i + 1, s->id, s->sentence);
		if (s->no_return)
			strbuf_add_str(out, "      (no way back from here)\n");
		for (const char *const *c = s->calls; c && *c; c++)
			strbuf_printf(out, "      %s\n", *c);
		for (const char *const *const *c = s->commands; c && *c; c++) {
			strbuf_add_str(out, "      $ ");
			plan_command_text(*c, out);
			strbuf_add_char(out, '\n');
		}
	}
}
