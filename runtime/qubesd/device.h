/*
 * Devices as text (ref/runtime.md 7.7): `key='value' ...` and the argument `backend+port+id` of the
 * methods about them.
 */
#pragma once

#include "common/base/arena.h"
#include "common/base/strbuf.h"

/* A device as its backend tells of it; NULL for what it does not say. From an arena. */
struct device {
	const char *class, *backend, *port, *id;
	const char *vendor, *product, *manufacturer, *name, *serial;
	const char *interfaces; /* codes of 7 characters without separators */
	const char *parent;	/* port of the device it is a part of */
	const char *node;	/* block: where it is in the backend, /dev/sda */
	const char *sbdf;	/* pci: 0000:00:04.0 */
	const char *size;	/* block: bytes */
	const char *mode;	/* block: r or w */
	const char *attachment; /* qube that has it */
};

struct device_list {
	struct device *v;
	size_t n, cap;
};

struct device *device_add(struct device_list *l, struct arena *a);
/* `key='value'` with quotes and backslashes escaped, preceded by a blank unless *out ends a line. */
void device_add_value(struct strbuf *out, const char *key, const char *value);
/* All of a device that is known. */
void device_format(const struct device *d, struct strbuf *out);
/* backend+port[+id], where `*` or nothing for the id means any; false when it is not of that form. */
bool device_argument(struct arena *a, struct blob argument, const char **backend,
		     const char **port, const char **id);
/* Does the id of an argument, with its `:` written as `+` and `*` as `_`, mean this one? */
bool device_id_matches(const char *wanted, const char *id);
