/*
 * Compares our own walk with openat2: in random trees of directories, files and links, both open
 * the same file or fail with the same error.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "drain.h"
#include "open_beneath.h"

enum {
	TREES = 60,
	ENTRIES = 24,
	PATHS = 200,
	PATH_SIZE = 512
};

static const char *const names[] = {"a", "b", "c", "..", ".", "", "none"};

static int kernel_open(int root, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
	long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
	return fd < 0 ? -errno : (int)fd;
}

static int setup(void **state)
{
	char path[] = "beneath-XXXXXX";
	(void)state;
	return mkdtemp(path) && chdir(path) == 0 ? 0 : -1;
}

static void remove_tree(const char *path)
{
	char command[PATH_SIZE + 16];
	snprintf(command, sizeof command, "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

static int teardown(void **state)
{
	char path[PATH_SIZE];
	(void)state;
	if (!getcwd(path, sizeof path) || chdir("..") < 0)
		return -1;
	remove_tree(path);
	return 0;
}

/* Up to five names, sometimes with slashes before and behind them. */
static void random_path(struct dice *dice, char path[PATH_SIZE], unsigned kinds)
{
	size_t size = 0;
	path[0] = 0;
	if (dice_throw(dice, 20) == 0)
		path[size++] = '/';
	for (unsigned i = dice_throw(dice, 5) + 1; i > 0; i--)
		size += (size_t)snprintf(path + size, PATH_SIZE - size, "%s%s",
		        names[dice_throw(dice, kinds)], i > 1 ? "/" : "");
	if (dice_throw(dice, 6) == 0)
		strcpy(path + size, "/");
}

/* An existing name stays. */
static void random_tree(struct dice *dice, int root)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		char path[PATH_SIZE], target[PATH_SIZE];
		random_path(dice, path, 3);
		if (path[0] == '/')
			continue;
		switch (dice_throw(dice, 4)) {
		case 0:
		case 1:
			mkdirat(root, path, 0755);
			break;
		case 2: {
			int fd = openat(root, path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0644);
			if (fd >= 0)
				close(fd);
			break;
		}
		default:
			random_path(dice, target, 5);
			if (target[0] && symlinkat(target, root, path) < 0)
				continue;
		}
	}
}

static void compare(int root, const char *path, uint64_t flags, uint64_t resolve)
{
	struct stat one, other;
	int expected = kernel_open(root, path, flags, resolve);
	int fd = open_beneath_walk(root, path, flags, resolve);
	if (expected < 0 || fd < 0) {
		if (fd != expected)
			fail_msg("'%s' flags %#lx resolve %#lx: %d, the kernel %d", path,
			        (unsigned long)flags, (unsigned long)resolve, fd, expected);
		return;
	}
	assert_int_equal(fstat(expected, &one), 0);
	assert_int_equal(fstat(fd, &other), 0);
	if (one.st_ino != other.st_ino || one.st_dev != other.st_dev)
		fail_msg("'%s' opens another file than with the kernel", path);
	/* The walk opens a last name that is no link with O_NOFOLLOW, which changes nothing. */
	assert_int_equal(fcntl(fd, F_GETFL) | O_NOFOLLOW, fcntl(expected, F_GETFL) | O_NOFOLLOW);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(expected);
	close(fd);
}

static void opens_what_the_kernel_opens(void **state)
{
	static const uint64_t flags[] = {O_RDONLY | O_NONBLOCK | O_NOCTTY, O_RDONLY | O_DIRECTORY,
	        O_PATH, O_PATH | O_NOFOLLOW, O_PATH | O_DIRECTORY, O_WRONLY, O_RDONLY | O_NOFOLLOW};
	static const uint64_t resolves[] = {RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	        RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
	struct dice dice = {.state = 7};
	(void)state;
	int probe = kernel_open(AT_FDCWD, ".", O_PATH, RESOLVE_BENEATH);
	if (probe < 0)
		skip();
	close(probe);
	for (unsigned i = 0; i < TREES; i++) {
		assert_int_equal(mkdir("root", 0755), 0);
		int root = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
		random_tree(&dice, root);
		for (unsigned j = 0; j < PATHS; j++) {
			char path[PATH_SIZE];
			random_path(&dice, path, 7);
			compare(root, path, flags[dice_throw(&dice, 7)],
			        resolves[dice_throw(&dice, 2)]);
		}
		close(root);
		remove_tree("root");
	}
}

static void what_leads_out_is_refused(void **state)
{
	int root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)state;
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(symlink("/etc/passwd", "absolute"), 0);
	assert_int_equal(symlink("../..", "d/up"), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	assert_int_equal(open_beneath_walk(root, "/etc/passwd", O_RDONLY, RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(open_beneath_walk(root, "..", O_RDONLY, RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(open_beneath_walk(root, "d/../../x", O_RDONLY, RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(open_beneath_walk(root, "absolute", O_RDONLY, RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(open_beneath_walk(root, "d/up", O_RDONLY, RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(open_beneath_walk(root, "loop", O_RDONLY, RESOLVE_BENEATH), -ELOOP);
	assert_int_equal(open_beneath_walk(root, "d", O_RDONLY, RESOLVE_CACHED), -EAGAIN);
	close(root);
}

static void lengths_and_depths_are_bounded(void **state)
{
	char path[4200];
	int root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)state;
	memset(path, 'x', sizeof path);
	path[256] = 0;
	assert_int_equal(open_beneath_walk(root, path, O_RDONLY, RESOLVE_BENEATH), -ENAMETOOLONG);
	path[256] = 'x';
	path[4100] = 0;
	assert_int_equal(open_beneath_walk(root, path, O_RDONLY, RESOLVE_BENEATH), -ENAMETOOLONG);
	assert_int_equal(open_beneath_walk(root, "", O_RDONLY, RESOLVE_BENEATH), -ENOENT);
	for (int depth = 0, at = root; depth < 200; depth++) {
		assert_int_equal(mkdirat(at, "deep", 0755), 0);
		int next = openat(at, "deep", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (at != root)
			close(at);
		at = next;
		if (depth == 199)
			close(at);
	}
	for (int depth = 0; depth < 200; depth++)
		memcpy(path + depth * 5, "deep/", 6);
	assert_int_equal(open_beneath_walk(root, path, O_RDONLY, RESOLVE_BENEATH), -ENAMETOOLONG);
	path[100 * 5] = 0;
	int fd = open_beneath_walk(root, path, O_RDONLY, RESOLVE_BENEATH);
	assert_true(fd >= 0);
	close(fd);
	close(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(opens_what_the_kernel_opens, setup, teardown),
	        cmocka_unit_test_setup_teardown(what_leads_out_is_refused, setup, teardown),
	        cmocka_unit_test_setup_teardown(lengths_and_depths_are_bounded, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
