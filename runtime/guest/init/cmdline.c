#include "runtime/guest/init/cmdline.h"

struct blob cmdline_init(struct blob line)
{
	static const char name[] = "init=";
	struct blob word, found = {0};

	while (blob_word(&line, &word) && !blob_eq_str(word, "--")) {
		if (!blob_has_prefix(word, name))
			continue;
		found.p = word.p + sizeof(name) - 1;
		found.n = word.n - (sizeof(name) - 1);
	}
	return found;
}
