/* What root inside keeps: capabilities that package scripts need, and system calls that cannot
 * reach the machine. */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "builder/sandbox_internal.h"

#define CAP(x) (UINT64_C(1) << (x))

static const uint64_t kept_capabilities = CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) |
					  CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_FOWNER) |
					  CAP(CAP_FSETID) | CAP(CAP_KILL) | CAP(CAP_SETGID) |
					  CAP(CAP_SETUID) | CAP(CAP_SETFCAP) | CAP(CAP_SYS_CHROOT);

/* Refused with EPERM: they act on the machine, or make new namespaces in which more could be tried. */
static const int refused[] = {
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_open_tree,
	SYS_move_mount,
	SYS_fsopen,
	SYS_fsconfig,
	SYS_fsmount,
	SYS_fspick,
	SYS_mount_setattr,
	SYS_kexec_load,
	SYS_kexec_file_load,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_clock_adjtime,
	SYS_adjtimex,
	SYS_reboot,
	SYS_swapon,
	SYS_swapoff,
	SYS_acct,
	SYS_quotactl,
	SYS_syslog,
	SYS_keyctl,
	SYS_add_key,
	SYS_request_key,
	SYS_bpf,
	SYS_perf_event_open,
	SYS_userfaultfd,
	SYS_setns,
	SYS_unshare,
	SYS_open_by_handle_at,
	SYS_iopl,
	SYS_ioperm,
	SYS_vhangup,
	SYS_ptrace,
	SYS_process_vm_writev,
	SYS_fanotify_init,
};

/* Refused with ENOSYS: libraries then use older calls, whose arguments can be looked at. */
static const int absent[] = {SYS_clone3, SYS_io_uring_setup};

/* Done without doing: a root that is being built is made again after a power cut, not waited for on
 * the disk. */
static const int ignored[] = {SYS_fsync, SYS_fdatasync, SYS_sync, SYS_syncfs,
				   SYS_sync_file_range};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
static const int new_namespaces[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,	CLONE_NEWNET,
				     CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP};

static int add_rules(scmp_filter_ctx filter, uint32_t verdict, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add(filter, verdict, calls[i], 0);
	return r;
}

/* Calls of another architecture, x32 among them, are absent as a whole. */
static int install_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)) : -ENOMEM;

	if (r == 0)
		r = add_rules(filter, SCMP_ACT_ERRNO(EPERM), refused, COUNT(refused));
	if (r == 0)
		r = add_rules(filter, SCMP_ACT_ERRNO(ENOSYS), absent, COUNT(absent));
	if (r == 0)
		r = add_rules(filter, SCMP_ACT_ERRNO(0), ignored, COUNT(ignored));
	for (size_t i = 0; r == 0 && i < COUNT(new_namespaces); i++) {
		const scmp_datum_t flag = (scmp_datum_t)new_namespaces[i];

		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SYS_clone, 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
	}
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	for (unsigned long cap = 0; cap < 64; cap++)
		if (!(kept_capabilities & CAP(cap)) && prctl(PR_CAPBSET_DROP, cap) < 0 &&
		    errno != EINVAL)
			return -errno;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	data[0].permitted = data[0].effective = (uint32_t)kept_capabilities;
	data[1].permitted = data[1].effective = (uint32_t)(kept_capabilities >> 32);
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int sandbox_drop_rights(const struct sandbox *sb, const char **step)
{
	/* Some programs close every descriptor up to the limit: a small one, the same everywhere. */
	const struct rlimit files = {1024, 1024}, core = {0, 0}, size = {sb->file_max, sb->file_max};
	int r;

	*step = "set limits";
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &core) < 0 ||
	    (sb->file_max && setrlimit(RLIMIT_FSIZE, &size) < 0))
		return -errno;
	*step = "drop capabilities";
	r = drop_capabilities();
	if (r < 0)
		return r;
	*step = "keep new programs from gaining rights";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	*step = "confine it with Landlock";
	r = sandbox_landlock(sb);
	if (r < 0)
		return r;
	*step = "set the system call filter";
	return install_filter();
}
