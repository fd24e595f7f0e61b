#include "builder/definition.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/cleanup.h"

/* Where an image that is given by name is looked for. */
static const char *const folders[] = {"templates", "dom0-rootfs", "builder", "iso"};

static const char *const no_strings[] = {NULL};

/* Which keys an output of a kind may have, besides "kind". */
static const struct {
	const char *name;
	const char *keys[6];
} kinds[OUTPUT_KINDS] = {
	[OUTPUT_TAR] = {"tar", {NULL}},
	[OUTPUT_DIR] = {"dir", {NULL}},
	[OUTPUT_EROFS] = {"erofs", {"path", "verity", "compress", NULL}},
	[OUTPUT_EXT4] = {"ext4", {"size", "label", NULL}},
	[OUTPUT_TEMPLATE_DISK] = {"template-disk", {"size", "label", "compress", NULL}},
	[OUTPUT_FILE] = {"file", {"path", NULL}},
	[OUTPUT_DRACUT] = {"dracut", {"args", NULL}},
	[OUTPUT_GUEST_INITRAMFS] = {"guest-initramfs", {"init", "modules", NULL}},
	[OUTPUT_ISO] = {"iso", {"volume", "menu", NULL}},
};

const char *output_kind_name(enum output_kind kind)
{
	return kinds[kind].name;
}

static int is_name(const char *text)
{
	return *text && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(text) &&
	       text[0] != '.' && text[0] != '-';
}

static int is_artefact_name(const char *text)
{
	return *text && *text != '.' && !strchr(text, '/') && strlen(text) < 128;
}

/* A path inside an image or a folder: no "..", no empty part. */
static int is_clean_path(const char *text)
{
	struct blob rest = blob_of(text), part;

	if (*text == '/')
		rest.p++, rest.n--;
	if (!rest.n)
		return 0;
	while (blob_token(&rest, '/', &part))
		if (!part.n || blob_eq_str(part, "..") || blob_eq_str(part, "."))
			return 0;
	return 1;
}

static int read_kind(const struct yaml_node *node, enum output_kind *kind, struct error *err)
{
	const char *text = NULL;
	int r = yaml_string(node, "kind", &text, err);

	if (r < 0)
		return r;
	if (!text)
		return yaml_error(node, err, "output '%s' has no kind", node->key);
	for (unsigned k = 0; k < OUTPUT_KINDS; k++)
		if (!strcmp(kinds[k].name, text)) {
			*kind = (enum output_kind)k;
			return 0;
		}
	return yaml_error(yaml_get(node, "kind"), err, "unknown kind '%s'", text);
}

static int check_output_keys(const struct yaml_node *node, enum output_kind kind, struct error *err)
{
	for (const struct yaml_node *n = node->first; n; n = n->next) {
		const char *const *k = kinds[kind].keys;

		if (!strcmp(n->key, "kind"))
			continue;
		while (*k && strcmp(*k, n->key))
			k++;
		if (!*k)
			return yaml_error(n, err, "unknown key '%s' for an output of kind %s",
					  n->key, kinds[kind].name);
	}
	return 0;
}

static int check_output(const struct definition *d, const struct definition_output *o,
			struct error *err)
{
	if (o->kind == OUTPUT_FILE && !o->path)
		return yaml_error(o->node, err, "an output of kind file needs 'path'");
	if (o->path && (*o->path != '/' || !is_clean_path(o->path)))
		return yaml_error(yaml_get(o->node, "path"), err,
				  "'path' must be an absolute path without '..'");
	if (o->kind == OUTPUT_GUEST_INITRAMFS && !o->init)
		return yaml_error(o->node, err, "an output of kind guest-initramfs needs 'init'");
	if (o->menu && (*o->menu == '/' || !is_clean_path(o->menu)))
		return yaml_error(yaml_get(o->node, "menu"), err,
				  "'menu' must be a file beside the definition");
	if ((o->kind == OUTPUT_ISO) != (d->family == DEFINITION_ISO))
		return yaml_error(o->node, err, "an output of kind %s does not fit this family",
				  kinds[o->kind].name);
	return 0;
}

static int read_output(struct definition *d, const struct yaml_node *node,
		       struct definition_output *o, struct error *err)
{
	int r;

	if (!is_artefact_name(node->key))
		return yaml_error(node, err, "'%s' cannot be the name of an output", node->key);
	if (node->kind != YAML_MAP)
		return yaml_error(node, err, "output '%s' must be a map such as {kind: tar}",
				  node->key);
	*o = (struct definition_output){
		.name = node->key, .node = node, .args = no_strings, .modules = no_strings};
	if ((r = read_kind(node, &o->kind, err)) < 0 ||
	    (r = check_output_keys(node, o->kind, err)) < 0 ||
	    (r = yaml_size(node, "size", &o->size, err)) < 0 ||
	    (r = yaml_bool(node, "verity", &o->verity, err)) < 0 ||
	    (r = yaml_string(node, "path", &o->path, err)) < 0 ||
	    (r = yaml_string(node, "label", &o->label, err)) < 0 ||
	    (r = yaml_string(node, "init", &o->init, err)) < 0 ||
	    (r = yaml_string(node, "volume", &o->volume, err)) < 0 ||
	    (r = yaml_string(node, "menu", &o->menu, err)) < 0 ||
	    (r = yaml_string(node, "compress", &o->compress, err)) < 0 ||
	    (r = yaml_strings(d->arena, node, "args", &o->args, err)) < 0 ||
	    (r = yaml_strings(d->arena, node, "modules", &o->modules, err)) < 0)
		return r;
	return check_output(d, o, err);
}

static int read_outputs(struct definition *d, const struct yaml_node *root, struct error *err)
{
	const struct yaml_node *list = yaml_get(root, "outputs");
	int r;

	if (!list)
		return 0;
	if (list->kind != YAML_MAP)
		return yaml_error(list, err, "'outputs' must be 'name: {kind: ...}' lines");
	if (list->n > DEFINITION_OUTPUTS_MAX)
		return yaml_error(list, err, "more than %d outputs", DEFINITION_OUTPUTS_MAX);
	d->outputs = arena_alloc(d->arena, (list->n + 1) * sizeof(*d->outputs));
	for (const struct yaml_node *n = list->first; n; n = n->next) {
		r = read_output(d, n, &d->outputs[d->n_outputs], err);
		if (r < 0)
			return r;
		d->n_outputs++;
	}
	return 0;
}

static int read_files(struct definition *d, const struct yaml_node *root, struct error *err)
{
	const struct yaml_node *list = yaml_get(root, "files");

	if (!list)
		return 0;
	if (list->kind != YAML_MAP)
		return yaml_error(list, err, "'files' must be '/path: image/output' lines");
	d->files = arena_alloc(d->arena, (list->n + 1) * sizeof(*d->files));
	for (const struct yaml_node *n = list->first; n; n = n->next) {
		if (n->key[0] != '/' || !is_clean_path(n->key))
			return yaml_error(n, err, "'%s' must be an absolute path without '..'",
					  n->key);
		if (n->kind != YAML_SCALAR || *n->text == '/' || !is_clean_path(n->text))
			return yaml_error(n, err,
					  "the source of '%s' must be image/output or a file name",
					  n->key);
		d->files[d->n_files++] =
			(struct definition_file){.path = n->key, .source = n->text};
	}
	return 0;
}

static int check_words(const struct yaml_node *root, const char *key, const char *const *words,
		       struct error *err)
{
	for (; *words; words++)
		if (!**words ||
		    strspn(*words, "abcdefghijklmnopqrstuvwxyz0123456789.+-:") != strlen(*words))
			return yaml_error(yaml_get(root, key), err, "'%s' in '%s' is not a name",
					  *words, key);
	return 0;
}

static int read_family(struct definition *d, const struct yaml_node *root, struct error *err)
{
	const char *text = NULL;
	int r = yaml_string(root, "family", &text, err);

	if (r < 0)
		return r;
	if (!text)
		return yaml_error(root, err, "'family' is missing");
	if (!strcmp(text, "deb"))
		d->family = DEFINITION_DEB;
	else if (!strcmp(text, "iso"))
		d->family = DEFINITION_ISO;
	else
		return yaml_error(yaml_get(root, "family"), err,
				  "family must be deb or iso, not '%s'", text);
	return 0;
}

static int read_name(struct definition *d, const struct yaml_node *root, struct error *err)
{
	const char *base = strrchr(d->path, '/');
	size_t n;
	int r = yaml_string(root, "name", &d->name, err);

	if (r < 0)
		return r;
	if (!d->name)
		return yaml_error(root, err, "'name' is missing");
	base = base ? base + 1 : d->path;
	n = strlen(d->name);
	if (!is_name(d->name))
		return yaml_error(yaml_get(root, "name"), err,
				  "a name has lower-case letters, digits, '.' and '-'");
	if (strncmp(base, d->name, n) || strcmp(base + n, ".yaml"))
		return yaml_error(yaml_get(root, "name"), err,
				  "the file of image '%s' must be %s.yaml", d->name, d->name);
	return 0;
}

/* What belongs to roots made of packages, and what to an ISO. */
static int check_family(const struct definition *d, const struct yaml_node *root, struct error *err)
{
	static const char *const deb_only[] = {"suites",  "components", "variant", "packages",
					       "runtime", "overlay",	"medium", NULL};
	static const char *const iso_only[] = {"images", "files", NULL};
	const char *const *wrong = d->family == DEFINITION_DEB ? iso_only : deb_only;

	for (; *wrong; wrong++)
		if (yaml_get(root, *wrong))
			return yaml_error(yaml_get(root, *wrong), err,
					  "'%s' does not fit this family", *wrong);
	if (yaml_get(root, "images") && yaml_get(root, "images")->n > DEFINITION_IMAGES_MAX)
		return yaml_error(yaml_get(root, "images"), err, "more than %d images",
				  DEFINITION_IMAGES_MAX);
	if (d->family == DEFINITION_DEB && !*d->suites)
		return yaml_error(root, err, "'suites' is missing");
	return 0;
}

static int read_lists(struct definition *d, const struct yaml_node *root, struct error *err)
{
	static const char *const main_only[] = {"main", NULL};
	const char *variant = "essential";
	int r;

	d->suites = d->packages = d->runtime = d->images = no_strings;
	d->components = main_only;
	if ((r = yaml_strings(d->arena, root, "suites", &d->suites, err)) < 0 ||
	    (r = yaml_strings(d->arena, root, "components", &d->components, err)) < 0 ||
	    (r = yaml_strings(d->arena, root, "packages", &d->packages, err)) < 0 ||
	    (r = yaml_strings(d->arena, root, "runtime", &d->runtime, err)) < 0 ||
	    (r = yaml_strings(d->arena, root, "images", &d->images, err)) < 0 ||
	    (r = yaml_string(root, "variant", &variant, err)) < 0 ||
	    (r = yaml_string(root, "overlay", &d->overlay, err)) < 0 ||
	    (r = yaml_string(root, "medium", &d->medium, err)) < 0 ||
	    (r = check_words(root, "suites", d->suites, err)) < 0 ||
	    (r = check_words(root, "components", d->components, err)) < 0 ||
	    (r = check_words(root, "packages", d->packages, err)) < 0 ||
	    (r = check_words(root, "runtime", d->runtime, err)) < 0 ||
	    (r = check_words(root, "images", d->images, err)) < 0)
		return r;
	if (strcmp(variant, "essential"))
		return yaml_error(yaml_get(root, "variant"), err,
				  "variant must be essential, not '%s'", variant);
	if (d->medium && !is_name(d->medium))
		return yaml_error(yaml_get(root, "medium"), err, "'medium' must be the name of an image");
	if (d->overlay && (strchr(d->overlay, '/') || *d->overlay == '.'))
		return yaml_error(yaml_get(root, "overlay"), err,
				  "'overlay' must be a folder beside the definition");
	return 0;
}

static int read_definition(struct definition *d, struct error *err)
{
	static const char *const keys[] = {"name",    "family",	  "suites",  "components",
					   "variant", "packages", "runtime", "overlay",
					   "medium",  "images",	  "files",   "outputs", NULL};
	struct yaml_node *root;
	int r = yaml_load_file(d->arena, AT_FDCWD, d->path, &root, err);

	if (r < 0 || (r = yaml_check_keys(root, keys, err)) < 0 ||
	    (r = read_name(d, root, err)) < 0 || (r = read_family(d, root, err)) < 0 ||
	    (r = read_lists(d, root, err)) < 0 || (r = check_family(d, root, err)) < 0 ||
	    (r = read_files(d, root, err)) < 0 || (r = read_outputs(d, root, err)) < 0)
		return r;
	return 0;
}

int definition_read(const char *path, struct definition **out, struct error *err)
{
	struct arena *arena = arena_new();
	struct definition *d = arena_alloc(arena, sizeof(*d));
	const char *slash = strrchr(path, '/');
	int r;

	d->arena = arena;
	d->path = arena_strdup(arena, path);
	d->folder = slash ? arena_strndup(arena, path, slash == path ? 1 : (size_t)(slash - path))
			  : ".";
	r = read_definition(d, err);
	if (r < 0)
		definition_free(d);
	else
		*out = d;
	return r;
}

void definition_free(struct definition *d)
{
	if (d)
		arena_free(d->arena);
}

const struct definition_output *definition_output(const struct definition *d, const char *name)
{
	for (size_t i = 0; i < d->n_outputs; i++)
		if (!strcmp(d->outputs[i].name, name))
			return &d->outputs[i];
	return NULL;
}

int definition_find(const char *source_root, const char *image, char **path, struct error *err)
{
	size_t n = strlen(image);

	if (strchr(image, '/') || (n > 5 && !strcmp(image + n - 5, ".yaml"))) {
		*path = xstrdup(image);
		return 0;
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		_cleanup_free_ char *try =
			xasprintf("%s/%s/%s.yaml", source_root, folders[i], image);

		if (!access(try, F_OK)) {
			*path = take_ptr(try);
			return 0;
		}
	}
	return error_set(err, -ENOENT, image, "give a path, or one of the names there",
			 "no such image in templates/, dom0-rootfs/, builder/ or iso/");
}
