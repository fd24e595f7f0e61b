#include "runtime/qrexec/policy/match.h"

#include <string.h>

static const struct qube *disposable_template(const struct system_info *s, const char *name)
{
	const struct qube *q = system_info_find(s, name);

	return q && q->template_for_dispvms ? q : NULL;
}

bool place_of_token(const struct system_info *s, const struct qube *source, const struct token *t, struct place *p)
{
	switch (t->kind) {
	case TOKEN_DEFAULT:
		*p = (struct place){PLACE_DEFAULT, NULL};
		return true;
	case TOKEN_ADMINVM:
		*p = (struct place){PLACE_ADMIN, NULL};
		return true;
	case TOKEN_DISPVM:
		*p = (struct place){PLACE_DISPVM, disposable_template(s, source->default_dispvm)};
		return true;
	case TOKEN_DISPVM_OF:
		*p = (struct place){PLACE_DISPVM, disposable_template(s, t->name)};
		return p->qube != NULL;
	case TOKEN_NAME:
		*p = (struct place){PLACE_QUBE, system_info_find(s, t->name)};
		return p->qube != NULL && !qube_is_admin(p->qube);
	case TOKEN_ANY:
	case TOKEN_ANYVM:
	case TOKEN_TYPE:
	case TOKEN_TAG:
	case TOKEN_DISPVM_TAG:
		break;
	}
	return false;
}

bool place_equal(const struct place *a, const struct place *b)
{
	return a->kind == b->kind && a->qube == b->qube;
}

/* By identity: a rule may name a qube by name or UUID. */
static bool is_named(const struct system_info *s, const struct token *t, const struct qube *q)
{
	return q && (strcmp(t->name, q->name) == 0 || system_info_find(s, t->name) == q);
}

bool match_source(const struct system_info *s, const struct token *t, const struct qube *source)
{
	switch (t->kind) {
	case TOKEN_ANY:
		return true;
	case TOKEN_ADMINVM:
		return qube_is_admin(source);
	case TOKEN_ANYVM:
		return !qube_is_admin(source);
	case TOKEN_TYPE:
		return strcmp(source->class, t->name) == 0;
	case TOKEN_TAG:
		return qube_has_tag(source, t->name);
	case TOKEN_NAME:
		return is_named(s, t, source);
	case TOKEN_DISPVM_OF:
	case TOKEN_DISPVM:
	case TOKEN_DISPVM_TAG:
	case TOKEN_DEFAULT:
		break;
	}
	return false;
}

bool match_target(const struct system_info *s, const struct token *t, const struct place *p, const struct qube *source)
{
	const struct qube *admin;

	switch (t->kind) {
	case TOKEN_ANY:
		return true;
	case TOKEN_ADMINVM:
		return p->kind == PLACE_ADMIN;
	case TOKEN_ANYVM:
		return p->kind != PLACE_ADMIN;
	case TOKEN_DEFAULT:
		return p->kind == PLACE_DEFAULT;
	case TOKEN_TYPE:
		admin = p->kind == PLACE_ADMIN ? system_info_find(s, "dom0") : NULL;
		return (p->kind == PLACE_QUBE && strcmp(p->qube->class, t->name) == 0) ||
		       (admin && strcmp(admin->class, t->name) == 0);
	case TOKEN_TAG:
		admin = p->kind == PLACE_ADMIN ? system_info_find(s, "dom0") : NULL;
		return (p->kind == PLACE_QUBE && qube_has_tag(p->qube, t->name)) || (admin && qube_has_tag(admin, t->name));
	case TOKEN_NAME:
		return p->kind == PLACE_QUBE && is_named(s, t, p->qube);
	case TOKEN_DISPVM:
		return p->kind == PLACE_DISPVM && p->qube == disposable_template(s, source->default_dispvm);
	case TOKEN_DISPVM_OF:
		return p->kind == PLACE_DISPVM && is_named(s, t, p->qube);
	case TOKEN_DISPVM_TAG:
		return p->kind == PLACE_DISPVM && p->qube && qube_has_tag(p->qube, t->name);
	}
	return false;
}
