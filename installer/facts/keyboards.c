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

/* The last of a bitmap's words, "B: KEY=402000000 3803078f800d001 fffffffffffffffe": bits 0 to 63. */
static uint64_t low_bits(struct blob line)
{
	_cleanup_free_ char *text = blob_dup(line);
	const char *word = strrchr(text, ' ');
	const char *value = strchr(text, '=');

	return strtoull((word > value ? word : value) + 1, NULL, 16);
}

/* Autorepeat tells a keyboard from a power button, and letters (KEY_Q to KEY_P) from a laptop's hotkeys and remote controls. */
static const uint64_t ev_rep = 1ULL << 20, letters = 0x3ffULL << 16;

/*
 * /proc/bus/input/devices: paragraphs of "I: Bus=0003 ...", "N: Name="..."", "H: Handlers=...", "B: EV=120013",
 * "B: KEY=...", in this order.
 */
void facts_keyboards(const struct facts_source *from, struct facts *facts)
{
	_cleanup_free_ char *path = xasprintf("%s/bus/input/devices", from->proc);
	_cleanup_strbuf_ struct strbuf text = {0};
	struct keyboard *k, **tail = &facts->hardware.keyboards;
	const char *bus = "other", *name = NULL;
	bool repeats = false;
	struct blob rest, line;

	if (read_file(AT_FDCWD, path, INPUT_MAX, &text) < 0)
		return;
	rest = strbuf_blob(&text);
	while (blob_token(&rest, '\n', &line)) {
		if (!line.n) {
			bus = "other";
			name = NULL;
			repeats = false;
		} else if (blob_has_prefix(line, "I: Bus=")) {
			_cleanup_free_ char *number = blob_dup((struct blob){line.p + 7, line.n - 7});

			bus = bus_name(strtoul(number, NULL, 16));
		} else if (blob_has_prefix(line, "N: Name=\"") && line.n > 10) {
			name = facts_clean(facts->arena, (struct blob){line.p + 9, line.n - 10});
		} else if (blob_has_prefix(line, "B: EV=")) {
			repeats = low_bits(line) & ev_rep;
		} else if (blob_has_prefix(line, "B: KEY=") && repeats && (low_bits(line) & letters) == letters) {
			k = arena_alloc(facts->arena, sizeof(*k));
			k->name = name ? name : "keyboard";
			k->bus = bus;
			*tail = k;
			tail = &k->next;
		}
	}
}
