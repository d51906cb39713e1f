/* Outputs: the room, the merging of scratch, what is copied rather than lent, settling. */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "allocation.h"
#include "drain.h"
#include "loop_internal.h"
#include "producer_internal.h"

enum {
	ROOM = 1000,
	PLACES = 4
};

static struct weir_loop *loop;
static struct weir_piece pieces[PLACES];
static struct weir_output out;
static char large[ROOM * 2];

static int set_up(void **state)
{
	(void)state;
	if (weir_loop_create(&loop) < 0)
		return -1;
	memset(large, 'x', sizeof large);
	output_init(&out, loop, pieces, PLACES, ROOM);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

static void assert_bytes(const char *expected)
{
	char bytes[ROOM + 1] = {0};
	assert_int_equal(output_read(&out, bytes), 0);
	assert_string_equal(bytes, expected);
	assert_int_equal(out.size, strlen(expected));
	assert_int_equal(out.size + out.room, ROOM);
}

static void nobody_puts_more_than_the_room(void **state)
{
	(void)state;
	assert_int_equal(weir_output_borrow(&out, large, sizeof large), ROOM);
	assert_int_equal(weir_output_room(&out), 0);
	assert_int_equal(weir_output_borrow(&out, large, 1), 0);
	assert_int_equal(weir_output_copy(&out, large, 1), 0);
	assert_int_equal(weir_output_file(&out, 0, 0, 1), 0);
	size_t size;
	assert_null(weir_output_reserve(&out, 1, &size));
}

static void nobody_puts_more_than_the_places(void **state)
{
	(void)state;
	for (int i = 0; i < PLACES; i++)
		assert_int_equal(weir_output_borrow(&out, large, 5), 5);
	assert_int_equal(weir_output_room(&out), 0);
	assert_int_equal(weir_output_borrow(&out, large, 5), 0);
	assert_int_equal(out.count, PLACES);
}

static void scratch_that_follows_on_scratch_is_one_piece(void **state)
{
	(void)state;
	size_t size;
	assert_int_equal(weir_output_copy(&out, "ab", 2), 2);
	char *to = weir_output_reserve(&out, 100, &size);
	assert_int_equal(size, 100);
	memcpy(to, "cd", 2);
	weir_output_commit(&out, 2);
	assert_int_equal(weir_output_copy(&out, "ef", 2), 2);
	assert_int_equal(out.count, 1);
	assert_bytes("abcdef");
}

static void a_small_loan_behind_scratch_is_copied(void **state)
{
	(void)state;
	assert_int_equal(weir_output_borrow(&out, "lent", 4), 4);
	assert_int_equal(weir_output_copy(&out, "ab", 2), 2);
	assert_int_equal(weir_output_borrow(&out, "cd", 2), 2);
	assert_int_equal(weir_output_borrow(&out, large, 300), 300);
	assert_int_equal(out.count, 3);
	assert_int_equal(out.pieces[0].kind, WEIR_PIECE_BORROWED);
	assert_int_equal(out.pieces[1].kind, WEIR_PIECE_SCRATCH);
	assert_int_equal(out.pieces[1].size, 4);
	assert_ptr_equal(out.pieces[2].data, large);
}

static void a_reservation_given_back_leaves_nothing(void **state)
{
	(void)state;
	size_t size;
	assert_int_equal(weir_output_copy(&out, "ab", 2), 2);
	assert_non_null(weir_output_reserve(&out, 500, &size));
	weir_output_commit(&out, 0);
	assert_int_equal(weir_output_copy(&out, "cd", 2), 2);
	assert_int_equal(out.count, 1);
	assert_bytes("abcd");
}

static void nothing_is_put_twice_or_as_an_empty_piece(void **state)
{
	(void)state;
	assert_int_equal(weir_output_borrow(&out, NULL, 0), 0);
	assert_int_equal(weir_output_copy(&out, "", 0), 0);
	assert_int_equal(weir_output_file(&out, 0, 0, 0), 0);
	assert_int_equal(out.count, 0);
}

static void a_file_piece_is_read_and_a_short_one_is_told(void **state)
{
	(void)state;
	int fd = file_of(WEIR_SPAN("0123456789"));
	struct weir_span bytes;
	assert_int_equal(weir_output_file(&out, fd, 3, 4), 4);
	assert_int_equal(weir_output_bytes(&out, &out.pieces[0], &bytes), 0);
	assert_true(weir_span_equal(bytes, WEIR_SPAN("3456")));
	assert_bytes("3456");
	assert_int_equal(weir_output_file(&out, fd, 8, 4), 4);
	assert_int_equal(weir_output_bytes(&out, &out.pieces[1], &bytes), -EIO);
	close(fd);
	assert_int_equal(weir_output_bytes(&out, &out.pieces[1], &bytes), -EBADF);
}

static void settling_copies_all_that_is_lent(void **state)
{
	(void)state;
	char lent[] = "lent";
	int fd = file_of(WEIR_SPAN("0123456789"));
	weir_output_borrow(&out, "kept", 4);
	weir_output_borrow(&out, lent, 4);
	weir_output_file(&out, fd, 0, 3);
	weir_output_borrow(&out, lent, 4);
	assert_int_equal(weir_output_own(&out, 1), 0);
	memset(lent, 0, sizeof lent);
	close(fd);
	assert_int_equal(out.count, 2);
	assert_int_equal(out.pieces[0].kind, WEIR_PIECE_BORROWED);
	assert_bytes("keptlent012lent");
	assert_int_equal(weir_output_own(&out, 1), 0);
}

static void settling_without_memory_changes_nothing(void **state)
{
	(void)state;
	weir_output_borrow(&out, "lent", 4);
	fail_allocation_after(0, true);
	int error = weir_output_own(&out, 0);
	assert_int_equal(weir_output_copy(&out, "a", 1), 0);
	stop_failing_allocations();
	assert_int_equal(error, -ENOMEM);
	assert_int_equal(out.pieces[0].kind, WEIR_PIECE_BORROWED);
	assert_bytes("lent");
}

static void forwarding_keeps_the_kind(void **state)
{
	(void)state;
	struct weir_piece inner_pieces[PLACES];
	struct weir_output inner;
	weir_output_init_inner(&inner, &out, inner_pieces, PLACES, ROOM);
	weir_output_borrow(&inner, large, 300);
	weir_output_file(&inner, 9, 100, 50);
	weir_output_copy(&inner, "scratch", 7);
	assert_int_equal(weir_output_forward(&out, &inner_pieces[0], 10, 290), 290);
	assert_int_equal(weir_output_forward(&out, &inner_pieces[1], 10, 40), 40);
	assert_int_equal(weir_output_forward(&out, &inner_pieces[2], 0, 3), 3);
	assert_int_equal(weir_output_forward(&out, &inner_pieces[2], 3, 4), 4);
	assert_int_equal(out.count, 3);
	assert_ptr_equal(out.pieces[0].data, large + 10);
	assert_int_equal(out.pieces[1].offset, 110);
	assert_int_equal(out.pieces[2].size, 7);
	assert_memory_equal(out.pieces[2].data, "scratch", 7);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(nobody_puts_more_than_the_room),
	        TEST(nobody_puts_more_than_the_places),
	        TEST(scratch_that_follows_on_scratch_is_one_piece),
	        TEST(a_small_loan_behind_scratch_is_copied),
	        TEST(a_reservation_given_back_leaves_nothing),
	        TEST(nothing_is_put_twice_or_as_an_empty_piece),
	        TEST(a_file_piece_is_read_and_a_short_one_is_told),
	        TEST(settling_copies_all_that_is_lent),
	        TEST(settling_without_memory_changes_nothing),
	        TEST(forwarding_keeps_the_kind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
