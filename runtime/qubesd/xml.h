/* What the readers and writers of XML files have in common. */
#pragma once

#include <libxml/tree.h>
#include <stdbool.h>
#include <string.h>

/* libxml2's text type. */
static inline const xmlChar *xml_text(const char *s)
{
	return (const xmlChar *)s;
}

/* Is it an element of that name? */
static inline bool xml_is(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && !strcmp((const char *)node->name, name);
}
