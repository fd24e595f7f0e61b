#include <string.h>

#include "builder/package/stage.h"

#define UNITS "/usr/lib/systemd/system/"

void unit_install_links(const char *unit, struct blob text, struct strv *links)
{
	static const struct {
		const char *key, *folder; /* NULL: an alias */
	} kinds[] = {{"WantedBy", ".wants"}, {"RequiredBy", ".requires"}, {"Alias", NULL}};
	struct blob line;
	bool install = false;

	while (blob_token(&text, '\n', &line)) {
		struct blob key, name;

		line = blob_trim(line);
		if (blob_has_prefix(line, "["))
			install = blob_eq_str(line, "[Install]");
		if (!install || !blob_token(&line, '=', &key))
			continue;
		key = blob_trim(key);
		for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
			if (!blob_eq_str(key, kinds[i].key))
				continue;
			while (blob_word(&line, &name)) {
				if (kinds[i].folder) {
					strv_pushf(links, UNITS "%.*s%s/%s", BLOB_ARG(name), kinds[i].folder, unit);
					strv_pushf(links, "../%s", unit);
				} else {
					strv_pushf(links, UNITS "%.*s", BLOB_ARG(name));
					strv_push(links, unit);
				}
			}
		}
	}
}
