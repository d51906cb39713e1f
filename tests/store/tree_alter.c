/* Renaming, permission bits and times; and that none of them leads out of the root. */
#include "asked.h"

#include <weir/limits.h>
#include <weir/upload.h>

#include "allocation.h"

static struct weir_tree *tree;

struct altered {
	struct weir_change change;
	int done;
	int error;
};

static void on_altered(struct weir_change *change, int error)
{
	struct altered *altered = WEIR_CONTAINER(change, struct altered, change);
	altered->done++;
	altered->error = error;
}

static int setup(void **state)
{
	scratch_setup(state);
	tree = open_tree(NULL);
	put("a", "text of a");
	put("b", "text of b");
	make_directory("d");
	put("d/x", "x");
	assert_int_equal(symlink("/etc", in_scratch("out")), 0);
	assert_int_equal(symlink("a", in_scratch("link")), 0);
	assert_int_equal(mkfifo(in_scratch("pipe"), 0644), 0);
	return 0;
}

static int teardown(void **state)
{
	weir_tree_close(tree);
	return scratch_teardown(state);
}

static int rename_to(const char *from, const char *to)
{
	struct altered altered = {0};
	weir_tree_rename(tree, &altered.change, from, to, on_altered);
	turn_until(&altered.done, 1);
	return altered.error;
}

static int set_mode(const char *path, mode_t mode)
{
	struct altered altered = {0};
	weir_tree_set_mode(tree, &altered.change, path, mode, on_altered);
	turn_until(&altered.done, 1);
	return altered.error;
}

static int set_time(const char *path, struct timespec time)
{
	struct altered altered = {0};
	weir_tree_set_time(tree, &altered.change, path, time, on_altered);
	turn_until(&altered.done, 1);
	return altered.error;
}

static struct stat status_of(const char *path)
{
	struct stat status;
	assert_int_equal(lstat(in_scratch(path), &status), 0);
	return status;
}

static void renames(void **state)
{
	(void)state;
	assert_int_equal(error_of(tree, "a"), 0);
	assert_int_equal(rename_to("a", "c"), 0);
	/* The cache has forgotten both. */
	assert_int_equal(error_of(tree, "a"), -ENOENT);
	assert_int_equal(error_of(tree, "c"), 0);
	assert_int_equal(rename_to("c", "b"), 0);
	assert_string_equal(text_of("b"), "text of a");
	assert_int_equal(rename_to("b", "d/b"), 0);
	assert_int_equal(rename_to("d/", "e/"), 0);
	assert_string_equal(text_of("e/b"), "text of a");
	assert_int_equal(rename_to("e/b", "e"), -ENOTEMPTY);
	assert_int_equal(rename_to("e", "e/f"), -EINVAL);
	assert_int_equal(rename_to("none", "g"), -ENOENT);
	assert_int_equal(rename_to("e", "none/g"), -ENOENT);
	assert_int_equal(rename_to("e", ".."), -EISDIR);
	assert_int_equal(rename_to("", "g"), -EISDIR);
	assert_int_equal(rename_to("e", "out/weir"), -EXDEV);
	assert_int_equal(rename_to("out/passwd", "g"), -EXDEV);
	/* A link is renamed itself. */
	assert_int_equal(rename_to("link", "other"), 0);
	assert_true(S_ISLNK(status_of("other").st_mode));
}

static void sets_modes(void **state)
{
	(void)state;
	assert_int_equal(set_mode("a", 0600), 0);
	assert_int_equal(status_of("a").st_mode & 07777, 0600);
	assert_int_equal(set_mode("a", 06644), 0);
	assert_int_equal(status_of("a").st_mode & 07777, 0644);
	assert_int_equal(set_mode("d/", 0700), 0);
	assert_int_equal(status_of("d").st_mode & 07777, 0700);
	/* A link to what is in the tree is followed, as by a lookup. */
	assert_int_equal(set_mode("link", 0640), 0);
	assert_int_equal(status_of("a").st_mode & 07777, 0640);
	assert_int_equal(set_mode("out/passwd", 0644), -EXDEV);
	assert_int_equal(set_mode("pipe", 0600), -EACCES);
	assert_int_equal(set_mode("none", 0600), -ENOENT);
}

static void sets_times(void **state)
{
	struct timespec time = {.tv_sec = 1234567890, .tv_nsec = 123000000};
	(void)state;
	struct stat before = status_of("a");
	assert_int_equal(set_time("a", time), 0);
	assert_int_equal(status_of("a").st_mtim.tv_sec, 1234567890);
	assert_int_equal(status_of("a").st_mtim.tv_nsec, 123000000);
	assert_int_equal(status_of("a").st_atim.tv_sec, before.st_atim.tv_sec);
	assert_int_equal(set_time("d", time), 0);
	assert_int_equal(status_of("d").st_mtim.tv_sec, 1234567890);
	assert_int_equal(set_time("out/passwd", time), -EXDEV);
}

static void cancelled(void **state)
{
	(void)state;
	struct altered altered = {0};
	weir_tree_rename(tree, &altered.change, "a", "c", on_altered);
	weir_change_cancel(&altered.change);
	for (int i = 0; i < 20; i++)
		weir_loop_turn(loop, 1);
	assert_int_equal(altered.done, 0);
}

static void without_memory(void **state)
{
	(void)state;
	struct altered altered = {0};
	fail_allocation_after(0, false);
	weir_tree_rename(tree, &altered.change, "a", "c", on_altered);
	assert_true(stop_failing_allocations());
	assert_int_equal(altered.done, 1);
	assert_int_equal(altered.error, -ENOMEM);
}

static void too_long(void **state)
{
	static char path[2 * WEIR_PATH_MAX];
	(void)state;
	memset(path, 'a', sizeof path - 1);
	assert_int_equal(rename_to("a", path), -ENAMETOOLONG);
	assert_int_equal(rename_to(path, "a"), -ENAMETOOLONG);
	assert_int_equal(set_mode(path, 0600), -ENAMETOOLONG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(renames),
	        TEST(sets_modes),
	        TEST(sets_times),
	        TEST(cancelled),
	        TEST(without_memory),
	        TEST(too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
