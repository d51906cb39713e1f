/* The guard: delays grow, decay, and are those of one network; the table is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/bans.h>
#include <weir/limits.h>
#include <weir/sasl_guard.h>

#include "allocation.h"
#include "make_options.h"

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
	return weir_guard_failed(guard, &from, WEIR_SPAN("mallory"), now_ms);
}

static uint32_t delay(const char *text, int64_t now_ms)
{
	struct weir_address from = address(text);
	/* A new name each time, so that no such user has logged in before. */
	static unsigned number;
	char name[32];
	snprintf(name, sizeof name, "user%u", number++);
	return weir_guard_passed(guard, &from, weir_span_of(name), now_ms);
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

/* Networks with one wrong password do not displace those with many. */
static void many_addresses(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++)
		failed("192.0.2.1:1", 0);
	for (unsigned i = 0; i < 4 * WEIR_GUARD_ADDRESSES_MAX; i++) {
		struct weir_address from = address("10.0.0.0:1");
		from.v4.sin_addr.s_addr = htonl(0x0a000000 + i);
		assert_int_equal(weir_guard_failed(guard, &from, WEIR_SPAN("a"), 1), 1000);
		assert_int_equal(weir_guard_passed(guard, &from, WEIR_SPAN("b"), 1), 1000);
	}
	assert_int_equal(delay("192.0.2.1:1", 1), 30000);
}

static void options(void **state)
{
	struct weir_guard_options own =
	        OPTIONS(weir_guard_options, o.first_ms = 10, o.most_ms = 25, o.decay_ms = 100);
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

static uint32_t passed_as(const char *user, const char *text, int64_t now_ms)
{
	struct weir_address from = address(text);
	return weir_guard_passed(guard, &from, weir_span_of(user), now_ms);
}

static uint32_t failed_as(const char *user, const char *text, int64_t now_ms)
{
	struct weir_address from = address(text);
	return weir_guard_failed(guard, &from, weir_span_of(user), now_ms);
}

static bool suspects(const char *user, const char *text, int64_t now_ms)
{
	struct weir_address from = address(text);
	return weir_guard_suspects(guard, &from, weir_span_of(user), now_ms);
}

static void a_user_who_logged_in_before_waits_for_own_failures_only(void **state)
{
	(void)state;
	assert_int_equal(passed_as("alice", "192.0.2.1:1", 0), 0);
	for (int i = 0; i < 4; i++)
		failed_as("bob", "192.0.2.1:1", 1);
	assert_int_equal(passed_as("alice", "192.0.2.1:1", 2), 0);
	assert_false(suspects("alice", "192.0.2.1:1", 2));
	/* A user who has not logged in there before is delayed, and goes behind others. */
	assert_true(suspects("carol", "192.0.2.1:1", 2));
	assert_int_equal(passed_as("carol", "192.0.2.1:1", 2), 8000);
	/* A known name has no advantage at another address. */
	failed_as("bob", "192.0.2.2:1", 2);
	assert_int_equal(passed_as("alice", "192.0.2.2:1", 2), 1000);
	/* Guesses at the password of alice delay the right one. */
	failed_as("alice", "192.0.2.1:1", 3);
	assert_true(suspects("alice", "192.0.2.1:1", 3));
	assert_int_equal(passed_as("alice", "192.0.2.1:1", 3), 1000);
	/* A login is remembered for a while. */
	int64_t later = 3 + WEIR_GUARD_KNOWN_MS + 1;
	failed_as("bob", "192.0.2.1:1", later);
	assert_int_equal(passed_as("alice", "192.0.2.1:1", later), 1000);
}

static void settings_change(void **state)
{
	struct weir_guard_options own =
	        OPTIONS(weir_guard_options, o.threshold = 3, o.first_ms = 10, o.most_ms = 25);
	struct weir_network exempt[2];
	(void)state;
	assert_int_equal(weir_network_parse(WEIR_SPAN("10.0.0.0/8"), &exempt[0]), 0);
	assert_int_equal(weir_network_parse(WEIR_SPAN("2001:db8::/32"), &exempt[1]), 0);
	own.exempt = exempt;
	own.exempt_count = 2;
	fail_allocation_after(0, false);
	assert_int_equal(weir_guard_set(guard, &own), -12);
	stop_failing_allocations();
	assert_int_equal(weir_guard_set(guard, &own), 0);
	memset(exempt, 0, sizeof exempt);
	for (int i = 0; i < 3; i++)
		assert_int_equal(failed("192.0.2.1:1", 0), 0);
	assert_int_equal(failed("192.0.2.1:1", 0), 10);
	assert_int_equal(failed("192.0.2.1:1", 0), 20);
	for (int i = 0; i < 9; i++) {
		assert_int_equal(failed("10.1.2.3:1", 0), 0);
		assert_int_equal(failed("[2001:db8::1]:1", 0), 0);
	}
	assert_false(suspects("a", "10.1.2.3:1", 0));
	own = OPTIONS(weir_guard_options, o.enabled = false);
	assert_int_equal(weir_guard_set(guard, &own), 0);
	assert_int_equal(failed("192.0.2.1:1", 0), 0);
	assert_int_equal(delay("192.0.2.1:1", 0), 0);
	assert_int_equal(weir_guard_set(guard, NULL), 0);
	assert_int_equal(delay("192.0.2.1:1", 0), 16000);
}

struct shown {
	unsigned entries, count, bits;
	uint32_t delay_ms;
};

static void show(void *context, const struct weir_guard_entry *entry)
{
	struct shown *shown = context;
	shown->entries++;
	shown->count += entry->count;
	shown->bits += entry->network.bits;
	shown->delay_ms += entry->delay_ms;
}

static struct shown list(int64_t now_ms)
{
	struct shown shown = {0};
	weir_guard_each(guard, now_ms, show, &shown);
	return shown;
}

static void the_state_is_listed_and_cleared(void **state)
{
	struct weir_network network;
	(void)state;
	passed_as("alice", "192.0.2.1:1", 0);
	failed_as("alice", "192.0.2.1:1", 0);
	failed_as("bob", "192.0.2.1:1", 0);
	failed_as("bob", "[2001:db8:1:2::3]:1", 0);
	struct shown shown = list(1);
	assert_int_equal(shown.entries, 2);
	assert_int_equal(shown.count, 3);
	assert_int_equal(shown.bits, 128 + 64);
	assert_int_equal(shown.delay_ms, 3000);
	/* A count that has decayed is not shown. */
	assert_int_equal(list(WEIR_GUARD_DECAY_MS + 1).entries, 1);
	assert_int_equal(weir_network_parse(WEIR_SPAN("192.0.2.0/24"), &network), 0);
	assert_int_equal(weir_guard_clear(guard, &network), 1);
	assert_int_equal(passed_as("alice", "192.0.2.1:1", 1), 0);
	assert_int_equal(weir_network_parse(WEIR_SPAN("2001:db8:1:2::3"), &network), 0);
	failed("[2001:db8:1:2::3]:1", WEIR_GUARD_DECAY_MS);
	assert_int_equal(weir_guard_clear(guard, &network), 1);
	assert_int_equal(list(1).entries, 0);
	failed("192.0.2.1:1", 1);
	failed("192.0.2.2:1", 1);
	assert_int_equal(weir_guard_clear(guard, NULL), 2);
	assert_int_equal(weir_guard_clear(guard, NULL), 0);
}

/* Only under the user's own name, where the user has logged in before. */
static void a_user_is_cleared(void **state)
{
	(void)state;
	passed_as("alice", "192.0.2.1:1", 0);
	passed_as("bob", "192.0.2.1:1", 0);
	failed_as("alice", "192.0.2.1:1", 0);
	failed_as("bob", "192.0.2.1:1", 0);
	failed_as("alice", "192.0.2.2:1", 0);
	assert_int_equal(weir_guard_clear_user(guard, WEIR_SPAN("carol")), 0);
	assert_int_equal(weir_guard_clear_user(guard, WEIR_SPAN("alice")), 1);
	assert_int_equal(weir_guard_clear_user(guard, WEIR_SPAN("alice")), 0);
	assert_int_equal(passed_as("alice", "192.0.2.1:1", 1), 0);
	assert_int_equal(passed_as("bob", "192.0.2.1:1", 1), WEIR_GUARD_FIRST_MS);
	assert_int_equal(list(1).entries, 2);
}

/* -- several processes ------------------------------------------------------------------------- */

static struct weir_guard_share share_of(const char *text, unsigned count, int64_t age_ms)
{
	struct weir_guard_share share = {.count = count, .age_ms = age_ms};
	assert_int_equal(weir_network_parse(weir_span_of(text), &share.network), 0);
	return share;
}

static void own_counts_are_collected_once(void **state)
{
	struct weir_guard_share shares[2];
	char text[WEIR_NETWORK_TEXT_MAX];
	(void)state;
	assert_int_equal(weir_guard_collect(guard, 0, shares, 2), 0);
	failed("192.0.2.1:1", 0);
	failed("192.0.2.1:1", 0);
	assert_int_equal(weir_guard_collect(guard, 10, shares, 2), 1);
	weir_network_format(&shares[0].network, text);
	assert_string_equal(text, "192.0.2.1");
	assert_int_equal(shares[0].count, 2);
	assert_int_equal(shares[0].age_ms, 10);
	assert_int_equal(shares[0].left_ms, 2 * WEIR_GUARD_DECAY_MS - 10);
	assert_int_equal(weir_guard_collect(guard, 20, shares, 2), 0);
	/* Those that have no room come later. */
	for (unsigned i = 1; i <= 5; i++) {
		snprintf(text, sizeof text, "192.0.2.%u:1", i);
		failed(text, 20);
	}
	assert_int_equal(weir_guard_collect(guard, 20, shares, 2), 2);
	assert_int_equal(weir_guard_collect(guard, 20, shares, 2), 2);
	assert_int_equal(weir_guard_collect(guard, 20, shares, 2), 1);
	assert_int_equal(weir_guard_collect(guard, 20, shares, 2), 0);
	/* Counts that were learnt are not passed on, and neither are those that were forgotten. */
	struct weir_guard_share learnt = share_of("192.0.2.9", 3, 0);
	weir_guard_learn(guard, &learnt, 20);
	failed("192.0.2.8:1", 20);
	assert_int_equal(weir_guard_collect(guard, 20 + WEIR_GUARD_DECAY_MS, shares, 2), 0);
}

static void what_others_have_counted_delays(void **state)
{
	(void)state;
	struct weir_guard_share learnt = share_of("192.0.2.1", 2, 0);
	weir_guard_learn(guard, &learnt, 0);
	assert_int_equal(delay("192.0.2.1:1", 0), 2000);
	assert_int_equal(delay("192.0.2.2:1", 0), 0);
	/* Both counts together, each with its own decay; learning again adds nothing. */
	assert_int_equal(failed("192.0.2.1:1", 1000), 4000);
	weir_guard_learn(guard, &learnt, 1000);
	assert_int_equal(delay("192.0.2.1:1", 1000), 4000);
	learnt.age_ms = WEIR_GUARD_DECAY_MS;
	weir_guard_learn(guard, &learnt, 1000);
	assert_int_equal(delay("192.0.2.1:1", 1000), 2000);
	learnt.count = 0;
	weir_guard_learn(guard, &learnt, 1000);
	assert_int_equal(delay("192.0.2.1:1", 1000), 1000);
	/* No sum is too large. */
	learnt = share_of("192.0.2.1", UINT32_MAX, 0);
	weir_guard_learn(guard, &learnt, 1000);
	assert_int_equal(failed("192.0.2.1:1", 1000), WEIR_GUARD_MOST_MS);
	assert_int_equal(weir_guard_clear(guard, NULL), 1);
	assert_int_equal(delay("192.0.2.1:1", 1000), 0);
}

static void others_count_for_bans_and_exemptions(void **state)
{
	struct weir_network exempt;
	struct weir_bans *bans;
	(void)state;
	assert_int_equal(weir_bans_create(&bans), 0);
	assert_int_equal(weir_network_parse(WEIR_SPAN("198.51.100.0/24"), &exempt), 0);
	struct weir_guard_options options = OPTIONS(weir_guard_options, o.bans = bans,
	        o.ban_after = 5, o.ban_ms = 1000, o.exempt = &exempt, o.exempt_count = 1);
	assert_int_equal(weir_guard_set(guard, &options), 0);
	struct weir_address one = address("192.0.2.1:1"), other = address("198.51.100.1:1");
	struct weir_guard_share learnt = share_of("192.0.2.1", 4, 0);
	weir_guard_learn(guard, &learnt, 0);
	assert_false(weir_bans_contain(bans, &one, 0));
	failed("192.0.2.1:1", 0);
	assert_true(weir_bans_contain(bans, &one, 0));
	learnt = share_of("198.51.100.1", 9, 0);
	weir_guard_learn(guard, &learnt, 0);
	assert_false(weir_bans_contain(bans, &other, 0));
	assert_int_equal(delay("198.51.100.1:1", 0), 0);
	assert_int_equal(weir_guard_set(guard, NULL), 0);
	weir_bans_release(bans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(growth_and_decay, setup, teardown),
	        cmocka_unit_test_setup_teardown(networks, setup, teardown),
	        cmocka_unit_test_setup_teardown(many_addresses, setup, teardown),
	        cmocka_unit_test_setup_teardown(options, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                a_user_who_logged_in_before_waits_for_own_failures_only, setup, teardown),
	        cmocka_unit_test_setup_teardown(settings_change, setup, teardown),
	        cmocka_unit_test_setup_teardown(the_state_is_listed_and_cleared, setup, teardown),
	        cmocka_unit_test_setup_teardown(a_user_is_cleared, setup, teardown),
	        cmocka_unit_test_setup_teardown(own_counts_are_collected_once, setup, teardown),
	        cmocka_unit_test_setup_teardown(what_others_have_counted_delays, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                others_count_for_bans_and_exemptions, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
