#include "installer/config.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/alloc.h"

void config_fstab(const struct install *in, struct strbuf *out)
{
	static const struct {
		const char *subvolume, *point;
	} volumes[] = {{"@", "/"}, {"@snapshots", "/.snapshots"}, {"@qubes", "/var/lib/qubes"}};

	strbuf_add_str(out, "# fstab(5), written by bulkhead-installer\n");
	for (size_t i = 0; i < sizeof(volumes) / sizeof(*volumes); i++)
		strbuf_printf(out, "UUID=%s %s btrfs subvol=%s,noatime 0 0\n", in->uuid.root, volumes[i].point,
			      volumes[i].subvolume);
	strbuf_printf(out, "UUID=%s /boot ext4 noatime 0 2\n", in->uuid.boot);
	/* Only firmware reads it. Without nofail a broken one would end each start in an emergency shell, and root is locked. */
	strbuf_printf(out, "UUID=%s /boot/efi vfat umask=0077,nofail 0 2\n", in->uuid.esp);
}

void config_crypttab(const struct install *in, struct strbuf *out)
{
	strbuf_add_str(out, "# crypttab(5), written by bulkhead-installer\n");
	if (in->uuid.luks[0])
		strbuf_printf(out, "luks-%s UUID=%s none luks,discard\n", in->uuid.luks, in->uuid.luks);
}

static bool is_name(struct blob b)
{
	for (size_t i = 0; i < b.n; i++)
		if (!(b.p[i] >= 'A' && b.p[i] <= 'Z') && !(b.p[i] >= '0' && b.p[i] <= '9') && b.p[i] != '_')
			return false;
	return b.n > 0;
}

int config_grub(const struct install *in, const char *name, struct blob text, struct strbuf *out, struct error *err)
{
	_cleanup_free_ char *memory = xasprintf("%" PRIu64, in->plan->dom0_memory);
	const char *luks = in->uuid.luks;
	_cleanup_free_ char *root = *luks ? xasprintf("/dev/mapper/luks-%s", luks) : xasprintf("UUID=%s", in->uuid.root);
	_cleanup_free_ char *unlock = *luks ? xasprintf("rd.luks.uuid=%s rd.luks.options=%s=tries=0,discard", luks, luks)
					    : xstrdup("rd.luks=0");
	const struct {
		const char *name, *value;
	} words[] = {{"ROOT", root}, {"UNLOCK", unlock}, {"BOOT_UUID", in->uuid.boot}, {"DOM0_MEM", memory}};
	unsigned line = 1;

	while (text.n) {
		const char *end = text.p[0] == '@' ? memchr(text.p + 1, '@', text.n - 1) : NULL;
		struct blob word = {text.p + 1, end ? (size_t)(end - text.p - 1) : 0};
		const char *value = NULL;

		if (!end || !is_name(word)) {
			line += text.p[0] == '\n';
			strbuf_add_char(out, text.p[0]);
			text = (struct blob){text.p + 1, text.n - 1};
			continue;
		}
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (blob_eq_str(word, words[i].name))
				value = words[i].value;
		if (!value)
			return error_set(err, -EINVAL, name, NULL, "line %u: unknown word @%.*s@", line,
					 BLOB_ARG(word));
		strbuf_add_str(out, value);
		text = (struct blob){end + 1, text.n - word.n - 2};
	}
	return 0;
}
