/* The external pillar of qubes (ref/distro.md 5.2): what every target is told about itself. */
#include "runtime/qubesadmin/include/qubesadmin.h"
#include "salt-lite/engine/salt.h"

static bool ask(struct salt *s, const char *qube, const char *method, const char *argument, struct strbuf *out)
{
	struct admin admin = {.socket = s->qubesd};
	_cleanup_admin_error_ struct admin_error err = {0};

	return admin_call(&admin, qube, method, argument, BLOB(""), out, &err) == 0;
}

/* The classes as Qubes' own pillar calls them. */
static const char *type_of(struct blob class)
{
	static const char *const types[][2] = {{"AdminVM", "admin"},
					       {"TemplateVM", "template"},
					       {"StandaloneVM", "standalone"},
					       {"AppVM", "app"},
					       {"DispVM", "disposable"}};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (blob_eq_str(class, types[i][0]))
			return types[i][1];
	return NULL;
}

/* The class of our qube in the answer to admin.vm.List; false: it is not there. */
static bool find_class(const struct salt *s, struct blob list, struct blob *class)
{
	struct blob line, word;

	while (blob_token(&list, '\n', &line)) {
		if (!blob_word(&line, &word) || !blob_eq_str(word, s->id))
			continue;
		while (blob_word(&line, &word))
			if (blob_has_prefix(word, "class="))
				*class = (struct blob){word.p + 6, word.n - 6};
		return true;
	}
	return false;
}

/* "default=True type=vm NAME": a qube that is none is left out. */
static void add_property(struct salt *s, struct value *qubes, const char *name)
{
	_cleanup_strbuf_ struct strbuf answer = {0};
	struct blob rest, word;

	if (!ask(s, s->id, "admin.vm.property.Get", name, &answer))
		return;
	rest = strbuf_blob(&answer);
	blob_word(&rest, &word);
	blob_word(&rest, &word);
	if (blob_trim(rest).n)
		map_set_str(&s->h, qubes, name, value_blob(&s->h, blob_trim(rest)));
}

void salt_external_pillar(struct salt *s)
{
	_cleanup_strbuf_ struct strbuf list = {0};
	struct value *qubes, *pillar;
	struct blob class = BLOB("");

	/* Another root's qubes are not those of this machine. */
	if (s->root[0] && !s->qubesd)
		return;
	if (!ask(s, "dom0", "admin.vm.List", NULL, &list) || !find_class(s, strbuf_blob(&list), &class) || !type_of(class))
		return;
	qubes = map_new(&s->h);
	map_set_str(&s->h, qubes, "type", value_string(&s->h, type_of(class)));
	add_property(s, qubes, "template");
	add_property(s, qubes, "netvm");
	pillar = map_new(&s->h);
	map_set_str(&s->h, pillar, "qubes", qubes);
	salt_pillar_add(s, pillar);
}
