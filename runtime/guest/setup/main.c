/*
 * qubes-guest-setup COMMAND: see setup.h; as the service qubes.ResizeDisk, `resize`. Exit codes: 0 done, 1 something failed, 2
 * wrong usage.
 */
#include "runtime/guest/setup/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/qubesdb/include/qubesdb-client.h"

const char *setup_value(const struct setup *s, const char *key)
{
	return strmap_get(&s->values, key);
}

void setup_complain(struct setup *s, const char *object, const char *fmt, ...)
{
	va_list args;

	s->failed = true;
	fprintf(stderr, "qubes-guest-setup: %s: ", object);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

/* Everything in one request; the values live as long as the program. */
static int read_values(struct setup *s)
{
	qdb_handle_t h = qdb_open(NULL);
	char **pairs = h ? qdb_multiread(h, "", NULL, NULL) : NULL;

	if (!pairs) {
		setup_complain(s, "qubesdb", "cannot read it: %s", strerror(errno));
		return -EIO;
	}
	s->pairs = pairs;
	for (char **p = pairs; *p; p += 2)
		strmap_put(&s->values, p[0], p[1]);
	qdb_close(h);
	return 0;
}

/* One use only: dom0 writes a new seed for each start. */
static void forget_seed(const struct setup *s)
{
	qdb_handle_t h = setup_value(s, "/qubes-random-seed") ? qdb_open(NULL) : NULL;

	if (h) {
		qdb_rm(h, "/qubes-random-seed");
		qdb_close(h);
	}
}

struct command {
	const char *name;
	int (*run)(struct setup *s);
	bool values;
};

static int run(struct setup *s, const struct command *c)
{
	int r;

	if (c->values && read_values(s) < 0)
		return 1;
	r = c->run(s);
	if (r < 0 && !s->failed)
		setup_complain(s, c->name, "%s", strerror(-r));
	if (c->run == setup_sysinit)
		forget_seed(s);
	return s->failed;
}

int main(int argc, char **argv)
{
	static const struct command commands[] = {
		{"sysinit", setup_sysinit, true},
		{"early-config", setup_early_config, true},
		{"mount-dirs", setup_mount_dirs, false},
		{"misc-post", setup_misc_post, false},
		{"uplink", setup_uplink, true},
		{"lease", setup_lease, false},
		{"bind-dirs", setup_bind_dirs, false},
		{"resize", setup_resize, false},
	};
	static struct setup s;
	const char *name = argc == 2 || (argc == 3 && !strcmp(argv[1], "uplink")) ? argv[1] : "";

	s.root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (argc == 3)
		s.argument = argv[2];
	if (argc == 1 && !strcmp(program_invocation_short_name, "qubes.ResizeDisk"))
		name = "resize";
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(name, commands[i].name))
			return run(&s, &commands[i]);
	fprintf(stderr, "usage: qubes-guest-setup sysinit|early-config|mount-dirs|misc-post|bind-dirs|"
			"uplink [INTERFACE]|lease|resize\n");
	return 2;
}
