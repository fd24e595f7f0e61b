/* admin.vm.notes.*, admin.vm.Console: small things that lie beside a qube. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/sys/file.h"
#include "runtime/qubesd/call.h"
#include "runtime/qubesd/hypervisor.h"
#include "runtime/qubesd/storage.h"

enum { NOTES_MAX = 256000 };

static const char *path_of(struct call *c)
{
	return arena_printf(c->arena, "%s/notes.txt",
			    storage_dir(c->d->model, c->target, c->d->root, c->arena));
}

static enum call_result notes_get(struct call *c)
{
	int r = read_file(AT_FDCWD, path_of(c), NOTES_MAX, &c->out);

	if (r < 0 && r != -ENOENT)
		return call_raise(c, "QubesException", "%s: %s", path_of(c), strerror(-r));
	return CALL_DONE;
}

/* RFC 3629, without overlong forms and surrogates; no NUL. */
static bool is_utf8(struct blob b)
{
	for (size_t i = 0; i < b.n;) {
		unsigned char lead = (unsigned char)b.p[i++];
		int more = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
		unsigned value = more ? lead & (0x3fu >> more) : lead;

		if (more < 0 || lead > 0xf4 || !lead || i + (size_t)more > b.n)
			return false;
		for (int k = 0; k < more; k++) {
			unsigned char next = (unsigned char)b.p[i++];

			if ((next & 0xc0) != 0x80)
				return false;
			value = value << 6 | (next & 0x3f);
		}
		if ((more == 2 && value < 0x800) || (more == 3 && value < 0x10000) ||
		    (value >= 0xd800 && value < 0xe000) || value > 0x10ffff)
			return false;
	}
	return true;
}

static enum call_result notes_set(struct call *c)
{
	struct blob text = c->request.payload;
	int r;

	if (!is_utf8(text))
		return call_raise(c, "QubesValueError", "Notes have to be UTF-8 text");
	r = mkdir_parents(AT_FDCWD, path_of(c), 0770);
	if (r == 0)
		r = write_atomic(AT_FDCWD, path_of(c), text.p, text.n, 0660);
	if (r < 0)
		return call_raise(c, "QubesException", "%s: %s", path_of(c), strerror(-r));
	return CALL_DONE;
}

static void on_console(void *user, int status, const char *out)
{
	struct call *c = user;
	const char *cause, *path = hypervisor_answer(c->arena, status, out, &cause);

	if (path && path[0] == '/')
		strbuf_add_str(&c->out, path);
	else
		call_raise(c, "QubesVMError", "%s: %s", c->target->name,
			   path ? "has no console" : cause);
	call_finish(c);
}

static enum call_result console(struct call *c)
{
	if (c->target->domid < 0)
		return call_raise(c, "QubesVMNotRunningError", "Domain is not running: '%s'",
				  c->target->name);
	if (hypervisor_run(c->d, "console", c->target->domid, (struct blob){0}, on_console, c,
			   NULL) < 0)
		return call_raise(c, "QubesVMError", "cannot start qubesd-xl");
	return CALL_LATER;
}

const struct call_method notes_methods[] = {
	{"admin.vm.notes.Get", TO_ANY, notes_get},
	{"admin.vm.notes.Set", TO_ANY | PAYLOAD_OPTIONAL, notes_set},
	{"admin.vm.Console", TO_VM, console},
	{0},
};
