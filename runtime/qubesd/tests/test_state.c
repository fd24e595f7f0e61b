/* qubes.xml and the request head: what is read is written again, and nothing malformed gets in. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/tests/test.h"
#include "runtime/qubesd/property.h"
#include "runtime/qubesd/request.h"
#include "runtime/qubesd/state.h"

#define HEAD                                                                                       \
	"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<qubes version=\"3.0\">\n"                    \
	"  <labels>\n    <label id=\"label-1\" color=\"0xcc0000\">red</label>\n  </labels>\n"      \
	"  <pools>\n    <pool name=\"p\" driver=\"lvm_thin\" dir_path=\"/x\" thin_pool=\"t\"/>\n " \
	" </pools>\n"
#define DOM0                                                                                       \
	"    <domain id=\"domain-0\" class=\"AdminVM\">\n      <properties>\n"                     \
	"        <property name=\"label\">red</property>\n      </properties>\n"                   \
	"      <features/>\n      <tags/>\n    </domain>\n"
#define WORK                                                                                       \
	"    <domain id=\"domain-7\" class=\"StandaloneVM\" future=\"yes\">\n      <properties>\n" \
	"        <property name=\"label\" ref=\"label-1\"/>\n"                                     \
	"        <property name=\"name\">work</property>\n        <property "                      \
	"name=\"qid\">7</property>\n"                                                              \
	"        <property name=\"uuid\">11111111-2222-4333-8444-555555555555</property>\n"        \
	"        <property name=\"of_tomorrow\">a &amp; b</property>\n      </properties>\n"       \
	"      <volume-config>\n        <volume name=\"root\" pool=\"p\" vid=\"v\" "               \
	"new_key=\"1\"/>\n"                                                                        \
	"      </volume-config>\n      <features>\n        <feature name=\"gui\">1</feature>\n   " \
	"   </features>\n"                                                                         \
	"      <devices class=\"pci\">\n        <device backend-domain=\"dom0\" "                  \
	"id=\"00_1f.0\"/>\n"                                                                       \
	"      </devices>\n      <tags>\n        <tag name=\"x\"/>\n      </tags>\n    "           \
	"</domain>\n"
#define TAIL "  </domains>\n  <unheard of=\"yes\"><inner/></unheard>\n</qubes>\n"

static struct model *parse(const char *text, struct error *err)
{
	struct model *m = NULL;

	state_parse("qubes.xml", text, strlen(text), &m, err);
	return m;
}

TEST(unknown_parts_survive)
{
	struct model *m = parse(HEAD "  <domains>\n" DOM0 WORK TAIL, NULL);
	_cleanup_free_ char *text = NULL;
	size_t n;

	if (!CHECK(m))
		return;
	CHECK_STR(kv_get(&model_find_name(m, "work")->props, "label"), "red");
	CHECK_INT(state_format(m, &text, &n), 0);
	CHECK(strstr(text, "<unheard of=\"yes\">"));
	CHECK(strstr(text, "future=\"yes\""));
	CHECK(strstr(text, "<property name=\"of_tomorrow\">a &amp; b</property>"));
	CHECK(strstr(text, "new_key=\"1\""));
	CHECK(strstr(text, "<device backend-domain=\"dom0\" id=\"00_1f.0\"/>"));
	CHECK(strstr(text, "thin_pool=\"t\""));
	CHECK(strstr(text, "<property name=\"label\">red</property>"));
	state_free(m);
}

TEST(writing_twice_is_stable)
{
	struct model *m = parse(HEAD "  <domains>\n" DOM0 WORK TAIL, NULL), *again;
	_cleanup_free_ char *first = NULL, *second = NULL;
	size_t n;

	state_format(m, &first, &n);
	again = parse(first, NULL);
	if (!CHECK(again))
		return;
	state_format(again, &second, &n);
	CHECK_STR(second, first);
	state_free(m);
	state_free(again);
}

TEST(new_state_is_readable)
{
	struct model *m = model_new(), *again;
	_cleanup_free_ char *text = NULL;
	size_t n;

	state_format(m, &text, &n);
	again = parse(text, NULL);
	if (CHECK(again)) {
		CHECK_INT(again->n_labels, 8);
		CHECK_INT(again->n_pools, 2);
		CHECK_INT(again->n_vms, 1);
	}
	state_free(m);
	state_free(again);
}

/* Promise: nothing is written that cannot be read again, and nothing twice. */
TEST(only_what_is_new_and_readable_is_written)
{
	_cleanup_free_ char *path = xasprintf("%s/qubes.xml", test_dir()), *bak = xasprintf("%s.bak", path);
	struct model *m = model_new(), *again = NULL;

	CHECK_INT(state_save(m, path, NULL), 0);
	CHECK_INT(state_save(m, path, NULL), 0);
	CHECK(access(bak, F_OK) < 0);
	kv_set(&m->props, "default_kernel", "\xff");
	CHECK_INT(state_save(m, path, NULL), -EILSEQ);
	CHECK_INT(state_load(path, &again, NULL), 0);
	state_free(again);
	kv_set(&m->props, "default_kernel", "k");
	CHECK_INT(state_save(m, path, NULL), 0);
	CHECK(access(bak, F_OK) == 0);
	state_free(m);
}

TEST(removed_qube_leaves_the_file)
{
	struct model *m = parse(HEAD "  <domains>\n" DOM0 WORK TAIL, NULL);
	struct vm *vm = model_find_name(m, "work");
	_cleanup_free_ char *text = NULL;
	size_t n;

	model_remove(m, vm);
	vm_unref(vm);
	state_format(m, &text, &n);
	CHECK(!strstr(text, "domain-7"));
	CHECK(strstr(text, "domain-0"));
	state_free(m);
}

TEST(broken_files_are_named_by_line)
{
	static const struct {
		const char *text, *object, *cause;
	} cases[] = {
		{"", "qubes.xml:1", "Document is empty"},
		{"<other/>", "qubes.xml:1", "<other>: the root element is not <qubes>"},
		{HEAD "<domains>", "qubes.xml:9", "Premature end of data in tag domains line 9"},
		{HEAD "  <domains>\n" WORK TAIL, "qubes.xml:2", "<qubes>: has no domain-0"},
		{HEAD "  <domains>\n" DOM0 "<domain id=\"domain-1\"/>" TAIL,
		 "qubes.xml:17", "<domain>: no class attribute"},
		{HEAD "  <domains>\n" DOM0 WORK WORK TAIL, "qubes.xml:38",
		 "<domain>: its name, uuid or id is used by another domain"},
		{"<qubes><labels><label/></labels></qubes>", "qubes.xml:1",
		 "<label>: needs id=\"label-N\" and color"},
		{"<qubes><pools><pool name=\"x\"/></pools></qubes>", "qubes.xml:1",
		 "<pool>: needs name and driver"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_error_ struct error err = {0};

		CHECK(!parse(cases[i].text, &err));
		CHECK_STR(err.object, cases[i].object);
		CHECK_STR(err.cause, cases[i].cause);
	}
}

/* A file that names others must not make the daemon read them. */
TEST(entities_are_not_followed)
{
	struct model *m = parse(
		"<!DOCTYPE qubes [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>\n"
		"<qubes><properties><property name=\"default_kernel\">&x;</property></properties>"
		"<domains>" DOM0 "</domains></qubes>",
		NULL);

	if (m)
		CHECK(!strstr(kv_get(&m->props, "default_kernel"), "root"));
	state_free(m);
}

TEST(request_heads)
{
	static const struct {
		struct blob in;
		const char *method, *argument, *source, *target, *payload;
	} good[] = {
		{{"admin.vm.List dom0 name dom0", 29}, "admin.vm.List", "", "dom0", "dom0", ""},
		{{"a+b+c d name e\0xy", 17}, "a", "b+c", "d", "e", "xy"},
		{{"a+ d keyword adminvm", 21}, "a", "", "d", "dom0", ""},
	};
	static const struct blob bad[] = {
		{"", 0},
		{"a", 1},
		{"a b name c", 10},
		{"a b name", 9},
		{"a b other c", 12},
		{"a b keyword other", 18},
		{"a b name c d", 13},
		{" b name c", 10},
		{"+x b name c", 12},
		{"a b name c\n", 12},
		{"a\x80 b name c", 12},
	};
	struct request r;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		CHECK_INT(request_parse(good[i].in, &r), 0);
		CHECK(blob_eq_str(r.method, good[i].method) &&
		      blob_eq_str(r.argument, good[i].argument));
		CHECK(blob_eq_str(r.source, good[i].source) &&
		      blob_eq_str(r.target, good[i].target));
		CHECK(blob_eq_str(r.payload, good[i].payload));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK_INT(request_parse(bad[i], &r), -EBADMSG);
}

TEST(names_of_qubes)
{
	static const char *const good[] = {"a", "sys-net", "debian-13-minimal", "A_b.c",
					   "x23456789012345678901234567890"};
	static const char *const bad[] = {"",
					  "1a",
					  "-a",
					  "a b",
					  "a/b",
					  "none",
					  "default",
					  "Domain-0",
					  "work-dm",
					  "\xc3\xa4",
					  "x234567890123456789012345678901x"};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		CHECK(vm_name_valid(blob_of(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK(!vm_name_valid(blob_of(bad[i])));
}

/* Every property of every table can be asked of an empty system without a crash or an endless
 * inheritance. */
TEST(every_property_has_an_end)
{
	struct model *m = model_new();
	_cleanup_arena_ struct arena *a = arena_new();
	static const enum vm_class classes[] = {CLASS_TEMPLATE, CLASS_APP, CLASS_STANDALONE,
						CLASS_DISP};

	for (size_t i = 0; i < 4; i++) {
		struct vm *vm = vm_new(classes[i], vm_class_name(classes[i]));

		kv_set(&vm->props, "label", "red");
		if (classes[i] != CLASS_TEMPLATE)
			kv_set(&vm->props, "template",
			       vm_class_name(classes[i] == CLASS_DISP ? CLASS_APP
								      : CLASS_TEMPLATE));
		CHECK_INT(model_add(m, vm), 0);
	}
	for (size_t i = 0; i < m->n_vms; i++)
		for (const struct property_def *d = vm_properties; d->name; d++) {
			struct property_ctx ctx = {m, m->vms[i], a};

			CHECK(d->help && *d->help);
			if (property_applies(d, m->vms[i]))
				property_get(&ctx, d, NULL);
		}
	state_free(m);
}
