/* The steps of starting and of stopping a qube; see job.h and ref/runtime.md 7.5. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/socket.h"
#include "runtime/domid.h"
#include "runtime/qubesd/block.h"
#include "runtime/qubesd/denied.h"
#include "runtime/qubesd/hypervisor.h"
#include "runtime/qubesd/job.h"
#include "runtime/qubesd/keys.h"
#include "runtime/qubesd/pci.h"
#include "runtime/qubesd/property_net.h"
#include "runtime/qubesd/qdbread.h"
#include "runtime/qubesd/sync.h"

enum { DAEMON_TIMEOUT = 60 };

static struct property_ctx context(const struct job *j)
{
	return (struct property_ctx){j->d->model, j->vm, j->arena};
}

/* The end of a step whose child answers by its exit code, with the reason on stdout if it was work
 * of ours. */
static void on_work(void *user, int status, const char *out)
{
	struct job *j = user;

	if (status == 0)
		job_step_done(j, 0);
	else
		job_step_done(j, error_set(&j->err, -EIO, j->vm->name, NULL, "%s",
					   *out ? out : j->step->name));
}

/* Qubes whose netvm is down come after it. */
static enum step_result step_netvm(struct job *j)
{
	struct vm *netvm = net_uplink(j->d->model, j->vm), *at = netvm;

	for (size_t i = 0; at && i <= j->d->model->n_vms; i++) {
		if (at == j->vm || i == j->d->model->n_vms) {
			error_set(&j->err, -ELOOP, j->vm->name, NULL, "its netvms form a loop");
			return STEP_FAILED;
		}
		at = net_uplink(j->d->model, at);
	}
	return netvm ? job_start_first(j, netvm) : STEP_DONE;
}

static void on_uplink(void *user, const char *failure)
{
	struct job *j = user;

	job_step_done(j, failure ? error_set(&j->err, -EIO, j->vm->name, NULL, "%s", failure) : 0);
}

/* The rules of a qube are in force before it has an interface. */
static enum step_result step_uplink(struct job *j)
{
	if (!net_uplink(j->d->model, j->vm))
		return STEP_DONE;
	sync_client(j->d, j->vm, on_uplink, j);
	return STEP_LATER;
}

static bool attach_at_start(const struct assignment *as)
{
	const char *mode = kv_get(&as->attrs, "mode");

	return !strcmp(as->class, "block") &&
	       (!mode || !strcmp(mode, "required") || !strcmp(mode, "auto-attach"));
}

static const struct device *find_block(const struct device_list *l, const struct assignment *as)
{
	const char *id = kv_get(&as->attrs, "identity");

	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i].backend, as->backend) && !strcmp(l->v[i].port, as->port) &&
		    device_id_matches(id && *id ? id : "*", l->v[i].id))
			return &l->v[i];
	return NULL;
}

/* NULL, or why the qube cannot have the device it is assigned. */
static const char *take_block(struct job *j, const struct assignment *as,
			      const struct device_list *l)
{
	/* It told of it a while ago. */
	const struct device *dev = block_backend_runs(j->d->model, as->backend) ? find_block(l, as) : NULL;
	const char *ro = kv_get(&as->options, "read-only"), *type = kv_get(&as->options, "devtype");
	const char *frontend = block_frontend(j->vm, kv_get(&as->options, "frontend-dev"), j->arena);
	const struct vm *holder = block_holder(j->d->model, as->backend, as->port);
	bool read_only = (ro && *ro && strcmp(ro, "no") && strcmp(ro, "False")) || (dev && dev->mode && *dev->mode == 'r');
	struct attached at;

	if (type && !block_devtype(type, &read_only))
		return "is of another devtype than disk or cdrom";
	if (dev && denied_matches(j->d->model, j->vm, dev->interfaces))
		return "is of a kind that is denied to it";
	if (!dev || holder || !frontend)
		return !dev ? "is not there" : holder ? "is used by another qube"
						      : "finds no free name";
	at = (struct attached){
		.backend = arena_strdup(j->arena, as->backend),
		.port = arena_strdup(j->arena, as->port),
		.id = arena_strdup(j->arena, dev->id),
		.node = arena_strdup(j->arena, dev->node),
		.frontend = arena_strdup(j->arena, frontend),
		.read_only = read_only,
	};
	block_add(j->d, j->vm, &at);
	j->blocks = arena_printf(j->arena, "%s%s", j->blocks ? j->blocks : "",
				 block_line(j->d->model, &at, j->arena));
	return NULL;
}

static void on_blocks(void *user, int status, const char *out)
{
	struct job *j = user;
	struct device_list l = {0};

	block_parse(blob_of(status == 0 ? out : ""), j->arena, &l);
	for (size_t i = 0; i < j->vm->n_assignments; i++) {
		const struct assignment *as = &j->vm->assignments[i];
		const char *mode = kv_get(&as->attrs, "mode"), *why;

		if (!attach_at_start(as))
			continue;
		why = take_block(j, as, &l);
		if (why && (!mode || strcmp(mode, "auto-attach") != 0)) {
			job_step_done(j, error_set(&j->err, -ENODEV, j->vm->name, NULL,
						   "its block device %s:%s %s", as->backend,
						   as->port, why));
			return;
		}
	}
	job_step_done(j, 0);
}

static void add_name(const char **names, size_t *n, const char *name)
{
	for (size_t i = 0; i < *n; i++)
		if (!strcmp(names[i], name))
			return;
	names[(*n)++] = name;
}

/* Block devices that it always has: what their backends tell of them now. */
static enum step_result step_blocks(struct job *j)
{
	const char **names = arena_alloc(j->arena, (j->vm->n_assignments + 1) * sizeof(*names));
	size_t n = 0;

	for (size_t i = 0; i < j->vm->n_assignments; i++)
		if (attach_at_start(&j->vm->assignments[i]))
			add_name(names, &n, arena_strdup(j->arena, j->vm->assignments[i].backend));
	if (!n)
		return STEP_DONE;
	if (qdb_read_all(j->d, j->arena, names, block_prefix(), on_blocks, j) == 0)
		return STEP_LATER;
	error_set(&j->err, -EAGAIN, j->vm->name, NULL, "cannot start a process to read QubesDB");
	return STEP_FAILED;
}

static int work_storage_start(const void *arg, struct error *err)
{
	return storage_start(arg, err);
}

static enum step_result step_storage(struct job *j)
{
	struct property_ctx ctx = context(j);

	if (storage_plan(j->d->model, j->vm, j->d->root, property_value(&ctx, "kernel"), j->arena,
			 &j->storage, &j->err) < 0)
		return STEP_FAILED;
	j->storage_known = true;
	return job_child(j, &(struct child_spec){.work = work_storage_start, .arg = &j->storage},
			 on_work);
}

/* What the boot mode adds to the kernel command line; a feature in a file from elsewhere may be more than a line. */
static const char *boot_mode_options(const struct property_ctx *ctx)
{
	const char *mode = property_value(ctx, "bootmode"), *words;

	if (!strcmp(mode, "default"))
		return "";
	words = net_feature(ctx->m, ctx->vm, arena_printf(ctx->arena, "boot-mode.kernelopts.%s", mode));
	return words && !strpbrk(words, "\r\n") ? arena_printf(ctx->arena, " %s", words) : "";
}

/* xl/protocol.h */
static const char *domain_lines(struct job *j, const char *kernel_dir)
{
	struct property_ctx ctx = context(j);
	const char *maxmem = property_value(&ctx, "maxmem"),
		   *memory = property_value(&ctx, "memory");
	_cleanup_strbuf_ struct strbuf s = {0};

	strbuf_printf(&s, "name=%s\nuuid=%s\ntype=%s\nmemory=%s\nmaxmem=%s\nvcpus=%s\n",
		      j->vm->name, j->vm->uuid, pci_domain_type(&ctx), memory,
		      strcmp(maxmem, "0") != 0 ? maxmem : memory, property_value(&ctx, "vcpus"));
	if (*property_value(&ctx, "kernel"))
		strbuf_printf(&s,
			      "kernel=%s/vmlinuz\nramdisk=%s/initramfs\ncmdline=console=hvc0 %s%s\n",
			      kernel_dir, kernel_dir, property_value(&ctx, "kernelopts"), boot_mode_options(&ctx));
	for (size_t i = 0; i < j->storage.n; i++) {
		const struct storage_volume *v = &j->storage.volumes[i];

		if (v->device)
			strbuf_printf(&s, "disk=%s %s %s\n", v->device, v->rw ? "rw" : "ro",
				      v->image);
	}
	strbuf_add_str(&s, j->blocks ? j->blocks : "");
	/* The backends of its own devices and clients are its own business. */
	if (net_provides(j->d->model, j->vm) || vm_has_assigned(j->vm, "pci"))
		strbuf_add_str(&s, "driver_domain=1\n");
	strbuf_add_str(&s, sync_nic_line(j->d, j->vm, j->arena));
	j->nic_backend = job_net_backend(j->d->model, j->vm);
	pci_lines(j->d, j->vm, j->arena, &s);
	return arena_strdup(j->arena, s.p);
}

static void build(struct job *j);

/*
 * A file from before there is a domain until it runs with all it needs, for the qubesd that comes after one that
 * was killed: what has no such file is taken over, what has one is ended.
 */
static const char *interruption_mark(const struct qubesd *d, const struct vm *vm, struct arena *a)
{
	return arena_printf(a, "%s/starting.%s", d->run_dir, vm->uuid);
}

bool job_was_interrupted(const struct qubesd *d, const struct vm *vm)
{
	_cleanup_arena_ struct arena *a = arena_new();

	return access(interruption_mark(d, vm, a), F_OK) == 0;
}

static int mark(struct job *j)
{
	const char *path = interruption_mark(j->d, j->vm, j->arena);
	int r = mkdir_parents(AT_FDCWD, path, 0775);

	if (r == 0)
		r = write_file(AT_FDCWD, path, "", 0, 0600);
	return r < 0 ? error_errno(&j->err, r, path, "cannot make") : 0;
}

static void unmark(struct job *j)
{
	unlink(interruption_mark(j->d, j->vm, j->arena));
}

/* The next job that waits for its turn, if any. */
static void build_next(struct qubesd *d)
{
	d->building = NULL;
	for (size_t i = 0; i < d->model->n_vms; i++) {
		struct job *j = d->model->vms[i]->job;

		if (!j || !j->queued)
			continue;
		j->queued = false;
		build(j);
		return;
	}
}

/* The kernel is where its modules are: in the pool of that volume. */
static const char *kernel_dir(struct job *j)
{
	for (size_t i = 0; i < j->storage.n; i++) {
		const struct storage_volume *v = &j->storage.volumes[i];

		if (!strcmp(v->name, "kernel") && v->image)
			return arena_strndup(j->arena, v->image, (size_t)(strrchr(v->image, '/') - v->image));
	}
	return "";
}

/* libxl tells of it only in its log. */
static const char *missing_kernel_file(struct job *j)
{
	static const char *const files[] = {"vmlinuz", "initramfs"};
	struct property_ctx ctx = context(j);

	for (size_t i = 0; *property_value(&ctx, "kernel") && i < 2; i++) {
		const char *path = arena_printf(j->arena, "%s/%s", kernel_dir(j), files[i]);

		if (access(path, R_OK) < 0)
			return path;
	}
	return NULL;
}

/* Why there is no domain. */
static int creation_failed(struct job *j, const char *out, const char *cause)
{
	const char *missing = missing_kernel_file(j);
	uint64_t need, available;

	if (hypervisor_short(out, &need, &available))
		return error_set(&j->err, -ENOMEM, j->vm->name,
				 arena_printf(j->arena, "shut down another qube, or give it less: qvm-prefs %s memory",
					      j->vm->name),
				 "Not enough memory to start it: it needs %llu MiB, %llu MiB are free",
				 (unsigned long long)need, (unsigned long long)available);
	if (missing)
		return error_set(&j->err, -ENOENT, j->vm->name, "choose another kernel with qvm-prefs QUBE kernel VERSION",
				 "cannot make the domain: %s of its kernel cannot be read", missing);
	return error_set(&j->err, -EIO, j->vm->name, NULL, "cannot make the domain: %s", cause);
}

/* What is left of a domain that failed is ended with the qube's other remains. */
static void on_created(void *user, int status, const char *out)
{
	struct job *j = user;
	const char *cause, *answer = hypervisor_answer(j->arena, status, out, &cause);
	uint64_t domid;

	build_next(j->d);
	if (answer && blob_to_u64(blob_of(answer), XEN_DOMID_MAX, &domid)) {
		j->vm->domid = (int)domid;
		event_send(j->d, j->vm, "domain-spawn", "start_guid", "True", NULL);
		job_step_done(j, 0);
		return;
	}
	j->lost = hypervisor_lost(status);
	j->vm->domid = j->made;
	job_step_done(j, creation_failed(j, out, answer ? "no domain id" : cause));
}

static void build(struct job *j)
{
	int r;

	j->d->building = j;
	r = mark(j);
	if (r < 0) {
		build_next(j->d);
		job_step_done(j, r);
		return;
	}
	r = hypervisor_run(j->d, "create", -1, blob_of(domain_lines(j, kernel_dir(j))), on_created, j,
			   &j->child);
	if (r == 0)
		return;
	build_next(j->d);
	job_step_done(j, error_errno(&j->err, r, "qubesd-xl", "cannot start"));
}

/* A step that fails outright would end the job while its caller still runs through the list. */
static int on_build_turn(sd_event_source *s, void *user)
{
	struct qubesd *d = user;

	sd_event_source_unref(s);
	if (!d->building)
		build_next(d);
	return 0;
}

/* Can the machine have a domain of that type, with those devices and that kernel? */
static int check_type(struct job *j)
{
	struct property_ctx ctx = context(j);
	const char *type = pci_domain_type(&ctx);

	if (!strcmp(type, "pv"))
		return 0;
	if (vm_has_assigned(j->vm, "pci"))
		return error_set(&j->err, -EINVAL, j->vm->name, NULL, "has PCI devices, which virt_mode pvh cannot use");
	if (j->d->model->pv_only)
		return error_set(&j->err, -ENODEV, j->vm->name, NULL,
				 "its virt_mode is pvh, which needs VT-x or AMD-V: switch that on in the firmware's "
				 "setup menu, or: qvm-prefs --default %s virt_mode",
				 j->vm->name);
	if (!*property_value(&ctx, "kernel"))
		return error_set(&j->err, -ENOENT, j->vm->name, NULL,
				 "has no kernel: set the property kernel or the system's default_kernel");
	return 0;
}

/*
 * One domain at a time: libxl gives a domain's devices a fixed number of seconds, which several
 * that are made at once on a slow machine would exceed together.
 */
static enum step_result step_create(struct job *j)
{
	int r;

	if (check_type(j) < 0 || pci_check(j->d, j->vm, j->arena, &j->err) < 0)
		return STEP_FAILED;
	event_send(j->d, j->vm, "domain-pre-spawn", "start_guid", "True", NULL);
	j->queued = true;
	r = sd_event_add_defer(j->d->event, &(sd_event_source *){NULL}, on_build_turn, j->d);
	if (r >= 0)
		return STEP_LATER;
	j->queued = false;
	error_errno(&j->err, r, "event loop", "cannot add to");
	return STEP_FAILED;
}

void job_step_cancelled(struct job *j)
{
	j->queued = false;
	job_step_done(j, error_set(&j->err, -ECANCELED, j->vm->name, NULL, "given up"));
}

static void on_operation(void *user, int status, const char *out)
{
	struct job *j = user;
	const char *cause, *answer = hypervisor_answer(j->arena, status, out, &cause);

	job_step_done(j, answer ? 0
				: error_set(&j->err, -EIO, j->vm->name, NULL, "%s: %s",
					    j->step->name, cause));
}

static enum step_result operation(struct job *j, const char *op, child_done_fn done)
{
	int r = hypervisor_run(j->d, op, j->vm->domid, (struct blob){0}, done, j, &j->child);

	if (r == 0)
		return STEP_LATER;
	error_errno(&j->err, r, "qubesd-xl", "cannot start");
	return STEP_FAILED;
}

static void on_unpaused(void *user, int status, const char *out)
{
	struct job *j = user;
	const char *cause;

	if (hypervisor_answer(j->arena, status, out, &cause))
		unmark(j);
	on_operation(j, status, out);
}

static enum step_result step_unpause(struct job *j)
{
	j->ran = true;
	return operation(j, "unpause", on_unpaused);
}

static void on_qubesdb(void *user, int status, const char *out)
{
	struct job *j = user;

	(void)out;
	job_step_done(
		j, status == 0 ? 0
			       : error_set(&j->err, -EIO, j->vm->name, NULL,
					   "its qubesdb-daemon did not start; see /var/log/qubes"));
}

static enum step_result step_qubesdb(struct job *j)
{
	const char *const argv[] = {qubesd_program(j->d, j->arena, "/usr/sbin/qubesdb-daemon"),
				    arena_printf(j->arena, "%d", j->vm->domid), j->vm->name, NULL};

	return job_child(j, &(struct child_spec){.argv = argv, .timeout = DAEMON_TIMEOUT},
			 on_qubesdb);
}

static void on_keys(void *user, int status, const char *out)
{
	struct job *j = user;

	if (status == 0)
		event_send(j->d, j->vm, "domain-qdb-create", NULL);
	on_work(j, status, out);
}

static enum step_result step_keys(struct job *j)
{
	struct keys *k = keys_new(j->d, j->arena);

	keys_add_start(k, j->d, j->vm);
	return job_child(
		j, &(struct child_spec){.work = keys_write, .arg = k, .timeout = DAEMON_TIMEOUT},
		on_keys);
}

static void on_agent(void *user, int status, const char *out)
{
	struct job *j = user;

	(void)out;
	if (status == 0)
		job_step_done(j, 0);
	else if (status == 3 || status == -ETIMEDOUT)
		job_step_done(
			j, error_set(&j->err, -ETIMEDOUT, j->vm->name, NULL,
				     "Cannot connect to qrexec agent for its qrexec_timeout, see "
				     "/var/log/xen/console/guest-%s.log",
				     j->vm->name));
	else
		job_step_done(
			j,
			error_set(
				&j->err, -EIO, j->vm->name, NULL,
				"its qrexec-daemon ended with %d; see /var/log/qubes/qrexec.%s.log",
				status, j->vm->name));
}

static enum step_result step_agent(struct job *j)
{
	struct property_ctx ctx = context(j);
	const char *timeout = property_value(&ctx, "qrexec_timeout");
	const char *qrexec = kv_get(&j->vm->features, "qrexec");
	const char *const argv[] = {qubesd_program(j->d, j->arena, "/usr/sbin/qrexec-daemon"),
				    "-q",
				    "-u",
				    j->vm->uuid,
				    "--",
				    arena_printf(j->arena, "%d", j->vm->domid),
				    j->vm->name,
				    property_value(&ctx, "default_user"),
				    NULL};
	const char *const env[] = {arena_printf(j->arena, "QREXEC_STARTUP_TIMEOUT=%s", timeout),
				   NULL};

	if (qrexec && !*qrexec)
		return STEP_DONE; /* switched off on this qube */
	/* The daemon keeps the limit itself; ours is for one that does not. */
	return job_child(j,
			 &(struct child_spec){
				 .argv = argv, .env = env, .timeout = (unsigned)atoi(timeout) + 30},
			 on_agent);
}

static enum step_result step_destroy(struct job *j)
{
	return j->vm->domid < 0 ? STEP_DONE : operation(j, "destroy", on_operation);
}

/* Is the process what we take it for? Pids are used again. */
static bool is_program(pid_t pid, const char *name)
{
	_cleanup_strbuf_ struct strbuf comm = {0};
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	return pid > 1 && read_file(AT_FDCWD, path, 64, &comm) >= 0 &&
	       blob_eq(blob_trim(strbuf_blob(&comm)), blob_of(name));
}

static void end_by_pid_file(const char *path, const char *program)
{
	_cleanup_strbuf_ struct strbuf text = {0};
	uint64_t pid;

	if (read_file(AT_FDCWD, path, 64, &text) >= 0 &&
	    blob_to_u64(blob_trim(strbuf_blob(&text)), INT32_MAX, &pid) &&
	    is_program((pid_t)pid, program))
		kill((pid_t)pid, SIGTERM);
}

/* The process that listens on a socket. */
static void end_by_socket(const char *path, const char *program)
{
	_cleanup_close_ int fd = socket_connect(path, SOCK_NONBLOCK);
	struct ucred peer = {0};
	socklen_t n = sizeof(peer);

	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
	    is_program(peer.pid, program))
		kill(peer.pid, SIGTERM);
}

/* They end by themselves when their domain is gone; this is for those that do not. */
static enum step_result step_daemons(struct job *j)
{
	end_by_pid_file(arena_printf(j->arena, "%s/qubesdb.%s.pid", j->d->run_dir, j->vm->name),
			"qubesdb-daemon");
	/* Remains that are yet to come to light are to be ended too (domains.c). */
	if (!j->lost || j->vm->domid > 0)
		unmark(j);
	if (j->vm->domid > 0)
		end_by_socket(arena_printf(j->arena, "%s/qrexec.%d", j->d->run_dir, j->vm->domid),
			      "qrexec-daemon");
	return STEP_DONE;
}

static int work_storage_stop(const void *arg, struct error *err)
{
	return storage_stop(arg, err);
}

static enum step_result step_storage_stop(struct job *j)
{
	if (!j->storage_known &&
	    storage_plan(j->d->model, j->vm, j->d->root, "", j->arena, &j->storage, &j->err) < 0)
		return STEP_FAILED;
	/* A clone that was not written to would push an earlier revision out. */
	j->storage.unused = j->storage_known && !j->ran;
	return job_child(j, &(struct child_spec){.work = work_storage_stop, .arg = &j->storage},
			 on_work);
}

const struct job_step start_steps[] = {
	{"netvm", step_netvm},
	{"storage", step_storage},
	{"uplink", step_uplink},
	{"devices", step_blocks},
	{"domain", step_create},
	{"qubesdb", step_qubesdb},
	{"keys", step_keys},
	{"unpause", step_unpause},
	{"agent", step_agent},
	{0},
};

const struct job_step stop_steps[] = {
	{"destroy", step_destroy},
	{"daemons", step_daemons},
	{"storage", step_storage_stop},
	{0},
};
