/* Networks, and the table of peers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>

#include <weir/error.h>
#include <weir/network.h>
#include <weir/peers.h>

#include "allocation.h"

static struct weir_address address(const char *host)
{
	char text[WEIR_ADDRESS_TEXT_MAX];
	struct weir_address found;
	snprintf(text, sizeof text, strchr(host, ':') ? "[%s]:1" : "%s:1", host);
	assert_int_equal(weir_address_parse(weir_span_of(text), &found), 0);
	return found;
}

static void networks_contain(void **state)
{
	(void)state;
	static const struct {
		const char *network, *host;
		bool contains;
	} cases[] = {
	        {"10.0.0.0/8", "10.255.0.1", true},
	        {"10.0.0.0/8", "11.0.0.0", false},
	        {"192.0.2.128/25", "192.0.2.128", true},
	        {"192.0.2.128/25", "192.0.2.127", false},
	        {"192.0.2.1", "192.0.2.1", true},
	        {"192.0.2.1", "192.0.2.0", false},
	        {"0.0.0.0/0", "203.0.113.9", true},
	        {"0.0.0.0/0", "2001:db8::1", false},
	        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
	        {"::/0", "2001:db8::1", true},
	        {"2001:db8::/33", "2001:db8:7fff::1", true},
	        {"2001:db8::/33", "2001:db8:8000::1", false},
	        {"::1", "::1", true},
	        {"::1/128", "::2", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct weir_network network;
		struct weir_address host = address(cases[i].host);
		assert_int_equal(weir_network_parse(weir_span_of(cases[i].network), &network), 0);
		assert_int_equal(weir_networks_contain(&network, 1, &host), cases[i].contains);
		assert_false(weir_networks_contain(&network, 0, &host));
	}
}

static void no_networks(void **state)
{
	(void)state;
	static const char *const cases[] = {"", "/", "/8", "10/8", "10.0.0.0/", "10.0.0.0/33",
	        "10.0.0.1/8", "10.0.0.0/-1", "10.0.0.0/8/8", "::/129", "::1/64", "a", "1.2.3.4 ",
	        "10.0.0.0/99999999999999999999", "1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9:1:2:3:4"};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct weir_network network;
		assert_int_equal(
		        weir_network_parse(weir_span_of(cases[i]), &network), WEIR_E_SYNTAX);
	}
}

static void the_text_of_a_network(void **state)
{
	(void)state;
	static const char *const cases[] = {"10.0.0.0/8", "192.0.2.1", "0.0.0.0/0", "::/0", "::1",
	        "2001:db8::/32", "2001:db8:1:2:3:4:5:0/112"};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct weir_network network;
		char text[WEIR_NETWORK_TEXT_MAX];
		assert_int_equal(weir_network_parse(weir_span_of(cases[i]), &network), 0);
		assert_int_equal(weir_network_format(&network, text), strlen(cases[i]));
		assert_string_equal(text, cases[i]);
	}
}

static void the_network_of_an_address(void **state)
{
	(void)state;
	static const struct {
		const char *host;
		unsigned v4_bits, v6_bits;
		const char *network;
	} cases[] = {
	        {"192.0.2.255", 32, 64, "192.0.2.255"},
	        {"192.0.2.255", 24, 56, "192.0.2.0/24"},
	        {"192.0.2.255", 25, 56, "192.0.2.128/25"},
	        {"192.0.2.255", 0, 56, "0.0.0.0/0"},
	        {"::ffff:192.0.2.255", 31, 0, "192.0.2.254/31"},
	        {"2001:db8:ffff:ffff:1::", 32, 64, "2001:db8:ffff:ffff::/64"},
	        {"2001:db8:ffff:ffff:1::", 24, 56, "2001:db8:ffff:ff00::/56"},
	        {"2001:db8:ffff:ffff:1::", 24, 49, "2001:db8:ffff:8000::/49"},
	        {"2001:db8:ffff:ffff:1::", 24, 128, "2001:db8:ffff:ffff:1::"},
	        {"2001:db8:ffff:ffff:1::", 24, 0, "::/0"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct weir_address host = address(cases[i].host);
		struct weir_network network;
		char text[WEIR_NETWORK_TEXT_MAX];
		weir_network_of(&host, cases[i].v4_bits, cases[i].v6_bits, &network);
		weir_network_format(&network, text);
		assert_string_equal(text, cases[i].network);
		assert_true(weir_networks_contain(&network, 1, &host));
	}
}

static void networks_overlap(void **state)
{
	(void)state;
	static const struct {
		const char *one, *other;
		bool overlap;
	} cases[] = {
	        {"10.0.0.0/8", "10.1.2.3", true},
	        {"10.0.0.0/8", "11.0.0.0/8", false},
	        {"10.0.0.0/9", "10.128.0.0/9", false},
	        {"10.0.0.0/8", "10.128.0.0/9", true},
	        {"::/0", "10.0.0.0/8", true},
	        {"2001:db8::/32", "10.0.0.0/8", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct weir_network one, other;
		assert_int_equal(weir_network_parse(weir_span_of(cases[i].one), &one), 0);
		assert_int_equal(weir_network_parse(weir_span_of(cases[i].other), &other), 0);
		assert_int_equal(weir_networks_overlap(&one, &other), cases[i].overlap);
		assert_int_equal(weir_networks_overlap(&other, &one), cases[i].overlap);
	}
}

static void peers_are_counted(void **state)
{
	(void)state;
	struct weir_peers *peers;
	struct weir_address a = address("192.0.2.1"), b = address("192.0.2.2");
	struct weir_address mapped = address("::ffff:192.0.2.1");
	struct weir_address net1 = address("2001:db8::1"), net2 = address("2001:db8::2:3:4:5");
	assert_int_equal(weir_peers_create(2, 3, &peers), 0);
	weir_peers_leave(peers, &a);
	assert_int_equal(weir_peers_enter(peers, &a), 0);
	assert_int_equal(weir_peers_enter(peers, &mapped), 0);
	assert_int_equal(weir_peers_enter(peers, &a), WEIR_E_LIMIT);
	assert_int_equal(weir_peers_enter(peers, &net1), 0);
	assert_int_equal(weir_peers_enter(peers, &net2), 0);
	assert_int_equal(weir_peers_enter(peers, &net1), WEIR_E_LIMIT);
	assert_int_equal(weir_peers_count(peers), 2);
	assert_int_equal(weir_peers_enter(peers, &b), 0);
	struct weir_address more = address("192.0.2.3");
	assert_int_equal(weir_peers_enter(peers, &more), WEIR_E_LIMIT);
	weir_peers_leave(peers, &b);
	assert_int_equal(weir_peers_enter(peers, &more), 0);
	weir_peers_leave(peers, &a);
	assert_int_equal(weir_peers_enter(peers, &a), 0);
	weir_peers_release(weir_peers_hold(peers));
	weir_peers_release(peers);
}

/* Against a plain array, with addresses that collide for sure. */
static void peers_against_a_model(void **state)
{
	(void)state;
	enum {
		ADDRESSES = 300,
		EACH = 3
	};
	static unsigned counts[ADDRESSES];
	struct weir_peers *peers;
	size_t used = 0;
	memset(counts, 0, sizeof counts);
	srand(3);
	assert_int_equal(weir_peers_create(EACH, 0, &peers), 0);
	for (int i = 0; i < 100000; i++) {
		unsigned which = (unsigned)rand() % ADDRESSES;
		char text[32];
		snprintf(text, sizeof text, "10.0.%u.%u", which / 256, which % 256);
		struct weir_address peer = address(text);
		if (rand() % 2) {
			int wanted = counts[which] < EACH ? 0 : WEIR_E_LIMIT;
			assert_int_equal(weir_peers_enter(peers, &peer), wanted);
			used += wanted == 0 && counts[which] == 0;
			counts[which] += wanted == 0;
		} else if (counts[which]) {
			weir_peers_leave(peers, &peer);
			used -= --counts[which] == 0;
		}
		assert_int_equal(weir_peers_count(peers), used);
	}
	weir_peers_release(peers);
}

static void peers_without_memory(void **state)
{
	(void)state;
	struct weir_peers *peers;
	struct weir_address a = address("192.0.2.1");
	fail_allocation_after(0, true);
	assert_int_equal(weir_peers_create(0, 0, &peers), -ENOMEM);
	stop_failing_allocations();
	assert_int_equal(weir_peers_create(0, 0, &peers), 0);
	fail_allocation_after(0, true);
	assert_int_equal(weir_peers_enter(peers, &a), -ENOMEM);
	stop_failing_allocations();
	assert_int_equal(weir_peers_enter(peers, &a), 0);
	weir_peers_release(peers);
	weir_peers_release(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(networks_contain),
	        cmocka_unit_test(no_networks),
	        cmocka_unit_test(the_text_of_a_network),
	        cmocka_unit_test(the_network_of_an_address),
	        cmocka_unit_test(networks_overlap),
	        cmocka_unit_test(peers_are_counted),
	        cmocka_unit_test(peers_against_a_model),
	        cmocka_unit_test(peers_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
