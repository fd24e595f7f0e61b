/* qvm-firewall. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/arena.h"
#include "runtime/qubesd/firewall.h"
#include "runtime/qvm/qvm.h"

static bool raw, reload, as_json;
static long before = -1, number = -1;

/* The lines of a qube's rules. */
static int read_rules(const char *vm, struct strv *rules)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	int r = qvm_call(vm, "admin.vm.firewall.Get", NULL, NULL, &out);
	struct blob rest = strbuf_blob(&out), line;

	while (!r && blob_token(&rest, '\n', &line))
		strv_push_take(rules, blob_dup(line));
	return r;
}

static int write_rules(const char *vm, const struct strv *rules)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	for (size_t i = 0; i < rules->n; i++)
		strbuf_printf(&text, "%s\n", rules->v[i]);
	return qvm_call(vm, "admin.vm.firewall.Set", NULL, text.p, NULL);
}

/* The value of one of the keys in a rule; a comment goes up to the end. */
static char *part(const char *rule, const char *const *keys)
{
	struct blob rest = blob_of(rule), word, key;

	while (rest.n) {
		if (blob_has_prefix(rest, "comment=")) {
			word = rest;
			rest.n = 0;
		} else if (!blob_token(&rest, ' ', &word)) {
			break;
		}
		blob_token(&word, '=', &key);
		for (const char *const *k = keys; *k; k++)
			if (blob_eq_str(key, *k))
				return blob_dup(word);
	}
	return NULL;
}

static void add_part(struct qvm_table *t, const char *rule, const char *const *keys)
{
	_cleanup_free_ char *text = part(rule, keys);

	qvm_table_add(t, text ? text : "-");
}

static int list(const char *vm)
{
	static const char *const head[] = {"no",	     "action",	  "host",   "protocol",
					   "port(s)",	     "special target", "icmp type", "expire",
					   "comment",	     NULL};
	static const char *const keys[][4] = {{"action"},   {"dsthost", "dst4", "dst6"},
					      {"proto"},    {"dstports"},
					      {"specialtarget"}, {"icmptype"},
					      {"expire"},   {"comment"}};
	_cleanup_table_ struct qvm_table t = {.head = head};
	_cleanup_strv_ struct strv rules = {0};
	int r = read_rules(vm, &rules);

	for (size_t i = 0; !r && i < rules.n; i++) {
		_cleanup_free_ char *no = xasprintf("%zu", i);

		if (raw) {
			printf("%s\n", rules.v[i]);
			continue;
		}
		qvm_table_add(&t, no);
		for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++)
			add_part(&t, rules.v[i], keys[k]);
	}
	if (!r && !raw)
		qvm_table_print(&t, as_json, true);
	return r;
}

/* Words of a rule that need no name, in this order. */
static const char *const unnamed[] = {"action", "dsthost", "proto", "dstports", "icmptype"};
enum { ACTION, HOST, PROTO, PORTS, ICMP_TYPE, UNNAMED };

/* What cannot come any more once this word is there. */
static void mark_given(struct blob key, struct blob value, bool *given)
{
	if (blob_eq_str(key, "dst4") || blob_eq_str(key, "dst6"))
		given[HOST] = true;
	for (size_t i = 0; i < UNNAMED; i++)
		if (blob_eq_str(key, unnamed[i]))
			given[i] = true;
	if (blob_eq_str(key, "proto"))
		given[blob_eq_str(value, "icmp") ? PORTS : ICMP_TYPE] = true;
}

/*
 * As Qubes OS's tool takes it: ACTION [HOST [PROTO [PORTS or ICMPTYPE]]], these by name, or both; +SECONDS for its end.
 * The comment is put last: it goes up to the end.
 */
static char *rule_text(const struct strv *operands)
{
	_cleanup_strbuf_ struct strbuf s = {0};
	bool given[UNNAMED] = {false};
	const char *comment = NULL;

	for (size_t i = 2; i < operands->n; i++) {
		struct blob value = blob_of(operands->v[i]), key = {0};
		size_t next = 0;
		uint64_t seconds;

		if (blob_has_prefix(value, "comment=") && !comment) {
			comment = value.p;
			continue;
		}
		while (next < UNNAMED && given[next])
			next++;
		strbuf_add_str(&s, s.n ? " " : "");
		if (memchr(value.p, '=', value.n))
			blob_token(&value, '=', &key);
		else if (next < UNNAMED)
			key = blob_of(unnamed[next]);
		mark_given(key, value, given);
		if (blob_eq_str(key, "expire") && value.n > 1 && *value.p == '+' &&
		    blob_to_u64((struct blob){value.p + 1, value.n - 1}, INT32_MAX, &seconds))
			strbuf_printf(&s, "expire=%lld", (long long)time(NULL) + (long long)seconds);
		else
			strbuf_printf(&s, "%.*s%s%.*s", BLOB_ARG(key), key.n ? "=" : "", BLOB_ARG(value));
	}
	if (comment)
		strbuf_printf(&s, "%s%s", s.n ? " " : "", comment);
	return strbuf_steal(&s);
}

static int add(const struct strv *operands)
{
	_cleanup_strv_ struct strv rules = {0}, changed = {0};
	_cleanup_free_ char *rule = rule_text(operands);
	int r = *rule ? read_rules(operands->v[0], &rules) : QVM_USAGE;
	size_t at = before < 0 ? rules.n : (size_t)before;

	if (r)
		return r;
	if (at > rules.n) {
		fprintf(stderr, "qvm-firewall: %s: has no rule %ld\n", operands->v[0], before);
		return QVM_FAILED;
	}
	for (size_t i = 0; i <= rules.n; i++) {
		if (i == at)
			strv_push(&changed, rule);
		if (i < rules.n)
			strv_push(&changed, rules.v[i]);
	}
	return write_rules(operands->v[0], &changed);
}

/* The rule of the words as qubesd tells of it: ports as a range, addresses with their length. NULL after a message. */
static char *kept_text(const struct strv *operands)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_free_ char *rule = rule_text(operands);
	_cleanup_strbuf_ struct strbuf out = {0};
	struct firewall f;
	const char *why;

	if (firewall_parse(a, blob_of(rule), &f, &why) < 0) {
		fprintf(stderr, "qvm-firewall: %s: Invalid firewall rule: %s\n", operands->v[0], why);
		return NULL;
	}
	firewall_format(&f, 0, &out);
	return blob_dup((struct blob){out.p, out.n ? out.n - 1 : 0}); /* without the end of its line */
}

static int del(const struct strv *operands)
{
	_cleanup_strv_ struct strv rules = {0}, changed = {0};
	_cleanup_free_ char *rule = NULL;
	bool found = false;
	int r;

	if (number < 0 && operands->n < 3)
		return QVM_USAGE;
	if (number < 0 && !(rule = kept_text(operands)))
		return QVM_FAILED;
	r = read_rules(operands->v[0], &rules);
	for (size_t i = 0; !r && i < rules.n; i++) {
		if (!found && (number >= 0 ? (long)i == number : !strcmp(rules.v[i], rule)))
			found = true;
		else
			strv_push(&changed, rules.v[i]);
	}
	if (!r && !found) {
		fprintf(stderr, "qvm-firewall: %s: has no such rule\n", operands->v[0]);
		return QVM_FAILED;
	}
	return r ? r : write_rules(operands->v[0], &changed);
}

static int act(const struct strv *operands)
{
	const char *vm, *word;

	if (!operands->n)
		return QVM_USAGE;
	vm = operands->v[0];
	word = operands->n > 1 ? operands->v[1] : "list";
	if (reload && operands->n == 1)
		return qvm_call(vm, "admin.vm.firewall.Reload", NULL, NULL, NULL);
	if (!strcmp(word, "list"))
		return list(vm);
	if (!strcmp(word, "add"))
		return add(operands);
	if (!strcmp(word, "del"))
		return del(operands);
	return strcmp(word, "reset") ? QVM_USAGE
				     : qvm_call(vm, "admin.vm.firewall.Set", NULL, "action=accept\n",
						NULL);
}

int qvm_firewall(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"reload", 'r', OPTION_FLAG, &reload, NULL, "put the rules in force anew"},
		{"raw", 0, OPTION_FLAG, &raw, NULL, "list: the rules as they are kept"},
		{"before", 0, OPTION_NUMBER, &before, "N", "add: before that rule, not at the end"},
		{"rule-no", 0, OPTION_NUMBER, &number, "N", "del: that one"},
		{"json", 0, OPTION_FLAG, &as_json, NULL, "list as JSON"},
		{0},
	};
	static const struct command_line cmd = {
		"qvm-firewall",
		"VM [list | add RULE... | del RULE... | reset]",
		"Look at and change what a qube may reach.",
		"A rule: accept or drop, then HOST [PROTO [PORTS or ICMPTYPE]], or any of dst4= dst6= dsthost=\n"
		"proto= dstports= icmptype= specialtarget=dns expire=EPOCH or +SECONDS comment=. del takes a\n"
		"rule in the same words, whatever form list shows it in.",
		options,
		false};
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	r = act(&operands);
	return r == QVM_USAGE ? options_wrong(&cmd, "that is no complete command") : r;
}
