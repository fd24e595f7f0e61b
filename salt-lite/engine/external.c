/* The external pillar of qubes (ref/distro.md 5.2): what every target is told about itself. */
#include "runtime/qubesadmin/include/qubesadmin-values.h"
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

/* Our qube in the answer to admin.vm.List; false: it is not there. */
static bool find_ourselves(const struct salt *s, struct blob list, struct admin_vm *vm)
{
	while (admin_next_vm(&list, vm))
		if (blob_eq_str(vm->name, s->id))
			return true;
	return false;
}

/* One that names no qube is left out. */
static void add_property(struct salt *s, struct value *qubes, const char *name)
{
	_cleanup_strbuf_ struct strbuf answer = {0};
	struct admin_property p;

	if (ask(s, s->id, "admin.vm.property.Get", name, &answer) && admin_property_parse(strbuf_blob(&answer), &p) &&
	    blob_trim(p.value).n)
		map_set_str(&s->h, qubes, name, value_blob(&s->h, blob_trim(p.value)));
}

void salt_external_pillar(struct salt *s)
{
	_cleanup_strbuf_ struct strbuf list = {0};
	struct value *qubes, *pillar;
	struct admin_vm vm;

	/* Another root's qubes are not those of this machine. */
	if (s->root[0] && !s->qubesd)
		return;
	if (!ask(s, "dom0", "admin.vm.List", NULL, &list) || !find_ourselves(s, strbuf_blob(&list), &vm) ||
	    !type_of(vm.class))
		return;
	qubes = map_new(&s->h);
	map_set_str(&s->h, qubes, "type", value_string(&s->h, type_of(vm.class)));
	add_property(s, qubes, "template");
	add_property(s, qubes, "netvm");
	pillar = map_new(&s->h);
	map_set_str(&s->h, pillar, "qubes", qubes);
	salt_pillar_add(s, pillar);
}
