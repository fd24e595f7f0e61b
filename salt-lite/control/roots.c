/* Where state files lie, and how the engine is told. */
#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "salt-lite/control/control.h"

#include "common/base/blob.h"

static void add(const struct control *c, const char *name, struct strv *roots)
{
	strv_pushf(roots, "%s/%s", c->srv, name);
	if (access(roots->v[roots->n - 1], F_OK) < 0) {
		free(roots->v[--roots->n]);
		roots->v[roots->n] = NULL;
	}
}

/* Every installed formula is a root of its own. */
static void add_formulas(const struct control *c, struct strv *roots)
{
	_cleanup_strv_ struct strv folder = {0}, names = {0};
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *e;

	strv_pushf(&folder, "%s/formulas/base", c->srv);
	dir = opendir(folder.v[0]);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			strv_pushf(&names, "formulas/base/%s", e->d_name);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		add(c, names.v[i], roots);
}

size_t control_roots(const struct control *c, bool pillar, struct strv *roots)
{
	size_t n;

	add(c, pillar ? "pillar" : "salt", roots);
	if (pillar)
		add(c, "pillar/base", roots);
	else
		add_formulas(c, roots);
	n = roots->n;
	add(c, pillar ? "user_pillar" : "user_salt", roots);
	return n;
}

static void add_roots(const struct control *c, bool pillar, struct strv *argv)
{
	_cleanup_strv_ struct strv roots = {0};
	size_t base = control_roots(c, pillar, &roots);

	for (size_t i = 0; i < roots.n; i++) {
		strv_pushf(argv, "--%s%s-roots", i < base ? "" : "user-", pillar ? "pillar" : "file");
		strv_push(argv, roots.v[i]);
	}
}

void control_engine(const struct control *c, struct strv *argv)
{
	strv_push(argv, c->engine);
	for (size_t i = 0; i < c->engine_options.n; i++)
		strv_push(argv, c->engine_options.v[i]);
	if (c->socket) {
		strv_push(argv, "--qubesd");
		strv_push(argv, c->socket);
	}
	add_roots(c, false, argv);
	add_roots(c, true, argv);
}

void control_words(const struct control *c, struct strv *argv)
{
	for (size_t i = 1; i < c->words.n; i++) {
		struct blob rest = blob_of(c->words.v[i]), name;

		if (strchr(c->words.v[i], '='))
			strv_push(argv, c->words.v[i]);
		else
			while (blob_token(&rest, ',', &name))
				strv_push_take(argv, blob_dup(name));
	}
}
