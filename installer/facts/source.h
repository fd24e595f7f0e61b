/* The sources of facts, one file each; used by facts.c only. */
#pragma once

#include "installer/facts/facts.h"

/* sysfs: adds every disk that could be a target, sorted by name. */
int facts_disks(const struct facts_source *from, struct facts *facts, struct error *err);
/* sysfs: the serial number, wherever this kind of disk keeps it; NULL when it has none. */
const char *facts_serial(struct arena *a, int disk_fd);
/* libblkid: partition table type and signatures, of the disk and of each partition. Unreadable: left NULL. */
void facts_signatures(const struct facts_source *from, struct facts *facts);
/* mountinfo, swaps and sysfs holders: in_use and medium. */
void facts_use(const struct facts_source *from, struct facts *facts);
void facts_firmware(const struct facts_source *from, struct facts *facts);
void facts_memory(const struct facts_source *from, struct facts *facts);

/* First line of a small file below a folder, trimmed and made printable; NULL when absent or empty. */
const char *facts_line(struct arena *a, int dirfd, const char *path);
/* Number in such a file, or `otherwise`. */
uint64_t facts_number(int dirfd, const char *path, uint64_t otherwise);
/* Untrusted bytes as printable ASCII, blanks at the ends removed; NULL when nothing is left. */
const char *facts_clean(struct arena *a, struct blob text);
/* The names in the medium's folders templates and guest-kernel. */
void facts_contents(const struct facts_source *from, struct facts *facts);
/* Each fills its part of facts->hardware; what cannot be read stays unknown. */
void facts_cpu(const struct facts_source *from, struct facts *facts);
void facts_acpi(const struct facts_source *from, struct facts *facts);
void facts_pci(const struct facts_source *from, struct facts *facts);
void facts_keyboards(const struct facts_source *from, struct facts *facts);
void facts_machine(const struct facts_source *from, struct facts *facts);
void facts_xen(const struct facts_source *from, struct facts *facts);

/* The text form of facts->hardware; the keys it reads, for the list of all keys. */
#define FACTS_HARDWARE_KEYS                                                                                  \
	"cpu", "machine", "tpm", "secure-boot", "clock", "medium-date", "iommus", "acpi", "xen-info", "xen-log", \
		"xen-log-complete", "pci", "keyboards"
struct yaml_node;
void facts_hardware_write(const struct hardware *hw, struct strbuf *out);
int facts_hardware_load(struct arena *a, const struct yaml_node *root, struct hardware *hw, struct error *err);

/* text.c's: `key: "value"` with its indent, nothing for NULL; a list of such values. */
void facts_write_text(struct strbuf *out, const char *indent, const char *key, const char *value);
void facts_write_list(struct strbuf *out, const char *indent, const char *key, const char *const *values);
/* A copy of a list as a NULL-terminated array in the arena; NULL for an empty one. */
struct strv;
const char *const *facts_list(struct arena *a, const struct strv *values);
