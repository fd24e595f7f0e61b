#include "builder/root/direct/review.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/sys/hash.h"

static void remember(struct strmap *m, struct blob name, struct review *review)
{
	_cleanup_free_ char *key = blob_dup(name);

	strmap_put(m, key, review);
}

/* Each line must give its reason. */
static bool parse_line(struct blob line, struct review *review)
{
	struct blob kind, hash, name, reason;

	if (!blob_word(&line, &kind))
		return true;
	if (blob_eq_str(kind, "dpkg") && blob_word(&line, &name) && blob_word(&line, &reason)) {
		remember(&review->dpkg, name, review);
		return true;
	}
	if (!blob_eq_str(kind, "preinst") || !blob_word(&line, &hash) || !sha256_is_hex(hash) ||
	    !blob_word(&line, &name) || !blob_word(&line, &reason))
		return false;
	remember(&review->preinsts, hash, review);
	return true;
}

int review_parse(struct blob text, struct review *review, struct error *err)
{
	struct blob line;

	for (unsigned n = 1; blob_token(&text, '\n', &line); n++)
		if (!blob_has_prefix(line, "#") && !parse_line(line, review)) {
			_cleanup_free_ char *object = xasprintf("%s:%u", REVIEW_FILE, n);

			return error_set(
				err, -EBADMSG, object, NULL,
				"expected 'preinst SHA256 NAME REASON' or 'dpkg NAME REASON'");
		}
	return 0;
}

void review_free(struct review *review)
{
	strmap_free(&review->preinsts);
	strmap_free(&review->dpkg);
}

bool review_preinst(const struct review *review, struct blob script)
{
	char hex[SHA256_HEX];

	sha256_hex(script.p, script.n, hex);
	return strmap_get(&review->preinsts, hex) != NULL;
}
