/* qvm-volume. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qvm/qvm.h"

static const char *pool, *size_option;
static struct strv excluded;
static bool all, full, as_json, no_resize, force;

/* VM:VOLUME, cut in two; the volume is NULL when it is not of that form. */
struct place {
	char *vm, *volume;
};

static void place_free(struct place *p)
{
	free(p->vm);
}

#define _cleanup_place_ _cleanup_(place_free)

static struct place place_of(const char *text)
{
	struct place p = {.vm = xstrdup(text)};
	char *colon = strrchr(p.vm, ':');

	if (colon && colon[1]) {
		*colon = 0;
		p.volume = colon + 1;
	}
	return p;
}

static int list_vm(const char *vm, const char *volume, struct qvm_table *t)
{
	_cleanup_strbuf_ struct strbuf names = {0};
	int r = qvm_call(vm, "admin.vm.volume.List", NULL, NULL, &names);
	struct blob rest = strbuf_blob(&names), one;

	while (!r && blob_token(&rest, '\n', &one)) {
		_cleanup_free_ char *name = blob_dup(one), *in = NULL, *vid = NULL, *at = NULL;
		_cleanup_strbuf_ struct strbuf info = {0}, revisions = {0};

		if (volume && strcmp(volume, name) != 0)
			continue;
		r = qvm_call(vm, "admin.vm.volume.Info", name, NULL, &info);
		if (r || !(in = qvm_info_value(&info, "pool")) || (pool && strcmp(pool, in) != 0))
			continue;
		vid = qvm_info_value(&info, "vid");
		r = qvm_call(vm, "admin.vm.volume.ListSnapshots", name, NULL, &revisions);
		if (!vid || (!*vid && !full))
			continue;
		at = xasprintf("%s:%s", in, vid);
		qvm_table_add(t, at);
		qvm_table_add(t, vm);
		qvm_table_add(t, name);
		qvm_table_add(t, revisions.n ? "Yes" : "No");
	}
	return r;
}

static int do_list(const struct strv *operands)
{
	static const char *const head[] = {"pool:volume", "vmname", "volume_name",
					   "revert_possible", NULL};
	_cleanup_table_ struct qvm_table t = {.head = head};
	_cleanup_list_ struct qvm_list list = {0};
	_cleanup_strv_ struct strv names = {0};
	int r = 0;

	if (all || !operands->n) {
		r = qvm_list_read(&list);
		if (!r && qvm_select(&list, operands, true, &excluded, &names))
			r = QVM_FAILED;
	}
	for (size_t i = 0; !r && i < operands->n; i++) {
		_cleanup_place_ struct place p = place_of(operands->v[i]);

		r = list_vm(p.vm, p.volume, &t);
	}
	for (size_t i = 0; !r && i < names.n; i++)
		r = list_vm(names.v[i], NULL, &t);
	if (!r)
		qvm_table_print(&t, as_json, true);
	return r;
}

/* Two that are asked for like the others are no line of the answer, or not always one. */
static int info_one(const struct place *p, const struct strbuf *info, const char *key)
{
	_cleanup_free_ char *value = qvm_info_value(info, key);
	_cleanup_strbuf_ struct strbuf revisions = {0};
	int r;

	if (!strcmp(key, "revisions")) {
		r = qvm_call(p->vm, "admin.vm.volume.ListSnapshots", p->volume, NULL, &revisions);
		printf("%s", revisions.n ? revisions.p : "");
		return r;
	}
	if (!value && !strcmp(key, "is_outdated")) /* told of a snapshot that is in use */
		value = xstrdup("False");
	if (value)
		printf("%s\n", value);
	else
		fprintf(stderr, "qvm-volume: %s:%s: has no %s\n", p->vm, p->volume, key);
	return value ? 0 : QVM_FAILED;
}

static int do_info(const struct place *p, const struct strv *operands)
{
	static const char *const head[] = {"property", "value", NULL};
	_cleanup_table_ struct qvm_table t = {.head = head};
	_cleanup_strbuf_ struct strbuf info = {0}, revisions = {0};
	int r = qvm_call(p->vm, "admin.vm.volume.Info", p->volume, NULL, &info);

	if (r)
		return r;
	if (operands->n > 2)
		return info_one(p, &info, operands->v[2]);
	qvm_table_add_info(&t, &info);
	qvm_table_print(&t, as_json, false);
	r = qvm_call(p->vm, "admin.vm.volume.ListSnapshots", p->volume, NULL, &revisions);
	if (!as_json && !r)
		printf("Available revisions (for revert):%s\n%s", revisions.n ? "" : " none",
		       revisions.n ? revisions.p : "");
	return r;
}

static int do_config(const struct place *p, const struct strv *operands)
{
	_cleanup_free_ char *method = NULL;

	if (operands->n != 4)
		return QVM_USAGE;
	method = xasprintf("admin.vm.volume.Set.%s", operands->v[2]);
	return qvm_call(p->vm, method, p->volume, operands->v[3], NULL);
}

/* Bytes, or with a unit in any case: 10GiB, 512M, 20 gib. */
static bool parse_size(const char *text, uint64_t *bytes)
{
	size_t digits = strspn(text, "0123456789");
	static const char units[] = "KMGT";
	const char *unit = text + digits + strspn(text + digits, " ");
	const char *at = *unit ? strchr(units, toupper((unsigned char)*unit)) : NULL;
	int shift = at ? (int)(at - units + 1) * 10 : 0;

	if (!blob_to_u64((struct blob){text, digits}, INT64_MAX >> shift, bytes))
		return false;
	*bytes <<= shift;
	unit += at ? 1 : 0;
	return !*unit || !strcasecmp(unit, "B") || (at && (!strcasecmp(unit, "iB") || !strcasecmp(unit, "i")));
}

static int do_resize(const struct place *p, const struct strv *operands)
{
	const char *text = operands->n > 2 ? operands->v[2] : size_option;
	_cleanup_free_ char *payload = NULL;
	uint64_t bytes;

	if (!text || !parse_size(text, &bytes))
		return QVM_USAGE;
	payload = xasprintf("%llu", (unsigned long long)bytes);
	return qvm_call(p->vm, "admin.vm.volume.Resize", p->volume, payload, NULL);
}

static int do_revert(const struct place *p, const struct strv *operands)
{
	return qvm_call(p->vm, "admin.vm.volume.Revert", p->volume,
			operands->n > 2 ? operands->v[2] : NULL, NULL);
}

static int do_clear(const struct place *p)
{
	if (!force) {
		fprintf(stderr, "qvm-volume: %s:%s: all data in it would be lost; --force does it\n",
			p->vm, p->volume);
		return QVM_FAILED;
	}
	return qvm_call(p->vm, "admin.vm.volume.Clear", p->volume, NULL, NULL);
}

static int do_clone(const struct place *p, const struct strv *operands)
{
	_cleanup_place_ struct place to = place_of(operands->n > 2 ? operands->v[2] : "");

	return to.volume ? qvm_copy_volume(p->vm, p->volume, to.vm, to.volume) : QVM_USAGE;
}

static int do_import(const struct place *p, const struct strv *operands)
{
	const char *path = operands->n > 2 ? operands->v[2] : "-";
	_cleanup_close_ int opened = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	int fd = strcmp(path, "-") ? opened : STDIN_FILENO;
	struct stat st;
	uint64_t bytes = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "qvm-volume: %s: %s\n", path, strerror(errno));
		return QVM_FAILED;
	}
	if (size_option && !parse_size(size_option, &bytes))
		return QVM_USAGE;
	if (!bytes && S_ISREG(st.st_mode) && !no_resize)
		bytes = (uint64_t)st.st_size;
	return qvm_import(p->vm, p->volume, fd, bytes);
}

static int act(const struct strv *operands)
{
	const char *word = operands->n ? operands->v[0] : "list";
	_cleanup_place_ struct place p = place_of(operands->n > 1 ? operands->v[1] : "");

	if (qvm_word(word, "list", "ls", "l"))
		return do_list(&(struct strv){operands->n ? operands->v + 1 : NULL,
					      operands->n ? operands->n - 1 : 0});
	if (!p.volume)
		return QVM_USAGE;
	if (qvm_word(word, "info", "i", NULL))
		return do_info(&p, operands);
	if (qvm_word(word, "config", "c", "set") || !strcmp(word, "s"))
		return do_config(&p, operands);
	if (qvm_word(word, "resize", "extend", NULL))
		return do_resize(&p, operands);
	if (qvm_word(word, "revert", "rv", "r"))
		return do_revert(&p, operands);
	if (!strcmp(word, "clear"))
		return do_clear(&p);
	if (!strcmp(word, "clone"))
		return do_clone(&p, operands);
	return strcmp(word, "import") ? QVM_USAGE : do_import(&p, operands);
}

int qvm_volume(int argc, char **argv)
{
	static const struct option_def options[] = {
		QVM_COMMON,
		{"all", 0, OPTION_FLAG, &all, NULL, "list: of every qube but dom0 (default)"},
		{"exclude", 0, OPTION_LIST, &excluded, "VM", "list --all: not of this one"},
		{"pool", 'p', OPTION_STRING, &pool, "POOL", "list: only volumes of this pool"},
		{"full", 0, OPTION_FLAG, &full, NULL, "list: also volumes without an id"},
		{"size", 0, OPTION_STRING, &size_option, "SIZE", "import, resize: bytes, or 10GiB"},
		{"no-resize", 0, OPTION_FLAG, &no_resize, NULL, "import: keep the volume's size"},
		{"force", 'f', OPTION_FLAG, &force, NULL, "clear: do not refuse"},
		{"json", 0, OPTION_FLAG, &as_json, NULL, "list, info as JSON"},
		{0},
	};
	static const struct command_line cmd = {
		"qvm-volume",
		"list [VM[:VOLUME]]... | info VM:VOLUME [KEY] | config VM:VOLUME KEY VALUE | "
		"resize VM:VOLUME SIZE | revert VM:VOLUME [REVISION] | clear VM:VOLUME | "
		"clone VM:VOLUME VM:VOLUME | import VM:VOLUME FILE",
		"Look at and change the volumes of qubes.",
		"revert without a revision takes the newest. FILE - is stdin. KEY is also revisions.",
		options,
		false};
	_cleanup_strv_ struct strv operands = {0};
	enum options_result parsed = options_parse(&cmd, argc, argv, &operands);
	int r;

	if (parsed != OPTIONS_OK)
		return parsed == OPTIONS_HELP ? 0 : 2;
	r = act(&operands);
	return r == QVM_USAGE ? options_wrong(&cmd, "that is no complete command") : r;
}
