/* firewall.xml, version 2: <rule><properties><property name="action">accept</property>... */
#include <errno.h>
#include <fcntl.h>
#include <libxml/parser.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qubesd/firewall.h"
#include "runtime/qubesd/xml.h"

enum { FILE_MAX = 4 << 20 };

static int wrong(const char *path, const xmlNode *node, const char *why, struct error *err)
{
	_cleanup_free_ char *object = xasprintf("%s:%ld", path, xmlGetLineNo(node));

	return error_set(err, -EINVAL, object, NULL, "<%s>: %s", (const char *)node->name, why);
}

/* The rule as a line of the API: one parser then checks both. */
static void rule_text(const xmlNode *properties, struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf comment = {0};

	for (const xmlNode *p = properties->children; p; p = p->next) {
		xmlChar *name = xml_is(p, "property") ? xmlGetProp(p, xml_text("name")) : NULL;
		xmlChar *text = name ? xmlNodeGetContent(p) : NULL;

		if (text && !strcmp((const char *)name, "comment"))
			strbuf_printf(&comment, " comment=%s", (const char *)text);
		else if (text)
			strbuf_printf(out, " %s=%s", (const char *)name, (const char *)text);
		xmlFree(name);
		xmlFree(text);
	}
	strbuf_add(out, comment.p ? comment.p : "", comment.n);
}

static int read_rules(const char *path, const xmlNode *rules, struct arena *a, struct strbuf *lines,
		      struct error *err)
{
	for (const xmlNode *rule = rules->children; rule; rule = rule->next) {
		_cleanup_strbuf_ struct strbuf line = {0};
		const char *why = NULL;
		struct firewall one;

		if (!xml_is(rule, "rule"))
			continue;
		for (const xmlNode *p = rule->children; p; p = p->next)
			if (xml_is(p, "properties"))
				rule_text(p, &line);
		if (line.n && memchr(line.p, '\n', line.n))
			return wrong(path, rule, "has a line break in it", err);
		if (firewall_parse(a, strbuf_blob(&line), &one, &why) < 0 || one.n != 1)
			return wrong(path, rule, why ? why : "is empty", err);
		strbuf_printf(lines, "%s\n", line.p);
	}
	return 0;
}

int firewall_read(const char *path, struct blob xml, struct arena *a, struct firewall *f,
		  struct error *err)
{
	xmlDoc *doc = xml.n > INT_MAX ? NULL
				      : xmlReadMemory(xml.p, (int)xml.n, NULL, NULL,
						      XML_PARSE_NOBLANKS | XML_PARSE_NONET |
							      XML_PARSE_NOERROR |
							      XML_PARSE_NOWARNING);
	const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
	_cleanup_strbuf_ struct strbuf lines = {0};
	const char *why = NULL;
	int r = 0;

	if (!root || !xml_is(root, "firewall"))
		r = error_set(err, -EINVAL, path, NULL, "is no firewall file");
	for (const xmlNode *n = r < 0 ? NULL : root->children; n && r == 0; n = n->next)
		if (xml_is(n, "rules"))
			r = read_rules(path, n, a, &lines, err);
	if (r == 0 && firewall_parse(a, strbuf_blob(&lines), f, &why) < 0)
		r = error_set(err, -EINVAL, path, NULL, "%s", why);
	xmlFreeDoc(doc);
	return r;
}

int firewall_load(const char *path, struct arena *a, struct firewall *f, struct error *err)
{
	_cleanup_strbuf_ struct strbuf data = {0};
	int r = read_file(AT_FDCWD, path, FILE_MAX, &data);

	if (r == -ENOENT) {
		firewall_default(a, f);
		return 0;
	}
	if (r < 0)
		return error_errno(err, r, path, "cannot read");
	return firewall_read(path, strbuf_blob(&data), a, f, err);
}

static void add_property(xmlNode *properties, const char *name, const char *value)
{
	xmlNode *n = value ? xmlNewTextChild(properties, NULL, xml_text("property"), xml_text(value)) : NULL;

	if (n)
		xmlNewProp(n, xml_text("name"), xml_text(name));
}

static void add_rule(xmlNode *rules, const struct firewall_rule *r)
{
	xmlNode *properties = xmlNewChild(xmlNewChild(rules, NULL, xml_text("rule"), NULL), NULL,
					  xml_text("properties"), NULL);
	char expire[24] = "";

	if (r->expire)
		snprintf(expire, sizeof(expire), "%lld", r->expire);
	add_property(properties, "action", r->action);
	add_property(properties, "proto", r->proto);
	add_property(properties, "dsthost", r->dst);
	add_property(properties, "dstports", r->dstports);
	add_property(properties, "icmptype", r->icmptype);
	add_property(properties, "specialtarget", r->specialtarget);
	add_property(properties, "expire", *expire ? expire : NULL);
	add_property(properties, "comment", r->comment);
}

int firewall_save(const char *path, const struct firewall *f, long long now, struct error *err)
{
	xmlDoc *doc = xmlNewDoc(xml_text("1.0"));
	xmlNode *root = xmlNewDocNode(doc, NULL, xml_text("firewall"), NULL), *rules;
	xmlChar *text = NULL;
	int n = 0, r;

	xmlDocSetRootElement(doc, root);
	xmlNewProp(root, xml_text("version"), xml_text("2"));
	rules = xmlNewChild(root, NULL, xml_text("rules"), NULL);
	for (size_t i = 0; i < f->n; i++)
		if (!f->v[i].expire || f->v[i].expire > now)
			add_rule(rules, &f->v[i]);
	xmlDocDumpFormatMemoryEnc(doc, &text, &n, "utf-8", 1);
	xmlFreeDoc(doc);
	r = text ? mkdir_parents(AT_FDCWD, path, 0770) : -ENOMEM;
	if (r == 0)
		r = write_atomic(AT_FDCWD, path, text, (size_t)n, 0660);
	xmlFree(text);
	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}
