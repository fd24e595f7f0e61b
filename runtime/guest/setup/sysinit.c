#include "runtime/guest/setup/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/sys/file.h"

#define SERVICE_PREFIX "/qubes-service/"

/* Services that are on unless dom0 says otherwise, for each kind of qube. */
static const struct {
	const char *type, *file, *services;
} kinds[] = {
	{"AppVM", "this-is-appvm",
	 "qubes-update-check meminfo-writer tracker evolution-data-server software-rendering"},
	{"NetVM", "this-is-netvm",
	 "network-manager qubes-network qubes-update-check qubes-updates-proxy meminfo-writer "
	 "qubes-firewall "
	 "software-rendering"},
	{"ProxyVM", "this-is-proxyvm",
	 "qubes-network qubes-firewall qubes-update-check meminfo-writer software-rendering"},
	{"TemplateVM", "this-is-templatevm",
	 "qubes-update-check meminfo-writer tracker evolution-data-server software-rendering "
	 "updates-proxy-setup"},
};

static void touch(struct setup *s, const char *path)
{
	int r = write_file(s->root, path, "", 0, 0644);

	if (r < 0)
		setup_complain(s, path, "%s", strerror(-r));
}

static void make_folders(struct setup *s)
{
	struct group *group = s->testing ? NULL : getgrnam("qubes");
	int r = mkdir_p(s->root, "run/qubes", 0775);

	if (!r)
		r = mkdir_p(s->root, "run/qubes-service", 0755);
	if (r < 0)
		setup_complain(s, "/run/qubes", "%s", strerror(-r));
	/* Group members (the agents' users) make their sockets here, whatever the umask was. */
	if (fchmodat(s->root, "run/qubes", 0775, 0) < 0 ||
	    (group && fchownat(s->root, "run/qubes", 0, group->gr_gid, 0) < 0))
		setup_complain(s, "/run/qubes", "%s", strerror(errno));
}

static void set_service(struct setup *s, struct blob name, bool on)
{
	char path[128];

	/* dom0's names have neither; a folder of flags must not become a way out of it. */
	if (!name.n || name.n > 64 || name.p[0] == '.' || memchr(name.p, '/', name.n))
		return;
	snprintf(path, sizeof(path), "run/qubes-service/%.*s", BLOB_ARG(name));
	if (on)
		touch(s, path);
	else
		unlinkat(s->root, path, 0);
}

static void set_kind(struct setup *s)
{
	const char *type = setup_value(s, "/qubes-vm-type"),
		   *persistence = setup_value(s, "/qubes-vm-persistence");
	char path[64];

	for (size_t i = 0; type && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct blob rest = blob_of(kinds[i].services), service;

		if (strcmp(type, kinds[i].type))
			continue;
		snprintf(path, sizeof(path), "run/qubes/%s", kinds[i].file);
		touch(s, path);
		while (blob_word(&rest, &service))
			set_service(s, service, true);
	}
	if (persistence && (!strcmp(persistence, "full") || !strcmp(persistence, "rw-only") ||
			    !strcmp(persistence, "none"))) {
		snprintf(path, sizeof(path), "run/qubes/persistent-%s", persistence);
		touch(s, path);
	}
}

static void set_services(struct setup *s)
{
	for (size_t i = 0; i < s->values.cap; i++) {
		const char *key = s->values.slots[i].key;

		if (key && !strncmp(key, SERVICE_PREFIX, strlen(SERVICE_PREFIX)))
			set_service(s, blob_of(key + strlen(SERVICE_PREFIX)),
				    strcmp(s->values.slots[i].value, "0") != 0);
	}
}

/* Mixed in, not credited: dom0 is trusted, but the kernel decides what it counts. */
static void add_randomness(struct setup *s)
{
	const char *seed = setup_value(s, "/qubes-random-seed");
	_cleanup_close_ int fd =
		s->testing || !seed ? -1 : open("/dev/urandom", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		write_all(fd, seed, strlen(seed));
}

/*
 * The initramfs may have loaded the module before modprobe.d could say this: a data channel of a
 * call takes 33 pages, and the module's own limit of 1,024 ends at about 31 calls.
 */
static void raise_grant_limit(struct setup *s)
{
	static const char limit[] = "16384\n";
	_cleanup_close_ int fd = s->testing ? -1
					    : open("/sys/module/xen_gntalloc/parameters/limit",
						   O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write_all(fd, limit, sizeof(limit) - 1) < 0)
		setup_complain(s, "xen_gntalloc", "cannot raise its limit: %s", strerror(errno));
}

/* Not a failure of the set-up: but who asked for less to be kept must be able to see that more is. */
static void warn_of_persistence(const struct setup *s)
{
	if (faccessat(s->root, "run/qubes-service/custom-persist", F_OK, 0) == 0)
		fprintf(stderr, "qubes-guest-setup: custom-persist: has no effect yet; all of /rw is kept and used\n");
}

int setup_sysinit(struct setup *s)
{
	const char *debug = setup_value(s, "/qubes-debug-mode");
	const char *environment = debug && !strcmp(debug, "1") ? "GUI_OPTS=-vv\n" : "";
	int r;

	make_folders(s);
	set_kind(s);
	set_services(s);
	warn_of_persistence(s);
	r = write_file(s->root, "run/qubes-service-environment", environment, strlen(environment),
		       0644);
	if (r < 0)
		setup_complain(s, "/run/qubes-service-environment", "%s", strerror(-r));
	add_randomness(s);
	raise_grant_limit(s);
	return r;
}
