/* Token buckets of clients and of networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <weir/rates.h>

#include "allocation.h"

static struct weir_rates *rates;

static struct weir_address address(const char *host)
{
	char text[WEIR_ADDRESS_TEXT_MAX];
	struct weir_address found;
	snprintf(text, sizeof text, strchr(host, ':') ? "[%s]:1" : "%s:1", host);
	assert_int_equal(weir_address_parse(weir_span_of(text), &found), 0);
	return found;
}

static uint32_t take(enum weir_rate_kind kind, uint32_t a_second, uint32_t burst, const char *host,
        int64_t now_ms)
{
	struct weir_address peer = address(host);
	struct weir_rate rate = {a_second, burst};
	return weir_rates_take(rates, kind, &rate, &peer, now_ms);
}

static int create(void **state)
{
	(void)state;
	return weir_rates_create(&rates);
}

static int release(void **state)
{
	(void)state;
	weir_rates_release(rates);
	return 0;
}

static void a_burst_goes_through_and_tokens_come_back(void **state)
{
	(void)state;
	enum weir_rate_kind kind = WEIR_RATE_REQUESTS;
	for (int i = 0; i < 5; i++)
		assert_int_equal(take(kind, 10, 5, "192.0.2.1", 1000), 0);
	assert_int_equal(take(kind, 10, 5, "192.0.2.1", 1000), 100);
	assert_int_equal(take(kind, 10, 5, "192.0.2.1", 1040), 60);
	assert_int_equal(take(kind, 10, 5, "192.0.2.1", 1100), 0);
	assert_int_equal(take(kind, 10, 5, "192.0.2.1", 1100), 100);
	/* Nothing is saved up beyond the burst. */
	for (int i = 0; i < 5; i++)
		assert_int_equal(take(kind, 10, 5, "192.0.2.1", 100000), 0);
	assert_true(take(kind, 10, 5, "192.0.2.1", 100000) > 0);
}

static void the_burst_is_a_second_by_default(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(take(WEIR_RATE_REQUESTS, 3, 0, "192.0.2.1", 0), 0);
	assert_int_equal(take(WEIR_RATE_REQUESTS, 3, 0, "192.0.2.1", 0), 334);
	for (int i = 0; i < 100; i++)
		assert_int_equal(take(WEIR_RATE_CONNECTIONS, 0, 0, "192.0.2.1", 0), 0);
}

static void clients_networks_and_kinds_have_their_own_buckets(void **state)
{
	(void)state;
	static const struct {
		enum weir_rate_kind kind;
		const char *one, *other;
		bool same;
	} cases[] = {
	        {WEIR_RATE_CONNECTIONS, "192.0.2.1", "192.0.2.2", false},
	        {WEIR_RATE_CONNECTIONS, "192.0.2.3", "::ffff:192.0.2.3", true},
	        {WEIR_RATE_CONNECTIONS, "2001:db8:0:1::1", "2001:db8:0:1:ffff::", true},
	        {WEIR_RATE_CONNECTIONS, "2001:db8:0:2::1", "2001:db8:0:3::1", false},
	        {WEIR_RATE_NETWORK_CONNECTIONS, "198.51.100.1", "198.51.100.255", true},
	        {WEIR_RATE_NETWORK_CONNECTIONS, "198.51.101.1", "198.51.102.1", false},
	        {WEIR_RATE_NETWORK_REQUESTS, "2001:db8:1:100::", "2001:db8:1:1ff::1", true},
	        {WEIR_RATE_NETWORK_REQUESTS, "2001:db8:1:200::", "2001:db8:1:300::", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(take(cases[i].kind, 1, 1, cases[i].one, 5000), 0);
		assert_int_equal(
		        take(cases[i].kind, 1, 1, cases[i].other, 5000) > 0, cases[i].same);
	}
	assert_int_equal(take(WEIR_RATE_REQUESTS, 1, 1, "192.0.2.1", 5000), 0);
}

static void many_clients_do_not_fill_the_table(void **state)
{
	(void)state;
	char host[32];
	for (unsigned i = 0; i < 3 * WEIR_RATES_BUCKETS; i++) {
		snprintf(host, sizeof host, "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
		assert_int_equal(take(WEIR_RATE_REQUESTS, 1, 1, host, 5000), 0);
	}
}

static void keys_and_longer_periods(void **state)
{
	struct weir_rate rate = {.a_second = 2, .period_s = 60};
	(void)state;
	assert_int_equal(weir_rates_take_key(rates, &rate, WEIR_SPAN("a"), 0), 0);
	assert_int_equal(weir_rates_take_key(rates, &rate, WEIR_SPAN("a"), 0), 0);
	assert_int_equal(weir_rates_take_key(rates, &rate, WEIR_SPAN("a"), 0), 30000);
	assert_int_equal(weir_rates_take_key(rates, &rate, WEIR_SPAN("b"), 0), 0);
	assert_int_equal(weir_rates_take_key(rates, &rate, WEIR_SPAN("a"), 30000), 0);
	assert_int_equal(weir_rates_take_key(NULL, &rate, WEIR_SPAN("a"), 0), 0);
	rate.a_second = 0;
	assert_int_equal(weir_rates_take_key(rates, &rate, WEIR_SPAN("a"), 0), 0);
}

static void a_table_needs_memory(void **state)
{
	(void)state;
	struct weir_rates *none = NULL;
	fail_allocation_after(0, false);
	assert_int_equal(weir_rates_create(&none), -ENOMEM);
	assert_true(stop_failing_allocations());
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                a_burst_goes_through_and_tokens_come_back, create, release),
	        cmocka_unit_test_setup_teardown(the_burst_is_a_second_by_default, create, release),
	        cmocka_unit_test_setup_teardown(
	                clients_networks_and_kinds_have_their_own_buckets, create, release),
	        cmocka_unit_test_setup_teardown(
	                many_clients_do_not_fill_the_table, create, release),
	        cmocka_unit_test_setup_teardown(keys_and_longer_periods, create, release),
	        cmocka_unit_test(a_table_needs_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
