/* Response rate limiting: what a network gets, and that others do not pay for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_state.h"

struct count {
	unsigned sent, slipped, dropped;
};

static struct weir_address peer_of(const char *text)
{
	struct weir_address peer;
	assert_int_equal(weir_address_parse(weir_span_of(text), &peer), 0);
	return peer;
}

/* `count` replies, one each `step_ms`. */
static struct count ask(struct dns_rrl *rrl, const char *peer_text, uint64_t kind, unsigned count,
        int64_t *now_ms, unsigned step_ms)
{
	struct weir_address peer = peer_of(peer_text);
	struct count got = {0};
	for (unsigned i = 0; i < count; i++, *now_ms += step_ms) {
		enum dns_rrl_verdict verdict = dns_rrl_check(rrl, &peer, kind, *now_ms);
		got.sent += verdict == DNS_RRL_SEND;
		got.slipped += verdict == DNS_RRL_SLIP;
		got.dropped += verdict == DNS_RRL_DROP;
	}
	return got;
}

static void beyond_the_rate_some_slip(void **state)
{
	struct dns_rrl *rrl = dns_rrl_create(10, 3);
	int64_t now_ms = 5000;
	(void)state;
	assert_non_null(rrl);
	struct count got = ask(rrl, "192.0.2.1:1", 7, 40, &now_ms, 0);
	assert_int_equal(got.sent, 10);
	assert_int_equal(got.slipped, 10);
	assert_int_equal(got.dropped, 20);
	/* One network, another network, another kind of reply. */
	assert_int_equal(ask(rrl, "192.0.2.200:9", 7, 5, &now_ms, 0).sent, 0);
	assert_int_equal(ask(rrl, "192.0.3.1:1", 7, 5, &now_ms, 0).sent, 5);
	assert_int_equal(ask(rrl, "192.0.2.1:1", 8, 5, &now_ms, 0).sent, 5);
	/* Within the rate, for ever; then half of twice the rate. */
	now_ms += 1000;
	assert_int_equal(ask(rrl, "192.0.2.1:1", 7, 100, &now_ms, 100).sent, 100);
	now_ms += 1000;
	got = ask(rrl, "192.0.2.1:1", 7, 200, &now_ms, 50);
	assert_in_range(got.sent, 105, 112);
	dns_rrl_destroy(rrl);
}

static void without_a_slip_none_is_truncated(void **state)
{
	struct dns_rrl *rrl = dns_rrl_create(10, 0);
	int64_t now_ms = 5000;
	(void)state;
	assert_non_null(rrl);
	struct count got = ask(rrl, "192.0.2.1:1", 7, 40, &now_ms, 0);
	assert_int_equal(got.sent, 10);
	assert_int_equal(got.slipped, 0);
	assert_int_equal(got.dropped, 30);
	dns_rrl_destroy(rrl);
}

/*
 * Sent and limited replies alternate, so a count of limited ones in a row never reaches the slip.
 */
static void at_twice_the_rate_half_of_the_limited_replies_slip(void **state)
{
	struct dns_rrl *rrl = dns_rrl_create(20, 2);
	int64_t now_ms = 0;
	(void)state;
	assert_non_null(rrl);
	ask(rrl, "192.0.2.1:1", 7, 40, &now_ms, 25);
	struct count got = ask(rrl, "192.0.2.1:1", 7, 160, &now_ms, 25);
	assert_in_range(got.sent, 79, 81);
	assert_in_range(got.slipped, 39, 41);
	assert_in_range(got.dropped, 39, 41);
	dns_rrl_destroy(rrl);
}

static void a_network_of_ipv6_has_56_bits(void **state)
{
	struct dns_rrl *rrl = dns_rrl_create(3, 1);
	int64_t now_ms = 0;
	(void)state;
	assert_non_null(rrl);
	struct count got = ask(rrl, "[2001:db8:0:ff::1]:1", 1, 4, &now_ms, 0);
	assert_int_equal(got.sent, 3);
	assert_int_equal(got.slipped, 1);
	assert_int_equal(ask(rrl, "[2001:db8:0:12::2]:1", 1, 3, &now_ms, 0).sent, 0);
	assert_int_equal(ask(rrl, "[2001:db8:0:100::1]:1", 1, 3, &now_ms, 0).sent, 3);
	dns_rrl_destroy(rrl);
}

static void a_mapped_address_is_ipv4(void **state)
{
	struct dns_rrl *rrl = dns_rrl_create(3, 1);
	int64_t now_ms = 0;
	(void)state;
	assert_non_null(rrl);
	assert_int_equal(ask(rrl, "[::ffff:192.0.2.1]:1", 1, 4, &now_ms, 0).sent, 3);
	assert_int_equal(ask(rrl, "192.0.2.9:1", 1, 3, &now_ms, 0).sent, 0);
	assert_int_equal(ask(rrl, "[::ffff:192.0.3.1]:1", 1, 3, &now_ms, 0).sent, 3);
	dns_rrl_destroy(rrl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(beyond_the_rate_some_slip),
	        cmocka_unit_test(without_a_slip_none_is_truncated),
	        cmocka_unit_test(at_twice_the_rate_half_of_the_limited_replies_slip),
	        cmocka_unit_test(a_network_of_ipv6_has_56_bits),
	        cmocka_unit_test(a_mapped_address_is_ipv4),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
