/*
 * What qubesd knows: qubes with their properties, features, tags and volumes, labels, pools, global
 * properties. Values are kept as the text of qubes.xml; property.h gives them types, defaults and
 * inheritance. The XML document that was loaded stays in memory (state.h), so that elements we do
 * not know survive.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/base/blob.h"
#include "common/base/strv.h"
#include "runtime/qubesd/kv.h"

enum vm_class {
	CLASS_ADMIN = 1,
	CLASS_TEMPLATE = 2,
	CLASS_APP = 4,
	CLASS_STANDALONE = 8,
	CLASS_DISP = 16,
};

/* Halted qubes have no domain; the names are those of ref/runtime.md 7.2. */
enum vm_power {
	POWER_HALTED,
	POWER_TRANSIENT,
	POWER_RUNNING,
	POWER_PAUSED,
	POWER_SUSPENDED,
	POWER_HALTING,
	POWER_DYING,
	POWER_CRASHED,
};

enum {
	VM_NAME_MAX = 31,
	VM_UUID_LEN = 36,
	VM_QID_MAX = 10000,
	LABEL_INDEX_STANDARD = 8, /* labels above are the user's own */
};

/* One volume; its attributes are those of <volume> in qubes.xml. */
struct volume {
	char *name;
	struct kvlist attrs;
};

/* A device given to a qube for good: a <device> of qubes.xml. */
struct assignment {
	char *class; /* pci, block, ... */
	char *backend, *port;
	struct kvlist attrs;   /* mode, identity and what else the element has */
	struct kvlist options; /* its <option> elements */
};

/* A block device that a qube has while it runs (block.h). */
struct attached {
	char *backend, *port, *id, *node;
	char *frontend; /* xvdi ... */
	bool read_only;
};

struct vm {
	enum vm_class class;
	int qid;
	char *name;
	char uuid[VM_UUID_LEN + 1];
	struct kvlist props; /* without name, uuid and qid */
	struct kvlist features;
	struct strv tags;
	struct volume *volumes;
	size_t n_volumes;
	struct assignment *assignments;
	size_t n_assignments;
	void *node; /* xmlNode of <domain>, NULL while never saved */

	enum vm_power power;
	int domid;	 /* -1: no domain */
	struct job *job; /* what is being done to it, or NULL (job.h) */
	long start_time; /* CLOCK_REALTIME seconds, 0 when not running */
	bool adopted;	 /* found running; its network is looked at when all qubes are known */
	bool seen;	 /* in the list of domains that is coming in */
	bool used;	 /* a disposable that goes when it is halted: it has been started */
	struct attached *attached;
	size_t n_attached;
	unsigned changing; /* operations on its volumes: it neither starts nor goes */
	char *importing, *import_file; /* the volume that data is coming in for, and where to; or NULL */
	unsigned refs;	 /* the model's and those of calls about it */
	struct vif *vif; /* the network interface while it is being changed, or NULL (sync.h) */
};

struct label {
	int index;
	char *name, *color; /* 0xRRGGBB */
};

struct pool {
	char *name;
	struct kvlist config; /* driver, dir_path, ... */
};

struct model {
	struct vm **vms; /* by qid; vms[0] is dom0 */
	size_t n_vms;
	struct label *labels;
	size_t n_labels;
	struct pool *pools;
	size_t n_pools;
	struct kvlist props;
	struct kvlist foreign; /* name to qid of domains of a class that we do not have */
	bool pv_only;		/* the machine has neither VT-x nor AMD-V; not saved */
	bool no_iommu;		/* nor VT-d nor AMD-Vi; not saved */
	bool unheard;		/* which qubes run is not known yet; not saved */
	void *doc; /* xmlDoc, NULL while never saved */
	char *saved; /* the text that was written last, or NULL */
};

/* An empty installation: dom0, the eight labels, the pools `varlibqubes` and `linux-kernel`. */
struct model *model_new(void);
/* Neither labels, pools nor dom0: what a reader fills. */
struct model *model_empty(void);
void model_free(struct model *m);

/* By name or `uuid:...`; NULL when there is none. */
struct vm *model_find(const struct model *m, struct blob name);
struct vm *model_find_name(const struct model *m, const char *name);
struct vm *model_find_uuid(const struct model *m, const char *uuid);
struct vm *model_find_qid(const struct model *m, int qid);
/*
 * Adds a qube at its place by qid and takes it over; qid < 0 takes the next free one. -EEXIST: the
 * name, uuid or qid is used, -ENOSPC: no qid is free.
 */
int model_add(struct model *m, struct vm *vm);
/* Takes it out of the model without freeing it. */
void model_remove(struct model *m, struct vm *vm);

/* A qube in no model yet, with a new uuid and qid -1; the reference is the caller's. */
struct vm *vm_new(enum vm_class class, const char *name);
struct vm *vm_ref(struct vm *vm);
/* Frees it with the last reference; NULL is allowed. */
void vm_unref(struct vm *vm);
struct volume *vm_volume(const struct vm *vm, const char *name);
/* The volume of that name, made if it is not there. */
struct volume *vm_volume_add(struct vm *vm, const char *name);
struct assignment *vm_assignment(const struct vm *vm, const char *class, const char *backend,
				 const char *port);
/* A new one at the end; the caller made sure that there is none yet. */
struct assignment *vm_assignment_add(struct vm *vm, const char *class, const char *backend,
				     const char *port);
void vm_assignment_remove(struct vm *vm, struct assignment *as);
/* Copies what `at` says, to the end of the list. */
void vm_attached_add(struct vm *vm, const struct attached *at);
void vm_attached_remove(struct vm *vm, struct attached *at);
/* Has it devices of that class assigned? */
bool vm_has_assigned(const struct vm *vm, const char *class);
/* Can it be nothing but pv: for its devices, or because the machine has neither VT-x nor AMD-V? */
bool vm_needs_pv(const struct model *m, const struct vm *vm);
/* The template by the stored property, NULL for none. */
struct vm *vm_template(const struct model *m, const struct vm *vm);
bool vm_tag_remove(struct vm *vm, const char *tag);
bool vm_tag_add(struct vm *vm, const char *tag);
/* A letter first, then letters, digits, `.`, `_`, `-`, at most 31; no `-dm` at the end; not a
 * reserved word. */
bool vm_name_valid(struct blob name);

const char *vm_class_name(enum vm_class class);
/* 0 when there is no such class. */
enum vm_class vm_class_parse(struct blob name);
const char *vm_power_name(enum vm_power power);
/* Has a domain, in whatever state. */
bool vm_has_domain(const struct vm *vm);

const struct label *model_label(const struct model *m, const char *name);
const struct label *model_label_index(const struct model *m, int index);
void model_label_add(struct model *m, int index, const char *name, const char *color);
void model_label_remove(struct model *m, const char *name);
const struct pool *model_pool(const struct model *m, const char *name);
struct pool *model_pool_add(struct model *m, const char *name);
void model_pool_remove(struct model *m, const char *name);
