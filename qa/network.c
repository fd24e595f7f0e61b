#include "qa/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/process.h"

static const char configuration[] = "port=53\n"
				    /* A change of user or group would clear its death signal. */
				    "user=root\n"
				    "group=root\n"
				    "interface=lab\n"
				    "bind-interfaces\n"
				    "no-resolv\n"
				    "no-hosts\n"
				    "log-queries\n"
				    "log-dhcp\n"
				    "dhcp-authoritative\n"
				    "dhcp-range=10.99.0.100,10.99.0.199,1h\n"
				    "dhcp-option=option:router," NETWORK_SERVER "\n"
				    "dhcp-option=option:dns-server," NETWORK_SERVER "\n"
				    /* What has no name here does not exist; no question leaves the namespace. */
				    "address=/#/\n";

static int check_scalars(const struct yaml_node *map, struct error *err)
{
	if (map && map->kind != YAML_MAP)
		return yaml_error(map, err, "'%s' must be a map", map->key);
	for (const struct yaml_node *n = map ? map->first : NULL; n; n = n->next)
		if (n->kind != YAML_SCALAR)
			return yaml_error(n, err, "'%s' must be a text", n->key);
	return 0;
}

static int check_names(const struct yaml_node *names, struct error *err)
{
	struct in_addr address;

	for (const struct yaml_node *n = names ? names->first : NULL; n; n = n->next)
		if (*n->text && inet_pton(AF_INET, n->text, &address) != 1)
			return yaml_error(n, err, "'%s' is no IPv4 address", n->text);
	return 0;
}

static int check_files(const struct yaml_node *files, struct error *err)
{
	for (const struct yaml_node *n = files ? files->first : NULL; n; n = n->next)
		if (n->key[0] != '/' || strstr(n->key, "/../"))
			return yaml_error(n, err, "'%s' must be an absolute path below the web root", n->key);
	return 0;
}

int network_check(const struct yaml_node *served, struct error *err)
{
	static const char *const keys[] = {"names", "files", "packages", NULL};
	const struct yaml_node *names = yaml_get(served, "names"), *files = yaml_get(served, "files");
	const struct yaml_node *packages = yaml_get(served, "packages");
	int r = served ? yaml_check_keys(served, keys, err) : 0;

	if (r == 0)
		r = check_scalars(names, err);
	if (r == 0)
		r = check_scalars(files, err);
	if (r == 0)
		r = check_names(names, err);
	if (r == 0)
		r = check_files(files, err);
	if (r == 0 && packages && packages->kind != YAML_LIST)
		r = yaml_error(packages, err, "'packages' must be a list");
	return r;
}

/* One file for dnsmasq, one with the addresses that the bridge has besides its own. */
static int write_names(struct arena *a, const struct network *n, struct error *err)
{
	const struct yaml_node *names = yaml_get(n->served, "names");
	const char *path = arena_printf(a, "%s/dnsmasq.conf", n->dir);
	_cleanup_strbuf_ struct strbuf conf = {0}, addresses = {0};
	int r;

	strbuf_add_str(&conf, configuration);
	strbuf_printf(&conf, "dhcp-leasefile=%s/leases\nlog-facility=%s/dnsmasq.log\n", n->dir, n->logs);
	for (const struct yaml_node *name = names ? names->first : NULL; name; name = name->next) {
		strbuf_printf(&conf, "host-record=%s,%s\n", name->key, *name->text ? name->text : NETWORK_SERVER);
		if (*name->text && strcmp(name->text, NETWORK_SERVER))
			strbuf_printf(&addresses, "%s\n", name->text);
	}
	r = write_file(AT_FDCWD, path, conf.p, conf.n, 0644);
	if (r == 0)
		r = write_file(AT_FDCWD, arena_printf(a, "%s/addresses", n->dir), strbuf_blob(&addresses).p, addresses.n, 0644);
	return r < 0 ? error_errno(err, r, path, "cannot write") : 0;
}

static int write_files(struct arena *a, const char *web, const struct yaml_node *files, struct error *err)
{
	for (const struct yaml_node *f = files ? files->first : NULL; f; f = f->next) {
		const char *path = arena_printf(a, "%s%s", web, f->key);
		int r = mkdir_parents(AT_FDCWD, path, 0755);

		if (r == 0)
			r = write_file(AT_FDCWD, path, f->text, strlen(f->text), 0644);
		if (r < 0)
			return error_errno(err, r, path, "cannot write");
	}
	return 0;
}

static int make_repository(struct arena *a, const struct network *n, const char *web, struct error *err)
{
	const char *const *packages = NULL;
	_cleanup_strv_ struct strv argv = {0};
	int r = yaml_strings(a, n->served, "packages", &packages, err);

	if (r < 0 || !packages || !*packages)
		return r;
	strv_push(&argv, n->repository);
	strv_pushf(&argv, "%s/debian", web);
	for (; *packages; packages++)
		strv_push(&argv, *packages);
	return process_check((const char *const *)argv.v, err);
}

int network_prepare(struct arena *a, struct network *n, struct error *err)
{
	const char *web = arena_printf(a, "%s/web", n->dir);
	int r;

	if (n->ready)
		return 0;
	r = mkdir_p(AT_FDCWD, web, 0755);
	if (r < 0)
		return error_errno(err, r, web, "cannot make the folder");
	if ((r = write_names(a, n, err)) < 0 || (r = write_files(a, web, yaml_get(n->served, "files"), err)) < 0 ||
	    (r = make_repository(a, n, web, err)) < 0)
		return r;
	n->ready = true;
	return 0;
}

void network_argv(const struct network *n, const struct machine *m, struct strv *argv)
{
	unsigned taps = 0;

	strv_push(argv, "unshare");
	/* Whoever is root needs no user namespace; others get one, in which the network is theirs. */
	if (geteuid() != 0) {
		strv_push(argv, "--user");
		strv_push(argv, "--map-root-user");
	}
	strv_push(argv, "--net");
	strv_push(argv, n->serve);
	strv_push(argv, n->dir);
	strv_push(argv, n->logs);
	for (const struct machine_nic *nic = m->nics; nic; nic = nic->next)
		taps += nic->lab;
	strv_pushf(argv, "%u", taps);
}
