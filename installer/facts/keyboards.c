#include "installer/facts/source.h"

#include <fcntl.h>
#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"

enum { INPUT_MAX = 1 << 20 };

static const char *bus_name(unsigned long bus)
{
	/* linux/input.h BUS_* */
	switch (bus) {
	case 0x03:
		return "usb";
	case 0x05:
		return "bluetooth";
	case 0x06:
		return "virtual";
	case 0x11:
		return "ps2";
	default:
		return "other";
	}
}

/* Bit 20 of EV (autorepeat) is what tells a keyboard from a power button, which has keys too. */
static bool repeats(struct blob line)
{
	_cleanup_free_ char *text = blob_dup(line);
	const char *ev = strstr(text, "EV=");

	return ev && strtoul(ev + 3, NULL, 16) & (1ul << 20);
}

/* /proc/bus/input/devices: paragraphs of "I: Bus=0003 ...", "N: Name="..."", "H: Handlers=...", "B: EV=120013". */
void facts_keyboards(const struct facts_source *from, struct facts *facts)
{
	_cleanup_free_ char *path = xasprintf("%s/bus/input/devices", from->proc);
	_cleanup_strbuf_ struct strbuf text = {0};
	struct keyboard *k, **tail = &facts->hardware.keyboards;
	const char *bus = "other", *name = NULL;
	struct blob rest, line;

	if (read_file(AT_FDCWD, path, INPUT_MAX, &text) < 0)
		return;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		if (!line.n) {
			bus = "other";
			name = NULL;
		} else if (blob_has_prefix(line, "I: Bus=")) {
			_cleanup_free_ char *number = blob_dup((struct blob){line.p + 7, line.n - 7});

			bus = bus_name(strtoul(number, NULL, 16));
		} else if (blob_has_prefix(line, "N: Name=\"") && line.n > 10) {
			name = facts_clean(facts->arena, (struct blob){line.p + 9, line.n - 10});
		} else if (blob_has_prefix(line, "B: EV=") && repeats(line)) {
			k = arena_alloc(facts->arena, sizeof(*k));
			k->name = name ? name : "keyboard";
			k->bus = bus;
			*tail = k;
			tail = &k->next;
		}
	}
}
