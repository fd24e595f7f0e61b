/* The table of steps, in the order they run. What each prints is made here, from the same values that it runs with. */
#include <inttypes.h>
#include <stdarg.h>

#include "common/base/alloc.h"
#include "installer/run.h"

enum { STEPS_MAX = 24, LINES_MAX = 24, ARGV_MAX = 24 };

struct maker {
	struct plan *plan;
	struct step *step;
};

static void add_step(struct maker *m, const char *id, int (*run)(struct install *, struct error *), const char *sentence)
{
	m->step = &m->plan->steps[m->plan->n_steps++];
	m->step->id = id;
	m->step->run = run;
	m->step->sentence = sentence;
}

__attribute__((format(printf, 2, 3))) static void add_call(struct maker *m, const char *fmt, ...)
{
	_cleanup_free_ char *line = NULL;
	const char **calls;
	va_list args;
	size_t n = 0;

	if (!m->step->calls)
		m->step->calls = arena_alloc(m->plan->arena, LINES_MAX * sizeof(*calls));
	calls = (const char **)(uintptr_t)m->step->calls;
	while (calls[n])
		n++;
	va_start(args, fmt);
	if (vasprintf(&line, fmt, args) < 0)
		abort();
	va_end(args);
	if (n + 1 < LINES_MAX)
		calls[n] = arena_strdup(m->plan->arena, line);
}

__attribute__((sentinel)) static void add_command(struct maker *m, const char *program, ...)
{
	const char **argv = arena_alloc(m->plan->arena, ARGV_MAX * sizeof(*argv));
	const char *const **commands;
	va_list args;
	size_t n = 0, count = 0;

	va_start(args, program);
	for (const char *arg = program; arg && n + 1 < ARGV_MAX; arg = va_arg(args, const char *))
		argv[n++] = arena_strdup(m->plan->arena, arg);
	va_end(args);
	if (!m->step->commands)
		m->step->commands = arena_alloc(m->plan->arena, LINES_MAX * sizeof(*commands));
	commands = (const char *const **)(uintptr_t)m->step->commands;
	while (commands[count])
		count++;
	if (count + 1 < LINES_MAX)
		commands[count] = argv;
}

static void add_encrypt(struct maker *m)
{
	const struct plan *p = m->plan;
	const struct layout_part *parts = p->layout.parts;

	add_step(m, "encrypt", step_encrypt, "Encrypt the large partition with the passphrase and open it");
	m->step->again = step_encrypt_again;
	add_call(m, "crypt_format(\"%s\", LUKS2, aes-xts-plain64, 512-bit key, sector size %u, label bh-luks)",
		 parts[LAYOUT_ROOT].device, p->layout.luks_sector);
	add_call(m, "crypt_keyslot_add_by_volume_key(argon2id, at most %" PRIu64 " MiB%s)", p->argon2_kib >> 10,
		 p->answers->insecure_test ? ", 4 iterations: insecure-test" : ", 2 s");
	if (p->answers->recovery)
		add_call(m, "crypt_keyslot_add_by_volume_key(the recovery key)");
	add_call(m, "crypt_activate_by_passphrase(\"%s\", allow discards)", INSTALL_MAPPING);
}

static void add_disk_steps(struct maker *m)
{
	const struct plan *p = m->plan;
	const struct layout_part *parts = p->layout.parts;

	add_step(m, "check", step_check, "Check that the medium has everything and the disk is still free");
	m->step->again = step_check;
	add_call(m, "read %s, %s/boot, %s/templates, %s/guest-kernel", p->places.source, p->places.medium,
		 p->places.medium, p->places.medium);
	add_step(m, "release", step_release, "Take down what an earlier try left open");
	m->step->again = step_release;
	add_call(m, "umount everything below %s; crypt_deactivate(\"%s\")", p->places.target, INSTALL_MAPPING);
	if (p->layout.kind == DISK_WHOLE)
		add_call(m, "swapoff, dmsetup remove and stop of arrays for all that stands on %s%s%s", p->disk->device,
			 p->disk->in_use ? ": " : "", p->disk->in_use ? p->disk->in_use : "");

	if (p->layout.kind == DISK_BESIDE) {
		add_step(m, "partition", step_partition,
			 arena_printf(p->arena, "Add partitions in the free space of %s; what is there stays",
				      facts_disk_name(p->arena, p->disk)));
		add_call(m, "libfdisk on %s: add to the GPT", p->disk->device);
	} else {
		add_step(m, "partition", step_partition,
			 arena_printf(p->arena, "Write a new partition table to %s; everything on it is lost",
				      facts_disk_name(p->arena, p->disk)));
		add_call(m, "libfdisk on %s: wipe signatures, new GPT", p->disk->device);
		m->step->no_return = true;
	}
	m->step->writes = true;
	m->step->again = step_partition_again;
	for (size_t i = 0; i < LAYOUT_PARTS; i++)
		add_call(m, "  partition %u at %" PRIu64 ", %s, type %s, name %s", parts[i].number, parts[i].start,
			 facts_size(p->arena, parts[i].size), parts[i].type, parts[i].name);

	if (!p->answers->plain)
		add_encrypt(m);
	add_step(m, "filesystems", NULL, "Make the file systems");
	add_command(m, "mkfs.vfat", "-F", "32", "-n", "BH-ESP", parts[LAYOUT_ESP].device, NULL);
	add_command(m, "mkfs.ext4", "-q", "-F", "-L", "bh-boot", parts[LAYOUT_BOOT].device, NULL);
	add_command(m, "mkfs.btrfs", "-q", "-f", "-L", "bh-root", p->root_device, NULL);

	add_step(m, "mount", step_mount, "Make the subvolumes and mount them");
	m->step->again = step_mount_again;
	m->step->opens_record = true;
	add_call(m, "BTRFS_IOC_SUBVOL_CREATE @, @snapshots, @qubes");
	add_call(m, "mount @ on %s, @snapshots on .snapshots, @qubes on var/lib/qubes", p->places.target);
	add_call(m, "mount %s on boot, %s on boot/efi", parts[LAYOUT_BOOT].device, parts[LAYOUT_ESP].device);
}

static void add_boot_loaders(struct maker *m, const char *target, const char *boot)
{
	const struct plan *p = m->plan;

	add_step(m, "boot-loader-bios", NULL, "Install GRUB for machines that start with BIOS");
	add_command(m, "grub-install", "--target=i386-pc", boot, "--no-floppy", p->disk->device, NULL);
	add_step(m, "boot-loader-uefi", NULL, "Install GRUB for machines that start with UEFI");
	add_command(m, "grub-install", "--target=x86_64-efi",
		    arena_printf(p->arena, "--efi-directory=%s/boot/efi", target), boot, "--removable", "--no-nvram", NULL);
}

static void add_boot_entry(struct maker *m)
{
	const struct plan *p = m->plan;

	add_step(m, "boot-entry", NULL, "Add an entry to the firmware's boot menu");
	m->step->optional = true;
	add_command(m, "efibootmgr", "--quiet", "--create", "--disk", p->disk->device, "--part",
		    arena_printf(p->arena, "%u", p->layout.parts[LAYOUT_ESP].number), "--label", "Bulkhead", "--loader",
		    "\\EFI\\bulkhead\\grubx64.efi", NULL);
}

static void add_system_steps(struct maker *m)
{
	const struct plan *p = m->plan;
	const char *target = p->places.target;
	const char *boot = arena_printf(p->arena, "--boot-directory=%s/boot", target);

	add_step(m, "copy", step_copy, "Copy the verified system to the disk");
	add_call(m, "copy %s to %s: modes, owners, times, extended attributes, hard links", p->places.source, target);
	add_call(m, "note the SHA-256 of each file in var/lib/bulkhead/root.sha256");
	add_step(m, "compare", step_compare, "Read every file back from the disk and compare its digest");
	add_call(m, "compare with var/lib/bulkhead/root.sha256");
	add_step(m, "configure", step_configure, "Write the configuration of this machine");
	add_call(m, "write etc/{fstab,crypttab,hostname,hosts,machine-id} below %s", target);
	add_call(m, "keyboard layout %s: etc/{bulkhead/keymap,vconsole.conf,default/keyboard}; time zone %s; locale %s",
		 answers_keymap(p->answers), answers_timezone(p->answers), answers_locale(p->answers));
	add_step(m, "user", step_user,
		 arena_printf(p->arena, "Create the user '%s' with sudo, and lock root", p->answers->user));
	add_call(m, "add to etc/{passwd,shadow,group,gshadow} below %s, groups sudo and qubes, yescrypt", target);
	add_call(m, "copy etc/skel to home/%s", p->answers->user);

	add_step(m, "boot-files", step_boot_files, "Copy Xen, the kernel and its initramfs to /boot");
	add_call(m, "copy %s/boot/{xen.gz,vmlinuz,initramfs.img} to %s/boot", p->places.medium, target);
	if (!p->answers->plain)
		add_call(m, "append a cpio archive with etc/crypttab and etc/bulkhead/keymap to %s/boot/initramfs.img", target);
	if (!p->answers->skip_bootloader)
		add_boot_loaders(m, target, boot);
	add_step(m, "boot-menu", step_boot_menu, "Write the boot menu");
	add_call(m, "write %s/boot/grub/grub.cfg with dom0_mem=%" PRIu64 "M", target, p->dom0_memory);
	if (!p->answers->skip_bootloader)
		add_call(m, "copy boot/efi/EFI/BOOT/BOOTX64.EFI to boot/efi/EFI/bulkhead/grubx64.efi below %s", target);
	/* With another EFI partition on the disk the fallback path of ours would never be looked at. */
	if (p->layout.kind == DISK_BESIDE && p->facts->firmware == FIRMWARE_UEFI && !p->answers->skip_bootloader)
		add_boot_entry(m);
}

static void add_qubes(struct maker *m)
{
	static const char socket[] = INSTALL_SOCKET_DIR "/qubesd.sock";
	const struct plan *p = m->plan;
	const char *const *kernels = p->facts->guest_kernels, *const *templates = p->facts->templates;
	size_t last = 0;

	add_step(m, "qubes", step_qubes, "Create the qubes");
	m->step->after = step_qubes_after;
	add_call(m, "start qubesd --root %s --offline --socket-dir " INSTALL_SOCKET_DIR ", and stop it afterwards",
		 p->places.target);
	while (kernels && kernels[last] && kernels[last + 1])
		last++;
	if (kernels)
		add_command(m, "qubes-prefs", "--socket", socket, "default_kernel", kernels[last], NULL);
	if (p->answers->qrexec_timeout)
		add_command(m, "qubes-prefs", "--socket", socket, "default_qrexec_timeout",
			    arena_printf(p->arena, "%" PRIu64, p->answers->qrexec_timeout), NULL);
	for (const char *const *t = templates; t && *t; t++)
		add_command(m, "qvm-create", "--socket", socket, "--class", "TemplateVM", "--label", "black", *t, NULL);
	if (!templates)
		return;
	add_command(m, "qubes-prefs", "--socket", socket, "default_template", templates[0], NULL);
	add_command(m, "qvm-create", "--socket", socket, "--label", "yellow", "personal", NULL);
}

static void add_qubes_steps(struct maker *m)
{
	const struct plan *p = m->plan;

	add_step(m, "guest-kernels", step_guest_kernels, "Copy the kernels of the qubes");
	for (const char *const *k = p->facts->guest_kernels; k && *k; k++)
		add_call(m, "copy %s/guest-kernel/%s to var/lib/qubes/vm-kernels/%s", p->places.medium, *k, *k);
	add_step(m, "templates", step_templates, "Unpack the templates");
	for (const char *const *t = p->facts->templates; t && *t; t++)
		add_call(m, "unpack %s/templates/%s/root.img.zst to var/lib/qubes/vm-templates/%s/root.img, sparse, "
			    "and compare its digest", p->places.medium, *t, *t);
	add_qubes(m);
	add_step(m, "report", step_report, "Leave a report on the disk");
	add_call(m, "write var/log/bulkhead/{report.txt,answers.yaml,facts.yaml,hcl.yaml} below %s", p->places.target);
	add_step(m, "finish", step_finish, "Write everything out and close the disk");
	add_call(m, "syncfs, umount everything below %s, crypt_deactivate(\"%s\")", p->places.target, INSTALL_MAPPING);
}

void plan_add_steps(struct plan *plan)
{
	struct maker m = {.plan = plan};

	plan->steps = arena_alloc(plan->arena, STEPS_MAX * sizeof(*plan->steps));
	add_disk_steps(&m);
	add_system_steps(&m);
	add_qubes_steps(&m);
}
