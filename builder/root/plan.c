#include "builder/root/plan.h"

#include <errno.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/base/deb822.h"
#include "common/base/strmap.h"

struct planner {
	struct plan_package *packages;
	size_t n;
	struct deb822_stanza *control;
	struct strmap names; /* package and virtual names -> struct plan_package; real names win */
	struct error *err;
};

static int read_controls(struct planner *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct deb822 d = {.rest = p->packages[i].control};

		if (deb822_next(&d, &p->control[i]) != 1 ||
		    !deb822_get(&p->control[i], "Package").n)
			return error_set(p->err, -EBADMSG, p->packages[i].label, NULL,
					 "its control file is wrong: %s",
					 d.error ? d.error : "no Package field");
	}
	return 0;
}

/* "libc6:any (>= 2.36) [amd64]" -> "libc6"; blanks before it are skipped. */
static struct blob relation_name(struct blob relation)
{
	struct blob b = blob_trim(relation);
	size_t n = 0;

	while (n < b.n && b.p[n] != ' ' && b.p[n] != '(' && b.p[n] != ':' && b.p[n] != '[' &&
	       b.p[n] != '\n')
		n++;
	b.n = n;
	return b;
}

static struct plan_package *lookup(const struct planner *p, struct blob name)
{
	_cleanup_free_ char *key = blob_dup(name);

	return strmap_get(&p->names, key);
}

static void add_name(struct planner *p, struct blob name, struct plan_package *package)
{
	_cleanup_free_ char *key = blob_dup(name);

	if (name.n && !strmap_get(&p->names, key))
		strmap_put(&p->names, key, package);
}

static void collect_names(struct planner *p)
{
	for (size_t i = 0; i < p->n; i++)
		add_name(p, deb822_get(&p->control[i], "Package"), &p->packages[i]);
	for (size_t i = 0; i < p->n; i++) {
		struct blob rest = deb822_get(&p->control[i], "Provides"), one;

		while (blob_token(&rest, ',', &one))
			add_name(p, relation_name(one), &p->packages[i]);
	}
}

/* Calls fn for the package that satisfies each relation: of alternatives, the first that is in the set. */
static void each_relation(const struct planner *p, size_t i, const char *field,
			  void (*fn)(struct plan_package *target, void *arg), void *arg)
{
	struct blob rest = deb822_get(&p->control[i], field), group, one;

	while (blob_token(&rest, ',', &group)) {
		struct plan_package *found = NULL;

		while (!found && blob_token(&group, '|', &one))
			found = lookup(p, relation_name(one));
		if (found)
			fn(found, arg);
	}
}

static void mark_essential(struct plan_package *target, void *arg)
{
	bool *changed = arg;

	if (!target->essential)
		target->essential = *changed = true;
}

static void find_essential(struct planner *p)
{
	bool changed = true;

	for (size_t i = 0; i < p->n; i++)
		p->packages[i].essential =
			blob_eq_str(deb822_get(&p->control[i], "Essential"), "yes");
	while (changed) {
		changed = false;
		for (size_t i = 0; i < p->n; i++) {
			if (!p->packages[i].essential)
				continue;
			each_relation(p, i, "Pre-Depends", mark_essential, &changed);
			each_relation(p, i, "Depends", mark_essential, &changed);
		}
	}
}

static void at_least_wave_of(struct plan_package *target, void *arg)
{
	unsigned *wave = arg;

	if (!target->essential && target->wave > *wave)
		*wave = target->wave;
}

static void after_wave_of(struct plan_package *target, void *arg)
{
	unsigned *wave = arg;

	if (!target->essential && target->wave + 1 > *wave)
		*wave = target->wave + 1;
}

/* A package comes in no earlier wave than what it depends on, and in a later one than what it
 * pre-depends on. */
static int find_waves(struct planner *p, unsigned *waves)
{
	bool changed = true;

	*waves = 0;
	while (changed) {
		changed = false;
		for (size_t i = 0; i < p->n; i++) {
			struct plan_package *package = &p->packages[i];
			unsigned wave = package->wave;

			if (package->essential)
				continue;
			each_relation(p, i, "Depends", at_least_wave_of, &wave);
			each_relation(p, i, "Pre-Depends", after_wave_of, &wave);
			if (wave >= PLAN_WAVES_MAX)
				return error_set(p->err, -EBADMSG, package->label, NULL,
						 "its Pre-Depends go in circles");
			changed |= wave != package->wave;
			package->wave = wave;
			if (wave + 1 > *waves)
				*waves = wave + 1;
		}
	}
	return 0;
}

int plan_make(struct plan_package *packages, size_t n, unsigned *waves, struct error *err)
{
	struct planner p = {.packages = packages, .n = n, .err = err};
	_cleanup_free_ struct deb822_stanza *control = xcalloc(n + 1, sizeof(*control));
	int r;

	p.control = control;
	for (size_t i = 0; i < n; i++) {
		packages[i].essential = false;
		packages[i].wave = 0;
	}
	r = read_controls(&p);
	if (r == 0) {
		collect_names(&p);
		find_essential(&p);
		r = find_waves(&p, waves);
	}
	strmap_free(&p.names);
	return r;
}
