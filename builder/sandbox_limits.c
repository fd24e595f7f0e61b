/* What root inside keeps: capabilities that package scripts need, and system calls that cannot
 * reach the machine. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
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
static const unsigned refused[] = {
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
static const unsigned absent[] = {SYS_clone3, SYS_io_uring_setup};

/* Done without doing: a root that is being built is made again after a power cut, not waited for on
 * the disk. */
static const unsigned ignored[] = {SYS_fsync, SYS_fdatasync, SYS_sync, SYS_syncfs,
				   SYS_sync_file_range};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define X32_BIT 0x40000000u
#define NEW_NAMESPACES                                                                             \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
	 CLONE_NEWCGROUP)

struct program {
	struct sock_filter code[256];
	unsigned short n;
};

static void emit(struct program *p, struct sock_filter f)
{
	p->code[p->n++] = f;
}

static void emit_table(struct program *p, const unsigned *calls, size_t n, unsigned verdict)
{
	for (size_t i = 0; i < n; i++) {
		emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1));
		emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
	}
}

static int install_filter(void)
{
	struct program p = {.n = 0};
	struct sock_fprog fprog;
	const unsigned eperm = SECCOMP_RET_ERRNO | EPERM, enosys = SECCOMP_RET_ERRNO | ENOSYS;

	_Static_assert(2 * (COUNT(refused) + COUNT(absent) + COUNT(ignored)) + 16 < COUNT(p.code),
		       "filter fits");
	emit(&p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, arch)));
	emit(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
	emit(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, enosys));
	emit(&p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, nr)));
	emit(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
	emit(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, enosys));
	emit_table(&p, refused, COUNT(refused), eperm);
	emit_table(&p, absent, COUNT(absent), enosys);
	emit_table(&p, ignored, COUNT(ignored), SECCOMP_RET_ERRNO);
	/* clone: no new namespaces. The flags are the first argument's low half. */
	emit(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3));
	emit(&p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, args)));
	emit(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NEW_NAMESPACES, 0, 1));
	emit(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, eperm));
	emit(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	fprog = (struct sock_fprog){.len = p.n, .filter = p.code};
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &fprog) < 0 ? -errno : 0;
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
