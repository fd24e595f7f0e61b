/* Promise: what runs in the sandbox sees its root only, has no network, and leaves nothing behind. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/sandbox.h"
#include "common/base/alloc.h"
#include "common/base/cleanup.h"
#include "common/tests/test.h"

static const char *out_folder(void)
{
	static const char *path;

	return path ? path : (path = test_dir());
}

/* The host's own root, read-only: no package is needed to test. */
static int run(const char *script, struct strbuf *out, unsigned timeout, struct error *err)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	const struct sandbox_bind binds[] = {
		{.source = out_folder(), .target = "/run/out", .writable = true}};
	const struct sandbox sb = {
		.root = "/", .argv = argv, .binds = binds, .n_binds = 1, .timeout_s = timeout};

	return sandbox_check(&sb, "sh", out, 65536, err);
}

static bool cannot(void)
{
	if (geteuid() == 0)
		return false;
	test_skip("needs root");
	return true;
}

static void check_says(const char *script, const char *want)
{
	_cleanup_strbuf_ struct strbuf out = {0};
	_cleanup_error_ struct error err = {0};
	int r = run(script, &out, 20, &err);

	CHECK_INT(r, 0);
	if (r < 0)
		error_print("sandbox", &err);
	CHECK_STR(out.p ? out.p : "", want);
}

TEST(fixed_environment)
{
	if (cannot())
		return;
	check_says("echo $HOME $LANG $TZ; umask; uname -n; echo $$ | grep -c '^[2-9]$'",
		   "/root C.UTF-8 UTC\n0022\nbulkhead\n1\n");
}

TEST(no_network)
{
	if (cannot())
		return;
	check_says("grep -c : /proc/net/dev; grep -c lo: /proc/net/dev", "1\n1\n");
}

TEST(cannot_write_outside)
{
	if (cannot())
		return;
	check_says("touch /etc/bulkhead-test 2>/dev/null || echo refused; touch /run/out/inside && "
		   "echo written;"
		   "touch /tmp/here && echo private",
		   "refused\nwritten\nprivate\n");
	CHECK(access("/tmp/here", F_OK) < 0);
	CHECK(access("/etc/bulkhead-test", F_OK) < 0);
}

TEST(cannot_mount_or_make_devices)
{
	if (cannot())
		return;
	check_says("mount -t tmpfs x /tmp 2>/dev/null || echo no mount; mknod /tmp/d b 7 0 "
		   "2>/dev/null || echo no device;"
		   "unshare -m true 2>/dev/null || echo no namespace; (echo x "
		   ">/proc/sys/kernel/hostname) 2>/dev/null ||"
		   "echo no sysctl; echo ok >/dev/null && echo null",
		   "no mount\nno device\nno namespace\nno sysctl\nnull\n");
}

TEST(leftover_process_is_killed)
{
	_cleanup_free_ char *path = xasprintf("%s/alive", out_folder());

	if (cannot())
		return;
	check_says(
		"(setsid sh -c 'sleep 1; touch /run/out/alive' >/dev/null 2>&1 &) ; echo started",
		"started\n");
	usleep(1500 * 1000);
	CHECK(access(path, F_OK) < 0);
}

TEST(time_limit)
{
	_cleanup_error_ struct error err = {0};

	if (cannot())
		return;
	CHECK_INT(run("sleep 30", NULL, 1, &err), -ETIMEDOUT);
	CHECK_STR(err.cause, "killed after 1 seconds");
}

TEST(exit_code_and_last_line)
{
	_cleanup_error_ struct error err = {0};

	if (cannot())
		return;
	CHECK_INT(run("echo first; echo the cause >&2; exit 3", NULL, 20, &err), -EPROTO);
	CHECK_STR(err.object, "sh");
	CHECK_STR(err.cause, "exit code 3: the cause");
}

TEST(missing_program)
{
	const char *argv[] = {"no-such-program", NULL};
	const struct sandbox sb = {.root = "/", .argv = argv, .timeout_s = 20};
	_cleanup_error_ struct error err = {0};
	int status;

	if (cannot())
		return;
	CHECK_INT(sandbox_run(&sb, &status, &err), -ENOENT);
	CHECK_STR(err.cause, "no-such-program: No such file or directory");
}

TEST(throwaway_root_keeps_nothing)
{
	const char *argv[] = {
		"sh", "-c", "echo x >/etc/bulkhead-throwaway && cat /etc/bulkhead-throwaway", NULL};
	const struct sandbox sb = {
		.root = "/", .mode = SANDBOX_THROWAWAY, .argv = argv, .timeout_s = 20};
	_cleanup_strbuf_ struct strbuf out = {0};
	_cleanup_error_ struct error err = {0};

	if (cannot())
		return;
	CHECK_INT(sandbox_check(&sb, "sh", &out, 4096, &err), 0);
	CHECK_STR(out.p, "x\n");
	CHECK(access("/etc/bulkhead-throwaway", F_OK) < 0);
}

static int write_and_fail(void *arg, struct error *err)
{
	if (write(open("/target/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600), arg, 3) != 3)
		return error_set(err, -EIO, "file", NULL, "not written");
	return error_set(err, -ELOOP, "member", "look", "%d is wrong", 7);
}

TEST(function_in_an_empty_root)
{
	const struct sandbox_bind binds[] = {
		{.source = out_folder(), .target = "/target", .writable = true}};
	const struct sandbox sb = {.binds = binds, .n_binds = 1, .timeout_s = 20};
	_cleanup_free_ char *path = xasprintf("%s/file", out_folder());
	_cleanup_error_ struct error err = {0};
	char text[] = "abc";

	if (cannot())
		return;
	CHECK_INT(sandbox_call(&sb, write_and_fail, text, &err), -ELOOP);
	CHECK_STR(err.object, "member");
	CHECK_STR(err.cause, "7 is wrong");
	CHECK_STR(err.remedy, "look");
	CHECK(access(path, F_OK) == 0);
}

static int look_at(void *arg, struct error *err)
{
	struct stat st;

	return fstat(*(const int *)arg, &st) < 0 ? error_errno(err, -errno, "descriptor", "cannot look at it") : 0;
}

TEST(a_function_has_no_folder_of_the_outside)
{
	_cleanup_close_ int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			    path = open("/", O_PATH | O_CLOEXEC), file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const struct sandbox sb = {.timeout_s = 20};
	_cleanup_error_ struct error err = {0};

	if (cannot())
		return;
	CHECK_INT(sandbox_call(&sb, look_at, &folder, &err), -EBADF);
	CHECK_INT(sandbox_call(&sb, look_at, &path, &err), -EBADF);
	CHECK_INT(sandbox_call(&sb, look_at, &file, &err), 0);
}

static int write_in_root(void *arg, struct error *err)
{
	int fd = open("/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)arg;
	return fd < 0 ? error_errno(err, -errno, "/file", "cannot be made") : 0;
}

/* The empty root is a file system in memory that mounts alone would let it fill. */
TEST(landlock_forbids_what_mounts_do_not)
{
	const struct sandbox sb = {.timeout_s = 20};
	_cleanup_error_ struct error err = {0};

	if (cannot())
		return;
	if (!sandbox_landlock_version()) {
		test_skip("the kernel has no Landlock");
		return;
	}
	CHECK_INT(sandbox_call(&sb, write_in_root, NULL, &err), -EACCES);
}

TEST(fsync_costs_nothing_and_succeeds)
{
	if (cannot())
		return;
	check_says("sync && dd if=/dev/zero of=/run/out/s bs=1 count=1 conv=fsync 2>/dev/null && "
		   "echo done",
		   "done\n");
}

TEST(a_file_has_a_limit)
{
	const char *argv[] = {"sh", "-c", "dd if=/dev/zero of=/tmp/large bs=64k count=17 2>&1 || stat -c %s /tmp/large", NULL};
	const struct sandbox sb = {.root = "/", .argv = argv, .timeout_s = 20, .file_max = 1 << 20};
	_cleanup_strbuf_ struct strbuf out = {0};
	_cleanup_error_ struct error err = {0};

	if (cannot())
		return;
	CHECK_INT(sandbox_check(&sb, "sh", &out, 65536, &err), 0);
	CHECK(out.p && strstr(out.p, "File too large"));
	CHECK(out.p && strstr(out.p, "\n1048576\n"));
}

/* One that does nothing any more. */
#define LIBRARY "/usr/lib/x86_64-linux-gnu/libdl.so.2"

TEST(programs_can_be_varied)
{
	_cleanup_strv_ struct strv libraries = {0}, env = {0};

	if (cannot())
		return;
	strv_push(&libraries, LIBRARY);
	strv_push(&env, "TZ=Asia/Kathmandu");
	CHECK_INT(sandbox_vary(&libraries, &env), 0);
	check_says("echo $TZ $LD_PRELOAD; cmp /run/bulkhead-preload/0.so " LIBRARY " && echo there",
		   "Asia/Kathmandu /run/bulkhead-preload/0.so\nthere\n");
	strv_free(&libraries);
	strv_free(&env);
	check_says("echo $TZ$LD_PRELOAD", "UTC\n");
}
