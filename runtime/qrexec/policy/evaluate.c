#include "runtime/qrexec/policy/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/qrexec/policy/match.h"

#define MAX_SERVICE 65000

/* One evaluation. */
struct question {
	const struct policy *p;
	const struct system_info *s;
	struct arena *a;
	struct place target;
	struct policy_decision *d;
};

const char *place_text(struct arena *a, const struct place *p)
{
	switch (p->kind) {
	case PLACE_DEFAULT:
		return "@default";
	case PLACE_ADMIN:
		return "@adminvm";
	case PLACE_QUBE:
		return p->qube->name;
	case PLACE_DISPVM:
		return p->qube ? arena_printf(a, "@dispvm:%s", p->qube->name) : "@dispvm";
	}
	return "@default";
}

const char *place_uuid_text(struct arena *a, const struct place *p)
{
	if (!p->qube || !p->qube->uuid)
		return NULL;
	return arena_printf(a, "%suuid:%s", p->kind == PLACE_DISPVM ? "@dispvm:" : "", p->qube->uuid);
}

static void deny(struct policy_decision *d, const char *reason)
{
	d->action = RULE_DENY;
	d->reason = reason;
	d->notify = true;
}

/* --- the request --- */

static bool split_service(struct question *q, const char *service)
{
	size_t n = strcspn(service, "+");

	if (!n || strlen(service) >= MAX_SERVICE || !word_ok(blob_of(service), "+._-"))
		return false;
	q->d->service = arena_strndup(q->a, service, n);
	q->d->argument = service[n] ? arena_strdup(q->a, service + n) : "+";
	return true;
}

/* A relay speaks for the remote qubes behind it, and for no others. */
static bool choose_source(struct question *q, const struct policy_request *r)
{
	const struct qube *source = system_info_find(q->s, r->source), *remote;

	q->d->source = source;
	if (!source || !r->requested_source || !*r->requested_source)
		return source != NULL;
	remote = system_info_find(q->s, r->requested_source);
	if (remote == source)
		return true;
	if (!remote || strcmp(remote->class, "RemoteVM") != 0 || !remote->relayvm ||
	    system_info_find(q->s, remote->relayvm) != source)
		return false;
	q->d->source = remote;
	q->d->policy_source = remote->name;
	return true;
}

/* False for keywords that no caller may use; a qube that does not exist is as good as none named. */
static bool choose_target(struct question *q, const char *text)
{
	const char *why;
	struct token t;

	q->target = (struct place){PLACE_DEFAULT, NULL};
	q->d->requested_target = "@default";
	if (!text || !*text)
		return true;
	if (!token_parse(q->a, blob_of(text), TOKEN_INTENDED, &t, &why))
		return text[0] != '@';
	if (!place_of_token(q->s, q->d->source, &t, &q->target)) {
		q->target = (struct place){PLACE_DEFAULT, NULL};
		return true;
	}
	q->d->requested_target = t.kind == TOKEN_DISPVM ? "@dispvm" : place_text(q->a, &q->target);
	return true;
}

/* --- allow --- */

static bool is_running(const struct qube *q)
{
	return q->power_state && (strcmp(q->power_state, "Running") == 0 || strcmp(q->power_state, "Paused") == 0);
}

static void rewrite_for_relay(struct question *q, const struct place *target)
{
	const struct qube *remote = target->qube;
	const struct qube *relay = system_info_find(q->s, remote->relayvm);

	if (!relay || qube_is_admin(relay) || !remote->transport_rpc || relay == q->d->source) {
		deny(q->d, "the remote qube has no relay");
		return;
	}
	q->d->rewritten =
		arena_printf(q->a, "%s+%s+%s%s", remote->transport_rpc, remote->name, q->d->service, q->d->argument);
	q->d->target = (struct place){PLACE_QUBE, relay};
}

static void allow(struct question *q, const struct place *target)
{
	struct policy_decision *d = q->d;
	bool to_itself = target->kind == PLACE_ADMIN ? qube_is_admin(d->source)
						     : target->kind == PLACE_QUBE && target->qube == d->source;

	d->action = RULE_ALLOW;
	d->target = *target;
	if (target->kind == PLACE_DEFAULT)
		deny(d, "neither the caller nor the policy names a target");
	else if (target->kind == PLACE_DISPVM && !target->qube)
		deny(d, "the source has no default template for disposables");
	else if (to_itself)
		deny(d, "source and target are the same qube");
	else if (target->kind == PLACE_QUBE && strcmp(target->qube->class, "RemoteVM") == 0)
		rewrite_for_relay(q, target);
	if (d->action != RULE_ALLOW || d->autostart || d->target.kind == PLACE_ADMIN)
		return;
	if (d->target.kind == PLACE_DISPVM || !is_running(d->target.qube))
		deny(d, "the target is not running and the policy says autostart=no");
}

static bool redirect_of(struct question *q, const struct token *t, struct place *p)
{
	if (place_of_token(q->s, q->d->source, t, p))
		return true;
	deny(q->d, "the target that the policy names does not exist");
	return false;
}

/* --- ask --- */

struct choices {
	struct place *v;
	size_t n, max;
};

static void choice_set(struct choices *c, const struct place *p, bool present)
{
	size_t i;

	for (i = 0; i < c->n && !place_equal(&c->v[i], p); i++)
		;
	if (i < c->n && !present) {
		c->v[i] = c->v[--c->n];
	} else if (i == c->n && present) {
		if (c->n == c->max) {
			c->max = c->max ? c->max * 2 : 64;
			c->v = xreallocarray(c->v, c->max, sizeof(*c->v));
		}
		c->v[c->n++] = *p;
	}
}

static void choice_consider(struct question *q, struct choices *c, const struct token *t, const struct place *p, bool present)
{
	if (match_target(q->s, t, p, q->d->source))
		choice_set(c, p, present);
}

/* All that a rule's target stands for. */
static void choices_of_rule(struct question *q, struct choices *c, const struct rule *r)
{
	bool present = r->action != RULE_DENY;
	const struct token *t = r->has_redirect ? &r->redirect : &r->target;
	struct place p;

	for (size_t i = 0; i < q->s->n; i++) {
		const struct qube *qube = &q->s->qubes[i];

		p = (struct place){qube_is_admin(qube) ? PLACE_ADMIN : PLACE_QUBE, qube_is_admin(qube) ? NULL : qube};
		choice_consider(q, c, t, &p, present);
		if (!qube->template_for_dispvms)
			continue;
		p = (struct place){PLACE_DISPVM, qube};
		choice_consider(q, c, t, &p, present);
	}
}

static bool matches_but_target(const struct question *q, const struct rule *r)
{
	return (!r->service || strcmp(r->service, q->d->service) == 0) &&
	       (!r->argument || strcmp(r->argument, q->d->argument) == 0) && match_source(q->s, &r->source, q->d->source);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool may_be_chosen(const struct question *q, const struct place *p)
{
	if (p->kind == PLACE_ADMIN)
		return !qube_is_admin(q->d->source);
	return !p->qube->internal && !(p->kind == PLACE_QUBE && p->qube == q->d->source);
}

static void keep_choices(struct question *q, const struct choices *c)
{
	struct policy_decision *d = q->d;

	d->choices = arena_alloc(q->a, (c->n + 1) * sizeof(*d->choices));
	for (size_t i = 0; i < c->n; i++)
		if (may_be_chosen(q, &c->v[i]))
			d->choices[d->n_choices++] = place_text(q->a, &c->v[i]);
	qsort(d->choices, d->n_choices, sizeof(*d->choices), compare_names);
}

/* Later rules first, so that an earlier one has the last word about a target. */
static void collect_choices(struct question *q)
{
	struct choices c = {0};

	for (size_t i = q->p->n; i-- > 0;)
		if (matches_but_target(q, &q->p->rules[i]))
			choices_of_rule(q, &c, &q->p->rules[i]);
	keep_choices(q, &c);
	free(c.v);
}

/* The rule's default; without one what the caller named, if it may be chosen. */
static void preselect(struct question *q, const struct rule *r)
{
	struct policy_decision *d = q->d;
	struct place p = q->target;
	const char *text;

	if (r->has_default_target && !place_of_token(q->s, d->source, &r->default_target, &p))
		return;
	text = place_text(q->a, &p);
	for (size_t i = 0; i < d->n_choices; i++)
		if (strcmp(d->choices[i], text) == 0)
			d->default_choice = d->choices[i];
}

static void ask(struct question *q, const struct rule *r)
{
	struct policy_decision *d = q->d;
	struct place p;

	if (r->has_redirect) {
		struct choices one = {&p, 1, 1};

		if (!redirect_of(q, &r->redirect, &p))
			return;
		if (p.kind == PLACE_DISPVM && !p.qube)
			deny(d, "the source has no default template for disposables");
		else
			keep_choices(q, &one);
	} else {
		collect_choices(q);
	}
	if (d->action != RULE_ASK)
		return;
	if (!d->n_choices) {
		deny(d, "there is no target to choose");
		return;
	}
	preselect(q, r);
}

void policy_decision_choose(struct policy_decision *d, const struct system_info *s, struct arena *a, const char *choice)
{
	struct question q = {.s = s, .a = a, .d = d};
	struct place p;
	struct token t;
	const char *why;
	size_t i;

	for (i = 0; i < d->n_choices && strcmp(d->choices[i], choice) != 0; i++)
		;
	if (i == d->n_choices || !token_parse(a, blob_of(choice), TOKEN_REDIRECT, &t, &why) ||
	    !place_of_token(s, d->source, &t, &p))
		deny(d, "the answer is none of the choices");
	else
		allow(&q, &p);
}

/* --- */

static void apply(struct question *q, const struct rule *r)
{
	struct policy_decision *d = q->d;
	struct place p = q->target;

	d->rule = r;
	d->action = r->action;
	d->notify = r->notify;
	d->autostart = r->autostart;
	d->user = r->user;
	if (r->action == RULE_ASK)
		ask(q, r);
	else if (r->action == RULE_ALLOW && (!r->has_redirect || redirect_of(q, &r->redirect, &p)))
		allow(q, &p);
}

void policy_evaluate(const struct policy *p, const struct system_info *s, const struct policy_request *r, struct arena *a,
		     struct policy_decision *d)
{
	struct question q = {.p = p, .s = s, .a = a, .d = d};

	*d = (struct policy_decision){.notify = true, .requested_target = "@default", .service = "", .argument = "+"};
	if (p->errors.n)
		deny(d, arena_printf(a, "the policy has an error: %s", p->errors.v[0]));
	else if (!split_service(&q, r->service))
		deny(d, "malformed service name");
	else if (!choose_source(&q, r))
		deny(d, d->source ? "the source may not call for that qube" : "unknown source");
	else if (!choose_target(&q, r->target))
		deny(d, "no caller may use this keyword as target");
	if (d->reason)
		return;
	for (size_t i = 0; i < p->n; i++) {
		if (matches_but_target(&q, &p->rules[i]) && match_target(s, &p->rules[i].target, &q.target, d->source)) {
			apply(&q, &p->rules[i]);
			return;
		}
	}
	deny(d, "no rule for this call");
}
