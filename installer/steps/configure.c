#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"
#include "installer/config.h"
#include "installer/localise.h"

static int write_config(int etc, const char *file, const char *text, size_t n, mode_t mode, struct error *err)
{
	int r = write_atomic(etc, file, text, n, mode);

	return r < 0 ? error_errno(err, r, file, "cannot write") : 0;
}

/* machine-id(5): made here and not at the first boot, so that the first boot is one like all others. */
static int write_machine_id(int etc, struct error *err)
{
	unsigned char id[16];
	char text[2 * sizeof(id) + 2];

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return error_errno(err, -errno, "machine-id", "no random bytes");
	/* A random UUID of version 4, as systemd makes them. */
	id[6] = (unsigned char)((id[6] & 0x0f) | 0x40);
	id[8] = (unsigned char)((id[8] & 0x3f) | 0x80);
	hex_encode(id, sizeof(id), text);
	strcat(text, "\n");
	return write_config(etc, "machine-id", text, strlen(text), 0444, err);
}

/* For loadkeys at every start, for kernel updates' initramfs, and for what asks by name. */
static int write_keyboard(const struct install *in, int etc, struct error *err)
{
	const char *name = answers_keymap(in->plan->answers);
	_cleanup_free_ char *console = xasprintf("KEYMAP=%s\n", name);
	_cleanup_strbuf_ struct strbuf keymap = {0};
	int r;

	r = write_config(etc, "vconsole.conf", console, strlen(console), 0644, err);
	if (r < 0 || !in->plan->answers->keymap)
		return r;
	r = mkdir_p(etc, "bulkhead", 0755);
	if (r < 0)
		return error_errno(err, r, "bulkhead", "cannot create");
	if ((r = localise_load_keymap(name, err)) < 0 || (r = localise_dump_keymap(&keymap, err)) < 0)
		return r;
	return keymap.n ? write_config(etc, "bulkhead/keymap", keymap.p, keymap.n, 0644, err) : 0;
}

static int write_place(const struct install *in, int etc, struct error *err)
{
	const char *zone = answers_timezone(in->plan->answers);
	_cleanup_free_ char *locale = xasprintf("LANG=%s\n", answers_locale(in->plan->answers));
	_cleanup_free_ char *zone_line = xasprintf("%s\n", zone);
	_cleanup_free_ char *link = xasprintf("../usr/share/zoneinfo/%s", zone);
	int r;

	if ((r = write_config(etc, "locale.conf", locale, strlen(locale), 0644, err)) < 0 ||
	    (r = write_config(etc, "timezone", zone_line, strlen(zone_line), 0644, err)) < 0)
		return r;
	if ((unlinkat(etc, "localtime", 0) && errno != ENOENT) || symlinkat(link, etc, "localtime"))
		return error_errno(err, -errno, "localtime", "cannot link");
	return 0;
}

int step_configure(struct install *in, struct error *err)
{
	static const char hosts[] = "127.0.0.1 localhost dom0\n::1 localhost dom0\n";
	_cleanup_free_ char *path = install_path(in, "etc");
	_cleanup_close_ int etc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_strbuf_ struct strbuf fstab = {0};
	_cleanup_strbuf_ struct strbuf crypttab = {0};
	int r;

	if (etc < 0)
		return error_errno(err, -errno, path, "cannot open");
	config_fstab(in, &fstab);
	config_crypttab(in, &crypttab);
	if ((r = write_config(etc, "fstab", fstab.p, fstab.n, 0644, err)) < 0 ||
	    (r = write_config(etc, "crypttab", crypttab.p, crypttab.n, 0600, err)) < 0 ||
	    (r = write_config(etc, "hostname", "dom0\n", 5, 0644, err)) < 0 ||
	    (r = write_config(etc, "hosts", hosts, sizeof(hosts) - 1, 0644, err)) < 0)
		return r;
	if ((r = write_keyboard(in, etc, err)) < 0 || (r = write_place(in, etc, err)) < 0)
		return r;
	return write_machine_id(etc, err);
}
