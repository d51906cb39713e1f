/* Timers, under a clock that the tests move: never early, one tick late at most, in any number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <weir/loop.h>

#include "clock.h"

static struct weir_loop *loop;

struct timed {
	struct weir_timer timer;
	int64_t due_ms;
	int64_t at_ms;
	unsigned count;
	int64_t again_ms; /* restarts itself */
	struct timed *other;
	bool stops_other;
	bool precise;
};

static int set_up(void **state)
{
	(void)state;
	clock_hold();
	return weir_loop_create(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	clock_go_on();
	return 0;
}

static void on_time(struct weir_timer *timer);

static void start(struct timed *timed, int64_t after_ms)
{
	timed->due_ms = weir_loop_now_ms(loop) + after_ms;
	if (timed->precise)
		weir_timer_start_precise(loop, &timed->timer, after_ms, on_time);
	else
		weir_timer_start(loop, &timed->timer, after_ms, on_time);
}

static void on_time(struct weir_timer *timer)
{
	struct timed *timed = WEIR_CONTAINER(timer, struct timed, timer);
	timed->at_ms = weir_loop_now_ms(loop);
	timed->count++;
	assert_true(timed->at_ms >= timed->due_ms);
	assert_false(weir_timer_running(timer));
	if (timed->again_ms)
		start(timed, timed->again_ms);
	if (timed->stops_other)
		weir_timer_stop(&timed->other->timer);
	else if (timed->other)
		start(timed->other, 1000);
}

/* Lets the time pass in steps. */
static void pass(int64_t ms, int64_t step)
{
	for (; ms > 0; ms -= step) {
		clock_advance(ms < step ? ms : step);
		weir_loop_turn(loop, 0);
	}
}

static void never_early_and_hardly_late(void **state)
{
	(void)state;
	enum {
		COUNT = 3000
	};
	static struct timed timed[COUNT];
	weir_loop_turn(loop, 0);
	for (int i = 0; i < COUNT; i++) {
		timed[i] = (struct timed){0};
		start(&timed[i], (int64_t)i * i % 100000);
	}
	int64_t began_ms = weir_loop_now_ms(loop);
	while (weir_loop_now_ms(loop) < began_ms + 101000) {
		clock_advance(10);
		weir_loop_turn(loop, 0);
	}
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(timed[i].count, 1);
		/* A tick, a step, and what the machine itself may take. */
		assert_true(timed[i].at_ms <= timed[i].due_ms + WEIR_TIMER_TICK_MS + 10 + 5000);
	}
}

static void long_timers_go_round(void **state)
{
	(void)state;
	struct timed hour = {0}, day = {0}, never = {0};
	start(&hour, 3600 * 1000);
	start(&day, 24 * 3600 * 1000);
	start(&never, INT64_MAX);
	pass(3590 * 1000, 7000);
	assert_int_equal(hour.count, 0);
	pass(11 * 1000, 1000);
	assert_int_equal(hour.count, 1);
	clock_advance(23 * 3600 * 1000); /* one long sleep */
	weir_loop_turn(loop, 0);
	assert_int_equal(day.count, 1);
	assert_int_equal(never.count, 0);
	assert_true(weir_timer_running(&never.timer));
	weir_timer_stop(&never.timer);
}

static void a_callback_may_restart_itself(void **state)
{
	(void)state;
	struct timed often = {.again_ms = 1}, slow = {.again_ms = 512 * WEIR_TIMER_TICK_MS};
	start(&often, 0);
	start(&slow, 0);
	pass(100 * WEIR_TIMER_TICK_MS, WEIR_TIMER_TICK_MS);
	/* At most a tick late: at each tick, or at each second one if due at the end of a tick. */
	assert_in_range(often.count, 50, 200);
	assert_int_equal(slow.count, 1);
	pass(520 * WEIR_TIMER_TICK_MS, WEIR_TIMER_TICK_MS);
	assert_int_equal(slow.count, 2);
	weir_timer_stop(&often.timer);
	weir_timer_stop(&slow.timer);
	weir_timer_stop(&slow.timer);
}

/* Also of the same tick, which is being run. */
static void a_callback_may_stop_or_restart_others(void **state)
{
	(void)state;
	struct timed a = {0}, b = {0}, c = {0}, d = {0};
	a = (struct timed){.other = &b, .stops_other = true};
	c = (struct timed){.other = &d};
	start(&a, 100);
	start(&b, 100);
	start(&c, 100);
	start(&d, 100);
	pass(200, 200);
	assert_int_equal(a.count, 1);
	assert_int_equal(b.count, 0);
	assert_int_equal(c.count, 1);
	assert_int_equal(d.count, 0);
	pass(2000, 100);
	assert_int_equal(b.count, 0);
	assert_int_equal(d.count, 1);
}

static void a_precise_timer_is_never_late(void **state)
{
	(void)state;
	struct timed ones[20], often = {.precise = true, .again_ms = 1};
	struct timed stopped = {.precise = true}, stops = {.precise = true, .stops_other = true};
	weir_loop_turn(loop, 0);
	for (int i = 0; i < 20; i++) {
		ones[i] = (struct timed){.precise = true};
		start(&ones[i], i * i);
	}
	stops.other = &stopped;
	start(&stops, 50);
	start(&stopped, 50);
	start(&often, 0);
	pass(400, 1);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(ones[i].count, 1);
		assert_in_range(ones[i].at_ms - ones[i].due_ms, 0, 1);
	}
	assert_int_equal(stops.count, 1);
	assert_int_equal(stopped.count, 0);
	assert_int_equal(often.count, 400);
	weir_timer_stop(&often.timer);
}

static void the_wait_ends_with_the_first_timer(void **state)
{
	(void)state;
	struct timed timed = {0}, precise = {.precise = true};
	clock_go_on(); /* the kernel's wait is a real one */
	weir_loop_turn(loop, 0);
	start(&timed, 30);
	for (int turns = 0; turns < 20 && !timed.count; turns++)
		weir_loop_turn(loop, 10000);
	assert_int_equal(timed.count, 1);
	assert_true(timed.at_ms < timed.due_ms + 5000);
	start(&timed, 3600 * 1000);
	start(&precise, 3);
	assert_in_range(weir_loop_wait_ms(loop), 0, 3);
	for (int turns = 0; turns < 20 && !precise.count; turns++)
		weir_loop_turn(loop, 10000);
	assert_int_equal(precise.count, 1);
	weir_timer_stop(&timed.timer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(never_early_and_hardly_late, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(long_timers_go_round, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_callback_may_restart_itself, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                a_callback_may_stop_or_restart_others, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_precise_timer_is_never_late, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                the_wait_ends_with_the_first_timer, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
