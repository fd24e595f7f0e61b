#include "installer/answers.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/yaml.h"
#include "common/sys/file.h"
#include "installer/verdict/verdict.h"

enum { ANSWERS_MAX = 256 << 10 };

/* Moves a secret out of the parsed tree, which is ordinary memory. */
static int take_secret(const struct yaml_node *map, const char *key, struct secret *out, struct error *err)
{
	const struct yaml_node *n = yaml_get(map, key);
	const char *text = NULL;
	int r = yaml_string(map, key, &text, err);

	if (r < 0 || !text)
		return r;
	if (!*text)
		return yaml_error(n, err, "'%s' is empty", key);
	r = secret_set(out, text);
	/* The tree's text is in our arena and writable; const only keeps readers from changing it. */
	explicit_bzero((char *)(uintptr_t)text, strlen(text));
	if (r < 0)
		return yaml_error(n, err, "'%s' is longer than %d bytes", key, SECRET_MAX);
	return 0;
}

static int read_disk(const struct yaml_node *root, struct answers *out, struct error *err)
{
	static const char *const keys[] = {"serial", "id", NULL};
	const struct yaml_node *disk = yaml_get(root, "disk");
	const char *serial = NULL, *id = NULL;
	int r;

	if (!disk)
		return 0;
	if ((r = yaml_check_keys(disk, keys, err)) < 0 || (r = yaml_string(disk, "serial", &serial, err)) < 0 ||
	    (r = yaml_string(disk, "id", &id, err)) < 0)
		return r;
	if (!serial == !id)
		return yaml_error(disk, err, "'disk' must be chosen by either 'serial' or 'id'");
	out->disk = serial ? DISK_BY_SERIAL : DISK_BY_ID;
	out->disk_value = serial ? serial : id;
	out->disk_line = disk->line;
	if (!*out->disk_value)
		return yaml_error(disk, err, "'%s' is empty", serial ? "serial" : "id");
	return 0;
}

/* The rule of useradd(8), and names that dom0 needs for itself. */
static int check_user(const struct yaml_node *node, const char *name, struct error *err)
{
	static const char *const reserved[] = {"root", "qubes", "user", "nobody", NULL};
	size_t n = strlen(name);

	if (!n || n > 32 || n != strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") ||
	    !strchr("abcdefghijklmnopqrstuvwxyz_", name[0]))
		return yaml_error(node, err,
				  "user name '%s' is not 1 to 32 lower-case letters, digits, '_' or '-', a letter first",
				  name);
	for (const char *const *r = reserved; *r; r++)
		if (!strcmp(name, *r))
			return yaml_error(node, err, "user name '%s' is reserved", name);
	return 0;
}

static int read_user(const struct yaml_node *root, struct answers *out, struct error *err)
{
	static const char *const keys[] = {"name", "password", NULL};
	const struct yaml_node *user = yaml_get(root, "user");
	int r;

	if (!user)
		return 0;
	if ((r = yaml_check_keys(user, keys, err)) < 0 || (r = yaml_string(user, "name", &out->user, err)) < 0 ||
	    (r = take_secret(user, "password", &out->password, err)) < 0)
		return r;
	return out->user ? check_user(yaml_get(user, "name"), out->user, err) : 0;
}

static int read_after(const struct yaml_node *root, struct answers *out, struct error *err)
{
	static const char *const words[] = {[AFTER_POWEROFF] = "poweroff", [AFTER_REBOOT] = "reboot",
					    [AFTER_STAY] = "stay"};
	const char *after = words[AFTER_POWEROFF];
	int r = yaml_string(root, "after", &after, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(after, words[i])) {
			out->after = (enum answers_after)i;
			return 0;
		}
	return yaml_error(yaml_get(root, "after"), err, "'after' must be poweroff, reboot or stay");
}

static int read_accepted(const struct yaml_node *root, struct answers *out, struct error *err)
{
	const struct yaml_node *list = yaml_get(root, "accept-missing");
	int r = yaml_strings(out->arena, root, "accept-missing", &out->accept_missing, err);

	for (const struct yaml_node *n = r == 0 && list ? list->first : NULL; n; n = n->next) {
		bool known = false;

		for (size_t i = 0; i < FEATURES; i++)
			known |= !strcmp(n->text, verdict_feature_key((enum verdict_feature)i));
		if (!known)
			return yaml_error(n, err, "'%s' is not one of hvm, slat, iommu, remap", n->text);
	}
	return r;
}

static int read_answers(const struct yaml_node *root, struct answers *out, struct error *err)
{
	static const char *const keys[] = {"unattended", "disk", "passphrase", "user", "insecure-test",
					   "dom0-memory", "default-qrexec-timeout", "after", "accept-missing", NULL};
	const struct yaml_node *memory = yaml_get(root, "dom0-memory");
	int r;

	/* First, so that a mistake elsewhere in the file does not leave secrets behind. */
	if ((r = take_secret(root, "passphrase", &out->passphrase, err)) < 0 || (r = read_user(root, out, err)) < 0)
		return r;
	if ((r = yaml_check_keys(root, keys, err)) < 0 ||
	    (r = yaml_bool(root, "unattended", &out->unattended, err)) < 0 || (r = read_disk(root, out, err)) < 0 ||
	    (r = yaml_bool(root, "insecure-test", &out->insecure_test, err)) < 0 ||
	    (r = yaml_u64(root, "dom0-memory", 1 << 20, &out->dom0_memory, err)) < 0 ||
	    (r = yaml_u64(root, "default-qrexec-timeout", 86400, &out->qrexec_timeout, err)) < 0)
		return r;
	if (memory && out->dom0_memory < 768)
		return yaml_error(memory, err, "'dom0-memory' must be at least 768 (MiB)");
	r = read_accepted(root, out, err);
	return r < 0 ? r : read_after(root, out, err);
}

int answers_load(const char *path, struct answers *out, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	struct yaml_node *root;
	int r;

	*out = (struct answers){.arena = arena_new()};
	/* One block from the start: growing would leave copies of the beginning behind. */
	strbuf_reserve(&text, ANSWERS_MAX + 1);
	r = read_file(AT_FDCWD, path, ANSWERS_MAX, &text);
	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	out->file = arena_strdup(out->arena, path);
	r = yaml_load_text(out->arena, path, strbuf_blob(&text), &root, err);
	explicit_bzero(text.p, text.n);
	if (r == 0)
		r = read_answers(root, out, err);
	return r;
}

int answers_complete(const struct answers *a, struct error *err)
{
	const struct {
		bool given;
		const char *key;
	} needed[] = {{a->disk != DISK_UNSET, "disk"}, {a->passphrase.p, "passphrase"}, {a->user, "user: name"},
		      {a->password.p, "user: password"}};

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (!needed[i].given)
			return error_set(err, -EINVAL, a->file, "add it; see docs/unattended.md",
					 "the answer '%s' is missing", needed[i].key);
	return 0;
}

void answers_free(struct answers *answers)
{
	secret_wipe(&answers->passphrase);
	secret_wipe(&answers->password);
	arena_free(answers->arena);
	*answers = (struct answers){0};
}
