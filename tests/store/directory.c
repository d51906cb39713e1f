/* Directories of all sizes, read in memory that does not grow with them. */
#include "scratch.h"

#include <malloc.h>

#include <weir/directory.h>
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
		if (!strcmp(entries[i].name, "wanted"))
			seen.found = entries[i];
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
	make_directory("d");
	fail_allocation_after(0, false);
	assert_int_equal(start("d", NULL), -ENOMEM);
	assert_true(stop_failing_allocations());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(an_empty_directory),
	        SCRATCH_TEST(kinds_and_details),
	        SCRATCH_TEST(a_small_one_is_sorted),
	        SCRATCH_TEST(a_large_one_in_constant_memory),
	        SCRATCH_TEST(closed_at_any_time),
	        SCRATCH_TEST(errors_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
