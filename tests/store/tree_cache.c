/* Lookups: what is answered from where, and what happens when something is scarce. */
#include "asked.h"

#include <sys/resource.h>

#include "allocation.h"

static void a_hit_comes_at_once(void **state)
{
	(void)state;
	struct asked first, second = {0};
	put("a", "a");
	settle();
	struct weir_tree *tree = open_tree(NULL);
	assert_int_equal(ask(tree, &first, "a"), 0);
	turn();
	weir_tree_lookup(tree, &second.lookup, "a", on_done);
	assert_int_equal(second.answers, 1);
	assert_ptr_equal(first.file, second.file);
	assert_true(weir_tree_counters(tree)->hits > 0);
	forget_file(&first);
	forget_file(&second);
	weir_tree_close(tree);
}

/* Out of the page cache, so that it must be read on the work pool. */
static void make_cold(const char *path)
{
	int fd = open(in_scratch(path), O_RDONLY);
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static void a_cold_file_is_read_once_for_all(void **state)
{
	(void)state;
	struct asked asked[3] = {0};
	put("a", "cold");
	make_cold("a");
	struct weir_tree *tree = open_tree(NULL);
	for (int i = 0; i < 3; i++)
		weir_tree_lookup(tree, &asked[i].lookup, "a", on_done);
	if (asked[0].answers)
		goto warm; /* a file system that has no cold files */
	weir_lookup_cancel(&asked[1].lookup);
	turn_until(&asked[2].answers, 1);
	assert_int_equal(asked[0].answers, 1);
	assert_int_equal(asked[1].answers, 0);
	assert_ptr_equal(asked[0].file, asked[2].file);
	assert_int_equal(weir_tree_counters(tree)->waits, 1);
warm:
	for (int i = 0; i < 3; i++)
		forget_file(&asked[i]);
	weir_tree_close(tree);
}

static void forgetting_and_closing_while_opening(void **state)
{
	(void)state;
	struct asked asked = {0}, later = {0};
	struct weir_tree *tree = open_tree(NULL);
	weir_tree_lookup(tree, &asked.lookup, "not-there-1", on_done);
	weir_tree_invalidate(tree, "not-there-1");
	put("not-there-1", "now it is");
	weir_tree_lookup(tree, &later.lookup, "not-there-1", on_done);
	weir_tree_close(tree);
	turn_until(&asked.answers, 1);
	turn_until(&later.answers, 1);
	assert_int_equal(later.error, 0);
	assert_memory_equal(later.file->content.data, "now it is", 9);
	forget_file(&asked);
	forget_file(&later);
}

static void close_tree(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct asked *asked = WEIR_CONTAINER(lookup, struct asked, lookup);
	weir_tree_close((struct weir_tree *)(void *)asked->file);
	asked->file = NULL;
	asked->answers++;
	assert_int_equal(error, 0);
	assert_memory_equal(file->content.data, "a", 1);
}

static void a_callback_may_close_the_tree(void **state)
{
	(void)state;
	put("a", "a");
	for (int hot = 0; hot < 2; hot++) {
		struct weir_tree *tree = open_tree(NULL);
		if (hot)
			assert_int_equal(error_of(tree, "a"), 0);
		struct asked asked = {.file = (struct weir_file *)(void *)tree};
		weir_tree_lookup(tree, &asked.lookup, "a", close_tree);
		turn_until(&asked.answers, 1);
	}
}

static int notes_freed;

static void free_note(void *note)
{
	assert_string_equal(note, "note");
	notes_freed++;
}

static void a_note_lives_as_long_as_its_file(void **state)
{
	(void)state;
	struct asked asked;
	put("a", "a");
	settle();
	notes_freed = 0;
	struct weir_tree *tree = open_tree(NULL);
	ask(tree, &asked, "a");
	asked.file->note = (void *)(uintptr_t) "note";
	asked.file->free_note = free_note;
	weir_tree_close(tree);
	assert_int_equal(notes_freed, 0);
	assert_memory_equal(asked.file->content.data, "a", 1);
	forget_file(&asked);
	assert_int_equal(notes_freed, 1);
}

static void the_cache_has_bounds(void **state)
{
	(void)state;
	char name[16], data[1000] = {0};
	struct asked held;
	struct weir_tree_options options;
	weir_tree_options_init(&options);
	options.entries_max = 10;
	options.content_max = 5000;
	struct weir_tree *tree = open_tree(&options);
	put("f0", "kept");
	settle();
	assert_int_equal(ask(tree, &held, "f0"), 0);
	for (int i = 1; i < 30; i++) {
		snprintf(name, sizeof name, "f%d", i);
		put_bytes(name, data, i < 15 ? 1 : sizeof data);
		assert_int_equal(error_of(tree, name), 0);
		assert_true(weir_tree_counters(tree)->entries <= 10);
		assert_true(weir_tree_counters(tree)->content <= 5000);
	}
	assert_int_equal(weir_tree_counters(tree)->content, 5000);
	assert_memory_equal(held.file->content.data, "kept", 4);
	forget_file(&held);
	put_bytes("large", data, sizeof data);
	weir_tree_close(tree);
	weir_tree_options_init(&options);
	options.content_file_max = 999;
	tree = open_tree(&options);
	assert_int_equal(ask(tree, &held, "large"), 0);
	assert_null(held.file->content.data);
	forget_file(&held);
	weir_tree_close(tree);
}

/*
 * Each of these is a value, not a default: nothing is read, nothing is cached, no path is trusted.
 */
static void zero_is_a_bound(void **state)
{
	(void)state;
	struct asked asked;
	struct weir_tree_options options;
	weir_tree_options_init(&options);
	assert_true(options.content && options.symlinks && options.entries_max);
	put("f", "text");
	settle();
	options.content = false;
	struct weir_tree *tree = open_tree(&options);
	assert_int_equal(ask(tree, &asked, "f"), 0);
	assert_null(asked.file->content.data);
	forget_file(&asked);
	weir_tree_close(tree);
	weir_tree_options_init(&options);
	options.entries_max = options.revalidate_ms = 0;
	options.content_max = options.content_file_max = 0;
	tree = open_tree(&options);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ask(tree, &asked, "f"), 0);
		assert_null(asked.file->content.data);
		assert_int_equal(error_of(tree, "none"), -ENOENT);
		forget_file(&asked);
		assert_int_equal(weir_tree_counters(tree)->entries, 0);
	}
	assert_int_equal(weir_tree_counters(tree)->hits, 0);
	weir_tree_close(tree);
}

/*
 * Names of one length that differ in their first letters only, and others that differ everywhere.
 */
static void paths_that_are_much_alike_are_told_apart(void **state)
{
	(void)state;
	enum {
		COUNT = 200,
	};
	static char names[COUNT][64];
	struct weir_tree_options options;
	weir_tree_options_init(&options);
	options.entries_max = 150;
	struct weir_tree *tree = open_tree(&options);
	for (int i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof names[i],
		        i % 2 ? "%03d-and-behind-it-the-same-for-all-of-them" : "%d", i);
		put(names[i], names[i]);
	}
	settle();
	/* More than the cache may hold: entries come, are found again, forgotten and evicted. */
	for (int i = 0; i < 4000; i++) {
		struct asked asked = {0};
		int which = i % 3 ? i / 3 % 7 * 28 : i * 31 % COUNT;
		assert_int_equal(ask(tree, &asked, names[which]), 0);
		assert_int_equal(asked.file->size, strlen(names[which]));
		assert_memory_equal(asked.file->content.data, names[which], strlen(names[which]));
		forget_file(&asked);
		if (i % 11 == 0)
			weir_tree_invalidate(tree, names[which]);
		if (i % 97 == 0)
			weir_tree_shrink(tree, 40);
	}
	assert_true(weir_tree_counters(tree)->evicted > 0);
	weir_tree_close(tree);
}

static void descriptors_are_given_up_when_none_is_left(void **state)
{
	(void)state;
	char name[16];
	struct asked held;
	struct rlimit old, low;
	struct weir_tree *tree = open_tree(NULL);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "f%d", i);
		put(name, "x");
	}
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof name, "f%d", i);
		assert_int_equal(error_of(tree, name), 0);
	}
	getrlimit(RLIMIT_NOFILE, &old);
	int next = dup(0);
	close(next);
	low = old;
	low.rlim_cur = (rlim_t)next;
	setrlimit(RLIMIT_NOFILE, &low);
	int error = error_of(tree, "f35");
	/* The free ones are held now: nothing can be given up. */
	weir_tree_shrink(tree, 1000);
	int taken = 0, fds[200];
	while (taken < 200 && (fds[taken] = dup(0)) >= 0)
		taken++;
	int refused = ask(tree, &held, "f36");
	while (taken)
		close(fds[--taken]);
	int again = ask(tree, &held, "f37");
	setrlimit(RLIMIT_NOFILE, &old);
	forget_file(&held);
	assert_int_equal(error, 0);
	assert_int_equal(refused, -EMFILE);
	assert_int_equal(again, 0);
	weir_tree_close(tree);
}

static void memory_may_fail_anywhere(void **state)
{
	(void)state;
	put("a", "a");
	int before = count_descriptors();
	bool failed = true;
	for (unsigned good = 0; failed; good++) {
		struct weir_tree *tree = NULL;
		struct asked asked = {0};
		fail_allocation_after(good, false);
		int error = weir_tree_open(loop, scratch, NULL, &tree);
		if (error == 0)
			weir_tree_lookup(tree, &asked.lookup, "a", on_done);
		if (error == 0)
			turn_until(&asked.answers, 1);
		failed = stop_failing_allocations();
		assert_true(error == 0 || error == -ENOMEM);
		assert_true(asked.error == 0 || asked.error == -ENOMEM);
		assert_true(failed || asked.file);
		forget_file(&asked);
		weir_tree_close(tree);
	}
	assert_int_equal(count_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(a_hit_comes_at_once),
	        SCRATCH_TEST(a_cold_file_is_read_once_for_all),
	        SCRATCH_TEST(forgetting_and_closing_while_opening),
	        SCRATCH_TEST(a_callback_may_close_the_tree),
	        SCRATCH_TEST(a_note_lives_as_long_as_its_file),
	        SCRATCH_TEST(the_cache_has_bounds),
	        SCRATCH_TEST(zero_is_a_bound),
	        SCRATCH_TEST(paths_that_are_much_alike_are_told_apart),
	        SCRATCH_TEST(descriptors_are_given_up_when_none_is_left),
	        SCRATCH_TEST(memory_may_fail_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
