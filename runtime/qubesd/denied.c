#include "runtime/qubesd/denied.h"

#include <ctype.h>
#include <string.h>

#include "runtime/qubesd/property.h"

bool denied_code_valid(struct blob code)
{
	if (code.n != DENIED_CODE || !memchr("bmpu*", code.p[0], 5))
		return false;
	for (size_t i = 1; i < DENIED_CODE; i++)
		if (code.p[i] != '*' &&
		    !(isdigit((unsigned char)code.p[i]) || (code.p[i] >= 'a' && code.p[i] <= 'f')))
			return false;
	return true;
}

/* What a device does not tell of itself (`*`) is taken for what is denied. */
static bool same(const char *a, const char *b)
{
	for (size_t i = 0; i < DENIED_CODE; i++)
		if (a[i] != b[i] && a[i] != '*' && b[i] != '*')
			return false;
	return true;
}

bool denied_matches(const struct model *m, const struct vm *vm, const char *interfaces)
{
	_cleanup_arena_ struct arena *a = arena_new();
	const char *denied = property_value(&(struct property_ctx){m, vm, a}, "devices_denied");
	size_t n = strlen(denied) / DENIED_CODE, have = interfaces ? strlen(interfaces) : 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k + DENIED_CODE <= have; k += DENIED_CODE)
			if (same(denied + i * DENIED_CODE, interfaces + k))
				return true;
	return false;
}
