/*
 * See the header. A file system that is mounted nowhere needs neither a mount point nor a private
 * /.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "own_mounts.h"

enum {
	SKIPPED = 77
};

void own_mounts_require(bool condition, const char *file, int line)
{
	if (condition)
		return;
	fprintf(stderr, "%s:%d: not so\n", file, line);
	_exit(1);
}

static void own_mounts_skip(const char *what)
{
	printf("# skipped: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(SKIPPED);
}

static void own_mounts_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		own_mounts_skip(path);
	close(fd);
}

/* A user becomes root of a user namespace, in which nobody else exists. */
static void own_mounts_enter(void)
{
	char map[64];
	if (geteuid() == 0) {
		if (unshare(CLONE_NEWNS) < 0)
			own_mounts_skip("a mount namespace");
		return;
	}
	uid_t uid = geteuid();
	gid_t gid = getegid();
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		own_mounts_skip("a user namespace");
	own_mounts_write("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1", uid);
	own_mounts_write("/proc/self/uid_map", map);
	snprintf(map, sizeof map, "0 %u 1", gid);
	own_mounts_write("/proc/self/gid_map", map);
}

void own_mounts_small_disk(char *path)
{
	int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "size", "1m", 0) < 0 ||
	        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		own_mounts_skip("a file system in memory");
	int disk = fsmount(context, FSMOUNT_CLOEXEC, 0);
	if (disk < 0)
		own_mounts_skip("a file system in memory");
	close(context);
	sprintf(path, "/proc/self/fd/%d", disk);
}

void own_mounts_hide_proc(void)
{
	if (mount(NULL, "/proc", NULL, MS_PRIVATE, NULL) < 0 ||
	        mount("none", "/proc", "tmpfs", 0, "size=1m") < 0)
		own_mounts_skip("hiding /proc");
}

void with_own_mounts(void (*check)(void))
{
	int result;
	fflush(stdout);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		own_mounts_enter();
		check();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_true(WIFEXITED(result));
	if (WEXITSTATUS(result) == SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(result), 0);
}
