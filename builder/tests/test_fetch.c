/*
 * Promise: whatever a mirror does, only the right bytes get into the cache, what has arrived is not asked
 * for again, the next mirror is asked, and the message names the file, the mirror and a remedy. The mirror is a thread here that
 * misbehaves by the path it is asked for.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "builder/fetch/fetch.h"
#include "builder/fetch/part.h"
#include "common/base/alloc.h"
#include "common/sys/file.h"
#include "common/sys/hash.h"
#include "common/tests/test.h"

static const char good[] = "these are the right bytes\n";
/* Where the last answer of serve_cut() began. */
static _Atomic size_t served_from;

static void reply(int fd, const char *status, const char *headers, const char *body)
{
	_cleanup_free_ char *text =
		xasprintf("HTTP/1.1 %s\r\nConnection: close\r\n%s\r\n%s", status, headers, body);

	write_all(fd, text, strlen(text));
}

/* The first bytes, then nothing; to whom asks for what is behind them the rest. */
static void serve_cut(int fd, const char *bytes, const char *behind, int first)
{
	size_t from = behind ? strtoul(behind + strlen("Range: bytes="), NULL, 10) : 0;
	char headers[100], body[sizeof(good)] = "";

	served_from = from;
	snprintf(headers, sizeof(headers), "Content-Length: %zu\r\nContent-Range: bytes %zu-%zu/%zu\r\n",
		 strlen(bytes) - from, from, strlen(bytes) - 1, strlen(bytes));
	memcpy(body, bytes + from, behind ? strlen(bytes) - from : (size_t)first);
	reply(fd, behind ? "206 Partial Content" : "200 OK", headers, body);
}

/* Half of it, then nothing for a while; the rest to whom asks again. */
static void serve_paused(int fd, const char *behind)
{
	serve_cut(fd, good, behind, 10);
	if (!behind)
		sleep(3);
}

/* A byte now and then. */
static void serve_dripping(int fd)
{
	reply(fd, "200 OK", "Content-Length: 26\r\n", "");
	for (size_t i = 0; i < strlen(good) && write_all(fd, good + i, 1) == 0; i++)
		usleep(200 * 1000);
}

static void serve_one(int fd)
{
	char request[2048] = "";
	ssize_t n = read(fd, request, sizeof(request) - 1);
	char *path = n > 0 ? strchr(request, ' ') : NULL;

	const char *behind = strstr(request, "Range: bytes=");

	if (!path)
		return;
	path++;
	path[strcspn(path, " ")] = '\0';
	if (strstr(path, "/good"))
		reply(fd, "200 OK", "Content-Length: 26\r\n", good);
	else if (strstr(path, "/moved"))
		reply(fd, "302 Found", "Location: /a/good\r\nContent-Length: 0\r\n", "");
	else if (strstr(path, "/flipped"))
		reply(fd, "200 OK", "Content-Length: 26\r\n", "these are the wrong bytes\n");
	else if (strstr(path, "/truncated"))
		reply(fd, "200 OK", "Content-Length: 26\r\n", "these are");
	else if (strstr(path, "/smaller"))
		reply(fd, "200 OK", "Content-Length: 9\r\n", "these are");
	else if (strstr(path, "/larger"))
		reply(fd, "200 OK", "", "these are the right bytes\nand more");
	else if (strstr(path, "/loop"))
		reply(fd, "302 Found", "Location: /loop\r\nContent-Length: 0\r\n", "");
	else if (strstr(path, "/elsewhere"))
		reply(fd, "302 Found", "Location: file:///etc/passwd\r\nContent-Length: 0\r\n", "");
	else if (strstr(path, "/busy"))
		reply(fd, "503 Busy", "Content-Length: 0\r\n", "");
	else if (strstr(path, "/garbage"))
		write_all(fd, "\x7f\x45\x4c\x46 what\r\n\r\n", 12);
	else if (strstr(path, "/hang"))
		sleep(3);
	else if (strstr(path, "/pause"))
		serve_paused(fd, behind);
	else if (strstr(path, "/drip"))
		serve_dripping(fd);
	else if (strstr(path, "/cut"))
		serve_cut(fd, good, behind, 10);
	else if (strstr(path, "/spoilt"))
		serve_cut(fd, "THESE are the right bytes\n", behind, 10);
	else if (strstr(path, "/rest"))
		serve_cut(fd, good, behind, 0);
	else
		reply(fd, "404 Not Found", "Content-Length: 0\r\n", "");
}

static void *serve_thread(void *arg)
{
	int fd = (int)(intptr_t)arg;

	serve_one(fd);
	shutdown(fd, SHUT_RDWR);
	close(fd);
	return NULL;
}

static void *listen_thread(void *arg)
{
	int listener = (int)(intptr_t)arg, fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		pthread_t t;

		if (!pthread_create(&t, NULL, serve_thread, (void *)(intptr_t)fd))
			pthread_detach(t);
	}
	return NULL;
}

/* "http://127.0.0.1:PORT", the same server for all tests. */
static const char *server(void)
{
	static char uri[64];
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	pthread_t t;
	int fd;

	if (*uri)
		return uri;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || listen(fd, 16) ||
	    getsockname(fd, (struct sockaddr *)&a, &n) ||
	    pthread_create(&t, NULL, listen_thread, (void *)(intptr_t)fd))
		abort();
	pthread_detach(t);
	/* A client may go before all is said. */
	signal(SIGPIPE, SIG_IGN);
	/* A proxy of the environment is not for the loopback. */
	setenv("no_proxy", "127.0.0.1", 1);
	snprintf(uri, sizeof(uri), "http://127.0.0.1:%u", ntohs(a.sin_port));
	return uri;
}

struct lab {
	struct fetch_mirrors mirrors;
	struct fetch_options options;
	char hash[SHA256_HEX];
	struct fetch_item item;
	struct error err;
};

static void lab_open(struct lab *l, const char *path)
{
	*l = (struct lab){0};
	strv_pushf(&l->mirrors.main, "%s/a", server());
	l->options = (struct fetch_options){
		.cache = test_dir(), .mirrors = &l->mirrors, .quiet = true, .timeout = 1};
	sha256_hex(good, strlen(good), l->hash);
	l->item = (struct fetch_item){
		.path = path, .label = "x_1_all.deb", .size = strlen(good), .sha256 = l->hash};
}

static void lab_close(struct lab *l)
{
	fetch_mirrors_free(&l->mirrors);
	error_free(&l->err);
}

static bool cached(struct lab *l)
{
	int fd = fetch_cache_open(l->options.cache, l->hash, l->item.size, "x", NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

TEST(fetch_good_and_redirected)
{
	static const char *const paths[] = {"good", "moved"};

	for (size_t i = 0; i < 2; i++) {
		_cleanup_(lab_close) struct lab l;

		lab_open(&l, paths[i]);
		CHECK_INT(fetch_items(&l.options, &l.item, 1, &l.err), 0);
		CHECK(cached(&l));
	}
}

TEST(fetch_refuses)
{
	static const struct {
		const char *path;
		int code;
		const char *cause;
	} cases[] = {
		{"absent", -ENOENT, "mirror 127.0.0.1:PORT answers 404"},
		{"flipped", -EBADMSG, "another sha256"},
		{"truncated", -EBADMSG, "ended before the last byte"},
		{"smaller", -EBADMSG, "sent 9 bytes instead of 26"},
		{"larger", -EBADMSG, "sends more than the 26 bytes"},
		{"loop", -ELOOP, "redirects in a loop"},
		{"elsewhere", -EIO, "mirror 127.0.0.1:PORT"},
		{"busy", -EIO, "answers 503"},
		{"garbage", -EIO, "mirror 127.0.0.1:PORT"},
		{"hang", -ETIMEDOUT, "sent next to nothing for 1 s"},
		{"drip", -ETIMEDOUT, "sent next to nothing for 1 s"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(lab_close) struct lab l;
		const char *cause = cases[i].cause;
		bool said;

		lab_open(&l, cases[i].path);
		CHECK_INT(fetch_items(&l.options, &l.item, 1, &l.err), cases[i].code);
		CHECK(!cached(&l));
		CHECK_STR(l.err.object, "x_1_all.deb");
		CHECK(l.err.remedy);
		said = l.err.cause &&
		       (strstr(cause, "PORT") ? strstr(l.err.cause, "mirror 127.0.0.1:")
					      : strstr(l.err.cause, cause));
		if (!CHECK(said))
			error_print(cases[i].path, &l.err);
	}
}

TEST(fetch_asks_the_next_mirror)
{
	_cleanup_(lab_close) struct lab l;

	lab_open(&l, "b");
	free(l.mirrors.main.v[0]);
	l.mirrors.main.v[0] = xasprintf("%s/flipped", server());
	strv_pushf(&l.mirrors.main, "%s/absent", server());
	strv_pushf(&l.mirrors.main, "%s/good", server());
	CHECK_INT(fetch_items(&l.options, &l.item, 1, &l.err), 0);
	CHECK(cached(&l));
}

/* What mirrors may do with half a file, the first of them or an earlier process having sent it. */
TEST(fetch_goes_on_where_it_was)
{
	static const struct {
		const char *promise, *mirrors[3], *there;
		size_t from;
	} cases[] = {
		{"the same mirror sends the rest", {"cut"}, NULL, 10},
		{"and after a pause", {"pause"}, NULL, 10},
		{"a mirror without ranges sends all", {"truncated", "good"}, NULL, 0},
		{"wrong bytes of the first are forgotten", {"spoilt", "good"}, NULL, 0},
		{"an earlier process began it", {"rest"}, "these", 5},
		{"and had wrong bytes", {"good"}, "These", 0},
		{"and had too many", {"good"}, "these are the right bytes\nand more", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(lab_close) struct lab l;
		_cleanup_free_ char *part = NULL;

		lab_open(&l, "file");
		strv_free(&l.mirrors.main);
		for (size_t k = 0; k < 3 && cases[i].mirrors[k]; k++)
			strv_pushf(&l.mirrors.main, "%s/%s", server(), cases[i].mirrors[k]);
		part = xasprintf("%s/sha256/%s.part", l.options.cache, l.hash);
		if (cases[i].there) {
			mkdir_parents(AT_FDCWD, part, 0755);
			write_file(AT_FDCWD, part, cases[i].there, strlen(cases[i].there), 0600);
		}
		served_from = 0;
		CHECK_INT(fetch_items(&l.options, &l.item, 1, &l.err), 0);
		if (!CHECK(cached(&l)) || !CHECK_INT(served_from, cases[i].from) ||
		    !CHECK(access(part, F_OK) < 0))
			error_print(cases[i].promise, &l.err);
	}
}

/* Two at once: each has its own. */
TEST(fetch_leaves_the_part_of_another_alone)
{
	_cleanup_(part_close) struct part theirs = PART_CLOSED;
	_cleanup_(lab_close) struct lab l;
	_cleanup_free_ char *place = NULL;

	lab_open(&l, "good");
	place = fetch_cache_path(l.options.cache, l.hash);
	mkdir_parents(AT_FDCWD, place, 0755);
	CHECK_INT(part_open(&theirs, l.options.cache, &l.item, &l.err), 0);
	CHECK_INT(part_add(&theirs, "these", 5), 0);
	CHECK_INT(fetch_items(&l.options, &l.item, 1, &l.err), 0);
	CHECK(cached(&l));
	CHECK_INT(part_add(&theirs, good + 5, strlen(good) - 5), 0);
	CHECK(part_is(&theirs, l.hash));
	CHECK_INT(part_keep(&theirs, l.options.cache, &l.item), 0);
	CHECK(cached(&l));
}

TEST(fetch_says_what_was_worst)
{
	_cleanup_(lab_close) struct lab l;

	lab_open(&l, "b");
	free(l.mirrors.main.v[0]);
	l.mirrors.main.v[0] = xasprintf("%s/absent", server());
	strv_pushf(&l.mirrors.main, "%s/flipped", server());
	strv_pushf(&l.mirrors.main, "%s/gone", server());
	CHECK_INT(fetch_items(&l.options, &l.item, 1, &l.err), -EBADMSG);
}

static int count_ready(void *arg, size_t item)
{
	unsigned *seen = arg;

	seen[item]++;
	return 0;
}

static int refuse_ready(void *arg, size_t item)
{
	(void)arg;
	return item == 3 ? -EPIPE : 0;
}

TEST(fetch_many_at_once)
{
	unsigned seen[20] = {0};
	struct fetch_item items[20];
	char hashes[20][SHA256_HEX];
	_cleanup_(lab_close) struct lab l;

	/* Each its own file:// item, all from one folder. */
	lab_open(&l, "x");
	free(l.mirrors.main.v[0]);
	l.mirrors.main.v[0] = xasprintf("file://%s", l.options.cache);
	for (size_t i = 0; i < 20; i++) {
		_cleanup_free_ char *path = xasprintf("%s/f", l.options.cache),
				    *text = xasprintf("file %zu", i);
		_cleanup_free_ char *file = xasprintf("%s%zu", path, i);

		write_file(AT_FDCWD, file, text, strlen(text), 0644);
		sha256_hex(text, strlen(text), hashes[i]);
		items[i] = (struct fetch_item){.path = xasprintf("f%zu", i),
					       .label = "f",
					       .size = strlen(text),
					       .sha256 = hashes[i]};
	}
	l.options.ready = count_ready;
	l.options.ready_arg = seen;
	CHECK_INT(fetch_items(&l.options, items, 20, &l.err), 0);
	l.options.offline = true;
	CHECK_INT(fetch_items(&l.options, items, 20, &l.err), 0);
	/* Each was handed on twice: from the mirror, then from the cache. */
	for (size_t i = 0; i < 20; i++)
		CHECK_INT(seen[i], 2);
	l.options.ready = refuse_ready;
	CHECK_INT(fetch_items(&l.options, items, 20, &l.err), -EPIPE);
	for (size_t i = 0; i < 20; i++)
		free((char *)(uintptr_t)items[i].path);
}

TEST(fetch_cache_is_checked)
{
	_cleanup_(lab_close) struct lab l;
	_cleanup_free_ char *path = NULL;

	lab_open(&l, "good");
	path = fetch_cache_path(l.options.cache, l.hash);
	l.options.offline = true;
	CHECK_INT(fetch_items(&l.options, &l.item, 1, &l.err), -ENOTCONN);
	CHECK(l.err.cause && strstr(l.err.cause, "not in the cache"));
	l.options.offline = false;
	CHECK_INT(fetch_items(&l.options, &l.item, 1, &l.err), 0);
	write_file(AT_FDCWD, path, "These", 5, 0644);
	l.options.offline = true;
	CHECK_INT(fetch_items(&l.options, &l.item, 1, &l.err), -EBADMSG);
	write_file(AT_FDCWD, path, "These are the right bytes\n", 26, 0644);
	CHECK_INT(fetch_items(&l.options, &l.item, 1, &l.err), -EBADMSG);
	CHECK_STR(l.err.object, "x_1_all.deb");
	l.options.offline = false;
	CHECK_INT(fetch_items(&l.options, &l.item, 1, &l.err), 0);
	CHECK(cached(&l));
}

TEST(mirrors_by_option)
{
	struct strv uris = {0};
	struct fetch_mirrors m = {0};
	_cleanup_error_ struct error err = {0};

	strv_push(&uris, "http://m.example/debian/");
	CHECK_INT(fetch_mirrors_find(&m, &uris, &err), 0);
	CHECK_STR(m.main.v[0], "http://m.example/debian");
	CHECK_STR(m.security.v[0], "http://m.example/debian-security");
	CHECK_STR(m.security.v[1], "http://m.example/debian");
	strv_push(&uris, "ftp://m.example/");
	CHECK_INT(fetch_mirrors_find(&m, &uris, &err), -EINVAL);
	fetch_mirrors_free(&m);
	strv_free(&uris);
}

TEST(mirrors_of_apt)
{
	const char *root = test_dir();
	_cleanup_free_ char *list = xasprintf("%s/etc/apt/sources.list", root);
	_cleanup_free_ char *sources = xasprintf("%s/etc/apt/sources.list.d/d.sources", root);
	_cleanup_free_ char *mirrors = xasprintf("%s/etc/apt/mirrors.list", root);
	static const char one_line[] =
		"# deb http://c.example/debian trixie main\n"
		"deb [arch=amd64 signed-by=/k] http://a.example/debian/ trixie main # x\n"
		"deb-src http://src.example/debian trixie main\n"
		"deb https://docker.example/linux/debian trixie stable\n"
		"deb https://u.example/ubuntu noble main\n"
		"deb http://s.example/archive/debian/20260101T000000Z/ trixie main\n";
	static const char deb822[] =
		"Types: deb deb-src\nURIs: http://a.example/debian http://b.example/debian\n"
		"Suites: trixie\nComponents: main contrib\n\n"
		"Types: deb\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\n"
		"Enabled: no\n\n"
		"Types: deb\nURIs: mirror+file:/etc/apt/mirrors.list\nSuites: t\nComponents: "
		"main\n";
	struct fetch_mirrors m = {0};

	mkdir_parents(AT_FDCWD, sources, 0755);
	write_file(AT_FDCWD, list, one_line, strlen(one_line), 0644);
	write_file(AT_FDCWD, sources, deb822, strlen(deb822), 0644);
	write_file(AT_FDCWD, mirrors, "http://d.example/debian-security\tpriority:1\n", 44, 0644);
	fetch_mirrors_of_apt(&m, root);
	if (CHECK_INT(m.main.n, 3)) {
		CHECK_STR(m.main.v[0], "http://a.example/debian");
		CHECK_STR(m.main.v[1], "http://s.example/archive/debian/20260101T000000Z");
		CHECK_STR(m.main.v[2], "http://b.example/debian");
	}
	if (CHECK_INT(m.security.n, 1))
		CHECK_STR(m.security.v[0], "http://d.example/debian-security");
	fetch_mirrors_free(&m);
}

static void forget_proxies(void)
{
	static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

/* The mirror's name leads nowhere: the host's apt says whom to ask in its place. */
TEST(proxy_of_apt)
{
	static const struct {
		const char *promise, *option, *value; /* NULL: the server */
		bool used;
	} cases[] = {
		{"it is asked", "http::Proxy", NULL, true},
		{"not that of one host", "http::Proxy::other.invalid", NULL, false},
		{"not one for https alone", "https::Proxy", NULL, false},
		{"DIRECT is none", "http::Proxy", "DIRECT", false},
	};

	forget_proxies();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(lab_close) struct lab l;
		_cleanup_free_ char *config = NULL, *text = NULL;

		lab_open(&l, "good");
		free(l.mirrors.main.v[0]);
		l.mirrors.main.v[0] = xstrdup("http://mirror.invalid/debian");
		config = xasprintf("%s/etc/apt/apt.conf.d/proxy", l.options.cache);
		text = xasprintf("Dir \"%s\";\nAcquire::%s \"%s\";\n", l.options.cache, cases[i].option,
				 cases[i].value ? cases[i].value : server());
		mkdir_parents(AT_FDCWD, config, 0755);
		write_file(AT_FDCWD, config, text, strlen(text), 0644);
		setenv("APT_CONFIG", config, 1);
		fetch_proxies_of_apt(&l.mirrors);
		if (!CHECK_INT(fetch_items(&l.options, &l.item, 1, &l.err) == 0, cases[i].used))
			error_print(cases[i].promise, &l.err);
	}
	unsetenv("APT_CONFIG");
}

TEST(host_of_a_mirror)
{
	_cleanup_free_ char *a = fetch_uri_host("http://user:secret@m.example:80/debian"),
			    *b = fetch_uri_host("file:///x");

	CHECK_STR(a, "m.example:80");
	CHECK_STR(b, "this machine");
}
