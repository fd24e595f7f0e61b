#include "builder/spdx.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"

#define NOBODY_SAYS "NOASSERTION"

struct document {
	const struct spdx *spdx;
	json_t *packages, *relations;
};

/* Identifiers are letters, digits, '.' and '-'; what is none becomes "-HEX-", so that they stay apart. */
static char *identifier(const char *kind, const char *image, const char *name)
{
	struct strbuf id = {0};
	_cleanup_free_ char *text = xasprintf("%s-%s%s%s", kind, image, *name ? "-" : "", name);

	strbuf_add_str(&id, "SPDXRef-");
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (isalnum(*p) || *p == '.' || *p == '-')
			strbuf_add_char(&id, (char)*p);
		else
			strbuf_printf(&id, "-%02x-", *p);
	return strbuf_steal(&id);
}

static void relate(struct document *d, const char *from, const char *how, const char *to)
{
	json_array_append_new(d->relations, json_pack("{s:s, s:s, s:s}", "spdxElementId", from, "relationshipType", how,
						      "relatedSpdxElement", to));
}

static json_t *add_package(struct document *d, const char *id, const char *name, const char *version)
{
	json_t *p = json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:s}", "SPDXID", id, "name", name, "versionInfo",
			      version, "downloadLocation", NOBODY_SAYS, "filesAnalyzed", 0, "licenseConcluded",
			      NOBODY_SAYS, "licenseDeclared", NOBODY_SAYS, "copyrightText", NOBODY_SAYS);

	json_array_append_new(d->packages, p);
	return p;
}

static void add_digest(json_t *p, const char *sha256)
{
	json_object_set_new(p, "checksums",
			    json_pack("[{s:s, s:s}]", "algorithm", "SHA256", "checksumValue", sha256));
}

/* As packageurl.org says: what is not unreserved, or ':', is escaped. */
static char *package_url(const struct lock_package *p)
{
	struct strbuf url = {0};

	strbuf_printf(&url, "pkg:deb/debian/");
	for (int part = 0; part < 2; part++) {
		for (const unsigned char *c = (const unsigned char *)(part ? p->version : p->name); *c; c++)
			if (isalnum(*c) || strchr(".-_~:", *c))
				strbuf_add_char(&url, (char)*c);
			else
				strbuf_printf(&url, "%%%02X", *c);
		strbuf_add_str(&url, part ? "" : "@");
	}
	strbuf_printf(&url, "?arch=%s", p->arch);
	return strbuf_steal(&url);
}

static void add_locked(struct document *d, const struct image *image, const char *image_id)
{
	for (size_t i = 0; i < image->lock->n_packages; i++) {
		const struct lock_package *l = &image->lock->packages[i];
		_cleanup_free_ char *id = identifier("Package", image->definition->name, l->name),
				    *url = package_url(l);
		json_t *p = add_package(d, id, l->name, l->version);

		json_object_set_new(p, "packageFileName", json_string(lock_package_file(l)));
		add_digest(p, l->sha256);
		json_object_set_new(p, "externalRefs",
				    json_pack("[{s:s, s:s, s:s}]", "referenceCategory", "PACKAGE-MANAGER",
					      "referenceType", "purl", "referenceLocator", url));
		relate(d, image_id, "CONTAINS", id);
	}
}

static int add_ours(struct document *d, const struct image *image, const char *image_id, struct error *err)
{
	const struct graph *g = d->spdx->graph;

	for (size_t i = 0; i < image->lock->n_locals; i++) {
		const char *name = image->lock->locals[i];
		_cleanup_free_ char *file = xasprintf("%s.deb", name);
		_cleanup_free_ char *path = step_result(g, g->packages, file),
				    *id = identifier("Package", image->definition->name, name);
		char hex[SHA256_HEX];
		int r = sha256_file(AT_FDCWD, path, hex, NULL);

		if (r < 0)
			return error_errno(err, r, path, "cannot read");
		add_digest(add_package(d, id, name, g->options->version), hex);
		relate(d, image_id, "CONTAINS", id);
	}
	return 0;
}

static int add_image(struct document *d, const struct image *image, const char *top, struct error *err)
{
	_cleanup_free_ char *id = identifier("Image", image->definition->name, "");

	if (!image->lock)
		return 0;
	if (strcmp(id, top) != 0) {
		add_package(d, id, image->definition->name, d->spdx->graph->options->version);
		relate(d, top, "CONTAINS", id);
	}
	add_locked(d, image, id);
	return add_ours(d, image, id, err);
}

static json_t *creation(const struct spdx *s)
{
	_cleanup_free_ char *tool = xasprintf("Tool: bulkhead-%s", s->graph->options->version);
	int64_t epoch = 0;
	char date[32];
	struct tm tm;

	for (size_t i = 0; i < s->n_images; i++)
		if (s->images[i]->lock && lock_epoch(s->images[i]->lock) > epoch)
			epoch = lock_epoch(s->images[i]->lock);
	gmtime_r(&(time_t){(time_t)epoch}, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_pack("{s:s, s:[s]}", "created", date, "creators", tool);
}

int spdx_format(const struct spdx *s, struct strbuf *text, struct error *err)
{
	struct document d = {.spdx = s, .packages = json_array(), .relations = json_array()};
	_cleanup_free_ char *top = identifier("Image", s->name, ""), *space = xasprintf("urn:sha256:%s", s->key), *json = NULL;
	json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "spdxVersion", "SPDX-2.3", "dataLicense",
				 "CC0-1.0", "SPDXID", "SPDXRef-DOCUMENT", "name", s->name, "documentNamespace", space,
				 "creationInfo", creation(s), "packages", d.packages, "relationships", d.relations);
	int r = 0;

	relate(&d, "SPDXRef-DOCUMENT", "DESCRIBES", top);
	add_package(&d, top, s->name, s->graph->options->version);
	for (size_t i = 0; r == 0 && i < s->n_images; i++)
		r = add_image(&d, s->images[i], top, err);
	json = r == 0 ? json_dumps(root, JSON_INDENT(1)) : NULL;
	json_decref(root);
	if (json)
		strbuf_printf(text, "%s\n", json);
	return r;
}
