/* The drive that is noted is the one the medium is in, and only if it is one for discs. */
#include <fcntl.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "common/tests/test.h"
#include "installer/eject.h"

static int prepare(const char *number, const char *link, const char *note)
{
	const char *dir = test_dir();
	_cleanup_close_ int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *proc = xasprintf("%s/proc", dir), *sys = xasprintf("%s/sys", dir);
	_cleanup_free_ char *mounts = xasprintf("25 1 0:22 / / rw - tmpfs none rw\n"
						"26 25 %s / /run/medium ro - iso9660 /dev/x ro\n", number);
	_cleanup_free_ char *at = xasprintf("sys/dev/block/%s", number);
	_cleanup_error_ struct error err = {0};

	mkdir_p(top, "proc/self", 0755);
	mkdir_p(top, "sys/dev/block", 0755);
	write_file(top, "proc/self/mountinfo", mounts, strlen(mounts), 0644);
	if (link)
		CHECK(!symlinkat(link, top, at) || errno == EEXIST);
	return eject_prepare(proc, sys, "/run/medium", note, &err);
}

TEST(eject_notes_the_drive_of_the_medium)
{
	_cleanup_free_ char *note = xasprintf("%s/note", test_dir());
	_cleanup_error_ struct error err = {0};
	_cleanup_strbuf_ struct strbuf text = {0};

	CHECK_INT(eject_now(note, &err), 0);
	CHECK_INT(prepare("8:1", "../../devices/pci0000:00/usb1/host0/block/sda/sda1", note), -ENODEV);
	CHECK_INT(prepare("253:0", NULL, note), -ENODEV);
	CHECK(access(note, F_OK) != 0);
	CHECK_INT(prepare("11:0", "../../devices/pci0000:00/ata1/host1/block/sr0", note), 0);
	CHECK_INT(read_file(AT_FDCWD, note, 64, &text), 0);
	CHECK(blob_eq_str(strbuf_blob(&text), "sr0"));
}

TEST(eject_says_which_drive_it_could_not_open)
{
	_cleanup_free_ char *note = xasprintf("%s/note", test_dir());
	_cleanup_error_ struct error err = {0};

	write_file(AT_FDCWD, note, "sr-none", 7, 0600);
	CHECK_INT(eject_now(note, &err), -ENOENT);
	CHECK(err.object && strstr(err.object, "/dev/sr-none") && strstr(err.cause, "cannot open the tray"));
}
