#include "runtime/qrexec/policy/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

#define MAX_WORDS 64
#define MAX_RULES 100000

void policy_error(struct policy *p, const struct policy_file *f, const char *fmt, ...)
{
	_cleanup_free_ char *what = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&what, fmt, args) < 0)
		abort();
	va_end(args);
	if (f->line)
		strv_pushf(&p->errors, "%s:%u: %s", f->path, f->line, what);
	else
		strv_pushf(&p->errors, "%s: %s", f->path, what);
}

bool policy_service_parse(struct policy *p, const struct policy_file *f, struct blob service, struct blob argument,
			  const char **service_out, const char **argument_out)
{
	bool any_service = blob_eq_str(service, "*"), any_argument = blob_eq_str(argument, "*");

	if (!any_service && !word_ok(service, "+._-"))
		policy_error(p, f, "service '%.*s' has characters that no service has", BLOB_ARG(service));
	else if (!any_argument && !blob_has_prefix(argument, "+"))
		policy_error(p, f, "argument '%.*s' is neither '*' nor begins with '+'", BLOB_ARG(argument));
	else if (!any_argument && !word_ok(argument, "+._-"))
		policy_error(p, f, "argument '%.*s' has characters that no argument has", BLOB_ARG(argument));
	else if (any_service && !any_argument)
		policy_error(p, f, "service '*' needs argument '*'");
	else {
		*service_out = any_service ? NULL : arena_strndup(p->arena, service.p, service.n);
		*argument_out = any_argument ? NULL : arena_strndup(p->arena, argument.p, argument.n);
		return true;
	}
	return false;
}

struct rule *policy_rule_add(struct policy *p, const struct policy_file *f)
{
	if (p->n == p->max) {
		p->max = p->max ? p->max * 2 : 64;
		p->rules = xreallocarray(p->rules, p->max, sizeof(*p->rules));
	}
	p->rules[p->n] = (struct rule){.file = f->path, .line = f->line, .autostart = true};
	return &p->rules[p->n++];
}

/* --- parameters --- */

enum parameter_kind { PARAMETER_TOKEN, PARAMETER_USER, PARAMETER_BOOL };

struct parameter {
	const char *name;
	enum parameter_kind kind;
	unsigned actions; /* 1 << enum rule_action */
};

enum { P_TARGET, P_DEFAULT_TARGET, P_USER, P_NOTIFY, P_AUTOSTART, PARAMETERS };

static const struct parameter parameters[PARAMETERS] = {
	[P_TARGET] = {"target", PARAMETER_TOKEN, 1 << RULE_ALLOW | 1 << RULE_ASK},
	[P_DEFAULT_TARGET] = {"default_target", PARAMETER_TOKEN, 1 << RULE_ASK},
	[P_USER] = {"user", PARAMETER_USER, 1 << RULE_ALLOW | 1 << RULE_ASK},
	[P_NOTIFY] = {"notify", PARAMETER_BOOL, 1 << RULE_ALLOW | 1 << RULE_ASK | 1 << RULE_DENY},
	[P_AUTOSTART] = {"autostart", PARAMETER_BOOL, 1 << RULE_ALLOW | 1 << RULE_ASK},
};

static const char *const action_names[] = {[RULE_DENY] = "deny", [RULE_ALLOW] = "allow", [RULE_ASK] = "ask"};

static bool take_value(struct policy *p, struct rule *r, unsigned i, struct blob value, const char **why)
{
	struct token *token = i == P_TARGET ? &r->redirect : &r->default_target;

	switch (parameters[i].kind) {
	case PARAMETER_TOKEN:
		*(i == P_TARGET ? &r->has_redirect : &r->has_default_target) = true;
		return token_parse(p->arena, value, TOKEN_REDIRECT, token, why);
	case PARAMETER_USER:
		*why = "is no user name";
		r->user = arena_strndup(p->arena, value.p, value.n);
		return word_ok(value, "_.-$");
	case PARAMETER_BOOL:
		*why = "must be yes or no";
		*(i == P_NOTIFY ? &r->notify : &r->autostart) = blob_eq_str(value, "yes");
		return blob_eq_str(value, "yes") || blob_eq_str(value, "no");
	}
	return false;
}

static bool take_parameter(struct policy *p, const struct policy_file *f, struct rule *r, struct blob word,
			   unsigned *seen)
{
	struct blob name, value = word;
	const char *why = "";
	unsigned i;

	if (!memchr(word.p, '=', word.n) || !blob_token(&value, '=', &name)) {
		policy_error(p, f, "'%.*s' is not PARAMETER=VALUE", BLOB_ARG(word));
		return false;
	}
	for (i = 0; i < PARAMETERS && !blob_eq_str(name, parameters[i].name); i++)
		;
	if (i == PARAMETERS || !(parameters[i].actions & 1u << r->action))
		policy_error(p, f, "'%s' has no parameter '%.*s'", action_names[r->action], BLOB_ARG(name));
	else if (*seen & 1u << i)
		policy_error(p, f, "parameter '%.*s' given twice", BLOB_ARG(name));
	else if (!take_value(p, r, i, value, &why))
		policy_error(p, f, "%.*s: %s", BLOB_ARG(word), why);
	else {
		*seen |= 1u << i;
		return true;
	}
	return false;
}

/* --- lines --- */

/* Words of the line; those of an old action also end at commas. */
static size_t split(const struct policy_file *f, struct blob line, struct blob words[MAX_WORDS])
{
	struct blob word;
	size_t n = 0;

	while (n < MAX_WORDS && blob_word(&line, &word)) {
		struct blob piece;

		if (!f->old_format || n < 2) {
			words[n++] = word;
			continue;
		}
		while (n < MAX_WORDS && blob_token(&word, ',', &piece))
			if (piece.n)
				words[n++] = piece;
	}
	return n;
}

static bool take_action(struct policy *p, const struct policy_file *f, struct rule *r, const struct blob *words, size_t n)
{
	unsigned seen = 0, a;

	for (a = 0; a < 3 && !blob_eq_str(words[0], action_names[a]); a++)
		;
	if (a == 3) {
		policy_error(p, f, "'%.*s' is neither allow, deny nor ask", BLOB_ARG(words[0]));
		return false;
	}
	r->action = (enum rule_action)a;
	r->notify = r->action == RULE_DENY;
	for (size_t i = 1; i < n; i++)
		if (!take_parameter(p, f, r, words[i], &seen))
			return false;
	if (r->action == RULE_ALLOW && r->target.kind == TOKEN_DEFAULT && !r->has_redirect) {
		policy_error(p, f, "allow for @default needs target=");
		return false;
	}
	return true;
}

static bool take_words(struct policy *p, const struct policy_file *f, struct rule *r, struct blob *words, size_t n)
{
	const char *why;

	if (f->old_format) {
		r->service = f->service;
		r->argument = f->argument;
	} else if (!policy_service_parse(p, f, words[0], words[1], &r->service, &r->argument)) {
		return false;
	} else {
		words += 2;
		n -= 2;
	}
	if (!token_parse(p->arena, words[0], TOKEN_SOURCE, &r->source, &why)) {
		policy_error(p, f, "source '%.*s': %s", BLOB_ARG(words[0]), why);
		return false;
	}
	if (!token_parse(p->arena, words[1], TOKEN_TARGET, &r->target, &why)) {
		policy_error(p, f, "target '%.*s': %s", BLOB_ARG(words[1]), why);
		return false;
	}
	return take_action(p, f, r, words + 2, n - 2);
}

void policy_rule_parse(struct policy *p, const struct policy_file *f, struct blob line)
{
	struct blob words[MAX_WORDS];
	size_t n = split(f, line, words);
	size_t before = p->n;

	if (n < (f->old_format ? 3 : 5)) {
		policy_error(p, f, f->old_format ? "wants SOURCE TARGET ACTION[,PARAMETER=VALUE]..."
						 : "wants SERVICE ARGUMENT SOURCE TARGET ACTION [PARAMETER=VALUE]...");
	} else if (n == MAX_WORDS || p->n >= MAX_RULES) {
		policy_error(p, f, n == MAX_WORDS ? "too many words" : "too many rules");
	} else if (!take_words(p, f, policy_rule_add(p, f), words, n)) {
		p->n = before;
	}
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	strv_free(&p->errors);
	strv_free(&p->folders);
	free(p->rules);
	arena_free(p->arena);
	free(p);
}
