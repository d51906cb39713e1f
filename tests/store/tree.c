/* Lookups: what is found and what is refused. */
#include "asked.h"

#include <sys/socket.h>
#include <sys/un.h>

static void finds_files_and_directories(void **state)
{
	(void)state;
	struct asked asked;
	make_directory("d");
	put("d/a", "hello");
	put("d/empty", "");
	struct weir_tree *tree = open_tree(NULL);
	assert_int_equal(ask(tree, &asked, "d/a"), 0);
	assert_int_equal(asked.file->kind, WEIR_FILE_REGULAR);
	assert_int_equal(asked.file->size, 5);
	assert_memory_equal(asked.file->content.data, "hello", 5);
	struct stat status;
	assert_int_equal(stat(in_scratch("d/a"), &status), 0);
	assert_int_equal(asked.file->inode, status.st_ino);
	assert_int_equal(asked.file->mtime.tv_nsec, status.st_mtim.tv_nsec);
	forget_file(&asked);
	assert_int_equal(ask(tree, &asked, "d"), 0);
	assert_int_equal(asked.file->kind, WEIR_FILE_DIRECTORY);
	assert_null(asked.file->content.data);
	forget_file(&asked);
	assert_int_equal(ask(tree, &asked, ""), 0);
	assert_int_equal(asked.file->kind, WEIR_FILE_DIRECTORY);
	forget_file(&asked);
	assert_int_equal(ask(tree, &asked, "d/empty"), 0);
	assert_int_equal(asked.file->content.size, 0);
	assert_non_null(asked.file->content.data);
	forget_file(&asked);
	assert_int_equal(error_of(tree, "d/"), 0);
	assert_int_equal(error_of(tree, "d/a/"), -ENOTDIR);
	assert_int_equal(error_of(tree, "d/a/b"), -ENOTDIR);
	assert_int_equal(error_of(tree, "none"), -ENOENT);
	weir_tree_close(tree);
}

static void nothing_leads_out_of_the_root(void **state)
{
	(void)state;
	make_directory("root");
	make_directory("root/d");
	put("secret", "secret");
	put("root/a", "a");
	assert_int_equal(symlink("../secret", in_scratch("root/up")), 0);
	assert_int_equal(symlink("/etc/passwd", in_scratch("root/absolute")), 0);
	assert_int_equal(symlink("..", in_scratch("root/parent")), 0);
	assert_int_equal(symlink("/proc/self/root", in_scratch("root/magic")), 0);
	assert_int_equal(symlink("loop", in_scratch("root/loop")), 0);
	assert_int_equal(symlink("d/../a", in_scratch("root/inside")), 0);
	struct weir_tree *tree;
	assert_int_equal(weir_tree_open(loop, in_scratch("root"), NULL, &tree), 0);
	assert_int_equal(error_of(tree, "../secret"), -EXDEV);
	assert_int_equal(error_of(tree, "d/../../secret"), -EXDEV);
	assert_int_equal(error_of(tree, ".."), -EXDEV);
	assert_int_equal(error_of(tree, "/etc/passwd"), -EXDEV);
	assert_int_equal(error_of(tree, "up"), -EXDEV);
	assert_int_equal(error_of(tree, "absolute"), -EXDEV);
	assert_int_equal(error_of(tree, "parent/secret"), -EXDEV);
	assert_int_equal(error_of(tree, "magic/etc/passwd"), -EXDEV);
	assert_int_equal(error_of(tree, "loop"), -ELOOP);
	assert_int_equal(error_of(tree, "inside"), 0);
	weir_tree_close(tree);
	struct weir_tree_options strict;
	weir_tree_options_init(&strict);
	strict.symlinks = false;
	assert_int_equal(weir_tree_open(loop, in_scratch("root"), &strict, &tree), 0);
	assert_int_equal(error_of(tree, "inside"), -ELOOP);
	assert_int_equal(error_of(tree, "a"), 0);
	weir_tree_close(tree);
}

static void magic_links_are_refused(void **state)
{
	(void)state;
	struct weir_tree *tree;
	char path[64];
	int fd = open("/etc/passwd", O_RDONLY);
	assert_int_equal(weir_tree_open(loop, "/proc/self", NULL, &tree), 0);
	snprintf(path, sizeof path, "fd/%d", fd);
	assert_int_equal(error_of(tree, path), -ELOOP);
	assert_int_equal(error_of(tree, "exe"), -ELOOP);
	assert_int_equal(error_of(tree, "cwd/x"), -ELOOP);
	weir_tree_close(tree);
	close(fd);
}

static void only_files_and_directories(void **state)
{
	(void)state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	assert_int_equal(mkfifo(in_scratch("fifo"), 0644), 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", in_scratch("socket"));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	struct weir_tree *tree = open_tree(NULL);
	assert_int_equal(error_of(tree, "fifo"), -EACCES);
	assert_int_equal(error_of(tree, "socket"), -EACCES);
	weir_tree_close(tree);
	assert_int_equal(weir_tree_open(loop, "/dev", NULL, &tree), 0);
	assert_int_equal(error_of(tree, "null"), -EACCES);
	weir_tree_close(tree);
	close(fd);
}

static void paths_have_a_bound(void **state)
{
	(void)state;
	static char path[5000];
	struct weir_tree *tree = open_tree(NULL);
	memset(path, 'a', sizeof path - 1);
	assert_int_equal(error_of(tree, path), -ENAMETOOLONG);
	path[4096] = 0;
	assert_int_equal(error_of(tree, path), -ENAMETOOLONG);
	path[300] = 0;
	assert_int_equal(error_of(tree, path), -ENAMETOOLONG);
	for (int i = 1; i < 4095; i += 2)
		path[i] = '/', path[i - 1] = '.';
	path[4094] = '.';
	path[4095] = 0;
	assert_int_equal(error_of(tree, path), 0);
	weir_tree_close(tree);
}

static void a_bad_root_is_told(void **state)
{
	(void)state;
	struct weir_tree *tree;
	put("file", "x");
	assert_int_equal(weir_tree_open(NULL, in_scratch("none"), NULL, &tree), -ENOENT);
	assert_int_equal(weir_tree_open(NULL, in_scratch("file"), NULL, &tree), -ENOTDIR);
	make_directory("closed");
	put("closed/a", "a");
	assert_int_equal(chmod(in_scratch("closed"), 0), 0);
	if (geteuid() == 0 && seteuid(65534) != 0)
		skip();
	assert_int_equal(chmod(scratch, 0755) == 0 || errno == EPERM, 1);
	int error = weir_tree_open(loop, in_scratch("closed"), NULL, &tree);
	/* Its openat2 is refused at once, or its lookups are. */
	if (error == 0) {
		error = error_of(tree, "a");
		weir_tree_close(tree);
	}
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(in_scratch("closed"), 0700), 0);
	assert_int_equal(error, -EACCES);
}

static void two_slashes_make_an_inner_root(void **state)
{
	(void)state;
	make_directory("home");
	make_directory("home/a");
	make_directory("home/a/d");
	make_directory("home/b");
	put("home/b/secret", "secret");
	put("home/a/own", "own");
	assert_int_equal(symlink("../b", in_scratch("home/a/up")), 0);
	assert_int_equal(symlink("../own", in_scratch("home/a/d/inside")), 0);
	struct weir_tree *tree = open_tree(NULL);
	assert_int_equal(error_of(tree, "home/a/up/secret"), 0);
	assert_int_equal(error_of(tree, "home/a//up/secret"), -EXDEV);
	assert_int_equal(error_of(tree, "home/a//../b/secret"), -EXDEV);
	assert_int_equal(error_of(tree, "home/a//up"), -EXDEV);
	assert_int_equal(error_of(tree, "home/a//d/inside"), 0);
	assert_int_equal(error_of(tree, "home/a///own"), 0);
	assert_int_equal(error_of(tree, "home/a//"), 0);
	assert_int_equal(error_of(tree, "home/a//none"), -ENOENT);
	assert_int_equal(error_of(tree, "none//own"), -ENOENT);
	assert_int_equal(error_of(tree, "home/a/own//x"), -ENOTDIR);
	assert_int_equal(error_of(tree, "//etc/passwd"), -EXDEV);
	weir_tree_close(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(finds_files_and_directories),
	        SCRATCH_TEST(two_slashes_make_an_inner_root),
	        SCRATCH_TEST(nothing_leads_out_of_the_root),
	        SCRATCH_TEST(magic_links_are_refused),
	        SCRATCH_TEST(only_files_and_directories),
	        SCRATCH_TEST(paths_have_a_bound),
	        SCRATCH_TEST(a_bad_root_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
