/*
 * The system calls that the server process makes. A call that is missing here fails with EPERM. To
 * find it, run the tests with a build whose filter kills (meson's option confine-kill): the core
 * dump, or the audit log, names the call. Calls that glibc falls back from fail with ENOSYS.
 */
#include <errno.h>

#include "call_filter.h"

#ifdef WEIR_SECCOMP

#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>

#include <seccomp.h>

#ifdef WEIR_CONFINE_KILL
#define REFUSED SCMP_ACT_KILL_PROCESS
#else
#define REFUSED SCMP_ACT_ERRNO(EPERM)
#endif

#define CALL(name) SCMP_SYS(name)

static const int call_filter_calls[] = {
        /* files */
        CALL(read),
        CALL(write),
        CALL(readv),
        CALL(writev),
        CALL(pread64),
        CALL(pwrite64),
        CALL(preadv),
        CALL(pwritev),
        CALL(preadv2),
        CALL(pwritev2),
        CALL(sendfile),
        CALL(splice),
        CALL(copy_file_range),
        CALL(close),
        CALL(lseek),
        CALL(open),
        CALL(openat),
        CALL(openat2),
        CALL(fstat),
        CALL(stat),
        CALL(lstat),
        CALL(newfstatat),
        CALL(statx),
        CALL(statfs),
        CALL(fstatfs),
        CALL(access),
        CALL(faccessat),
        CALL(faccessat2),
        CALL(readlink),
        CALL(readlinkat),
        CALL(getdents64),
        CALL(getcwd),
        CALL(mkdir),
        CALL(mkdirat),
        CALL(unlink),
        CALL(unlinkat),
        CALL(rmdir),
        CALL(rename),
        CALL(renameat),
        CALL(renameat2),
        CALL(link),
        CALL(linkat),
        CALL(ftruncate),
        CALL(fallocate),
        CALL(fsync),
        CALL(fdatasync),
        CALL(sync_file_range),
        CALL(syncfs),
        CALL(flock),
        CALL(fadvise64),
        CALL(readahead),
        CALL(utimensat),
        CALL(fchmod),
        CALL(fchmodat),
        CALL(fchown),
        CALL(fgetxattr),
        CALL(fsetxattr),
        CALL(flistxattr),
        CALL(fremovexattr),
        CALL(fcntl),
        CALL(dup),
        CALL(dup2),
        CALL(dup3),
        CALL(pipe2),
        CALL(inotify_init1),
        CALL(inotify_add_watch),
        CALL(inotify_rm_watch),
        /* sockets */
        CALL(bind),
        CALL(listen),
        CALL(accept),
        CALL(accept4),
        CALL(connect),
        CALL(getsockname),
        CALL(getpeername),
        CALL(getsockopt),
        CALL(setsockopt),
        CALL(sendto),
        CALL(recvfrom),
        CALL(sendmsg),
        CALL(recvmsg),
        CALL(sendmmsg),
        CALL(recvmmsg),
        CALL(shutdown),
        /* events and time */
        CALL(epoll_create1),
        CALL(epoll_ctl),
        CALL(epoll_wait),
        CALL(epoll_pwait),
        CALL(epoll_pwait2),
        CALL(eventfd2),
        CALL(signalfd4),
        CALL(poll),
        CALL(ppoll),
        CALL(select),
        CALL(pselect6),
        CALL(clock_gettime),
        CALL(clock_getres),
        CALL(clock_nanosleep),
        CALL(nanosleep),
        CALL(gettimeofday),
        CALL(time),
        /* threads and memory */
        CALL(munmap),
        CALL(mremap),
        CALL(madvise),
        CALL(brk),
        CALL(futex),
        CALL(membarrier),
        CALL(rseq),
        CALL(set_robust_list),
        CALL(sched_yield),
        CALL(sched_getaffinity),
        CALL(exit),
        CALL(exit_group),
        CALL(restart_syscall),
        CALL(rt_sigaction),
        CALL(rt_sigprocmask),
        CALL(rt_sigreturn),
        CALL(sigaltstack),
        CALL(tgkill),
        /* facts */
        CALL(getrandom),
        CALL(getpid),
        CALL(getppid),
        CALL(gettid),
        CALL(getuid),
        CALL(geteuid),
        CALL(getgid),
        CALL(getegid),
        CALL(getgroups),
        CALL(getrusage),
        CALL(getrlimit),
        CALL(uname),
        CALL(sysinfo),
        CALL(times),
        CALL(getcpu),
};

/* Of a process that reads, signs and writes, with all its threads started. */
static const int call_filter_key_calls[] = {
        CALL(read),
        CALL(write),
        CALL(close),
        CALL(fstat),
        CALL(newfstatat),
        CALL(sendto),
        CALL(recvfrom),
        CALL(clock_gettime),
        CALL(getrandom),
        CALL(munmap),
        CALL(mremap),
        CALL(madvise),
        CALL(brk),
        CALL(futex),
        CALL(rseq),
        CALL(set_robust_list),
        CALL(sched_yield),
        CALL(exit),
        CALL(exit_group),
        CALL(restart_syscall),
        CALL(rt_sigprocmask),
        CALL(rt_sigreturn),
        CALL(tgkill),
        CALL(getpid),
        CALL(gettid),
};

/* The first argument of a call has one of a few values. */
static const struct {
	int call;
	unsigned argument;
	unsigned long value;
} call_filter_values[] = {
        {CALL(socket), 0, AF_INET}, {CALL(socket), 0, AF_INET6}, {CALL(prctl), 0, PR_SET_NAME},
        {CALL(prctl), 0, PR_GET_NAME}, {CALL(ioctl), 1, FIONREAD}, {CALL(ioctl), 1, FIONBIO},
        {CALL(ioctl), 1, SIOCOUTQ}, {CALL(ioctl), 1, TCGETS}, {CALL(ioctl), 1, SIOCGIFINDEX},
        {CALL(prlimit64), 2, 0}, /* asks only */
};

/* Logs are sent to Unix sockets: see log_socket.c. */
#define CALL_FILTER_LOG_SOCKET (SOCK_DGRAM | SOCK_CLOEXEC)

/* Upstreams may have Unix sockets, and so may the database: libpq sets the flags later. */
#define CALL_FILTER_SOCKET_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)

static int call_filter_allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
	int error = 0;
	for (size_t i = 0; i < count && error == 0; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return error;
}

/* Memory that is not executable. */
static int call_filter_allow_memory(scmp_filter_ctx filter)
{
	int error = seccomp_rule_add(
	        filter, SCMP_ACT_ALLOW, CALL(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(mprotect), 1,
		        SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return error;
}

static int call_filter_fill_server(scmp_filter_ctx filter, bool unix_connect)
{
	int error = call_filter_allow(
	        filter, call_filter_calls, sizeof call_filter_calls / sizeof *call_filter_calls);
	for (size_t i = 0; i < sizeof call_filter_values / sizeof *call_filter_values && error == 0;
	        i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call_filter_values[i].call, 1,
		        SCMP_CMP(call_filter_values[i].argument, SCMP_CMP_EQ,
		                call_filter_values[i].value));
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(socket), 2,
		        SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
		        SCMP_A1(SCMP_CMP_EQ, CALL_FILTER_LOG_SOCKET));
	if (error == 0 && unix_connect)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(socket), 2,
		        SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
		        SCMP_A1(SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)CALL_FILTER_SOCKET_FLAGS,
		                SOCK_STREAM));
	if (error == 0)
		error = call_filter_allow_memory(filter);
	/* Threads, and no processes. */
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(clone), 1,
		        SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
	return error;
}

static int call_filter_fill_keys(scmp_filter_ctx filter)
{
	int error = call_filter_allow(filter, call_filter_key_calls,
	        sizeof call_filter_key_calls / sizeof *call_filter_key_calls);
	return error < 0 ? error : call_filter_allow_memory(filter);
}

bool call_filter_available(void)
{
	return true;
}

int call_filter_apply(enum call_filter which)
{
	scmp_filter_ctx filter = seccomp_init(REFUSED);
	if (!filter)
		return -ENOMEM;
	int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (error == 0)
		error = which == CALL_FILTER_KEYS
		                ? call_filter_fill_keys(filter)
		                : call_filter_fill_server(filter, which == CALL_FILTER_SERVER_UNIX);
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}

#else

bool call_filter_available(void)
{
	return false;
}

int call_filter_apply(enum call_filter which)
{
	(void)which;
	return -ENOSYS;
}

#endif
