#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/cleanup.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "runtime/qrexec/command.h"
#include "runtime/qrexec/protocol.h"
#include "runtime/qrexec/service.h"

#define SERVICE_PATH "/run/qubes-rpc:/usr/local/etc/qubes-rpc:/etc/qubes-rpc"
#define CONFIG_PATH "/run/qubes/rpc-config:/usr/local/etc/qubes/rpc-config:/etc/qubes/rpc-config"
#define CONFIG_MAX 4096

enum value_kind { VALUE_BOOL, VALUE_INTEGER, VALUE_STRING };

struct value {
	enum value_kind kind;
	bool on;
	struct blob text;
};

static bool read_value(struct blob b, struct value *v)
{
	if (blob_eq_str(b, "true") || blob_eq_str(b, "false")) {
		*v = (struct value){VALUE_BOOL, b.p[0] == 't', b};
	} else if (blob_eq_str(b, "0") || blob_eq_str(b, "1")) {
		*v = (struct value){VALUE_INTEGER, b.p[0] == '1', b};
	} else if (b.n >= 2 && b.p[0] == '\'' && b.p[b.n - 1] == '\'' && !memchr(b.p + 1, '\'', b.n - 2)) {
		*v = (struct value){VALUE_STRING, false, {b.p + 1, b.n - 2}};
	} else {
		return false;
	}
	return true;
}

static bool take_key(struct service *s, struct blob key, const struct value *v, unsigned *seen, const char **why)
{
	static const char *const names[] = {
		"wait-for-session", "force-user", "skip-service-descriptor", "exit-on-client-eof", "exit-on-service-eof",
	};
	bool *flags[] = {&s->wait_for_session, NULL, &s->skip_descriptor, &s->exit_on_client_eof, &s->exit_on_service_eof};
	unsigned i;

	for (i = 0; i < 5 && !blob_eq_str(key, names[i]); i++)
		;
	if (i == 5)
		return true; /* of a later version */
	*why = "key given twice";
	if (*seen & 1u << i)
		return false;
	*seen |= 1u << i;
	*why = "value of the wrong type";
	if (!flags[i]) {
		if (v->kind != VALUE_STRING || !v->text.n)
			return false;
		s->force_user = blob_dup(v->text);
		return true;
	}
	if (v->kind == VALUE_STRING || (v->kind == VALUE_INTEGER && i != 0))
		return false;
	*flags[i] = v->on;
	return true;
}

static bool key_ok(struct blob key)
{
	for (size_t i = 0; i < key.n; i++) {
		char c = key.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return key.n > 0;
}

bool service_config_parse(const char *text, unsigned long n, struct service *s, const char **why)
{
	struct blob rest = {text, n}, line;
	unsigned seen = 0;

	*why = "NUL in the file";
	if (memchr(text, '\0', n))
		return false;
	while (blob_token(&rest, '\n', &line)) {
		struct blob key, value = line;
		struct value v;

		if (!blob_trim(line).n || line.p[0] == '#')
			continue;
		*why = "leading white space";
		if (line.p[0] == ' ' || line.p[0] == '\t')
			return false;
		*why = "no 'key = value'";
		if (!memchr(line.p, '=', line.n) || !blob_token(&value, '=', &key))
			return false;
		key = blob_trim(key);
		*why = "bad key";
		if (!key_ok(key))
			return false;
		*why = "bad value";
		if (!read_value(blob_trim(value), &v))
			return false;
		if (!take_key(s, key, &v, &seen, why))
			return false;
	}
	*why = "force-user excludes skip-service-descriptor and exit-on-*-eof";
	return !(s->force_user && (s->skip_descriptor || s->exit_on_client_eof || s->exit_on_service_eof));
}

/* 1..65535 without a leading zero. */
static bool port_ok(const char *p)
{
	uint64_t v;

	return *p != '0' && strlen(p) <= 5 && blob_to_u64(blob_of(p), 65535, &v) && v > 0;
}

static bool host_ok(const char *h)
{
	unsigned char address[16];
	char plain[64];
	const char *zone = strchr(h, '%');
	size_t n = zone ? (size_t)(zone - h) : strlen(h);

	if (n >= sizeof(plain))
		return false;
	memcpy(plain, h, n);
	plain[n] = '\0';
	if (strchr(h, ':') || zone)
		return inet_pton(AF_INET6, plain, address) == 1 && (!zone || zone[1]);
	return inet_pton(AF_INET, plain, address) == 1;
}

bool service_tcp_parse(const char *link, const char *argument, struct service *s, const char **why)
{
	const char *p = link + strlen("/dev/tcp");
	_cleanup_free_ char *host = NULL;
	_cleanup_free_ char *port = NULL;
	const char *slash;

	*why = "not a /dev/tcp link";
	if (*p == '/')
		p++;
	else if (*p)
		return false;
	if (argument && !*argument)
		argument = NULL;
	slash = strchr(p, '/');
	*why = "bad argument for this /dev/tcp link";
	if (*p && slash) {
		if (argument)
			return false;
		host = xstrndup(p, (size_t)(slash - p));
		port = xstrdup(slash + 1);
	} else if (*p) {
		if (!argument)
			return false;
		host = xstrdup(p);
		port = xstrdup(argument);
	} else {
		const char *plus = argument ? strrchr(argument, '+') : NULL;

		if (!plus || strchr(argument, '_'))
			return false;
		host = xstrndup(argument, (size_t)(plus - argument));
		for (char *c = host; *c; c++)
			if (*c == '+')
				*c = ':';
		port = xstrdup(plus + 1);
	}
	*why = "not a numeric host and port";
	if (!host_ok(host) || !port_ok(port))
		return false;
	s->host = take_ptr(host);
	s->port = take_ptr(port);
	s->kind = SERVICE_TCP;
	return true;
}

/* Calls visit() for DIR/name of every directory until it returns other than -ENOENT. */
static int search(const char *path, const char *name, int (*visit)(const char *file, void *arg), void *arg)
{
	struct blob rest = blob_of(path), dir;

	while (blob_token(&rest, ':', &dir)) {
		_cleanup_free_ char *file = NULL;
		int r;

		if (!dir.n)
			continue;
		file = xasprintf("%.*s/%s", (int)dir.n, dir.p, name);
		r = visit(file, arg);
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

/* First the name with its argument in all directories, then the bare name. */
static int search_both(const char *path, const struct command *c, int (*visit)(const char *file, void *arg), void *arg)
{
	_cleanup_free_ char *full = xasprintf("%s+%s", c->name, c->argument);
	int r = search(path, full, visit, arg);

	return r == -ENOENT ? search(path, c->name, visit, arg) : r;
}

struct finding {
	const struct command *command;
	struct service *service;
	const char **why;
};

static int visit_service(const char *file, void *arg)
{
	struct finding *f = arg;
	char target[256];
	struct stat st;

	*f->why = "cannot be examined";
	if (lstat(file, &st) < 0)
		return errno == ENAMETOOLONG ? -ENOENT : -errno;
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(file, target, sizeof(target) - 1);

		if (n > 0 && strncmp(target, "/dev/tcp", 8) == 0) {
			target[n] = '\0';
			return service_tcp_parse(target, f->command->argument, f->service, f->why) ? 0 : -EINVAL;
		}
		if (stat(file, &st) < 0)
			return errno == ENOENT ? -ELOOP : -errno;
	}
	f->service->path = xstrdup(file);
	f->service->kind = S_ISSOCK(st.st_mode) ? SERVICE_SOCKET : SERVICE_PROGRAM;
	*f->why = "neither program nor socket";
	if (S_ISSOCK(st.st_mode))
		return 0;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*f->why = "not executable";
	return access(file, X_OK) < 0 ? -EACCES : 0;
}

static int visit_config(const char *file, void *arg)
{
	struct finding *f = arg;
	_cleanup_(strbuf_free) struct strbuf text = {0};
	int r = read_file(AT_FDCWD, file, CONFIG_MAX, &text);

	if (r < 0) {
		*f->why = "its rpc-config cannot be read";
		return r == -ENAMETOOLONG ? -ENOENT : r;
	}
	return service_config_parse(text.p, text.n, f->service, f->why) ? 0 : -EINVAL;
}

static const char *path_of(const char *variable, const char *standard)
{
	const char *s = getenv(variable);

	return s ? s : standard;
}

int service_find(const struct command *c, struct service *s, const char **why)
{
	struct finding f = {c, s, why};
	int r;

	memset(s, 0, sizeof(*s));
	r = search_both(path_of("QREXEC_SERVICE_PATH", SERVICE_PATH), c, visit_service, &f);
	if (r == -ENOENT) {
		*why = "no such service";
		return QREXEC_EXIT_NOT_FOUND;
	}
	if (r < 0)
		return QREXEC_EXIT_PROBLEM;
	r = search_both(path_of("QUBES_RPC_CONFIG_PATH", CONFIG_PATH), c, visit_config, &f);
	return r == 0 || r == -ENOENT ? 0 : QREXEC_EXIT_PROBLEM;
}

void service_free(struct service *s)
{
	free(s->path);
	free(s->host);
	free(s->port);
	free(s->force_user);
	memset(s, 0, sizeof(*s));
}
