#include "installer/facts/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"

static const char *sys_line(const struct facts_source *from, struct facts *facts, const char *below)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", from->sys, below);

	return facts_line(facts->arena, AT_FDCWD, path);
}

/* UEFI 2.10 3.3: one byte, behind the four of attributes that efivarfs puts before each variable. */
static bool secure_boot(const struct facts_source *from)
{
	_cleanup_free_ char *path = xasprintf(
		"%s/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", from->sys);
	_cleanup_strbuf_ struct strbuf text = {0};

	return read_file(AT_FDCWD, path, 64, &text) == 0 && text.n == 5 && text.p[4] == 1;
}

static const char *tpm_version(const struct facts_source *from, struct facts *facts)
{
	const char *major = sys_line(from, facts, "class/tpm/tpm0/tpm_version_major");
	_cleanup_free_ char *old = xasprintf("%s/class/tpm/tpm0/pcrs", from->sys);

	if (major)
		return strcmp(major, "2") ? "1.2" : "2.0";
	return access(old, F_OK) ? NULL : "1.2";
}

void facts_machine(const struct facts_source *from, struct facts *facts)
{
	_cleanup_free_ char *chassis = xasprintf("%s/class/dmi/id/chassis_type", from->sys);
	_cleanup_free_ char *made = from->medium ? xasprintf("%s/boot/xen.gz", from->medium) : NULL;
	struct hardware *hw = &facts->hardware;
	struct stat st;

	hw->vendor = sys_line(from, facts, "class/dmi/id/sys_vendor");
	hw->model = sys_line(from, facts, "class/dmi/id/product_name");
	/* Boards that were never given a name of their own by who sold them. */
	if (!hw->vendor || strstr(hw->vendor, "O.E.M")) {
		hw->vendor = sys_line(from, facts, "class/dmi/id/board_vendor");
		hw->model = sys_line(from, facts, "class/dmi/id/board_name");
	}
	hw->bios = sys_line(from, facts, "class/dmi/id/bios_version");
	hw->chassis = facts_number(AT_FDCWD, chassis, 0);
	hw->tpm = tpm_version(from, facts);
	hw->secure_boot = secure_boot(from);
	hw->clock = (uint64_t)time(NULL);
	if (made && !stat(made, &st))
		hw->medium_date = (uint64_t)st.st_mtime;
}
