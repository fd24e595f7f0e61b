#include "runtime/filecopy/names.h"

#include <errno.h>

static const struct {
	uint32_t first, last;
} allowed[] = {
#include "runtime/filecopy/allowed.inc"
};

static bool is_allowed(uint32_t c)
{
	size_t low = 0, high = sizeof(allowed) / sizeof(allowed[0]);

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (c > allowed[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < sizeof(allowed) / sizeof(allowed[0]) && c >= allowed[low].first;
}

/* Takes one character that is not ASCII off the front. False when it is cut off, overlong, or beyond Unicode. */
static bool take_utf8(struct blob *text, uint32_t *c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char)*text->p;
	size_t n = first >= 0xF8 ? 0 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 0;

	if (!n || text->n < n)
		return false;
	*c = first & (0xFFU >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		unsigned char next = (unsigned char)text->p[i];

		if ((next & 0xC0) != 0x80)
			return false;
		*c = *c << 6 | (next & 0x3F);
	}
	text->p += n;
	text->n -= n;
	return *c >= least[n] && *c <= 0x10FFFF && (*c < 0xD800 || *c > 0xDFFF);
}

bool name_is_safe_text(struct blob text)
{
	while (text.n) {
		unsigned char byte = (unsigned char)*text.p;
		uint32_t c;

		if (byte >= 0x20 && byte <= 0x7E) {
			text.p++;
			text.n--;
		} else if (byte < 0x80 || !take_utf8(&text, &c) || !is_allowed(c)) {
			return false;
		}
	}
	return true;
}

/* Takes the next component; what is between two slashes may be empty. False at the end. */
static bool take_component(struct blob *path, struct blob *component)
{
	const char *slash;

	if (!path->p)
		return false;
	slash = memchr(path->p, '/', path->n);
	*component = (struct blob){path->p, slash ? (size_t)(slash - path->p) : path->n};
	path->n = slash ? path->n - component->n - 1 : 0;
	path->p = slash ? slash + 1 : NULL;
	return true;
}

/* The number of components, or -EILSEQ. */
static int count_components(struct blob path, unsigned flags)
{
	struct blob component;
	int n = 0;

	if (!path.n || *path.p == '/' || memchr(path.p, '\0', path.n))
		return -EILSEQ;
	if (!(flags & NAME_ALLOW_UNSAFE_CHARACTERS) && !name_is_safe_text(path))
		return -EILSEQ;
	while (take_component(&path, &component)) {
		bool idle = !component.n || blob_eq_str(component, ".");
		bool at_end = !component.n && !path.p;

		if (blob_eq_str(component, ".."))
			return -EILSEQ;
		if (at_end ? !(flags & NAME_ALLOW_TRAILING_SLASH)
			   : idle && !(flags & NAME_ALLOW_NON_CANONICAL_PATHS))
			return -EILSEQ;
		n += !idle;
	}
	return n ? n : -EILSEQ;
}

int name_check_path(struct blob path, unsigned flags)
{
	int n = count_components(path, flags);

	return n < 0 ? n : 0;
}

/* `depth`: how many leading ".." the target may have. */
static int check_target(struct blob target, int depth, unsigned flags)
{
	struct blob component;
	bool leading = true;

	if (!target.n || *target.p == '/')
		return -ENOLINK;
	while (take_component(&target, &component)) {
		if (blob_eq_str(component, "..")) {
			if (!leading || --depth < 0)
				return -ENOLINK;
			continue;
		}
		if ((!component.n || blob_eq_str(component, ".")) && !(flags & NAME_ALLOW_NON_CANONICAL_SYMLINKS))
			return -ENOLINK;
		leading = leading && (!component.n || blob_eq_str(component, "."));
	}
	return 0;
}

int name_check_symlink(struct blob path, struct blob target, unsigned flags)
{
	int n = count_components(path, flags);

	if (n < 0)
		return n;
	if (memchr(target.p, '\0', target.n))
		return -EILSEQ;
	if (!(flags & NAME_ALLOW_UNSAFE_CHARACTERS) && !name_is_safe_text(target))
		return -EILSEQ;
	if (flags & NAME_ALLOW_UNSAFE_SYMLINKS)
		return target.n ? 0 : -ENOLINK;
	return n < 2 ? -ENOLINK : check_target(target, n - 2, flags);
}

bool name_is_qube(struct blob name)
{
	static const char *const reserved[] = {"none", "default", "Domain-0"};

	if (!name.n || name.n > 31 || blob_has_suffix(name, "-dm"))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

		if (!letter && (!i || !((c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-')))
			return false;
	}
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (blob_eq_str(name, reserved[i]))
			return false;
	return true;
}
