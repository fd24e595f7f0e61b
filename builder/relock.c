#include "builder/relock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "builder/lock/diff.h"
#include "builder/lock/resolve.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

static bool is_tools(const struct image *image)
{
	return !strncmp(image->definition->name, LOCK_TOOLS_PREFIX, strlen(LOCK_TOOLS_PREFIX));
}

static void say_why(const struct image *image, const struct error *why)
{
	printf("%s: its lock will not do: %s: %s\n", image->definition->name, why->object, why->cause);
}

/* Can the image be built from the lock it has? Fetching is the proof, and no work lost. */
static int lock_is_usable(struct graph *g, struct image *image, bool *usable, struct error *err)
{
	_cleanup_error_ struct error why = {0};
	int r;

	*usable = false;
	if (!image->lock->n_packages)
		return 0;
	r = graph_check_lock(g, image, &why);
	if (r == -ESTALE) {
		say_why(image, &why);
		return 0;
	}
	if (r < 0)
		return error_set(err, r, why.object, why.remedy, "%s", why.cause);
	r = graph_resolve(g, image->base, err);
	if (r < 0)
		return r;
	*usable = image->base->present;
	if (*usable)
		return 0;
	r = fetch_lock(&g->options->fetch, image->lock, &why);
	*usable = r == 0;
	if (r == 0)
		return 0;
	if (r != -ENOENT && r != -EBADMSG)
		return error_set(err, r, why.object, why.remedy, "%s", why.cause);
	say_why(image, &why);
	return 0;
}

static int apt_root(struct graph *g, char **path, struct error *err)
{
	struct image *tools;
	int r = graph_add_image(g, "tools-image", &tools, err);

	if (r == 0)
		r = graph_run(g, &tools->folder, 1, err);
	if (r == 0)
		*path = step_result(g, tools->folder, "root");
	return r;
}

static void put_lock(struct image *image, struct lock *lock)
{
	image->lock = lock;
	image->base->known = image->base->present = false;
	strbuf_free(&image->base->inputs);
}

static void use_lock(struct image *image, struct lock *new)
{
	lock_free(image->lock);
	put_lock(image, new);
	image->relocked = true;
}

/* Whether the image's own lock has a newer index: what is built never goes back to older packages. */
static bool is_outdated(const struct lock *earlier, const struct lock *own)
{
	for (size_t i = 0; i < earlier->n_indexes; i++) {
		const struct lock_index *x = &earlier->indexes[i],
					*newer = lock_find_index(own, x->archive, x->suite, x->component);

		if (newer && newer->date > x->date)
			return true;
	}
	return false;
}

/* The lock that an earlier build left in OUT; NULL when none can be read, or it is older than the image's. */
static struct lock *read_earlier(const struct graph *g, const struct image *image)
{
	_cleanup_free_ char *path =
		xasprintf("%s/lock/%s.lock", g->options->out, image->definition->name);
	_cleanup_lock_ struct lock *earlier = NULL;

	if (lock_read(path, &earlier, NULL) < 0 || strcmp(earlier->image, image->definition->name) != 0 ||
	    is_outdated(earlier, image->lock))
		return NULL;
	return take_ptr(earlier);
}

/* It may still do. Whatever is wrong with it, a new one takes its place. */
static int try_earlier(struct graph *g, struct image *image, bool *usable, struct error *err)
{
	struct lock *earlier = read_earlier(g, image);

	if (!earlier)
		return 0;
	use_lock(image, earlier);
	return lock_is_usable(g, image, usable, err);
}

/* Whether the store has what this lock names, for the definition as it is. */
static bool is_built(struct graph *g, struct image *image)
{
	return graph_check_lock(g, image, NULL) == 0 && graph_resolve(g, image->base, NULL) == 0 && image->base->present;
}

/* True: it is what the image was built from. */
static bool recall(struct graph *g, struct image *image)
{
	struct lock *own = image->lock, *earlier = read_earlier(g, image);

	if (!earlier)
		return false;
	put_lock(image, earlier);
	image->relocked = is_built(g, image);
	if (!image->relocked)
		put_lock(image, own);
	lock_free(image->relocked ? own : earlier);
	return image->relocked;
}

int relock_recall(struct graph *g, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < g->n_images && r == 0; i++)
		if (g->images[i]->lock && !is_built(g, g->images[i]) && !recall(g, g->images[i]))
			r = graph_check_lock(g, g->images[i], err);
	return r;
}

static int relock(struct graph *g, struct image *image, struct error *err)
{
	const struct graph_options *o = g->options;
	_cleanup_free_ char *root = NULL, *path = NULL;
	struct lock_options options = {.fetch = o->fetch,
				       .store = g->store,
				       .source_root = o->source_root,
				       .version = o->version,
				       .keyring = o->keyring,
				       .previous = image->lock->n_packages ? image->lock : NULL,
				       .allow_expired = o->fetch.mirrors->of_host &&
							fetch_apt_takes_expired()};
	struct lock *new = NULL;
	int r = is_tools(image) ? 0 : apt_root(g, &root, err);

	if (r < 0)
		return r;
	options.apt_root = root;
	r = lock_resolve(image->definition, &options, &new, err);
	if (r < 0)
		return r;
	path = xasprintf("%s/lock/%s.lock", o->out, image->definition->name);
	r = mkdir_parents(AT_FDCWD, path, 0755);
	if (r == 0)
		r = lock_write(new, path, err);
	lock_diff_print(stdout, image->lock, new);
	use_lock(image, new);
	return r;
}

int relock_images(struct graph *g, struct error *err)
{
	/* Tools first: the others are resolved by them. */
	for (int tools = 1; tools >= 0; tools--)
		for (size_t i = 0; i < g->n_images; i++) {
			struct image *image = g->images[i];
			bool usable;
			int r;

			if (!image->lock || is_tools(image) != tools)
				continue;
			r = lock_is_usable(g, image, &usable, err);
			if (r == 0 && !usable)
				r = try_earlier(g, image, &usable, err);
			if (r == 0 && !usable)
				r = relock(g, image, err);
			if (r < 0)
				return r;
		}
	return 0;
}
