/* Directories of all sizes, read in memory that does not grow with them. */
#include "scratch.h"

#include <malloc.h>

#include <weir/directory.h>
#include <weir/error.h>
#include <weir/limits.h>

#include "allocation.h"

static struct {
	int batches;
	int error;
	bool ended;
	size_t count;
	size_t largest;
	bool sorted;
	char last[256];
	struct weir_directory_entry found; /* the one named "wanted"; its name is not kept */
	struct weir_directory *directory;
	bool close_at_first;
	char target[64]; /* of `found` */
	char all[4096];  /* the names, a line each, while there is room */
} seen;

static void on_batch(
        void *context, int error, const struct weir_directory_entry *entries, size_t count)
{
	assert_ptr_equal(context, &seen);
	seen.batches++;
	seen.error = error;
	seen.ended = count == 0;
	seen.count += count;
	if (count > seen.largest)
		seen.largest = count;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(entries[i].name, seen.last) < 0)
			seen.sorted = false;
		snprintf(seen.last, sizeof seen.last, "%s", entries[i].name);
		size_t size = strlen(seen.all);
		snprintf(seen.all + size, sizeof seen.all - size, "%s\n", entries[i].name);
		if (!strcmp(entries[i].name, "wanted")) {
			seen.found = entries[i];
			snprintf(seen.target, sizeof seen.target, "%s",
			        entries[i].target ? entries[i].target : "(none)");
		}
	}
	if (seen.close_at_first)
		weir_directory_close(seen.directory);
	else if (!seen.ended)
		weir_directory_next(seen.directory, on_batch, &seen);
}

static int start(const char *path, const struct weir_directory_options *options)
{
	int fd = open(in_scratch(path), O_RDONLY | O_DIRECTORY);
	memset(&seen, 0, sizeof seen);
	seen.sorted = true;
	int error = weir_directory_open(loop, fd, options, &seen.directory);
	close(fd);
	return error;
}

static void read_all(const char *path, const struct weir_directory_options *options)
{
	assert_int_equal(start(path, options), 0);
	weir_directory_next(seen.directory, on_batch, &seen);
	assert_int_equal(seen.batches, 0);
	for (int i = 0; i < 10000 && !seen.ended; i++)
		weir_loop_turn(loop, 100);
	assert_true(seen.ended);
	weir_directory_close(seen.directory);
}

static void fill(const char *path, unsigned count)
{
	char name[64];
	make_directory(path);
	int directory = open(in_scratch(path), O_RDONLY | O_DIRECTORY);
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof name, "%u", i * 7919 % count);
		int fd = openat(directory, name, O_CREAT | O_WRONLY, 0644);
		assert_true(fd >= 0);
		close(fd);
	}
	close(directory);
}

static void an_empty_directory(void **state)
{
	(void)state;
	make_directory("d");
	read_all("d", NULL);
	assert_int_equal(seen.batches, 1);
	assert_int_equal(seen.count, 0);
	read_all("d", &(struct weir_directory_options){.sort_max = 10});
	assert_int_equal(seen.count, 0);
}

static void kinds_and_details(void **state)
{
	(void)state;
	make_directory("d");
	make_directory("d/wanted");
	read_all("d", NULL);
	assert_int_equal(seen.found.kind, WEIR_FILE_DIRECTORY);
	assert_int_equal(seen.found.mtime.tv_sec, 0);
	assert_int_equal(rmdir(in_scratch("d/wanted")), 0);
	put("d/wanted", "12345");
	read_all("d", &(struct weir_directory_options){.details = true});
	assert_int_equal(seen.found.kind, WEIR_FILE_REGULAR);
	assert_int_equal(seen.found.size, 5);
	assert_true(seen.found.mtime.tv_sec > 0);
	assert_int_equal(unlink(in_scratch("d/wanted")), 0);
	assert_int_equal(symlink("/etc/passwd", in_scratch("d/wanted")), 0);
	read_all("d", &(struct weir_directory_options){.details = true});
	assert_int_equal(seen.found.kind, WEIR_FILE_LINK);
	assert_int_equal(seen.found.size, strlen("/etc/passwd"));
	assert_int_equal(unlink(in_scratch("d/wanted")), 0);
	assert_int_equal(mkfifo(in_scratch("d/wanted"), 0600), 0);
	read_all("d", NULL);
	assert_int_equal(seen.found.kind, WEIR_FILE_OTHER);
}

static void a_small_one_is_sorted(void **state)
{
	(void)state;
	struct weir_directory_options options = {.sort_max = 1000, .details = true};
	fill("d", 1000);
	read_all("d", &options);
	assert_int_equal(seen.count, 1000);
	assert_int_equal(seen.batches, 2);
	assert_true(seen.sorted);
	put("d/one-more", "");
	read_all("d", &options);
	assert_int_equal(seen.count, 1001);
}

static void a_large_one_in_constant_memory(void **state)
{
	(void)state;
	enum {
		COUNT = 100000
	};
	fill("d", COUNT);
	struct mallinfo2 before = mallinfo2();
	read_all("d", &(struct weir_directory_options){.details = true, .sort_max = 100000});
	assert_int_equal(seen.count, COUNT);
	assert_true(seen.largest <= WEIR_DIRECTORY_SORT_MAX + 512);
	assert_false(seen.sorted);
	read_all("d", NULL);
	assert_int_equal(seen.count, COUNT);
	assert_true(seen.largest <= 512);
	/*
	 * malloc counts what its threads' caches keep as in use; the names alone would be
	 * megabytes.
	 */
	assert_true(mallinfo2().uordblks <= before.uordblks + 256 * 1024);
	/* The next allocations of the loop's thread fail: reading needs none. */
	assert_int_equal(start("d", NULL), 0);
	fail_allocation_after(0, true);
	weir_directory_next(seen.directory, on_batch, &seen);
	while (!seen.ended)
		weir_loop_turn(loop, 100);
	assert_false(stop_failing_allocations());
	assert_int_equal(seen.count, COUNT);
	weir_directory_close(seen.directory);
}

static void closed_at_any_time(void **state)
{
	(void)state;
	fill("d", 1000);
	int before = count_descriptors();
	assert_int_equal(start("d", NULL), 0);
	weir_directory_close(seen.directory);
	assert_int_equal(start("d", NULL), 0);
	weir_directory_next(seen.directory, on_batch, &seen);
	weir_directory_close(seen.directory);
	assert_int_equal(start("d", NULL), 0);
	seen.close_at_first = true;
	weir_directory_next(seen.directory, on_batch, &seen);
	turn_until(&seen.batches, 1);
	assert_int_equal(start("d", NULL), 0);
	weir_directory_next(seen.directory, on_batch, &seen);
	turn_until(&seen.batches, 1);
	weir_directory_close(seen.directory);
	weir_loop_destroy(loop);
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(count_descriptors(), before);
	weir_directory_close(NULL);
}

static void errors_are_told(void **state)
{
	(void)state;
	put("file", "x");
	int fd = open(in_scratch("file"), O_RDONLY);
	memset(&seen, 0, sizeof seen);
	assert_int_equal(weir_directory_open(loop, fd, NULL, &seen.directory), 0);
	weir_directory_next(seen.directory, on_batch, &seen);
	turn_until(&seen.batches, 1);
	assert_int_equal(seen.error, -ENOTDIR);
	weir_directory_next(seen.directory, on_batch, &seen);
	turn_until(&seen.batches, 2);
	assert_int_equal(seen.error, -ENOTDIR);
	weir_directory_close(seen.directory);
	close(fd);
	assert_int_equal(weir_directory_open(loop, -1, NULL, &seen.directory), -EBADF);
	struct weir_directory_options options;
	weir_directory_options_init(&options);
	assert_true(!options.details && !options.sort_max && !options.tree && !options.shown);
	assert_int_equal(options.links, WEIR_LINKS_PLAIN);
	make_directory("d");
	fail_allocation_after(0, false);
	assert_int_equal(start("d", NULL), -ENOMEM);
	assert_true(stop_failing_allocations());
}

/* -- links ------------------------------------------------------------------------------------- */

static const char *target_of(
        struct weir_tree *tree, const char *path, const char *directory, const char *text)
{
	struct weir_directory_options options = {
	        .tree = tree, .path = path, .links = WEIR_LINKS_TEXT, .sort_max = 100};
	char name[256];
	snprintf(name, sizeof name, "%s/wanted", directory);
	assert_int_equal(symlink(text, in_scratch(name)), 0);
	read_all(directory, &options);
	assert_int_equal(unlink(in_scratch(name)), 0);
	assert_int_equal(seen.found.kind, WEIR_FILE_LINK);
	return seen.target;
}

static void links_show_no_path_outside_of_the_root(void **state)
{
	struct weir_tree *tree;
	char large[600];
	(void)state;
	make_directory("home");
	make_directory("home/sub");
	make_directory("elsewhere");
	put("home/file", "x");
	put("elsewhere/secret", "x");
	memset(large, 'a', sizeof large - 1);
	large[sizeof large - 1] = 0;
	assert_int_equal(weir_tree_open(loop, scratch, NULL, &tree), 0);
	assert_string_equal(target_of(tree, "home//", "home", "file"), "file");
	assert_string_equal(target_of(tree, "home//", "home", "sub/../file"), "sub/../file");
	assert_string_equal(target_of(tree, "home//", "home", "nothing/here"), "nothing/here");
	assert_string_equal(target_of(tree, "home//", "home", "../elsewhere/secret"), "(none)");
	assert_string_equal(target_of(tree, "home//", "home", "../home/file"), "(none)");
	assert_string_equal(target_of(tree, "home//", "home", "nothing/../../x"), "(none)");
	assert_string_equal(target_of(tree, "home//", "home", "/etc/passwd"), "(none)");
	assert_string_equal(target_of(tree, "home//", "home", large), "(none)");
	assert_string_equal(target_of(tree, "home//", "home", "wanted"), "wanted");
	assert_string_equal(target_of(tree, "home//sub", "home/sub", "../file"), "../file");
	assert_string_equal(target_of(tree, "home//sub", "home/sub", "../../home/file"), "(none)");
	/* For the root of the tree the same link stays inside. */
	assert_string_equal(
	        target_of(tree, "home", "home", "../elsewhere/secret"), "../elsewhere/secret");
	weir_tree_close(tree);
}

static void links_are_followed(void **state)
{
	struct weir_tree *tree;
	struct weir_directory_options options = {
	        .path = "d", .links = WEIR_LINKS_FOLLOW, .details = true};
	(void)state;
	make_directory("d");
	make_directory("d/sub");
	put("file", "12345");
	assert_int_equal(weir_tree_open(loop, scratch, NULL, &tree), 0);
	options.tree = tree;
	assert_int_equal(symlink("../file", in_scratch("d/wanted")), 0);
	read_all("d", &options);
	assert_true(seen.found.linked && seen.found.kind == WEIR_FILE_REGULAR);
	assert_int_equal(seen.found.size, 5);
	assert_int_equal(unlink(in_scratch("d/wanted")), 0);
	assert_int_equal(symlink("sub", in_scratch("d/wanted")), 0);
	read_all("d", &options);
	assert_true(seen.found.linked && seen.found.kind == WEIR_FILE_DIRECTORY);
	for (int i = 0; i < 3; i++) {
		static const char *const texts[] = {"/etc", "nothing", "../fifo"};
		assert_int_equal(unlink(in_scratch("d/wanted")), 0);
		assert_int_equal(symlink(texts[i], in_scratch("d/wanted")), 0);
		if (i == 2)
			assert_int_equal(mkfifo(in_scratch("fifo"), 0600), 0);
		read_all("d", &options);
		assert_false(seen.found.linked);
		assert_int_equal(seen.found.kind, WEIR_FILE_LINK);
	}
	weir_tree_close(tree);
}

/* -- patterns ---------------------------------------------------------------------------------- */

static bool begins_with(const char *pattern, const char *name)
{
	size_t size = strcspn(pattern, "*");
	return strncmp(pattern, name, size) == 0 && (pattern[size] || !name[size]);
}

static void patterns_choose_paths(void **state)
{
	struct weir_tree *tree;
	struct weir_directory_options options = {
	        .path = "", .sort_max = 100, .details = true, .shown = begins_with};
	(void)state;
	make_directory("a1");
	make_directory("a2");
	make_directory("a2/b");
	make_directory("c");
	make_directory("c/b");
	put("a1/x1", "1");
	put("a1/y", "1");
	put("a2/x2", "1");
	put("a2/b/x3", "1");
	put("a3", "1");
	put("c/b/x4", "1");
	assert_int_equal(symlink("../c", in_scratch("c/b/around")), 0);
	assert_int_equal(symlink("c/b", in_scratch("a4")), 0);
	assert_int_equal(symlink("/etc", in_scratch("a5")), 0);
	assert_int_equal(symlink("a6", in_scratch("a6")), 0);
	assert_int_equal(weir_tree_open(loop, scratch, NULL, &tree), 0);
	options.tree = tree;
	int before = count_descriptors();
	static const struct {
		const char *pattern;
		const char *names;
	} cases[] = {
	        {"a*/x*", "a1/x1\na2/x2\na4/x4\n"},
	        {"a*", "a1\na2\na3\na4\na5\na6\n"},
	        {"a1", "a1\n"},
	        {"a9", ""},
	        {"*/b/x*", "a2/b/x3\nc/b/x4\n"},
	        {"*/b", "a2/b\nc/b\n"},
	        {"/a*//b/*/", "a2/b/x3\n"},
	        {"c/b/x4", "c/b/x4\n"},
	        {"c/../*", ""},
	        {"*/*/*/*", ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		options.pattern = cases[i].pattern;
		options.sort_max = 100;
		read_all(".", &options);
		assert_string_equal(seen.all, cases[i].names);
	}
	/* The reading is closed in the middle. */
	options.pattern = "a*/x*";
	options.sort_max = 0;
	assert_int_equal(start(".", &options), 0);
	seen.close_at_first = true;
	weir_directory_next(seen.directory, on_batch, &seen);
	turn_until(&seen.batches, 1);
	options.pattern = "";
	assert_int_equal(start(".", &options), WEIR_E_LIMIT);
	options.pattern = "*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*";
	assert_int_equal(start(".", &options), WEIR_E_LIMIT);
	weir_tree_close(tree);
	assert_int_equal(count_descriptors(), before - 1);
}

/* A search without matches is cut into pieces of work, so that other work has its turn. */
static void a_pattern_without_matches_is_read_in_steps(void **state)
{
	enum {
		DIRECTORIES = 12,
		FILES = 1000
	};
	struct weir_tree *tree;
	struct weir_directory_options options = {
	        .path = "", .pattern = "d*/none*", .shown = begins_with};
	(void)state;
	for (int i = 0; i < DIRECTORIES; i++) {
		char name[16];
		snprintf(name, sizeof name, "d%d", i);
		fill(name, FILES);
	}
	assert_int_equal(weir_tree_open(loop, scratch, NULL, &tree), 0);
	options.tree = tree;
	for (unsigned sort_max = 0; sort_max <= 100; sort_max += 100) {
		uint64_t before = weir_loop_counters(loop)->work_submitted;
		options.sort_max = sort_max;
		read_all(".", &options);
		assert_int_equal(seen.count, 0);
		uint64_t steps = weir_loop_counters(loop)->work_submitted - before;
		assert_true(steps >= DIRECTORIES * FILES / WEIR_DIRECTORY_STEP);
	}
	/* All matches are found, sorted or not. */
	options.pattern = "d*/9*";
	options.sort_max = 0;
	read_all(".", &options);
	assert_int_equal(seen.count, DIRECTORIES * 111);
	options.sort_max = WEIR_DIRECTORY_SORT_MAX;
	read_all(".", &options);
	assert_int_equal(seen.count, DIRECTORIES * 111);
	assert_true(seen.sorted);
	options.pattern = "*/*";
	read_all(".", &options);
	assert_int_equal(seen.count, DIRECTORIES * FILES);
	weir_tree_close(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(an_empty_directory),
	        SCRATCH_TEST(kinds_and_details),
	        SCRATCH_TEST(a_small_one_is_sorted),
	        cmocka_unit_test_setup_teardown(
	                a_large_one_in_constant_memory, scratch_setup_in_memory, scratch_teardown),
	        SCRATCH_TEST(closed_at_any_time),
	        SCRATCH_TEST(errors_are_told),
	        SCRATCH_TEST(links_show_no_path_outside_of_the_root),
	        SCRATCH_TEST(links_are_followed),
	        SCRATCH_TEST(patterns_choose_paths),
	        cmocka_unit_test_setup_teardown(a_pattern_without_matches_is_read_in_steps,
	                scratch_setup_in_memory, scratch_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
