/* What arrives as text or message is taken apart exactly as written down, and refused when it is anything else. */
#include <stdlib.h>
#include <string.h>

#include "common/base/strv.h"
#include "common/tests/test.h"
#include "runtime/qrexec/command.h"
#include "runtime/qrexec/protocol.h"
#include "runtime/qrexec/service.h"

TEST(commands)
{
	struct command c;

	CHECK_INT(command_parse("user:nogui:echo a:b", &c), 0);
	CHECK_STR(c.user, "user");
	CHECK(c.nogui && !c.is_service);
	CHECK_STR(c.line, "echo a:b");
	command_free(&c);
	CHECK_INT(command_parse("u:QUBESRPC svc+a+b work keyword default", &c), 0);
	CHECK(c.is_service && c.has_argument);
	CHECK_STR(c.service, "svc+a+b");
	CHECK_STR(c.name, "svc");
	CHECK_STR(c.argument, "a+b");
	CHECK_STR(c.source, "work");
	CHECK_STR(c.target_type, "keyword");
	CHECK_STR(c.target, "default");
	command_free(&c);
	static const char *const bad[] = {
		"", "no colon", ":cmd", "u:QUBESRPC ", "u:QUBESRPC svc", "u:QUBESRPC svc ", "u:QUBESRPC  dom0",
		"u:QUBESRPC +arg dom0", "u:QUBESRPC a/b dom0", "u:QUBESRPC svc dom0 type x",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (!CHECK(command_parse(bad[i], &c) < 0))
			CHECK_STR(bad[i], "refused");
		command_free(&c);
	}
}

static bool has_variable(const struct strv *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], name, n) == 0 && env->v[i][n] == '=')
			return true;
	return false;
}

TEST(environment)
{
	char plain[] = "A=1", path[] = "QREXEC_SERVICE_PATH=/x", old[] = "QREXEC_OLD=2";
	char *base[] = {plain, path, old, NULL};
	struct command c;
	_cleanup_strv_ struct strv env = {0};

	CHECK_INT(command_parse("u:QUBESRPC svc+arg work name web", &c), 0);
	command_environment(&c, base, &env);
	CHECK(strv_contains(&env, "A=1") && strv_contains(&env, "QREXEC_SERVICE_PATH=/x"));
	CHECK(!strv_contains(&env, "QREXEC_OLD=2"));
	CHECK(strv_contains(&env, "QREXEC_SERVICE_FULL_NAME=svc+arg"));
	CHECK(strv_contains(&env, "QREXEC_SERVICE_ARGUMENT=arg"));
	CHECK(strv_contains(&env, "QREXEC_REMOTE_DOMAIN=work"));
	CHECK(strv_contains(&env, "QREXEC_REQUESTED_TARGET_TYPE=name"));
	CHECK(strv_contains(&env, "QREXEC_REQUESTED_TARGET=web"));
	CHECK(!has_variable(&env, "QREXEC_REQUESTED_TARGET_KEYWORD"));
	command_free(&c);
}

/* The agent's own, a keyword, no target, no argument; and a command, which is no service. */
TEST(environment_of_others)
{
	char own[] = "QREXEC_AGENT_PID=1";
	char *base[] = {own, NULL};
	struct command c;
	_cleanup_strv_ struct strv keyword = {0}, bare = {0}, env = {0};

	CHECK_INT(command_parse("u:QUBESRPC svc work keyword default", &c), 0);
	command_environment(&c, base, &keyword);
	CHECK(strv_contains(&keyword, "QREXEC_REQUESTED_TARGET_KEYWORD=default"));
	CHECK(!has_variable(&keyword, "QREXEC_REQUESTED_TARGET"));
	CHECK(!has_variable(&keyword, "QREXEC_SERVICE_ARGUMENT"));
	command_free(&c);
	CHECK_INT(command_parse("u:QUBESRPC svc work", &c), 0);
	command_environment(&c, base, &bare);
	CHECK(strv_contains(&bare, "QREXEC_REQUESTED_TARGET_TYPE="));
	CHECK(!has_variable(&bare, "QREXEC_REQUESTED_TARGET_KEYWORD"));
	command_free(&c);
	CHECK_INT(command_parse("u:true", &c), 0);
	command_environment(&c, base, &env);
	CHECK(!strv_contains(&env, "QREXEC_AGENT_PID=1") && has_variable(&env, "QREXEC_AGENT_PID"));
	CHECK(!has_variable(&env, "QREXEC_SERVICE_FULL_NAME"));
	CHECK(!has_variable(&env, "QREXEC_REMOTE_DOMAIN"));
	command_free(&c);
}

static bool config(const char *text, struct service *s)
{
	const char *why;

	memset(s, 0, sizeof(*s));
	return service_config_parse(text, strlen(text), s, &why);
}

TEST(rpc_config)
{
	struct service s;

	CHECK(config("# comment\n\nwait-for-session = 1\nforce-user='root'\nunknown = 'x'\n", &s));
	CHECK(s.wait_for_session);
	CHECK_STR(s.force_user, "root");
	service_free(&s);
	CHECK(config("skip-service-descriptor = true\nexit-on-client-eof=false\nexit-on-service-eof = true", &s));
	CHECK(s.skip_descriptor && !s.exit_on_client_eof && s.exit_on_service_eof);
	static const char *const bad[] = {
		"wait-for-session = 01\n", "wait-for-session = 00", "wait-for-session = 2", "wait-for-session = 'yes'",
		"force-user = \"root\"", "force-user = root", "force-user = ''", "force-user = 'a'b'", "force-user = 1",
		"skip-service-descriptor = 1", " force-user = 'x'", "[section]", "force-user", "= true", "a b = true",
		"wait-for-session = 1\nwait-for-session = 1", "force-user = 'x'\nexit-on-client-eof = true",
		"skip-service-descriptor = true\nforce-user = 'x'", " # comment", "skip-service-descriptor = yes",
		"unknown = x", "exit-on-service-eof = 'x'",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (!CHECK(!config(bad[i], &s)))
			CHECK_STR(bad[i], "refused");
		service_free(&s);
	}
}

TEST(rpc_config_with_a_nul)
{
	struct service s = {0};
	const char *why;

	CHECK(!service_config_parse("# \0", 3, &s, &why));
	CHECK_STR(why, "NUL in the file");
}

static bool tcp(const char *link, const char *argument, struct service *s)
{
	const char *why;

	memset(s, 0, sizeof(*s));
	return service_tcp_parse(link, argument, s, &why);
}

static void good_tcp(const char *link, const char *argument, const char *host, const char *port)
{
	struct service s;

	if (CHECK(tcp(link, argument, &s))) {
		CHECK_STR(s.host, host);
		CHECK_STR(s.port, port);
	}
	service_free(&s);
}

TEST(tcp_links)
{
	static const char *const bad[][2] = {
		{"/dev/tcp/127.0.0.1/80", "80"}, {"/dev/tcp/127.0.0.1/080", ""}, {"/dev/tcp/127.0.0.1/0", ""},
		{"/dev/tcp/127.0.0.1/65536", ""}, {"/dev/tcp/localhost/80", ""}, {"/dev/tcp/127.0.0.1", ""},
		{"/dev/tcp/127.0.0.1", "+80"}, {"/dev/tcp", "80"}, {"/dev/tcp", "::1_2+80"}, {"/dev/tcpx", ""},
		{"/dev/tcp/127.0.0.1/", ""}, {"/dev/tcp/127.0.0.1/8/0", ""}, {"/dev/tcp/1.2.3/80", ""},
		{"/dev/tcp/127.0.0.1%eth0/1", ""}, {"/dev/tcp/fe80::1%/1", ""},
	};
	struct service s;

	good_tcp("/dev/tcp/127.0.0.1/80", "", "127.0.0.1", "80");
	good_tcp("/dev/tcp/::1/65535", NULL, "::1", "65535");
	good_tcp("/dev/tcp/fe80::1%eth0/1", NULL, "fe80::1%eth0", "1");
	good_tcp("/dev/tcp/127.0.0.1", "8082", "127.0.0.1", "8082");
	good_tcp("/dev/tcp", "10.0.0.1+22", "10.0.0.1", "22");
	good_tcp("/dev/tcp/", "fd00++1+22", "fd00::1", "22");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (!CHECK(!tcp(bad[i][0], bad[i][1], &s)))
			CHECK_STR(bad[i][0], "refused");
		service_free(&s);
	}
}

TEST(triggers)
{
	char buf[256] = {0};
	struct trigger_service_params4 *v4 = (struct trigger_service_params4 *)(void *)buf;
	struct trigger t;

	strcpy(v4->target_domain, "work");
	strcpy(v4->request_id.ident, "SOCKET5");
	strcpy(buf + sizeof(*v4), "svc+a");
	CHECK(trigger_parse(MSG_TRIGGER_SERVICE4, buf, sizeof(*v4) + 6, &t));
	CHECK_STR(t.service, "svc+a");
	CHECK_INT(t.service_n, 5);
	CHECK_STR(t.params.target_domain, "work");
	CHECK(!trigger_parse(MSG_TRIGGER_SERVICE4, buf, sizeof(*v4), &t));
	CHECK(!trigger_parse(MSG_TRIGGER_SERVICE4, buf, sizeof(*v4) + 5, &t));
	CHECK(!trigger_parse(MSG_TRIGGER_SERVICE4, buf, sizeof(*v4) + 7, &t));
	CHECK(trigger_parse(MSG_TRIGGER_SERVICE3, buf + 64, 96 + 6, &t));
	CHECK_STR(t.params.target_domain, "work");
	CHECK_STR(t.params.source_domain, "");
	CHECK(!trigger_parse(MSG_TRIGGER_SERVICE3, buf + 64, 96, &t));
	memset(v4->target_domain, 'x', 64);
	CHECK(!trigger_parse(MSG_TRIGGER_SERVICE4, buf, sizeof(*v4) + 6, &t));
	memset(buf, 0, sizeof(buf));
	strcpy(buf, "svc");
	CHECK(trigger_parse(MSG_TRIGGER_SERVICE, buf, 128, &t));
	CHECK_STR(t.service, "svc");
	CHECK(!trigger_parse(MSG_TRIGGER_SERVICE, buf, 127, &t));
	CHECK(!trigger_parse(MSG_HELLO, buf, 128, &t));
}

TEST(lengths)
{
	CHECK(control_length_ok(MSG_HELLO, 4) && !control_length_ok(MSG_HELLO, 5));
	CHECK(control_length_ok(MSG_EXEC_CMDLINE, 8 + 65536) && !control_length_ok(MSG_EXEC_CMDLINE, 8 + 65537));
	CHECK(!control_length_ok(MSG_EXEC_CMDLINE, 7) && !control_length_ok(MSG_JUST_EXEC, UINT32_MAX));
	CHECK(control_length_ok(MSG_TRIGGER_SERVICE4, 161) && !control_length_ok(MSG_TRIGGER_SERVICE4, 160));
	CHECK(!control_length_ok(MSG_TRIGGER_SERVICE4, 160 + 65001));
	CHECK(control_length_ok(MSG_TRIGGER_SERVICE4, 160 + 65000));
	CHECK(control_length_ok(MSG_CONNECTION_TERMINATED, 8) && !control_length_ok(MSG_CONNECTION_TERMINATED, 9));
	CHECK(!control_length_ok(0, 0) && !control_length_ok(MSG_DATA_STDIN, 0));
}

TEST(a_command_is_one_string)
{
	struct exec_params where;
	const char *text;

	CHECK(exec_message_parse("\0\0\0\0\0\0\0\0u:x", 12, &where, &text));
	CHECK_STR(text, "u:x");
	CHECK(!exec_message_parse("\0\0\0\0\0\0\0\0u\0x", 12, &where, &text));
	CHECK(!exec_message_parse("\0\0\0\0\0\0\0\0u:x", 11, &where, &text));
}
