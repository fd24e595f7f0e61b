/* qa-flakes: adds up the results of several runs. Exit code: 0 nothing is flaky, 1 something is, 2 wrong use. */
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/blob.h"
#include "common/ui/options.h"

static const struct command_line command = {
	.program = "qa/flakes",
	.operands = "JUNIT...",
	.summary = "Adds up the results of runs: how often each scenario passed and failed.",
	.notes = "JUNIT is a junit.xml that qa/run left. A scenario that did both is flaky.",
	.options = (const struct option_def[]){{0}},
};

struct tally {
	const char *name;
	unsigned passed, failed;
	double slowest; /* seconds, of the runs that passed */
	struct tally *next;
};

static struct tally *tally_of(struct arena *a, struct tally **list, const char *name)
{
	while (*list && strcmp((*list)->name, name))
		list = &(*list)->next;
	if (!*list) {
		*list = arena_alloc(a, sizeof(**list));
		(*list)->name = arena_strdup(a, name);
	}
	return *list;
}

static bool has_child(xmlNode *node, const char *name)
{
	for (xmlNode *n = node->children; n; n = n->next)
		if (n->type == XML_ELEMENT_NODE && !strcmp((const char *)n->name, name))
			return true;
	return false;
}

static void add_case(struct arena *a, struct tally **list, xmlNode *node)
{
	xmlChar *name = xmlGetProp(node, (const xmlChar *)"name");
	xmlChar *time = xmlGetProp(node, (const xmlChar *)"time");
	struct tally *t = tally_of(a, list, name ? (const char *)name : "?");
	double seconds = 0;

	if (has_child(node, "failure"))
		t->failed++;
	else if (!has_child(node, "skipped"))
		t->passed++;
	if (time && !has_child(node, "failure") && sscanf((const char *)time, "%lf", &seconds) == 1 && seconds > t->slowest)
		t->slowest = seconds;
	xmlFree(name);
	xmlFree(time);
}

/* The file is ours, but a cut-off or foreign one is refused; nothing is fetched that it may name. */
static int add_run(struct arena *a, struct tally **list, const char *path)
{
	xmlDoc *doc = xmlReadFile(path, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
	bool good = root && !strcmp((const char *)root->name, "testsuite");

	for (xmlNode *n = good ? root->children : NULL; n; n = n->next)
		if (n->type == XML_ELEMENT_NODE && !strcmp((const char *)n->name, "testcase"))
			add_case(a, list, n);
	xmlFreeDoc(doc);
	if (!good)
		fprintf(stderr, "qa/flakes: %s: no JUnit file with a testsuite\n", path);
	return good ? 0 : -1;
}

int main(int argc, char **argv)
{
	_cleanup_arena_ struct arena *a = arena_new();
	_cleanup_strv_ struct strv paths = {0};
	struct tally *list = NULL;
	unsigned flaky = 0;
	int r = (int)options_parse(&command, argc, argv, &paths);

	if (r != OPTIONS_OK)
		return r == OPTIONS_HELP ? 0 : 2;
	if (!paths.n)
		return options_wrong(&command, "of which runs?");
	for (size_t i = 0; i < paths.n; i++)
		if (add_run(a, &list, paths.v[i]) < 0)
			return 2;
	for (const struct tally *t = list; t; t = t->next) {
		bool both = t->passed && t->failed;

		printf("%-20s %4u passed %4u failed  at most %.1f s%s\n", t->name, t->passed, t->failed, t->slowest,
		       both ? "  FLAKY" : "");
		flaky += both;
	}
	printf("%zu runs, %u flaky\n", paths.n, flaky);
	return flaky ? 1 : 0;
}
