#include <fcntl.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "installer/config.h"
#include "installer/copy.h"

enum { TEMPLATE_MAX = 64 << 10 };

int step_boot_menu(struct install *in, struct error *err)
{
	_cleanup_free_ char *template = install_path(in, "usr/lib/bulkhead/grub.cfg");
	_cleanup_free_ char *menu = install_path(in, "boot/grub/grub.cfg");
	_cleanup_free_ char *fallback = install_path(in, "boot/efi/EFI/BOOT/BOOTX64.EFI");
	_cleanup_free_ char *own = install_path(in, "boot/efi/EFI/bulkhead/grubx64.efi");
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_strbuf_ struct strbuf filled = {0};
	int r = read_file(AT_FDCWD, template, TEMPLATE_MAX, &text);

	if (r < 0)
		return error_errno(err, r, template, "cannot read");
	r = config_grub(in, template, strbuf_blob(&text), &filled, err);
	if (r < 0)
		return r;
	/* Where GRUB is not installed nobody has made the folder. */
	r = mkdir_parents(AT_FDCWD, menu, 0755);
	if (r == 0)
		r = write_atomic(AT_FDCWD, menu, filled.p, filled.n, 0600);
	if (r < 0)
		return error_errno(err, r, menu, "cannot write");
	if (in->plan->answers->skip_bootloader)
		return 0;
	/* For firmware menus and for other systems' boot managers, which list folders by vendor. */
	return copy_file(fallback, own, NULL, NULL, err);
}
