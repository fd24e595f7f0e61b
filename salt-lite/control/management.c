/* The disposable through which a qube is configured, so that what the target sends is taken apart outside of dom0. */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "salt-lite/control/target.h"

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "runtime/qubesadmin/include/qubesadmin-values.h"

enum { POLICY_MAX = 1 << 20 };

static const char policy_name[] = "30-qubesctl-salt.policy";

static int locked(const struct control *c, const char *name, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/qubesctl.%s.lock", c->run_folder, name);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return error_errno(err, -errno, path, "cannot be locked");
	return take_fd(&fd);
}

/* Everything but the lines of this pair of qubes, then, if they are allowed, those. */
static void edit_policy(struct blob old, const char *from, const char *to, bool allowed, struct strbuf *new)
{
	static const char *const services[] = {"qubes.VMRootShell", "qubes.VMShell"};
	struct blob line;

	while (blob_token(&old, '\n', &line)) {
		struct blob rest = line, service, argument, source, target;
		bool ours = blob_word(&rest, &service) && blob_word(&rest, &argument) && blob_word(&rest, &source) &&
			    blob_word(&rest, &target) && blob_eq_str(source, from) && blob_eq_str(target, to);

		if (!ours)
			strbuf_printf(new, "%.*s\n", BLOB_ARG(line));
	}
	for (size_t i = 0; allowed && i < sizeof(services) / sizeof(*services); i++)
		strbuf_printf(new, "%s * %s %s allow user=root\n", services[i], from, to);
}

int management_policy(const struct control *c, const char *from, const char *to, bool allowed, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", c->policy_folder, policy_name);
	_cleanup_strbuf_ struct strbuf old = {0}, new = {0};
	_cleanup_close_ int lock = locked(c, "policy", err);
	int r;

	if (lock < 0)
		return lock;
	r = read_file(AT_FDCWD, path, POLICY_MAX, &old);
	if (r < 0 && r != -ENOENT)
		return error_errno(err, r, path, "cannot be read");
	edit_policy(strbuf_blob(&old), from, to, allowed, &new);
	r = new.n ? write_atomic(AT_FDCWD, path, new.p, new.n, 0664) : unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	return r < 0 ? error_errno(err, r, path, "cannot be changed") : 0;
}

static void remove_qube(const struct control *c, const char *name)
{
	/* Killed, it is removed by qubesd; one that was never started is not. */
	control_ask(c, name, "admin.vm.Kill", NULL, NULL, NULL, NULL);
	control_ask(c, name, "admin.vm.Remove", NULL, NULL, NULL, NULL);
}

/* Is it a disposable that a run of ours made? */
static bool is_ours(const struct control *c, const char *name, struct blob class)
{
	_cleanup_strbuf_ struct strbuf internal = {0};

	return blob_eq_str(class, "DispVM") &&
	       control_ask(c, name, "admin.vm.feature.Get", "internal", NULL, &internal, NULL) == 0 &&
	       blob_eq_str(strbuf_blob(&internal), "1");
}

/* One that an interrupted run left is removed; a qube of that name that is not ours stays as it is. */
static int clear_name(const struct control *c, const char *name, struct error *err)
{
	_cleanup_strbuf_ struct strbuf list = {0};
	struct admin_vm vm;
	struct blob rest;
	int r = control_ask(c, "dom0", "admin.vm.List", NULL, NULL, &list, err);

	rest = strbuf_blob(&list);
	while (r == 0 && admin_next_vm(&rest, &vm)) {
		if (!blob_eq_str(vm.name, name))
			continue;
		if (!is_ours(c, name, vm.class))
			return error_set(err, -EEXIST, name, "rename or remove that qube",
					 "the management qube needs this name, which another qube has");
		remove_qube(c, name);
	}
	return r;
}

/* Without network, windows or a place in menus, and gone when it is switched off. */
static int prepare(const struct control *c, const char *name, struct error *err)
{
	static const struct {
		const char *method, *what, *value;
	} calls[] = {{"admin.vm.feature.Set", "internal", "1"}, /* first: by it a later run knows it */
		     {"admin.vm.property.Set", "netvm", ""},
		     {"admin.vm.property.Set", "auto_cleanup", "True"},
		     {"admin.vm.feature.Set", "gui", ""}};
	int r = 0;

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls) && r == 0; i++)
		r = control_ask(c, name, calls[i].method, calls[i].what, calls[i].value, NULL, err);
	return r < 0 ? r : control_ask(c, name, "admin.vm.Start", NULL, NULL, NULL, err);
}

static int make(const struct control *c, struct management *m, const char *template, struct error *err)
{
	_cleanup_free_ char *payload = xasprintf("name=%s label=black", m->name);
	int r = clear_name(c, m->name, err);

	if (r < 0)
		return r;
	r = control_ask(c, "dom0", "admin.vm.Create.DispVM", template, payload, NULL, err);
	m->made = r == 0;
	return r < 0 ? r : prepare(c, m->name, err);
}

int management_start(const struct control *c, const struct target *t, struct management *m, struct error *err)
{
	_cleanup_strbuf_ struct strbuf template = {0};
	int r;

	*m = (struct management){.lock = -1};
	snprintf(m->name, sizeof(m->name), "disp-mgmt-%s", t->name);
	r = control_property(c, t->name, "management_dispvm", &template, err);
	if (r < 0)
		return r;
	if (!template.n)
		return error_set(err, -ENOENT, t->name, "Execute 'sudo qubesctl state.sls qvm.default-mgmt-dvm'",
				 "DVM template for management not selected");
	m->lock = locked(c, m->name, err);
	r = m->lock < 0 ? m->lock : make(c, m, template.p, err);
	return r < 0 ? r : management_policy(c, m->name, t->name, true, err);
}

void management_end(const struct control *c, const struct target *t, struct management *m)
{
	_cleanup_error_ struct error err = {0};

	if (m->lock >= 0 && management_policy(c, m->name, t->name, false, &err) < 0)
		error_print("qubesctl", &err);
	if (m->made)
		remove_qube(c, m->name);
	if (m->lock >= 0)
		close(m->lock);
	m->lock = -1;
}
