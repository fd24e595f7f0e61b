#include "runtime/firewall/apply.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "runtime/firewall/conntrack.h"
#include "runtime/firewall/script.h"

enum { RESOLVE_SECONDS = 5 };

static int run(struct apply *ap, struct strbuf *script)
{
	return nft_run_cmd_from_buffer(ap->nft, script->p) == 0 ? 0 : -EINVAL;
}

/* The first line of what nft has to say about the last script. */
static void say_error(struct apply *ap, const char *object)
{
	struct blob text = blob_of(nft_ctx_get_error_buffer(ap->nft)), line = {0};

	blob_token(&text, '\n', &line);
	fprintf(stderr, "qubes-firewall: %s: %.*s\n", object, BLOB_ARG(line));
}

int apply_start(struct apply *ap)
{
	_cleanup_strbuf_ struct strbuf script = {0};
	int r;

	*ap = (struct apply){.nft = nft_ctx_new(NFT_CTX_DEFAULT)};
	if (!ap->nft) {
		fprintf(stderr, "qubes-firewall: nftables: cannot be used: %s\n", strerror(ENOMEM));
		return -ENOMEM;
	}
	nft_ctx_buffer_error(ap->nft);
	nft_ctx_buffer_output(ap->nft);
	script_base(&script);
	r = run(ap, &script);
	if (r < 0)
		say_error(ap, "the base tables cannot be made; is nf_tables there?");
	return r;
}

static void forget(struct apply *ap)
{
	for (size_t i = 0; i < ap->n; i++) {
		free(ap->clients[i]);
		free(ap->texts[i]);
	}
	free(ap->clients);
	free(ap->texts);
	ap->clients = ap->texts = NULL;
	ap->n = 0;
}

void apply_end(struct apply *ap)
{
	forget(ap);
	resolved_free(ap->names);
	if (ap->nft)
		nft_ctx_free(ap->nft);
}

static char *client_text(const struct client *c, struct resolved *names)
{
	struct strbuf text = {0};

	script_client(c, resolved_get, names, &text);
	return strbuf_steal(&text);
}

static const char *old_text(const struct apply *ap, const char *ip)
{
	for (size_t i = 0; i < ap->n; i++)
		if (!strcmp(ap->clients[i], ip))
			return ap->texts[i];
	return NULL;
}

/* Finds out whose rules the kernel refuses, by trying each client's alone without bringing it in. */
static void block_refused(struct apply *ap, struct firewall *f, struct resolved *names)
{
	nft_ctx_set_dry_run(ap->nft, true);
	for (size_t i = 0; i < f->n_clients; i++) {
		_cleanup_free_ char *text = client_text(&f->clients[i], names);

		if (nft_run_cmd_from_buffer(ap->nft, text) == 0)
			continue;
		say_error(ap, f->clients[i].ip);
		f->clients[i].problem = "the kernel refuses its rules";
	}
	nft_ctx_set_dry_run(ap->nft, false);
}

static int load(struct apply *ap, const struct firewall *f, struct resolved *names)
{
	_cleanup_strbuf_ struct strbuf script = {0};

	script_clients(f, (const char *const *)ap->clients, resolved_get, names, &script);
	return run(ap, &script);
}

/* Keeps what is in force now, and has the kernel forget connections of those whose rules are other ones: `changed`. */
static void remember(struct apply *ap, const struct firewall *f, struct resolved *names, bool *changed)
{
	char **clients = xcalloc(f->n_clients + 1, sizeof(char *)), **texts = xcalloc(f->n_clients + 1, sizeof(char *));

	for (size_t i = 0; i < f->n_clients; i++) {
		const struct client *c = &f->clients[i];
		const char *old = old_text(ap, c->ip);

		clients[i] = xstrdup(c->ip);
		texts[i] = client_text(c, names);
		changed[i] = !old || strcmp(old, texts[i]) != 0;
		if (changed[i] && conntrack_forget(c->family, c->ip) < 0)
			fprintf(stderr, "qubes-firewall: %s: connections that stand already go on\n", c->ip);
	}
	forget(ap);
	ap->clients = clients;
	ap->texts = texts;
	ap->n = f->n_clients;
}

int apply_clients(struct apply *ap, const struct firewall *f, const struct resolve_what *what,
		  void (*on_host)(void *user, const struct client *c, const char *host, const char *const *addresses),
		  void (*on_done)(void *user, const struct client *c), void *user)
{
	struct resolved *names = resolve_all(f, ap->names, what, RESOLVE_SECONDS);
	_cleanup_free_ bool *changed = xcalloc(f->n_clients + 1, sizeof(*changed));
	struct firewall checked = *f;
	int r = load(ap, f, names);

	if (r < 0) {
		block_refused(ap, &checked, names);
		r = load(ap, &checked, names);
	}
	if (r < 0) {
		say_error(ap, "the rules cannot be brought in; the former ones hold");
	} else {
		remember(ap, &checked, names, changed);
		for (size_t i = 0; i < f->n_clients; i++) {
			const struct client *c = &f->clients[i];

			if (what->missing && !changed[i])
				continue;
			if (c->problem)
				fprintf(stderr, "qubes-firewall: %s: blocked: %s\n", c->ip, c->problem);
			for (size_t k = 0; k < c->n_rules; k++)
				if (c->rules[k].host)
					on_host(user, c, c->rules[k].host, resolved_get(names, c, c->rules[k].host));
			on_done(user, c);
		}
	}
	resolved_free(ap->names);
	ap->names = names;
	return r;
}
