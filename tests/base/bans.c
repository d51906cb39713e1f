/* The list of bans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>

#include <weir/bans.h>
#include <weir/error.h>

#include "allocation.h"

static struct weir_bans *bans;

static int create(void **state)
{
	(void)state;
	return weir_bans_create(&bans);
}

static int release(void **state)
{
	(void)state;
	weir_bans_release(bans);
	return 0;
}

static struct weir_network network(const char *text)
{
	struct weir_network found;
	assert_int_equal(weir_network_parse(weir_span_of(text), &found), 0);
	return found;
}

static int add(const char *text, int64_t until_ms, int64_t now_ms)
{
	struct weir_network banned = network(text);
	return weir_bans_add(bans, &banned, until_ms, now_ms);
}

static bool contain(const char *peer, int64_t now_ms)
{
	struct weir_address address;
	assert_int_equal(weir_address_parse(weir_span_of(peer), &address), 0);
	return weir_bans_contain(bans, &address, now_ms);
}

static void a_ban_has_an_end(void **state)
{
	(void)state;
	assert_false(contain("192.0.2.1:1", 0));
	assert_int_equal(add("192.0.2.0/24", 1000, 0), 0);
	assert_true(contain("192.0.2.1:1", 999));
	assert_false(contain("192.0.2.1:1", 1000));
	assert_false(contain("192.0.3.1:1", 999));
	/* A shorter ban changes nothing, a longer one does. */
	assert_int_equal(add("192.0.2.0/24", 500, 0), 0);
	assert_true(contain("192.0.2.1:1", 999));
	assert_int_equal(add("192.0.2.0/24", 2000, 0), 0);
	assert_true(contain("192.0.2.1:1", 1999));
	assert_false(weir_bans_contain(NULL, &(struct weir_address){0}, 0));
}

static void bans_are_cleared_as_they_are_listed(void **state)
{
	(void)state;
	struct weir_ban list[3];
	assert_int_equal(add("192.0.2.1", 1000, 0), 0);
	assert_int_equal(add("2001:db8::/64", 2000, 0), 0);
	assert_int_equal(weir_bans_list(bans, list, 3, 0), 2);
	assert_int_equal(weir_bans_list(bans, list, 1, 0), 1);
	assert_int_equal(weir_bans_list(bans, list, 3, 1500), 1);
	assert_int_equal(list[0].until_ms, 2000);
	struct weir_network wider = network("2001:db8::/32"), exact = network("2001:db8::/64");
	assert_int_equal(weir_bans_clear(bans, &wider, 0), 0);
	assert_int_equal(weir_bans_clear(bans, &exact, 0), 1);
	assert_false(contain("[2001:db8::1]:1", 0));
	assert_int_equal(weir_bans_clear(bans, NULL, 1500), 0);
	assert_int_equal(weir_bans_list(bans, list, 3, 0), 0);
}

static void the_list_has_a_bound(void **state)
{
	(void)state;
	char text[32];
	for (unsigned i = 0; i < WEIR_BANS_MAX; i++) {
		snprintf(text, sizeof text, "10.0.%u.%u", i >> 8, i & 255);
		assert_int_equal(add(text, 1000, 0), 0);
	}
	assert_int_equal(add("192.0.2.1", 1000, 0), WEIR_E_LIMIT);
	assert_int_equal(add("10.0.0.0", 2000, 0), 0);
	/* Bans that have ended make room. */
	assert_int_equal(add("192.0.2.1", 3000, 1000), 0);
	assert_true(contain("192.0.2.1:1", 1000));
	assert_true(contain("10.0.0.0:1", 1000));
}

static void a_list_needs_memory(void **state)
{
	(void)state;
	struct weir_bans *none = NULL;
	fail_allocation_after(0, false);
	assert_int_equal(weir_bans_create(&none), -ENOMEM);
	assert_true(stop_failing_allocations());
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_ban_has_an_end, create, release),
	        cmocka_unit_test_setup_teardown(
	                bans_are_cleared_as_they_are_listed, create, release),
	        cmocka_unit_test_setup_teardown(the_list_has_a_bound, create, release),
	        cmocka_unit_test(a_list_needs_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
