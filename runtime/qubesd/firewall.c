/* Rules as text: see firewall.h. */
#include "runtime/qubesd/firewall.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { RULES_MAX = 4096, HOST_MAX = 253, LABEL_MAX = 63, COMMENT_MAX = 1024 };

static struct firewall_rule *add(struct arena *a, struct firewall *f)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 8;
		struct firewall_rule *v = arena_alloc(a, cap * sizeof(*v));

		if (f->n)
			memcpy(v, f->v, f->n * sizeof(*v));
		f->v = v;
		f->cap = cap;
	}
	f->v[f->n] = (struct firewall_rule){0};
	return &f->v[f->n++];
}

void firewall_default(struct arena *a, struct firewall *f)
{
	*f = (struct firewall){0};
	add(a, f)->action = "accept";
}

static bool set_once(const char **slot, const char *value)
{
	if (*slot)
		return false;
	*slot = value;
	return true;
}

static const char *one_of(struct blob value, const char *const *words)
{
	for (; *words; words++)
		if (blob_eq_str(value, *words))
			return *words;
	return NULL;
}

/* Only what the netvm takes: it blocks a qube with a rule that it does not understand. */
static bool is_host(struct blob value)
{
	size_t label = 0;

	if (!value.n || value.n > HOST_MAX)
		return false;
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if (c == '.' ? !label : !islower(c) && !isdigit(c) && c != '_' && (c != '-' || !label))
			return false;
		label = c == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return false;
	}
	return true;
}

/* ADDRESS[/LENGTH] in canonical form, or NULL. */
static const char *address(struct arena *a, struct blob value, int family)
{
	struct blob text, length = value;
	unsigned char raw[16];
	char out[INET6_ADDRSTRLEN];
	uint64_t bits = family == 6 ? 128 : 32;
	int af = family == 6 ? AF_INET6 : AF_INET;

	blob_token(&length, '/', &text);
	if (memchr(value.p, '/', value.n) && !blob_to_u64(length, bits, &bits))
		return NULL;
	if (inet_pton(af, arena_strndup(a, text.p, text.n), raw) != 1 ||
	    !inet_ntop(af, raw, out, sizeof(out)))
		return NULL;
	return arena_printf(a, "%s/%u", out, (unsigned)bits);
}

static bool set_dst(struct arena *a, struct firewall_rule *r, struct blob key, struct blob value)
{
	const char *text = NULL;

	if (r->dst || r->specialtarget)
		return false;
	if (!blob_eq_str(key, "dst6") && !blob_eq_str(key, "dstname") &&
	    (text = address(a, value, 4)))
		r->family = 4;
	else if (!blob_eq_str(key, "dst4") && !blob_eq_str(key, "dstname") &&
		 (text = address(a, value, 6)))
		r->family = 6;
	else if (!blob_eq_str(key, "dst4") && !blob_eq_str(key, "dst6") && is_host(value))
		text = arena_strndup(a, value.p, value.n);
	r->dst = text;
	return text;
}

/* A or A-B, always kept as A-B. */
static bool set_ports(struct arena *a, struct firewall_rule *r, struct blob value)
{
	struct blob first, last = value;
	uint64_t from, to;

	blob_token(&last, '-', &first);
	if (r->dstports || !blob_to_u64(first, 65535, &from))
		return false;
	if (!memchr(value.p, '-', value.n))
		last = first;
	if (!blob_to_u64(last, 65535, &to) || to < from)
		return false;
	r->dstports = arena_printf(a, "%u-%u", (unsigned)from, (unsigned)to);
	return true;
}

static bool set_icmptype(struct arena *a, struct firewall_rule *r, struct blob value)
{
	uint64_t type;

	if (r->icmptype || !blob_to_u64(value, 255, &type))
		return false;
	r->icmptype = arena_printf(a, "%u", (unsigned)type);
	return true;
}

static bool set_expire(struct firewall_rule *r, struct blob value)
{
	uint64_t when;

	if (r->expire || !blob_to_u64(value, INT64_MAX / 1000000, &when) || !when)
		return false;
	r->expire = (long long)when;
	return true;
}

static bool set_comment(struct arena *a, struct firewall_rule *r, struct blob value)
{
	if (value.n > COMMENT_MAX)
		return false;
	for (size_t i = 0; i < value.n; i++)
		if (!isprint((unsigned char)value.p[i]))
			return false;
	return set_once(&r->comment, arena_strndup(a, value.p, value.n));
}

static bool set(struct arena *a, struct firewall_rule *r, struct blob key, struct blob value)
{
	static const char *const actions[] = {"accept", "drop", NULL};
	static const char *const protocols[] = {"tcp", "udp", "icmp", NULL};
	static const char *const targets[] = {"dns", NULL};
	const char *word;

	if (blob_eq_str(key, "action"))
		return (word = one_of(value, actions)) && set_once(&r->action, word);
	if (blob_eq_str(key, "proto"))
		return (word = one_of(value, protocols)) && set_once(&r->proto, word);
	if (blob_eq_str(key, "specialtarget"))
		return !r->dst && (word = one_of(value, targets)) &&
		       set_once(&r->specialtarget, word);
	if (blob_eq_str(key, "dst4") || blob_eq_str(key, "dst6") || blob_eq_str(key, "dstname") ||
	    blob_eq_str(key, "dsthost"))
		return set_dst(a, r, key, value);
	if (blob_eq_str(key, "dstports"))
		return set_ports(a, r, value);
	if (blob_eq_str(key, "icmptype"))
		return set_icmptype(a, r, value);
	if (blob_eq_str(key, "expire"))
		return set_expire(r, value);
	return blob_eq_str(key, "comment") && set_comment(a, r, value);
}

/* What single words cannot tell. */
static const char *contradiction(const struct firewall_rule *r)
{
	if (!r->action)
		return "action= is missing";
	if (r->dstports && (!r->proto || !strcmp(r->proto, "icmp")))
		return "dstports= needs proto=tcp or proto=udp";
	if (r->icmptype && (!r->proto || strcmp(r->proto, "icmp") != 0))
		return "icmptype= needs proto=icmp";
	return NULL;
}

static int parse_rule(struct arena *a, struct blob line, struct firewall_rule *r, const char **why)
{
	struct blob word, key;

	while ((line = blob_trim(line)).n) {
		/* A comment has blanks in it and goes up to the end. */
		if (blob_has_prefix(line, "comment=")) {
			word = line;
			line.n = 0;
		} else if (!blob_word(&line, &word)) {
			break;
		}
		*why = arena_printf(a, "not understood: %.*s", BLOB_ARG(word));
		if (!memchr(word.p, '=', word.n))
			return -EINVAL;
		blob_token(&word, '=', &key);
		if (!set(a, r, key, word))
			return -EINVAL;
	}
	*why = contradiction(r);
	return *why ? -EINVAL : 0;
}

int firewall_parse(struct arena *a, struct blob text, struct firewall *f, const char **why)
{
	struct blob line;

	*f = (struct firewall){0};
	while (blob_token(&text, '\n', &line)) {
		int r;

		if (!blob_trim(line).n)
			continue;
		if (f->n == RULES_MAX) {
			*why = "too many rules";
			return -EINVAL;
		}
		r = parse_rule(a, line, add(a, f), why);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool expired(const struct firewall_rule *r, long long now)
{
	return r->expire && r->expire <= now;
}

/* What both forms have. */
static void format_match(const struct firewall_rule *r, struct strbuf *out)
{
	strbuf_printf(out, "action=%s", r->action);
	if (r->proto)
		strbuf_printf(out, " proto=%s", r->proto);
	if (r->dst)
		strbuf_printf(out, " %s=%s",
			      r->family == 4   ? "dst4"
			      : r->family == 6 ? "dst6"
					       : "dsthost",
			      r->dst);
	if (r->dstports)
		strbuf_printf(out, " dstports=%s", r->dstports);
	if (r->icmptype)
		strbuf_printf(out, " icmptype=%s", r->icmptype);
	if (r->specialtarget)
		strbuf_printf(out, " specialtarget=%s", r->specialtarget);
}

void firewall_format(const struct firewall *f, long long now, struct strbuf *out)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct firewall_rule *r = &f->v[i];

		if (expired(r, now))
			continue;
		format_match(r, out);
		if (r->expire)
			strbuf_printf(out, " expire=%lld", r->expire);
		if (r->comment)
			strbuf_printf(out, " comment=%s", r->comment);
		strbuf_add_char(out, '\n');
	}
}

const char *firewall_entry(const struct firewall_rule *r, int family, long long now,
			   struct arena *a)
{
	_cleanup_strbuf_ struct strbuf s = {0};

	if (expired(r, now) || (r->family && r->family != family))
		return NULL;
	format_match(r, &s);
	return arena_strndup(a, s.p, s.n);
}

long long firewall_next_expiry(const struct firewall *f, long long now)
{
	long long next = 0;

	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].expire > now && (!next || f->v[i].expire < next))
			next = f->v[i].expire;
	return next;
}
