#include "runtime/block/devices.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/mounts.h"

enum { DEVICES_MAX = 1024, NAME_LIMIT = 32, DESC_LIMIT = 200, UDEV_MAX = 64 << 10, SECTOR = 512 };

const struct block_device *block_find(const struct block_list *l, const char *name)
{
	for (size_t i = 0; name && i < l->n; i++)
		if (!strcmp(l->v[i].name, name))
			return &l->v[i];
	return NULL;
}

const struct block_device *block_find_port(const struct block_list *l, struct blob port)
{
	for (size_t i = 0; i < l->n; i++)
		if (blob_eq_str(port, l->v[i].port))
			return &l->v[i];
	return NULL;
}

static struct block_device *find(const struct block_list *l, const char *name)
{
	const struct block_device *d = block_find(l, name);

	return d ? &l->v[d - l->v] : NULL;
}

/* A file of sysfs, without its end of line, from the arena; NULL without one. */
static const char *attribute(struct arena *a, const char *folder, const char *file)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", folder, file);
	_cleanup_strbuf_ struct strbuf text = {0};
	struct blob b;

	if (read_file(AT_FDCWD, path, PATH_MAX, &text) < 0)
		return NULL;
	b = blob_trim(strbuf_blob(&text));
	return arena_strndup(a, b.p, b.n);
}

static bool attribute_is(struct arena *a, const char *folder, const char *file, const char *want)
{
	const char *value = attribute(a, folder, file);

	return value && !strcmp(value, want);
}

static void names_in(const char *folder, struct strv *out)
{
	_cleanup_closedir_ DIR *dir = opendir(folder);

	for (const struct dirent *e; dir && (e = readdir(dir));)
		if (e->d_name[0] != '.')
			strv_push(out, e->d_name);
	strv_sort(out);
}

/* A property of udev's database, whose lines are E:KEY=VALUE; "" without it. */
static const char *property(struct arena *a, struct blob database, const char *key)
{
	struct blob line;

	while (blob_token(&database, '\n', &line)) {
		struct blob name;

		if (!blob_has_prefix(line, "E:"))
			continue;
		line = (struct blob){line.p + 2, line.n - 2};
		blob_token(&line, '=', &name);
		if (blob_eq_str(name, key))
			return arena_strndup(a, line.p, line.n);
	}
	return "";
}

static const char *describe(struct arena *a, const char *folder, struct blob udev)
{
	const char *model = property(a, udev, "ID_MODEL"), *mapping = property(a, udev, "DM_NAME"),
		   *file = attribute(a, folder, "loop/backing_file");
	char *text;

	if (!*model)
		model = property(a, udev, "ID_SERIAL");
	text = file	  ? arena_strdup(a, file)
	       : *mapping ? arena_strdup(a, mapping)
			  : arena_printf(a, "%s (%s)", model, property(a, udev, "ID_FS_LABEL"));
	for (char *p = text; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '_';
	if (strlen(text) > DESC_LIMIT)
		text[DESC_LIMIT] = 0;
	return text;
}

/* It is made part of keys, of paths and of command lines. */
static bool name_can_be_told(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++)
		if (!isalnum((unsigned char)name[n]) && !strchr("!-", name[n]))
			return false;
	return n && n <= NAME_LIMIT;
}

static bool has_prefix(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

static const char *unfit(struct arena *a, const struct block_device *d, const char *folder, struct blob udev)
{
	if (!name_can_be_told(d->name))
		return "its name has characters that others are not told";
	if (has_prefix(d->name, "xvd"))
		return "another qube provides it";
	if (has_prefix(d->name, "ram") || has_prefix(d->name, "zram"))
		return "it is memory of this system";
	if (attribute_is(a, folder, "hidden", "1"))
		return "it is a path to another device";
	if (!udev.n)
		return "udev has not seen it yet";
	/* What clears itself with its last user is somebody's already: a volume of a qube, a mounted file. */
	if (has_prefix(d->name, "loop") && !d->parent &&
	    (!attribute(a, folder, "loop/backing_file") || attribute_is(a, folder, "loop/autoclear", "1")))
		return "it stands for no file, or is made for one user of it";
	if (has_prefix(d->name, "dm-") && !*property(a, udev, "DM_NAME"))
		return "it has no name yet";
	if (!strcmp(property(a, udev, "DM_UDEV_DISABLE_DISK_RULES_FLAG"), "1") &&
	    strcmp(property(a, udev, "QUBES_EXPORT_BLOCK_DEVICE"), "1") != 0)
		return "it is a part of another mapping";
	if (!d->size || (!strcmp(property(a, udev, "ID_CDROM"), "1") && strcmp(property(a, udev, "ID_CDROM_MEDIA"), "1") != 0))
		return "there is no medium in it";
	return NULL;
}

/* A partition's folder lies in its disk's: .../block/sda/sda1. */
static const char *disk_of(struct arena *a, const char *folder)
{
	_cleanup_free_ char *partition = xasprintf("%s/partition", folder), *real = NULL;
	char *end;

	if (access(partition, F_OK) < 0 || !(real = realpath(folder, NULL)))
		return NULL;
	end = strrchr(real, '/');
	*end = 0;
	return arena_strdup(a, strrchr(real, '/') ? strrchr(real, '/') + 1 : real);
}

static void look_at(const char *root, struct arena *a, const char *name, struct block_device *d)
{
	_cleanup_free_ char *folder = xasprintf("%s/sys/class/block/%s", root, name), *slaves = xasprintf("%s/slaves", folder),
			    *database = NULL;
	const char *size = attribute(a, folder, "size"), *number = attribute(a, folder, "dev");
	_cleanup_strbuf_ struct strbuf udev = {0};
	char *port = arena_strdup(a, name);
	uint64_t sectors = 0;

	for (char *p = port; (p = strchr(p, '!'));)
		*p = '_';
	blob_to_u64(blob_of(size), INT64_MAX / SECTOR, &sectors);
	*d = (struct block_device){
		.name = arena_strdup(a, name),
		.port = port,
		.number = number ? number : "",
		.parent = disk_of(a, folder),
		.size = sectors * SECTOR,
	};
	names_in(slaves, &d->slaves);
	database = xasprintf("%s/run/udev/data/b%s", root, d->number);
	/* Without it udev has not come to the device. */
	if (read_file(AT_FDCWD, database, UDEV_MAX, &udev) < 0)
		strbuf_reset(&udev);
	d->read_only = attribute_is(a, folder, "ro", "1") || !strcmp(property(a, strbuf_blob(&udev), "ID_CDROM"), "1");
	d->desc = describe(a, folder, strbuf_blob(&udev));
	d->unfit = unfit(a, d, folder, strbuf_blob(&udev));
}

static struct block_device *of_number(const struct block_list *l, struct blob number)
{
	for (size_t i = 0; i < l->n; i++)
		if (blob_eq_str(number, l->v[i].number))
			return &l->v[i];
	return NULL;
}

/* The device that a path leads to, such as /dev/mapper/x; NULL when it leads to none. */
static struct block_device *of_path(const struct block_list *l, const char *root, const char *path)
{
	_cleanup_free_ char *whole = xasprintf("%s%s", root, path), *real = *path == '/' ? realpath(whole, NULL) : NULL;
	char *node = real && has_prefix(real, root) ? real + strlen(root) : NULL;

	if (!node || !has_prefix(node, "/dev/"))
		return NULL;
	node += strlen("/dev/");
	for (char *p = node; (p = strchr(p, '/'));)
		*p = '!';
	return find(l, node);
}

static void mark_used(struct block_device *d)
{
	if (d)
		d->used = true;
}

/* By the number of its device or, as Btrfs has none, by the source's. */
static void look_at_mounts(const char *root, struct block_list *l)
{
	_cleanup_free_ char *proc = xasprintf("%s/proc", root);
	_cleanup_strbuf_ struct strbuf mounts = {0}, swaps = {0};
	struct mount_entry m;
	struct blob rest, swap;

	if (mounts_read(proc, &mounts) < 0)
		strbuf_reset(&mounts);
	for (rest = strbuf_blob(&mounts); mounts_next(&rest, &m);) {
		_cleanup_free_ char *source = mounts_unescape(m.source);
		struct block_device *d = of_number(l, m.number);

		if (!d)
			d = of_path(l, root, source);
		mark_used(d);
		if (d && blob_eq_str(m.point, "/"))
			d->system = true;
	}
	if (swaps_read(proc, &swaps) < 0)
		strbuf_reset(&swaps);
	for (rest = strbuf_blob(&swaps); swaps_next(&rest, &swap);) {
		_cleanup_free_ char *path = mounts_unescape(swap);

		mark_used(of_path(l, root, path));
	}
}

/* A mounted Btrfs tells here of all its devices; as a source of the mount stands only one. */
static void look_at_btrfs(const char *root, struct block_list *l)
{
	_cleanup_free_ char *folder = xasprintf("%s/sys/fs/btrfs", root);
	_cleanup_strv_ struct strv systems = {0};

	names_in(folder, &systems);
	for (size_t i = 0; i < systems.n; i++) {
		_cleanup_free_ char *devices = xasprintf("%s/%s/devices", folder, systems.v[i]);
		_cleanup_strv_ struct strv names = {0};

		names_in(devices, &names);
		for (size_t k = 0; k < names.n; k++)
			mark_used(find(l, names.v[k]));
	}
}

/* What others stand on: mappings, arrays, loop devices. */
static void look_at_stacks(const char *root, struct block_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		_cleanup_free_ char *folder = xasprintf("%s/sys/class/block/%s", root, l->v[i].name);
		const char *file = attribute(l->arena, folder, "loop/backing_file");

		for (size_t k = 0; k < l->v[i].slaves.n; k++)
			mark_used(find(l, l->v[i].slaves.v[k]));
		if (file)
			mark_used(of_path(l, root, file));
	}
}

/* Linux xen-blkback: the attribute physical_device of vbd-DOMID-DEVID is MAJOR:MINOR, hexadecimal, once it is open. */
static void look_at_backends(const char *root, struct block_list *l)
{
	_cleanup_free_ char *folder = xasprintf("%s/sys/bus/xen-backend/devices", root);
	_cleanup_strv_ struct strv names = {0};

	names_in(folder, &names);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *vbd = xasprintf("%s/%s", folder, names.v[i]), *number = NULL;
		const char *value = has_prefix(names.v[i], "vbd-") ? attribute(l->arena, vbd, "physical_device") : NULL;
		struct block_device *d;
		unsigned major, minor;

		if (!value || sscanf(value, "%x:%x", &major, &minor) != 2)
			continue;
		number = xasprintf("%u:%u", major, minor);
		d = of_number(l, blob_of(number));
		if (d)
			d->attached = true;
	}
}

static bool join(struct block_device *a, struct block_device *b)
{
	bool news = b && a->system != b->system;

	if (news)
		a->system = b->system = true;
	return news;
}

/* The system is on all that hangs together with the device of its root, through partitions and mappings. */
static void spread_system(struct block_list *l)
{
	bool news = true;

	while (news) {
		news = false;
		for (size_t i = 0; i < l->n; i++) {
			news |= join(&l->v[i], find(l, l->v[i].parent));
			for (size_t k = 0; k < l->v[i].slaves.n; k++)
				news |= join(&l->v[i], find(l, l->v[i].slaves.v[k]));
		}
	}
}

void block_look(const char *root, struct block_list *out)
{
	_cleanup_free_ char *folder = xasprintf("%s/sys/class/block", root);
	_cleanup_strv_ struct strv names = {0};

	*out = (struct block_list){.arena = arena_new(), .v = xcalloc(DEVICES_MAX, sizeof(*out->v))};
	names_in(folder, &names);
	for (size_t i = 0; i < names.n && out->n < DEVICES_MAX; i++)
		look_at(root, out->arena, names.v[i], &out->v[out->n++]);
	look_at_mounts(root, out);
	look_at_btrfs(root, out);
	look_at_stacks(root, out);
	look_at_backends(root, out);
	spread_system(out);
}

void block_list_free(struct block_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		strv_free(&l->v[i].slaves);
	free(l->v);
	arena_free(l->arena);
	*l = (struct block_list){0};
}

const char *block_refusal(const struct block_list *l, const struct block_device *d)
{
	const struct block_device *disk = block_find(l, d->parent);

	if (d->unfit || (disk && disk->unfit))
		return d->unfit ? d->unfit : disk->unfit;
	if (d->system)
		return "this system is on the disk";
	if (d->used || (disk && disk->used))
		return "it is in use";
	if (disk && disk->attached)
		return "another qube has the whole disk";
	for (size_t i = 0; i < l->n; i++) {
		const struct block_device *part = &l->v[i];

		if (!part->parent || strcmp(part->parent, d->name) != 0)
			continue;
		if (part->used)
			return "a part of it is in use";
		if (part->attached)
			return "another qube has a part of it";
	}
	return NULL;
}

const struct block_device *block_requested(const struct block_list *l, const char *params, const char *mode,
					   const char **why)
{
	_cleanup_free_ char *name = NULL;
	const struct block_device *d;

	if (!params || !has_prefix(params, "/dev/") || strlen(params) > strlen("/dev/") + NAME_LIMIT || !mode) {
		*why = "no device below /dev, or no mode is asked for";
		return NULL;
	}
	name = xstrdup(params + strlen("/dev/"));
	for (char *p = name; (p = strchr(p, '/'));)
		*p = '!';
	d = block_find(l, name);
	*why = !d ? "there is no such device" : block_refusal(l, d);
	if (d && !*why && d->attached)
		*why = "another qube has it";
	if (d && !*why && strchr(mode, 'w') && d->read_only)
		*why = "it can only be read";
	return *why ? NULL : d;
}
