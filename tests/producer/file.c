/*
 * The file source: extents, ranges, short files, the fetch by the work pool and the close during
 * it.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/limits.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "allocation.h"
#include "clock.h"
#include "decode.h"
#include "drain.h"
#include "loop_internal.h"
#include "producer_internal.h"

enum {
	SIZE = 400 * 1000
};

static struct weir_loop *loop;
static char text[SIZE];

static int set_up(void **state)
{
	(void)state;
	fill_text(text, sizeof text, 3);
	return weir_loop_create(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

/* On a real disk, if there is one, and not in the page cache, if that can be had. */
static int cold_file(void)
{
	char name[] = "./weir-test-XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(write(fd, text, SIZE), SIZE);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	return fd;
}

static void check_range(int fd, off_t offset, uint64_t size, size_t room)
{
	struct drain drained = {.loop = loop, .room = room};
	const char *wrong = drain(&drained, weir_produce_file(fd, true, offset, size));
	if (wrong)
		fail_msg("%s", wrong);
	assert_int_equal(drained.end, WEIR_DONE);
	assert_true(
	        weir_span_equal(weir_buffer_span(&drained.bytes), weir_span(text + offset, size)));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	drain_free(&drained);
}

static void ranges_in_every_room(void **state)
{
	(void)state;
	static const size_t rooms[] = {1000, 64 * 1024, 1024 * 1024, 0};
	for (int i = 0; i < 4; i++) {
		check_range(file_of(weir_span(text, SIZE)), 0, SIZE, rooms[i]);
		check_range(file_of(weir_span(text, SIZE)), 4095, 100000, rooms[i]);
		check_range(file_of(weir_span(text, SIZE)), SIZE - 1, 1, rooms[i]);
		check_range(file_of(weir_span(text, SIZE)), 5, 0, rooms[i]);
		check_range(cold_file(), 0, SIZE, rooms[i]);
		check_range(cold_file(), 4097, SIZE - 4097, rooms[i]);
	}
	check_range(file_of(weir_span(text, SIZE)), 77, 200, 1);
}

/* There is more room for files than for memory; bounds of wrappers hold for both. */
static void wrappers_bound_extents(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct weir_piece pieces[4];
		struct weir_output out;
		struct weir_producer *file =
		        weir_produce_file(file_of(weir_span(text, SIZE)), true, 0, SIZE);
		struct weir_producer *bounded = i ? weir_produce_throttle(file, 1000, 1000)
		                                  : weir_produce_limit(file, 0, 1000);
		output_init(&out, loop, pieces, 4, 4096);
		out.file_room = 1024 * 1024;
		assert_int_equal(weir_producer_more(bounded, &out), i ? WEIR_MORE : WEIR_DONE);
		assert_int_equal(out.size, 1000);
		assert_int_equal(out.room, 3096);
		assert_int_equal(out.file_room, 1024 * 1024 - 1000);
		weir_producer_close(bounded, WEIR_CLOSE_ABORTED);
	}
}

static void a_file_that_is_not_owned_stays_open(void **state)
{
	(void)state;
	int fd = file_of(weir_span(text, 100));
	struct drain drained = {.loop = loop};
	assert_null(drain(&drained, weir_produce_file(fd, false, 0, 100)));
	assert_int_equal(drained.bytes.size, 100);
	assert_int_equal(close(fd), 0);
	drain_free(&drained);
}

static void a_file_shorter_than_promised_fails(void **state)
{
	(void)state;
	static const size_t rooms[] = {1, 64, 64 * 1024};
	for (int i = 0; i < 3; i++) {
		struct drain drained = {.loop = loop, .room = rooms[i]};
		int fd = file_of(weir_span(text, 100));
		assert_null(drain(&drained, weir_produce_file(fd, true, 50, 51)));
		assert_int_equal(drained.end, WEIR_FAILED);
		assert_true(drained.bytes.size <= 50);
		drain_free(&drained);
	}
	struct drain drained = {.loop = loop, .room = 1000};
	assert_null(
	        drain(&drained, weir_produce_file(open("/", O_RDONLY | O_CLOEXEC), true, 0, 10)));
	assert_int_equal(drained.end, WEIR_FAILED);
	drain_free(&drained);
}

/* One call; the answer depends on whether this file system drops pages on request. */
static enum weir_more ask_once(struct weir_producer *file)
{
	struct weir_piece pieces[4];
	struct weir_output out;
	output_init(&out, loop, pieces, 4, 64 * 1024);
	return weir_producer_more(file, &out);
}

/* A file that is too short shows whether it was looked at. */
static enum weir_more ask_shared(int fd, off_t offset, uint64_t size, struct weir_pages_seen *seen)
{
	struct weir_producer *file = weir_produce_shared_file(fd, offset, size, seen);
	enum weir_more more = ask_once(file);
	weir_producer_close(file, WEIR_CLOSE_ABORTED);
	return more;
}

static void senders_of_a_file_look_once_for_a_page(void **state)
{
	(void)state;
	struct weir_pages_seen seen = {0};
	int fd = file_of(weir_span(text, 3000));
	clock_hold();
	weir_loop_turn(loop, 0);
	assert_int_equal(ask_shared(fd, 1000, 1000, &seen), WEIR_DONE);
	assert_int_equal(seen.from, 1000);
	assert_int_equal(seen.to, 2000);
	assert_int_equal(ask_shared(fd, 1500, 1500, &seen), WEIR_DONE); /* it grows */
	assert_int_equal(seen.from, 1000);
	assert_int_equal(seen.to, 3000);
	assert_int_equal(ask_shared(fd, 1500, 1501, &seen), WEIR_FAILED);
	assert_int_equal(seen.to, 3000);

	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ask_shared(fd, 1000, 2000, &seen), WEIR_DONE);
	assert_int_equal(ask_shared(fd, 999, 1, &seen), WEIR_FAILED);
	clock_advance(WEIR_PAGES_SEEN_MS);
	weir_loop_turn(loop, 0);
	assert_int_equal(ask_shared(fd, 1000, 2000, &seen), WEIR_FAILED);

	assert_int_equal(ftruncate(fd, 3000), 0);
	assert_int_equal(ask_shared(fd, 2500, 10, &seen), WEIR_DONE); /* it begins again */
	assert_int_equal(seen.from, 2500);
	assert_int_equal(seen.to, 2510);
	clock_go_on();
	close(fd);
}

static void closing_while_the_pool_reads_is_safe(void **state)
{
	(void)state;
	bool was_cold = false;
	for (int round = 0; round < 50; round++) {
		struct weir_producer *file = weir_produce_file(cold_file(), true, 0, SIZE);
		was_cold = was_cold || ask_once(file) == WEIR_WAIT;
		weir_producer_close(file, WEIR_CLOSE_ABORTED);
		weir_loop_turn(loop, 0);
	}
	if (!was_cold)
		print_message("# this file system keeps its pages: the fetch was not tried\n");
}

static void without_memory_a_cold_file_is_read_all_the_same(void **state)
{
	(void)state;
	struct weir_producer *file = weir_produce_file(cold_file(), true, 0, SIZE);
	fail_allocation_after(0, true);
	enum weir_more more = ask_once(file);
	stop_failing_allocations();
	assert_int_equal(more, WEIR_MORE);
	weir_producer_close(file, WEIR_CLOSE_ABORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(ranges_in_every_room),
	        cmocka_unit_test(wrappers_bound_extents),
	        cmocka_unit_test(a_file_that_is_not_owned_stays_open),
	        cmocka_unit_test(a_file_shorter_than_promised_fails),
	        cmocka_unit_test(senders_of_a_file_look_once_for_a_page),
	        cmocka_unit_test(closing_while_the_pool_reads_is_safe),
	        cmocka_unit_test(without_memory_a_cold_file_is_read_all_the_same),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
