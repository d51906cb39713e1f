/* Changes by other programs are noticed in the next turn, or after revalidate_ms. */
#include "scratch.h"

#include <weir/tree.h>

static struct weir_tree *tree;
static char seen[64];
static int answers;
static struct weir_file *last; /* only compared */

static void on_done(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	(void)lookup;
	answers++;
	last = file;
	snprintf(seen, sizeof seen, "error %d", error);
	if (file)
		snprintf(seen, sizeof seen, "%.*s", (int)file->content.size,
		        file->content.data ? file->content.data : "");
}

static const char *look(const char *path)
{
	struct weir_lookup lookup = {0};
	int before = answers;
	weir_tree_lookup(tree, &lookup, path, on_done);
	turn_until(&answers, before + 1);
	return seen;
}

static const char *probe(const char *path)
{
	struct weir_lookup lookup = {0};
	int before = answers;
	weir_tree_probe(tree, &lookup, path, on_done);
	turn_until(&answers, before + 1);
	return seen;
}

static int setup(void **state)
{
	scratch_setup(state);
	struct weir_tree_options options;
	weir_tree_options_init(&options);
	options.revalidate_ms = 100;
	return weir_tree_open(loop, scratch, &options, &tree);
}

static int teardown(void **state)
{
	weir_tree_close(tree);
	return scratch_teardown(state);
}

static void rewrite_keeping_times(const char *path, const char *text)
{
	struct stat status;
	assert_int_equal(stat(in_scratch(path), &status), 0);
	int fd = open(in_scratch(path), O_WRONLY);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	struct timespec times[] = {status.st_atim, status.st_mtim};
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static void check_all_changes(bool settled)
{
	if (settled)
		settle();
	assert_string_equal(look("a"), "aaaa");
	rewrite_keeping_times("a", "bbbb");
	turn();
	assert_string_equal(look("a"), "bbbb");
	if (settled)
		settle();
	turn();
	look("a");
	put("new", "cccc");
	assert_int_equal(rename(in_scratch("new"), in_scratch("a")), 0);
	turn();
	assert_string_equal(look("a"), "cccc");
	if (settled)
		settle();
	turn();
	look("a");
	assert_int_equal(truncate(in_scratch("a"), 2), 0);
	turn();
	assert_string_equal(look("a"), "cc");
	if (settled)
		settle();
	turn();
	look("a");
	assert_int_equal(rename(in_scratch("a"), in_scratch("away")), 0);
	turn();
	assert_string_equal(look("a"), "error -2");
	assert_string_equal(look("away"), "cc");
	if (settled)
		settle();
	turn();
	look("away");
	assert_int_equal(unlink(in_scratch("away")), 0);
	turn();
	assert_string_equal(look("away"), "error -2");
}

static void settled_files(void **state)
{
	(void)state;
	put("a", "aaaa");
	check_all_changes(true);
	assert_true(weir_tree_counters(tree)->changes > 0);
}

static void files_just_written(void **state)
{
	(void)state;
	put("a", "aaaa");
	check_all_changes(false);
}

/* Many rewrites in the same tick of the clock, the times put back after each. */
static void no_rewrite_is_missed(void **state)
{
	(void)state;
	char text[8];
	put("a", "0000");
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof text, "%04d", i);
		rewrite_keeping_times("a", text);
		turn();
		assert_string_equal(look("a"), text);
	}
}

static void a_file_is_kept_while_it_is_the_same(void **state)
{
	(void)state;
	put("a", "a");
	settle();
	look("a");
	struct weir_file *file = last;
	for (int i = 0; i < 5; i++) {
		sleep_ms(60); /* across revalidate_ms, too */
		turn();
		look("a");
		assert_ptr_equal(last, file);
	}
}

static void changed_directories_are_noticed_later(void **state)
{
	(void)state;
	make_directory("d1");
	make_directory("d2");
	put("d1/a", "one");
	put("d2/a", "two");
	assert_int_equal(symlink("d1", in_scratch("link")), 0);
	settle();
	assert_string_equal(look("d1/a"), "one");
	assert_string_equal(look("link/a"), "one");
	assert_int_equal(rename(in_scratch("d1"), in_scratch("d3")), 0);
	assert_int_equal(rename(in_scratch("d2"), in_scratch("d1")), 0);
	sleep_ms(150);
	turn();
	assert_string_equal(look("d1/a"), "two");
	assert_string_equal(look("link/a"), "two");
	assert_int_equal(unlink(in_scratch("link")), 0);
	assert_int_equal(symlink("d3", in_scratch("link")), 0);
	sleep_ms(150);
	turn();
	assert_string_equal(look("link/a"), "one");
}

static void a_directory_changes_when_its_names_do(void **state)
{
	(void)state;
	make_directory("d");
	settle();
	look("d");
	struct weir_file *file = last;
	turn();
	look("d");
	assert_ptr_equal(last, file);
	uint64_t changes = weir_tree_counters(tree)->changes;
	put("d/a", "a");
	turn();
	look("d");
	assert_true(weir_tree_counters(tree)->changes > changes);
}

static void absence_is_remembered_for_probes_only(void **state)
{
	(void)state;
	assert_string_equal(probe("a.gz"), "error -2");
	assert_int_equal(weir_tree_counters(tree)->entries, 1);
	put("a.gz", "zipped");
	turn();
	assert_string_equal(probe("a.gz"), "error -2");
	assert_string_equal(look("a.gz"), "zipped");
	assert_string_equal(probe("a.gz"), "zipped");
	assert_int_equal(unlink(in_scratch("a.gz")), 0);
	turn();
	assert_string_equal(probe("a.gz"), "error -2");
	put("a.gz", "zipped");
	sleep_ms(150);
	turn();
	assert_string_equal(probe("a.gz"), "zipped");
	assert_string_equal(look("none"), "error -2");
	assert_int_equal(weir_tree_counters(tree)->entries, 1);
}

static void what_is_forgotten_is_looked_up_in_the_same_turn(void **state)
{
	(void)state;
	make_directory("d");
	put("d/a", "one");
	settle();
	turn();
	look("d/a");
	probe("d/b");
	put("d/a", "two");
	put("d/b", "b");
	weir_tree_invalidate(tree, "d/a");
	weir_tree_invalidate(tree, "d/b");
	assert_string_equal(look("d/a"), "two");
	assert_string_equal(probe("d/b"), "b");
	weir_tree_invalidate(tree, "");
	weir_tree_invalidate(tree, "/");
	weir_tree_invalidate(tree, "never/asked/for");
}

#define CHANGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CHANGE_TEST(settled_files),
	        CHANGE_TEST(files_just_written),
	        CHANGE_TEST(no_rewrite_is_missed),
	        CHANGE_TEST(a_file_is_kept_while_it_is_the_same),
	        CHANGE_TEST(changed_directories_are_noticed_later),
	        CHANGE_TEST(a_directory_changes_when_its_names_do),
	        CHANGE_TEST(absence_is_remembered_for_probes_only),
	        CHANGE_TEST(what_is_forgotten_is_looked_up_in_the_same_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
