#include "builder/deb/release.h"

#include <errno.h>
#include <time.h>

#include "common/base/deb822.h"

#define RELEASE_MAX_INDEX (UINT64_C(1) << 30)

/* Not strptime(): its names of days and months are the locale's. */
static int month_of(struct blob b)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++)
		if (b.n == 3 && !memcmp(names + 3 * i, b.p, 3))
			return i;
	return -1;
}

static bool two_digits(struct blob *rest, char separator, uint64_t max, int *out)
{
	struct blob part;
	uint64_t v;

	if (!blob_token(rest, separator, &part) || part.n > 2 || !blob_to_u64(part, max, &v))
		return false;
	*out = (int)v;
	return true;
}

/* "Sat, 12 Sep 2026 07:55:41 UTC" as seconds since 1970; -EBADMSG. */
static int parse_date(struct blob text, int64_t *out)
{
	struct blob weekday, month, year, clock, zone, more;
	struct tm tm = {0};
	uint64_t y;

	text = blob_trim(text);
	if (!blob_word(&text, &weekday) ||
	    !two_digits((blob_word(&text, &more), &more), ' ', 31, &tm.tm_mday) ||
	    !blob_word(&text, &month) || !blob_word(&text, &year) || !blob_word(&text, &clock) ||
	    !blob_word(&text, &zone) || blob_word(&text, &more))
		return -EBADMSG;
	tm.tm_mon = month_of(month);
	if (tm.tm_mon < 0 || !blob_to_u64(year, 9999, &y) || y < 1970 ||
	    !two_digits(&clock, ':', 23, &tm.tm_hour) || !two_digits(&clock, ':', 59, &tm.tm_min) ||
	    !two_digits(&clock, ':', 60, &tm.tm_sec) || clock.n)
		return -EBADMSG;
	if (!blob_eq_str(zone, "UTC") && !blob_eq_str(zone, "GMT") && !blob_eq_str(zone, "+0000"))
		return -EBADMSG;
	tm.tm_year = (int)y - 1900;
	*out = timegm(&tm);
	return 0;
}

int deb_release_parse(const char *name, struct blob text, struct deb_release *out,
		      struct error *err)
{
	struct deb822 d = {.rest = text};
	struct deb822_stanza s, more;
	struct blob until;
	int r = deb822_next(&d, &s);

	*out = (struct deb_release){.text = text};
	if (r == 1 && deb822_next(&d, &more))
		return error_set(err, -EBADMSG, name, NULL, "more than one stanza");
	if (r != 1)
		return error_set(err, -EBADMSG, name, NULL, "line %u: %s", d.line,
				 r < 0 ? d.error : "nothing in it");
	out->suite = deb822_get(&s, "Suite");
	out->codename = deb822_get(&s, "Codename");
	out->files = deb822_get(&s, "SHA256");
	out->by_hash = blob_eq_str(deb822_get(&s, "Acquire-By-Hash"), "yes");
	until = deb822_get(&s, "Valid-Until");
	if (parse_date(deb822_get(&s, "Date"), &out->date) < 0)
		return error_set(err, -EBADMSG, name, NULL, "no Date, or one that is no date");
	if (until.p && parse_date(until, &out->valid_until) < 0)
		return error_set(err, -EBADMSG, name, NULL, "Valid-Until is no date");
	if (!out->files.n)
		return error_set(err, -EBADMSG, name, NULL, "it lists no SHA256 of its indexes");
	return 0;
}

int deb_release_find(const struct deb_release *r, const char *path, struct deb_release_file *out)
{
	struct blob rest = r->files, line;

	while (blob_token(&rest, '\n', &line)) {
		struct blob hash, size, file;

		if (!blob_word(&line, &hash) || !blob_word(&line, &size) ||
		    !blob_word(&line, &file))
			continue;
		if (!blob_eq_str(file, path))
			continue;
		if (!sha256_is_hex(hash) || !blob_to_u64(size, RELEASE_MAX_INDEX, &out->size))
			return -EBADMSG;
		memcpy(out->sha256, hash.p, 64);
		out->sha256[64] = '\0';
		return 0;
	}
	return -ENOENT;
}

bool deb_release_is(const struct deb_release *r, const char *suite)
{
	return blob_eq_str(r->codename, suite) || blob_eq_str(r->suite, suite);
}
