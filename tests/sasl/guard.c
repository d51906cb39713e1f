/* The guard: delays grow, are forgotten, and are each network's own; the table is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/limits.h>
#include <weir/sasl_guard.h>

#include "allocation.h"

static struct weir_guard *guard;

static int setup(void **state)
{
	(void)state;
	return weir_guard_create(NULL, &guard);
}

static int teardown(void **state)
{
	(void)state;
	weir_guard_destroy(guard);
	return 0;
}

static struct weir_address address(const char *text)
{
	struct weir_address address;
	assert_int_equal(weir_address_parse(weir_span_of(text), &address), 0);
	return address;
}

static uint32_t failed(const char *text, int64_t now_ms)
{
	struct weir_address from = address(text);
	return weir_guard_failed(guard, &from, now_ms);
}

static uint32_t delay(const char *text, int64_t now_ms)
{
	struct weir_address from = address(text);
	return weir_guard_delay(guard, &from, now_ms);
}

static void growth_and_decay(void **state)
{
	static const uint32_t seconds[] = {1, 2, 4, 8, 16, 30, 30, 30};
	(void)state;
	assert_int_equal(delay("192.0.2.1:1", 0), 0);
	for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++)
		assert_int_equal(failed("192.0.2.1:1", (int64_t)i), seconds[i] * 1000);
	assert_int_equal(delay("192.0.2.1:99", 10), 30000);
	assert_int_equal(delay("192.0.2.2:1", 10), 0);
	assert_int_equal(delay("192.0.2.1:1", 7 + WEIR_GUARD_DECAY_MS * 3), 16000);
	assert_int_equal(delay("192.0.2.1:1", 7 + WEIR_GUARD_DECAY_MS * 7 + 1), 1000);
	assert_int_equal(failed("192.0.2.1:1", 7 + WEIR_GUARD_DECAY_MS * 7 + 2), 2000);
	assert_int_equal(delay("192.0.2.1:1", INT64_MAX / 2), 0);
	for (int i = 0; i < 1000; i++)
		failed("192.0.2.9:1", 0);
	assert_int_equal(delay("192.0.2.9:1", WEIR_GUARD_DECAY_MS * 16), 0);
}

static void networks(void **state)
{
	(void)state;
	failed("[2001:db8:1:2:3:4:5:6]:1", 0);
	assert_int_equal(delay("[2001:db8:1:2::1]:1", 0), 1000);
	assert_int_equal(delay("[2001:db8:1:3::1]:1", 0), 0);
	failed("192.0.2.1:1", 0);
	assert_int_equal(delay("[::ffff:192.0.2.1]:1", 0), 1000);
	assert_int_equal(delay("[::ffff:192.0.2.2]:1", 0), 0);
	assert_int_equal(delay("[::1]:1", 0), 0);
}

/* Those who have only once been wrong push out nobody who was often. */
static void many_addresses(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++)
		failed("192.0.2.1:1", 0);
	for (unsigned i = 0; i < 4 * WEIR_GUARD_ADDRESSES_MAX; i++) {
		struct weir_address from = address("10.0.0.0:1");
		from.v4.sin_addr.s_addr = htonl(0x0a000000 + i);
		assert_int_equal(weir_guard_failed(guard, &from, 1), 1000);
		assert_int_equal(weir_guard_delay(guard, &from, 1), 1000);
	}
	assert_int_equal(delay("192.0.2.1:1", 1), 30000);
}

static void options(void **state)
{
	struct weir_guard_options own = {.first_ms = 10, .most_ms = 25, .decay_ms = 100};
	struct weir_guard *before = guard;
	(void)state;
	fail_allocation_after(0, false);
	assert_int_equal(weir_guard_create(&own, &guard), -12);
	stop_failing_allocations();
	assert_int_equal(weir_guard_create(&own, &guard), 0);
	assert_int_equal(failed("192.0.2.1:1", 0), 10);
	assert_int_equal(failed("192.0.2.1:1", 0), 20);
	assert_int_equal(failed("192.0.2.1:1", 0), 25);
	assert_int_equal(delay("192.0.2.1:1", 200), 10);
	weir_guard_destroy(guard);
	weir_guard_destroy(NULL);
	guard = before;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(growth_and_decay, setup, teardown),
	        cmocka_unit_test_setup_teardown(networks, setup, teardown),
	        cmocka_unit_test_setup_teardown(many_addresses, setup, teardown),
	        cmocka_unit_test_setup_teardown(options, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
