/*
 * Transformers that pass bytes on: what the composite, glob, limit, throttle, hook and tee add to
 * that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/limits.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "drain.h"
#include "loop_internal.h"
#include "producer_internal.h"

enum {
	PLACES = 16
};

static struct weir_loop *loop;
static struct weir_piece pieces[PLACES];
static struct weir_output out;
static char bytes[5000];

static int set_up(void **state)
{
	(void)state;
	memset(bytes, 'x', sizeof bytes);
	return weir_loop_create(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

static enum weir_more ask(struct weir_producer *producer, size_t room)
{
	output_init(&out, loop, pieces, PLACES, room);
	return weir_producer_more(producer, &out);
}

/* -- hook, and what children hear of the end -- */

struct ended {
	int calls;
	enum weir_close_reason why;
	uint64_t bytes;
};

static void on_end(void *context, enum weir_close_reason why, uint64_t taken)
{
	struct ended *ended = context;
	ended->calls++;
	ended->why = why;
	ended->bytes = taken;
}

static void the_hook_counts_what_was_taken(void **state)
{
	(void)state;
	struct ended ended = {0};
	struct weir_producer *hook =
	        weir_produce_hook(weir_produce_borrowed(bytes, 1000), on_end, &ended);
	assert_int_equal(weir_producer_size(hook), 1000);
	assert_int_equal(ask(hook, 300), WEIR_MORE);
	assert_int_equal(ask(hook, 300), WEIR_MORE);
	weir_producer_consumed(hook, 120);
	weir_producer_close(hook, WEIR_CLOSE_ABORTED);
	assert_int_equal(ended.calls, 1);
	assert_int_equal(ended.why, WEIR_CLOSE_ABORTED);
	assert_int_equal(ended.bytes, 480);
}

static void without_a_word_what_was_put_last_does_not_count(void **state)
{
	(void)state;
	struct ended ended = {0};
	struct weir_producer *hook =
	        weir_produce_hook(weir_produce_borrowed(bytes, 1000), on_end, &ended);
	ask(hook, 300);
	ask(hook, 300);
	weir_producer_close(hook, WEIR_CLOSE_ABORTED);
	assert_int_equal(ended.bytes, 300);
}

static void a_hook_of_nothing_is_called_too(void **state)
{
	(void)state;
	struct ended ended = {0};
	assert_null(weir_produce_hook(NULL, on_end, &ended));
	assert_int_equal(ended.calls, 1);
	assert_int_equal(ended.why, WEIR_CLOSE_FAILED);
}

static void inner_hooks_know_their_share(void **state)
{
	(void)state;
	struct ended ended[3] = {{0}};
	struct weir_producer *children[3];
	for (int i = 0; i < 3; i++)
		children[i] =
		        weir_produce_hook(weir_produce_borrowed(bytes, 100), on_end, &ended[i]);
	struct weir_producer *all =
	        weir_produce_tee(weir_produce_composite(children, 3), NULL, NULL);
	weir_producer_close(all, WEIR_CLOSE_ABORTED);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ended[i].bytes, 0);

	memset(ended, 0, sizeof ended);
	for (int i = 0; i < 3; i++)
		children[i] =
		        weir_produce_hook(weir_produce_borrowed(bytes, 100), on_end, &ended[i]);
	all = weir_produce_glob(weir_produce_composite(children, 3), 1000);
	assert_int_equal(ask(all, 250), WEIR_MORE);
	weir_producer_consumed(all, 100);
	weir_producer_close(all, WEIR_CLOSE_ABORTED);
	assert_int_equal(ended[0].bytes, 100);
	assert_int_equal(ended[0].why, WEIR_CLOSE_DONE);
	assert_int_equal(ended[1].bytes, 50);
	assert_int_equal(ended[1].why, WEIR_CLOSE_ABORTED);
	assert_int_equal(ended[2].bytes, 0);
}

/* -- composite -- */

static void header_and_body_leave_together(void **state)
{
	(void)state;
	struct ended ended = {0};
	struct weir_producer *children[] = {
	        weir_produce_hook(weir_produce_copied(bytes, 300), on_end, &ended),
	        weir_produce_borrowed(bytes, 1000)};
	struct weir_producer *all = weir_produce_composite(children, 2);
	assert_int_equal(weir_producer_size(all), 1300);
	assert_int_equal(ask(all, 1000), WEIR_MORE);
	assert_int_equal(out.size, 1000);
	assert_int_equal(out.count, 2);
	assert_int_equal(ended.calls, 0); /* its bytes are still lent */
	assert_int_equal(ask(all, 1000), WEIR_DONE);
	assert_int_equal(ended.calls, 1);
	assert_int_equal(ended.why, WEIR_CLOSE_DONE);
	weir_producer_close(all, WEIR_CLOSE_DONE);
}

static void a_composite_of_nothing(void **state)
{
	(void)state;
	struct weir_producer *none = weir_produce_composite(NULL, 0);
	assert_int_equal(weir_producer_size(none), 0);
	assert_int_equal(ask(none, 10), WEIR_DONE);
	weir_producer_close(none, WEIR_CLOSE_DONE);
	struct weir_producer *some[] = {weir_produce_copied("x", 1), NULL};
	assert_null(weir_produce_composite(some, 2));
}

/* -- glob -- */

static void the_glob_gathers_but_never_withholds(void **state)
{
	(void)state;
	struct probe probe = {.loop = loop, .bytes = weir_span(bytes, 1000), .step = 7};
	struct weir_producer *glob = weir_produce_glob(probe_create(&probe), 400);
	assert_int_equal(ask(glob, 5000), WEIR_MORE);
	assert_int_equal(out.size, 400);
	assert_int_equal(out.count, 1);
	assert_int_equal(ask(glob, 300), WEIR_MORE);
	assert_int_equal(out.size, 300);
	assert_int_equal(ask(glob, 5000), WEIR_DONE);
	assert_int_equal(out.size, 300);
	weir_producer_close(glob, WEIR_CLOSE_DONE);

	probe.waits = true;
	glob = weir_produce_glob(probe_create(&probe), 400);
	assert_int_equal(ask(glob, 5000), WEIR_WAIT);
	assert_int_equal(ask(glob, 5000), WEIR_WAIT);
	assert_int_equal(out.size, 7);
	weir_producer_close(glob, WEIR_CLOSE_ABORTED);
}

static void the_glob_lends_what_comes_whole(void **state)
{
	(void)state;
	struct weir_producer *glob = weir_produce_glob(weir_produce_borrowed(bytes, 1000), 400);
	assert_int_equal(ask(glob, 5000), WEIR_MORE);
	assert_ptr_equal(out.pieces[0].data, bytes);
	weir_producer_close(glob, WEIR_CLOSE_ABORTED);
}

/* -- limit -- */

static void limits_at_their_boundaries(void **state)
{
	(void)state;
	static const struct {
		uint64_t skip, size, expected;
	} cases[] = {{0, 0, 0}, {0, 1, 1}, {99, 1, 1}, {99, 2, 1}, {100, 1, 0}, {101, 5, 0},
	        {0, 100, 100}, {0, 101, 100}, {UINT64_MAX, UINT64_MAX, 0}, {1, UINT64_MAX, 99},
	        {50, 50, 50}, {50, 0, 0}};
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t room = 1; room < 200; room += 33) {
			struct weir_producer *limit = weir_produce_limit(
			        weir_produce_borrowed(bytes, 100), cases[i].skip, cases[i].size);
			assert_int_equal(weir_producer_size(limit), cases[i].expected);
			struct drain drained = {.loop = loop, .room = room};
			assert_null(drain(&drained, limit));
			assert_int_equal(drained.end, WEIR_DONE);
			assert_int_equal(drained.bytes.size, cases[i].expected);
			drain_free(&drained);
		}
}

/* Skipping much from a child that comes in small bits takes several turns, and ends. */
static void a_long_skip_gives_others_their_turn(void **state)
{
	(void)state;
	struct probe probe = {.loop = loop, .bytes = weir_span(bytes, 5000), .step = 1};
	struct drain drained = {.loop = loop, .room = 100};
	assert_null(drain(&drained, weir_produce_limit(probe_create(&probe), 4000, 10)));
	assert_int_equal(drained.bytes.size, 10);
	assert_true(drained.waits > 100);
	drain_free(&drained);
}

/* -- throttle -- */

static void the_throttle_keeps_its_rate(void **state)
{
	(void)state;
	enum {
		RATE = 20000,
		BURST = 4000,
		SIZE = 5000
	};
	struct drain drained = {.loop = loop, .room = 100000};
	weir_loop_turn(loop, 0);
	int64_t start_ms = weir_loop_now_ms(loop);
	assert_null(drain(
	        &drained, weir_produce_throttle(weir_produce_borrowed(bytes, SIZE), RATE, BURST)));
	int64_t took_ms = weir_loop_now_ms(loop) - start_ms;
	assert_int_equal(drained.bytes.size, SIZE);
	assert_int_equal(drained.largest, BURST);
	assert_true(took_ms >= (SIZE - BURST) * 1000 / RATE);
	drain_free(&drained);
}

static void a_closed_throttle_has_no_timer(void **state)
{
	(void)state;
	struct weir_producer *throttle =
	        weir_produce_throttle(weir_produce_borrowed(bytes, 5000), 1, 0);
	assert_int_equal(ask(throttle, 100), WEIR_MORE);
	assert_int_equal(out.size, 1);
	assert_int_equal(ask(throttle, 100), WEIR_WAIT);
	assert_int_equal(ask(throttle, 100), WEIR_WAIT);
	weir_producer_close(throttle, WEIR_CLOSE_ABORTED);
	weir_loop_turn(loop, 0);
}

/* -- the wrapper -- */

static enum weir_more nothing(void *context, struct weir_output *output)
{
	(void)output;
	++*(unsigned *)context;
	return WEIR_MORE;
}

static void count_wake(struct weir_waiter *waiter)
{
	WEIR_CONTAINER(waiter, struct drain, waiter)->woken = true;
}

static void a_child_that_puts_nothing_is_asked_so_often_and_no_more(void **state)
{
	(void)state;
	unsigned asks = 0;
	struct drain woken = {.waiter.wake = count_wake};
	struct weir_producer *all = weir_produce_crlf(
	        weir_produce_glob(weir_produce_hook(weir_produce_generator(nothing, NULL, &asks),
	                                  on_end, &(struct ended){0}),
	                10));
	all->waiter = &woken.waiter;
	assert_int_equal(ask(all, 1000), WEIR_WAIT);
	assert_true(woken.woken);
	assert_int_equal(asks, WEIR_EMPTY_ASKS_MAX);
	weir_producer_close(all, WEIR_CLOSE_ABORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_hook_counts_what_was_taken),
	        cmocka_unit_test(without_a_word_what_was_put_last_does_not_count),
	        cmocka_unit_test(a_hook_of_nothing_is_called_too),
	        cmocka_unit_test(inner_hooks_know_their_share),
	        cmocka_unit_test(header_and_body_leave_together),
	        cmocka_unit_test(a_composite_of_nothing),
	        cmocka_unit_test(the_glob_gathers_but_never_withholds),
	        cmocka_unit_test(the_glob_lends_what_comes_whole),
	        cmocka_unit_test(limits_at_their_boundaries),
	        cmocka_unit_test(a_long_skip_gives_others_their_turn),
	        cmocka_unit_test(the_throttle_keeps_its_rate),
	        cmocka_unit_test(a_closed_throttle_has_no_timer),
	        cmocka_unit_test(a_child_that_puts_nothing_is_asked_so_often_and_no_more),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
