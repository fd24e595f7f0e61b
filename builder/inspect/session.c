#include "builder/inspect/session.h"

#include <string.h>

#include "builder/commands.h"
#include "builder/relock.h"
#include "builder/user.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"

int session_open(struct session *s, const char *store, const char *image, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	int r;

	*s = (struct session){.root = source_root()};
	s->version = source_version(s->root);
	s->out = xasprintf("%s/out", s->root);
	s->options = (struct graph_options){
		.source_root = s->root, .version = s->version, .out = s->out, .relock = true, .fetch.mirrors = &s->mirrors};
	path = store ? xstrdup(store) : xasprintf("%s/build/store", s->root);
	r = user_become_root(USER_ALL_IDS, err);
	if (r == 0)
		r = store_open(path, &s->store, err);
	if (r < 0)
		return r;
	s->graph = graph_new(&s->options, s->store);
	r = graph_add_image(s->graph, image, &s->image, err);
	return r < 0 ? r : relock_recall(s->graph, err);
}

void session_end(struct session *s)
{
	graph_free(s->graph);
	store_close(s->store);
	fetch_mirrors_free(&s->mirrors);
	free(s->root);
	free(s->version);
	free(s->out);
}
