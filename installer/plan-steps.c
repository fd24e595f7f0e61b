/* The table of steps, in the order they run. What each prints is made here, from the same values that it runs with. */
#include <inttypes.h>

#include "installer/plan-maker.h"
#include "installer/run.h"

enum { STEPS_MAX = 24 };

static void add_encrypt(struct maker *m)
{
	const struct plan *p = m->plan;
	const struct layout_part *parts = p->layout.parts;

	maker_step(m, "encrypt", step_encrypt, "Encrypt the large partition with the passphrase and open it");
	m->step->again = step_encrypt_again;
	maker_call(m, "crypt_format(\"%s\", LUKS2, aes-xts-plain64, 512-bit key, sector size %u, label bh-luks)",
		 parts[LAYOUT_ROOT].device, p->layout.luks_sector);
	maker_call(m, "crypt_keyslot_add_by_volume_key(argon2id, at most %" PRIu64 " MiB%s)", p->argon2_kib >> 10,
		 p->answers->insecure_test ? ", 4 iterations: insecure-test" : ", 2 s");
	if (p->answers->recovery)
		maker_call(m, "crypt_keyslot_add_by_volume_key(the recovery key)");
	maker_call(m, "crypt_activate_by_passphrase(\"%s\", allow discards)", INSTALL_MAPPING);
}

static void add_disk_steps(struct maker *m)
{
	const struct plan *p = m->plan;
	const struct layout_part *parts = p->layout.parts;

	maker_step(m, "check", step_check, "Check that the medium has everything and the disk is still free");
	m->step->again = step_check;
	maker_call(m, "read %s, %s/boot, %s/templates, %s/guest-kernel", p->places.source, p->places.medium,
		 p->places.medium, p->places.medium);
	maker_step(m, "release", step_release, "Take down what an earlier try left open");
	m->step->again = step_release;
	maker_call(m, "umount everything below %s; crypt_deactivate(\"%s\")", p->places.target, INSTALL_MAPPING);
	if (p->layout.kind == DISK_WHOLE)
		maker_call(m, "swapoff, dmsetup remove and stop of arrays for all that stands on %s%s%s", p->disk->device,
			 p->disk->in_use ? ": " : "", p->disk->in_use ? p->disk->in_use : "");

	if (p->layout.kind == DISK_BESIDE) {
		maker_step(m, "partition", step_partition,
			 arena_printf(p->arena, "Add partitions in the free space of %s; what is there stays",
				      facts_disk_name(p->arena, p->disk)));
		maker_call(m, "libfdisk on %s: add to the GPT", p->disk->device);
	} else {
		maker_step(m, "partition", step_partition,
			 arena_printf(p->arena, "Write a new partition table to %s; everything on it is lost",
				      facts_disk_name(p->arena, p->disk)));
		maker_call(m, "libfdisk on %s: wipe signatures, new GPT", p->disk->device);
		m->step->no_return = true;
	}
	m->step->writes = true;
	m->step->again = step_partition_again;
	for (size_t i = 0; i < LAYOUT_PARTS; i++)
		maker_call(m, "  partition %u at %" PRIu64 ", %s, type %s, name %s", parts[i].number, parts[i].start,
			 facts_size(p->arena, parts[i].size), parts[i].type, parts[i].name);

	if (!p->answers->plain)
		add_encrypt(m);
	maker_step(m, "filesystems", NULL, "Make the file systems");
	maker_command(m, "mkfs.vfat", "-F", "32", "-n", "BH-ESP", parts[LAYOUT_ESP].device, NULL);
	maker_command(m, "mkfs.ext4", "-q", "-F", "-L", "bh-boot", parts[LAYOUT_BOOT].device, NULL);
	maker_command(m, "mkfs.btrfs", "-q", "-f", "-L", "bh-root", p->root_device, NULL);

	maker_step(m, "mount", step_mount, "Make the subvolumes and mount them");
	m->step->again = step_mount_again;
	m->step->opens_record = true;
	maker_call(m, "BTRFS_IOC_SUBVOL_CREATE @, @snapshots, @qubes");
	maker_call(m, "mount @ on %s, @snapshots on .snapshots, @qubes on var/lib/qubes", p->places.target);
	maker_call(m, "mount %s on boot, %s on boot/efi", parts[LAYOUT_BOOT].device, parts[LAYOUT_ESP].device);
}

static void add_boot_loaders(struct maker *m, const char *target, const char *boot)
{
	const struct plan *p = m->plan;

	if (plan_has_bios_loader(p->facts, p->answers)) {
		maker_step(m, "boot-loader-bios", NULL, "Install GRUB for machines that start with BIOS");
		if (p->layout.kind == DISK_BESIDE)
			maker_call(m, "the code in the first sector of %s, with which BIOS starts what is there now, is replaced",
				   p->disk->device);
		maker_command(m, "grub-install", "--target=i386-pc", boot, "--no-floppy", p->disk->device, NULL);
	}
	maker_step(m, "boot-loader-uefi", NULL, "Install GRUB for machines that start with UEFI");
	maker_command(m, "grub-install", "--target=x86_64-efi",
		    arena_printf(p->arena, "--efi-directory=%s/boot/efi", target), boot, "--removable", "--no-nvram", NULL);
}

static void add_boot_entry(struct maker *m)
{
	const struct plan *p = m->plan;

	maker_step(m, "boot-entry", NULL, "Add an entry to the firmware's boot menu");
	m->step->instead = "start \\EFI\\bulkhead\\grubx64.efi from the firmware's boot menu, or Bulkhead from this medium's "
			   "('Start Bulkhead from the disk')";
	maker_command(m, "efibootmgr", "--quiet", "--create", "--disk", p->disk->device, "--part",
		    arena_printf(p->arena, "%u", p->layout.parts[LAYOUT_ESP].number), "--label", "Bulkhead", "--loader",
		    "\\EFI\\bulkhead\\grubx64.efi", NULL);
}

static void add_system_steps(struct maker *m)
{
	const struct plan *p = m->plan;
	const char *target = p->places.target;
	const char *boot = arena_printf(p->arena, "--boot-directory=%s/boot", target);

	maker_step(m, "copy", step_copy, "Copy the verified system to the disk");
	maker_call(m, "copy %s to %s: modes, owners, times, extended attributes, hard links", p->places.source, target);
	maker_call(m, "note the SHA-256 of each file in var/lib/bulkhead/root.sha256");
	maker_step(m, "compare", step_compare, "Read every file back from the disk and compare its digest");
	maker_call(m, "compare with var/lib/bulkhead/root.sha256");
	maker_step(m, "configure", step_configure, "Write the configuration of this machine");
	maker_call(m, "write etc/{fstab,crypttab,hostname,hosts,machine-id} below %s", target);
	maker_call(m, "keyboard layout %s: etc/{bulkhead/keymap,vconsole.conf}; time zone %s; locale %s",
		 answers_keymap(p->answers), answers_timezone(p->answers), answers_locale(p->answers));
	maker_step(m, "user", step_user,
		 arena_printf(p->arena, "Create the user '%s' with sudo, and lock root", p->answers->user));
	maker_call(m, "add to etc/{passwd,shadow,group,gshadow} below %s, groups sudo and qubes, yescrypt", target);
	maker_call(m, "copy etc/skel to home/%s", p->answers->user);

	maker_step(m, "boot-files", step_boot_files, "Copy Xen, the kernel and its initramfs to /boot");
	maker_call(m, "copy %s/boot/xen-*.gz to %s/boot/xen.gz, vmlinuz-* to vmlinuz", p->places.source, target);
	maker_call(m, "copy %s/boot/initramfs.img to %s/boot", p->places.medium, target);
	if (!p->answers->plain)
		maker_call(m, "append a cpio archive with etc/crypttab and etc/bulkhead/keymap to %s/boot/initramfs.img", target);
	if (!p->answers->skip_bootloader)
		add_boot_loaders(m, target, boot);
	maker_step(m, "boot-menu", step_boot_menu, "Write the boot menu");
	maker_call(m, "write %s/boot/grub/grub.cfg with dom0_mem=%" PRIu64 "M", target, p->dom0_memory);
	if (!p->answers->skip_bootloader)
		maker_call(m, "copy boot/efi/EFI/BOOT/BOOTX64.EFI to boot/efi/EFI/bulkhead/grubx64.efi below %s", target);
	/* With another EFI partition on the disk the fallback path of ours would never be looked at. */
	if (p->layout.kind == DISK_BESIDE && p->facts->firmware == FIRMWARE_UEFI && !p->answers->skip_bootloader)
		add_boot_entry(m);
}

static void add_qubes_steps(struct maker *m)
{
	const struct plan *p = m->plan;

	maker_step(m, "guest-kernels", step_guest_kernels, "Copy the kernels of the qubes");
	for (const char *const *k = p->facts->guest_kernels; k && *k; k++)
		maker_call(m, "copy %s/guest-kernel/%s to var/lib/qubes/vm-kernels/%s", p->places.medium, *k, *k);
	maker_step(m, "templates", step_templates, "Unpack the templates");
	for (const char *const *t = p->templates; t && *t; t++)
		maker_call(m, "unpack %s/templates/%s/root.img.zst to var/lib/qubes/vm-templates/%s/root.img, sparse, "
			    "and compare its digest", p->places.medium, *t, *t);
	plan_add_qubes(m);
	maker_step(m, "report", step_report, "Leave a report on the disk");
	maker_call(m, "write var/log/bulkhead/{report.txt,answers.yaml,facts.yaml,hcl.yaml} below %s", p->places.target);
	maker_step(m, "finish", step_finish, "Write everything out and close the disk");
	maker_call(m, "syncfs, umount everything below %s, crypt_deactivate(\"%s\")", p->places.target, INSTALL_MAPPING);
}

void plan_add_steps(struct plan *plan)
{
	struct maker m = {.plan = plan};

	plan->steps = arena_alloc(plan->arena, STEPS_MAX * sizeof(*plan->steps));
	add_disk_steps(&m);
	add_system_steps(&m);
	add_qubes_steps(&m);
}
