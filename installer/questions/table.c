/* The rows. What a row keeps and refuses stands right before the table, in its order. */
#include "installer/questions/questions.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/alloc.h"

static bool always(const struct answers *a)
{
	(void)a;
	return true;
}

static bool is_yes(const char *text)
{
	return !strcmp(text, "yes");
}

static bool put(struct strbuf *out, const char *text)
{
	if (text)
		strbuf_add_str(out, text);
	return text != NULL;
}

static bool put_yes(struct strbuf *out, bool yes)
{
	return put(out, yes ? "yes" : NULL);
}

static bool put_number(struct strbuf *out, uint64_t value)
{
	if (value)
		strbuf_printf(out, "%" PRIu64, value);
	return value != 0;
}

static int set_unattended(struct answers *a, const char *text, char **why)
{
	(void)why;
	a->unattended = is_yes(text);
	return 0;
}

static bool get_unattended(const struct answers *a, struct strbuf *out)
{
	return put_yes(out, a->unattended);
}

static int set_disk(struct answers *a, enum disk_choice choice, const char *text, char **why)
{
	if (!*text) {
		*why = xstrdup("is empty");
		return EINVAL;
	}
	a->disk = choice;
	a->disk_value = arena_strdup(a->arena, text);
	return 0;
}

static int set_serial(struct answers *a, const char *text, char **why)
{
	return set_disk(a, DISK_BY_SERIAL, text, why);
}

static int set_id(struct answers *a, const char *text, char **why)
{
	return set_disk(a, DISK_BY_ID, text, why);
}

static int set_rule(struct answers *a, const char *text, char **why)
{
	return set_disk(a, DISK_BY_RULE, text, why);
}

static bool get_disk(const struct answers *a, struct strbuf *out, enum disk_choice choice)
{
	return put(out, a->disk == choice ? a->disk_value : NULL);
}

static bool get_serial(const struct answers *a, struct strbuf *out)
{
	return get_disk(a, out, DISK_BY_SERIAL);
}

static bool get_id(const struct answers *a, struct strbuf *out)
{
	return get_disk(a, out, DISK_BY_ID);
}

static bool get_rule(const struct answers *a, struct strbuf *out)
{
	return get_disk(a, out, DISK_BY_RULE);
}

static int set_layout(struct answers *a, const char *text, char **why)
{
	(void)why;
	a->layout = strcmp(text, "whole-disk") ? DISK_BESIDE : DISK_WHOLE;
	return 0;
}

static bool get_layout(const struct answers *a, struct strbuf *out)
{
	return put(out, a->layout == DISK_BESIDE ? "beside" : "whole-disk");
}

static int set_erase(struct answers *a, const char *text, char **why)
{
	(void)why;
	a->erase = arena_strdup(a->arena, text);
	return 0;
}

static bool get_erase(const struct answers *a, struct strbuf *out)
{
	return put(out, a->erase);
}

/* Serial and id name the disk themselves; a rule or a row of a menu does not. */
static bool needs_erase(const struct answers *a)
{
	return a->layout == DISK_WHOLE && (a->disk == DISK_BY_RULE || a->disk == DISK_BY_NAME);
}

static int set_no_encryption(struct answers *a, const char *text, char **why)
{
	if (strcmp(text, ANSWERS_NO_ENCRYPTION)) {
		*why = xstrdup("must be, word for word: " ANSWERS_NO_ENCRYPTION);
		return EINVAL;
	}
	a->plain = true;
	return 0;
}

static bool get_no_encryption(const struct answers *a, struct strbuf *out)
{
	return put(out, a->plain ? ANSWERS_NO_ENCRYPTION : NULL);
}

static int set_secret(struct secret *s, const char *text, char **why)
{
	if (!*text) {
		*why = xstrdup("is empty");
		return EINVAL;
	}
	if (secret_set(s, text) < 0) {
		*why = xasprintf("is longer than %d bytes", SECRET_MAX);
		return EINVAL;
	}
	return 0;
}

static int set_passphrase(struct answers *a, const char *text, char **why)
{
	return set_secret(&a->passphrase, text, why);
}

static bool needs_passphrase(const struct answers *a)
{
	return !a->plain;
}

static const char *const no_yes[] = {"no", "yes", NULL};

static int set_recovery(struct answers *a, const char *text, char **why)
{
	(void)why;
	a->recovery = is_yes(text);
	return 0;
}

static bool get_recovery(const struct answers *a, struct strbuf *out)
{
	return put(out, no_yes[a->recovery]);
}

static int set_recovery_key(struct answers *a, const char *text, char **why)
{
	return set_secret(&a->recovery_key, text, why);
}

static bool needs_recovery_key(const struct answers *a)
{
	return a->recovery && !a->plain;
}

/* Names of files in folders of the system: nothing that leads elsewhere. */
static int set_name(struct arena *arena, const char **out, const char *text, char **why)
{
	size_t n = strlen(text);

	if (!n || n > 64 || !(*text >= 'A' && *text <= 'z') || strstr(text, "..") ||
	    n != strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-./@")) {
		*why = xstrdup("is no name of one");
		return EINVAL;
	}
	*out = arena_strdup(arena, text);
	return 0;
}

static int set_keymap(struct answers *a, const char *text, char **why)
{
	return set_name(a->arena, &a->keymap, text, why);
}

static bool get_keymap(const struct answers *a, struct strbuf *out)
{
	return put(out, a->keymap);
}

static int set_locale(struct answers *a, const char *text, char **why)
{
	return set_name(a->arena, &a->locale, text, why);
}

static bool get_locale(const struct answers *a, struct strbuf *out)
{
	return put(out, a->locale);
}

static int set_timezone(struct answers *a, const char *text, char **why)
{
	return set_name(a->arena, &a->timezone, text, why);
}

static bool get_timezone(const struct answers *a, struct strbuf *out)
{
	return put(out, a->timezone);
}

/* The rule of useradd(8), and names that dom0 needs for itself. */
static int set_user(struct answers *a, const char *name, char **why)
{
	static const char *const reserved[] = {"root", "qubes", "user", "nobody", NULL};
	size_t n = strlen(name);

	if (!n || n > 32 || n != strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") ||
	    !strchr("abcdefghijklmnopqrstuvwxyz_", name[0])) {
		*why = xstrdup("is not 1 to 32 lower-case letters, digits, '_' or '-', a letter first");
		return EINVAL;
	}
	for (const char *const *r = reserved; *r; r++)
		if (!strcmp(name, *r)) {
			*why = xstrdup("is reserved");
			return EINVAL;
		}
	a->user = arena_strdup(a->arena, name);
	return 0;
}

static bool get_user(const struct answers *a, struct strbuf *out)
{
	return put(out, a->user);
}

static int set_password(struct answers *a, const char *text, char **why)
{
	return set_secret(&a->password, text, why);
}

/* A word more in a list; "" adds none, and makes an empty list of no list. */
static int add_word(struct arena *arena, const char *const **list, const char *text)
{
	const char **longer;
	size_t n = 0;

	while (*list && (*list)[n])
		n++;
	longer = arena_alloc(arena, (n + 2) * sizeof(*longer));
	for (size_t i = 0; i < n; i++)
		longer[i] = (*list)[i];
	if (*text)
		longer[n] = arena_strdup(arena, text);
	*list = longer;
	return 0;
}

static bool put_words(struct strbuf *out, const char *const *list)
{
	strbuf_add_str(out, "");
	for (const char *const *w = list; w && *w; w++)
		strbuf_printf(out, "%s%s", w == list ? "" : ", ", *w);
	return list != NULL;
}

static int set_accept(struct answers *a, const char *text, char **why)
{
	(void)why;
	return add_word(a->arena, &a->accept_missing, text);
}

static bool get_accept(const struct answers *a, struct strbuf *out)
{
	return put_words(out, a->accept_missing);
}

static int set_templates(struct answers *a, const char *text, char **why)
{
	(void)why;
	return add_word(a->arena, &a->templates, text);
}

static bool get_templates(const struct answers *a, struct strbuf *out)
{
	return put_words(out, a->templates);
}

static int set_qubes(struct answers *a, const char *text, char **why)
{
	(void)why;
	return add_word(a->arena, &a->qubes, text);
}

static bool get_qubes(const struct answers *a, struct strbuf *out)
{
	return put_words(out, a->qubes);
}

static int set_autostart(struct answers *a, const char *text, char **why)
{
	(void)why;
	a->autostart = is_yes(text);
	return 0;
}

static bool get_autostart(const struct answers *a, struct strbuf *out)
{
	return put(out, a->autostart ? NULL : "no");
}

static int set_disposable(struct answers *a, const char *text, char **why)
{
	(void)why;
	return add_word(a->arena, &a->disposable, text);
}

static bool get_disposable(const struct answers *a, struct strbuf *out)
{
	return put_words(out, a->disposable);
}

static int set_usb_with_net(struct answers *a, const char *text, char **why)
{
	(void)why;
	a->usb_with_net = is_yes(text);
	return 0;
}

static bool get_usb_with_net(const struct answers *a, struct strbuf *out)
{
	return put_yes(out, a->usb_with_net);
}

static int set_usb_keyboard(struct answers *a, const char *text, char **why)
{
	(void)why;
	a->usb_keyboard = is_yes(text);
	return 0;
}

static bool get_usb_keyboard(const struct answers *a, struct strbuf *out)
{
	return put_yes(out, a->usb_keyboard);
}

static int set_usb_mouse(struct answers *a, const char *text, char **why)
{
	(void)why;
	a->usb_mouse = is_yes(text);
	return 0;
}

static bool get_usb_mouse(const struct answers *a, struct strbuf *out)
{
	return put_yes(out, a->usb_mouse);
}

static int set_skip_bootloader(struct answers *a, const char *text, char **why)
{
	(void)why;
	a->skip_bootloader = is_yes(text);
	return 0;
}

static bool get_skip_bootloader(const struct answers *a, struct strbuf *out)
{
	return put_yes(out, a->skip_bootloader);
}

static int set_memory(struct answers *a, const char *text, char **why)
{
	(void)why;
	blob_to_u64(blob_of(text), UINT64_MAX, &a->dom0_memory);
	return 0;
}

static bool get_memory(const struct answers *a, struct strbuf *out)
{
	return put_number(out, a->dom0_memory);
}

static int set_timeout(struct answers *a, const char *text, char **why)
{
	(void)why;
	blob_to_u64(blob_of(text), UINT64_MAX, &a->qrexec_timeout);
	return 0;
}

static bool get_timeout(const struct answers *a, struct strbuf *out)
{
	return put_number(out, a->qrexec_timeout);
}

static int set_report_stick(struct answers *a, const char *text, char **why)
{
	(void)why;
	a->report_stick = is_yes(text);
	return 0;
}

static bool get_report_stick(const struct answers *a, struct strbuf *out)
{
	return put_yes(out, a->report_stick);
}

static const char *const after_words[] = {
	[AFTER_POWEROFF] = "poweroff", [AFTER_REBOOT] = "reboot", [AFTER_STAY] = "stay", [AFTER_EJECT] = "eject", NULL};

static int set_after(struct answers *a, const char *text, char **why)
{
	(void)why;
	for (size_t i = 0; after_words[i]; i++)
		if (!strcmp(text, after_words[i]))
			a->after = (enum answers_after)i;
	return 0;
}

static bool get_after(const struct answers *a, struct strbuf *out)
{
	return put(out, after_words[a->after]);
}

static int set_insecure(struct answers *a, const char *text, char **why)
{
	(void)why;
	a->insecure_test = is_yes(text);
	return 0;
}

static bool get_insecure(const struct answers *a, struct strbuf *out)
{
	return put_yes(out, a->insecure_test);
}

static const char *const rules[] = {"only", "largest", "smallest", NULL};
static const char *const layouts[] = {"whole-disk", "beside", NULL};
static const char *const layout_texts[] = {"the whole disk; everything on it is lost",
					   "the free space; what is on the disk stays", NULL};
static const char *const features[] = {"hvm", "slat", "iommu", "remap", NULL};
static const char *const qubes[] = {"sys-net", "sys-firewall", "sys-usb", "personal", "work", "untrusted", "vault", NULL};
static const char *const service_qubes[] = {"sys-net", "sys-firewall", "sys-usb", NULL};
static const char *const after_texts[] = {"switch off", "restart", "stay in the live system",
					  "eject the disc and restart; a stick has to be removed", NULL};

static const struct question table[] = {
	{.key = "accept-missing", .kind = QUESTION_WORDS, .words = features, .set = set_accept, .get = get_accept,
	 .value = "a list of `hvm`, `slat`, `iommu`, `remap`",
	 .explain = "Features of the machine that may be missing (`bulkhead-installer verdict`). Without them qubes are "
		    "confined worse, or not at all; one that is missing and not named here stops the installation."},
	{.key = "keymap", .kind = QUESTION_TEXT, .set = set_keymap, .get = get_keymap, .standard = "us",
	 .title = "Keyboard layout", .prompt = "Keyboard layout (us, de, fr, uk, cz-lat2, ...):", .value = "name of a console keymap, default `us`",
	 .help = "Used from now on, for the passphrase at every start, and at dom0's console. Names are those of loadkeys, for "
		 "instance de-latin1-nodeadkeys, fr-latin9, dvorak.",
	 .explain = "Used from now on, for the passphrase at every start, and at dom0's console. Names are those of "
		    "loadkeys, for instance `de-latin1-nodeadkeys`, `fr-latin9`, `dvorak`."},
	{.key = "disk.serial", .kind = QUESTION_TEXT, .set = set_serial, .get = get_serial,
	 .title = "Disk", .prompt = "Which disk should Bulkhead be installed on?",
	 .value = "text, as `bulkhead-installer facts` shows it",
	 .help = "Each with its size, how it is connected, its model and serial number, as printed on its label. The medium "
		 "and read-only disks are not listed. Nothing is written before you confirm the plan at the end.",
	 .explain = "The disk with this serial number. Of `serial`, `id` and `rule` exactly one is given, and it must "
		    "match exactly one disk; the medium, disks in use and read-only disks are never taken.",
	 .needed = always},
	{.key = "disk.id", .kind = QUESTION_TEXT, .set = set_id, .get = get_id, .value = "text",
	 .explain = "The disk with this world-wide id."},
	{.key = "disk.rule", .kind = QUESTION_WORD, .words = rules, .set = set_rule, .get = get_rule,
	 .value = "`only`, `largest` or `smallest`",
	 .explain = "Among the built-in disks that are large enough: the only one, or the one that is larger or smaller "
		    "than all others. Two of the same size are an error."},
	{.key = "layout", .kind = QUESTION_WORD, .words = layouts, .word_texts = layout_texts, .standard = "whole-disk",
	 .title = "Room on the disk", .prompt = "How much of the disk should be used?", .set = set_layout, .get = get_layout,
	 .value = "`whole-disk` (default) or `beside`",
	 .help = "The free space: all partitions are kept, and the largest gap of a GPT disk is used. An EFI system partition "
		 "of another system is left alone: ours is made beside it.",
	 .explain = "`beside` keeps all partitions and uses the largest free space of a GPT disk. An EFI system "
		    "partition of another system is left alone: ours is made beside it."},
	{.key = "erase", .kind = QUESTION_TEXT, .set = set_erase, .get = get_erase, .needed = needs_erase,
	 .title = "Erase the disk", .prompt = "Everything on this disk will be lost. Type its name to go on:",
	 .value = "serial, id or name of the disk",
	 .help = "The name, serial number or id of the disk. A yes is never enough: it is typed too easily. Still nothing is "
		 "written before you confirm the plan.",
	 .explain = "Names the disk that may be erased. A yes is never enough: it is typed too easily. Needed with a rule; "
		    "with `serial` or `id` the disk is named already."},
	{.key = "no-encryption", .kind = QUESTION_TEXT, .set = set_no_encryption, .get = get_no_encryption,
	 .value = "the sentence \"" ANSWERS_NO_ENCRYPTION "\"",
	 .explain = "Leaves the disk unencrypted. Only for machines on which nothing is worth protecting."},
	{.key = "passphrase", .kind = QUESTION_SECRET, .set = set_passphrase, .needed = needs_passphrase,
	 .title = "Passphrase of the disk", .prompt = "Passphrase of the disk:", .value = "text, up to 512 bytes",
	 .help = "Unlocks the disk at every start. It cannot be recovered: without it everything on the disk is lost. Five or "
		 "six random words are strong and can be remembered. It is typed with the keyboard layout chosen before, at "
		 "the start too.",
	 .explain = "Unlocks the disk at every start. It cannot be recovered: without it everything on the disk is lost. "
		    "Five or six random words are strong and can be remembered. It is typed with the layout chosen "
		    "in `keymap`, at the start too."},
	{.key = "recovery", .kind = QUESTION_WORD, .words = no_yes, .set = set_recovery, .get = get_recovery,
	 .needed = needs_passphrase, .optional = true, .title = "Recovery key", .prompt = "Make a recovery key, to be kept on paper?", .standard = "no",
	 .value = "`yes` or `no` (default)",
	 .explain = "A second, long key that opens the disk as well, for the day the passphrase is forgotten. It has to be "
		    "typed once, so that it was certainly written down. Whoever finds the paper can open the disk."},
	{.key = "recovery-key", .kind = QUESTION_SECRET, .set = set_recovery_key, .needed = needs_recovery_key,
	 .title = "Recovery key", .prompt = "Write this key down:", .value = "text, up to 512 bytes",
	 .help = "Made at random, of letters that lie on the same keys in nearly all layouts. It has to be typed back on the "
		 "next screen, so that it is certainly on paper.",
	 .explain = "In the dialogue the key is made at random and must be typed back. An answer file with `recovery: yes` "
		    "brings its own."},
	{.key = "user.name", .kind = QUESTION_TEXT, .set = set_user, .get = get_user, .needed = always,
	 .title = "User", .prompt = "Name of the user in dom0:",
	 .value = "lower-case letters, digits, `_`, `-`, up to 32, a letter or `_` first; not `root`, `qubes`, `user` or `nobody`",
	 .help = "The person who sits at the machine: 1 to 32 lower-case letters, digits, '_' or '-', a letter or '_' first; not root, qubes, user or nobody. May do "
		 "everything with sudo; root cannot log in.",
	 .explain = "The person who sits at the machine. In the groups `sudo` and `qubes`; root is locked."},
	{.key = "user.password", .kind = QUESTION_SECRET, .set = set_password, .needed = always,
	 .title = "Password", .prompt = "Password of this user:", .value = "text, up to 512 bytes",
	 .explain = "For logging in and unlocking the screen. It does not protect the disk; the passphrase does."},
	{.key = "timezone", .kind = QUESTION_TEXT, .set = set_timezone, .get = get_timezone, .standard = "UTC",
	 .title = "Time zone", .prompt = "Time zone (Europe/Paris, America/New_York, ...):", .value = "name of a time zone, default `UTC`",
	 .explain = "Of dom0's clock, and what qubes are told. The machine's own clock keeps UTC."},
	{.key = "locale", .kind = QUESTION_TEXT, .set = set_locale, .get = get_locale,
	 .value = "name of a locale, default `C.UTF-8`",
	 .explain = "Language of dom0's messages, as far as the medium has it; a locale it lacks is refused."},
	{.key = "dom0-memory", .kind = QUESTION_NUMBER, .set = set_memory, .get = get_memory, .minimum = 768,
	 .maximum = 1 << 20, .value = "MiB, at least 768; default a quarter of the memory, 1024 to 4096",
	 .explain = "Memory of the installed dom0. Unlocking happens with it: argon2id uses at most 512 MiB and at most a "
		    "quarter of it."},
	{.key = "default-qrexec-timeout", .kind = QUESTION_NUMBER, .set = set_timeout, .get = get_timeout, .minimum = 1,
	 .maximum = 86400, .value = "seconds", .explain = "How long a qube may take to start; for slow machines."},
	{.key = "templates", .kind = QUESTION_WORDS, .set = set_templates, .get = get_templates,
	 .value = "a list of templates on the medium; default all",
	 .explain = "The templates to unpack. The first one is the default template, from which the qubes are made."},
	{.key = "qubes", .kind = QUESTION_WORDS, .words = qubes, .set = set_qubes, .get = get_qubes,
	 .value = "a list of `sys-net`, `sys-firewall`, `sys-usb`, `personal`, `work`, `untrusted`, `vault`; default all",
	 .explain = "The qubes to begin with; what one of them needs is made with it, and templates are always there. `[]` "
		    "makes none. By default sys-usb is left out when the disk or the only keyboard is on USB."},
	{.key = "autostart", .kind = QUESTION_YESNO, .set = set_autostart, .get = get_autostart,
	 .value = "`yes` (default) or `no`",
	 .explain = "Whether sys-net, sys-firewall and sys-usb start with the machine."},
	{.key = "disposable", .kind = QUESTION_WORDS, .words = service_qubes, .set = set_disposable, .get = get_disposable,
	 .value = "a list of `sys-net`, `sys-firewall`, `sys-usb`; default none",
	 .explain = "These are disposables: each start begins with a clean qube, and what was set up in them, such as the "
		    "password of a wireless network, is forgotten."},
	{.key = "usb-with-net", .kind = QUESTION_YESNO, .set = set_usb_with_net, .get = get_usb_with_net,
	 .value = "`yes` or `no` (default)",
	 .explain = "sys-net gets the USB controllers, too, where a sys-usb would have them: for network cards on USB, and to save memory. "
		    "Whoever takes over either takes over both."},
	{.key = "usb-keyboard", .kind = QUESTION_YESNO, .set = set_usb_keyboard, .get = get_usb_keyboard,
	 .value = "`yes` or `no` (default)",
	 .explain = "The policy lets a keyboard behind sys-usb type into dom0. Nothing brings its keys there yet: a keyboard is "
		    "lost to dom0 as soon as sys-usb starts. Whoever takes sys-usb over could type into dom0."},
	{.key = "usb-mouse", .kind = QUESTION_YESNO, .set = set_usb_mouse, .get = get_usb_mouse,
	 .value = "`yes` or `no` (default)",
	 .explain = "The same for a mouse, without asking each time it is plugged in."},
	{.key = "skip-bootloader", .kind = QUESTION_YESNO, .set = set_skip_bootloader, .get = get_skip_bootloader,
	 .value = "`yes` or `no` (default)",
	 .explain = "Installs no GRUB, only its menu: for coreboot and other firmware that starts systems itself."},
	{.key = "report-stick", .kind = QUESTION_WORD, .words = no_yes, .set = set_report_stick, .get = get_report_stick,
	 .title = "Report", .prompt = "Save the report on a stick, too?", .standard = "no", .value = "`yes` or `no` (default)",
	 .help = "What was done, versions, and the answers without the secrets. It stays on the disk in any case. On a stick it "
		 "goes to the volume labelled BULKHEADLOG, or else to the only FAT or ext4 volume on a USB disk. Without one "
		 "the installation is complete all the same.",
	 .explain = "The report stays on the disk in any case. It goes to the volume labelled `BULKHEADLOG`, or else to the "
		    "only FAT or ext4 volume on a USB disk. Without one the installation is complete all the same."},
	{.key = "after", .kind = QUESTION_WORD, .words = after_words, .word_texts = after_texts, .set = set_after,
	 .get = get_after, .title = "Afterwards", .prompt = "What should happen when the installation is done?", .standard = "poweroff",
	 .value = "`poweroff` (default), `reboot`, `eject` or `stay`",
	 .explain = "`eject` opens the tray of the disc that was installed from, and restarts. A stick has to be removed by hand "
		    "before the next start."},
	{.key = "unattended", .kind = QUESTION_YESNO, .set = set_unattended, .get = get_unattended,
	 .value = "`yes` or `no` (default)",
	 .explain = "Nothing is asked: a needed answer that is missing stops the installation. Without it nothing begins by "
		    "itself; `bulkhead-installer run` at a console takes the answers that are given and asks for the rest."},
	{.key = "insecure-test", .kind = QUESTION_YESNO, .set = set_insecure, .get = get_insecure,
	 .value = "`yes` or `no` (default)",
	 .explain = "32 MiB of argon2id with few iterations. For tests in emulation only: such a disk protects nothing."},
	{.key = NULL},
};

const struct question *questions(void)
{
	return table;
}
