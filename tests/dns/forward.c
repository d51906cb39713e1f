/*
 * Names of no zone, by a server whose upstream is the test: what is refused, answered at once,
 * later, in any order, cut, or not at all any more.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/dns_server.h>
#include <weir/error.h>
#include <weir/loop.h>

#include "allocation.h"
#include "clock.h"
#include "dns_codec.h"
#include "dns_reply.h"
#include "forwarding.h"

static int set_up(void **state)
{
	(void)state;
	return forwarding_open(default_options(), WEIR_DNS_ASKS_MAX);
}

static int tear_down(void **state)
{
	(void)state;
	forwarding_close();
	return forwarding.asker.open ? -1 : 0;
}

/* -- by UDP ------------------------------------------------------------------------------------ */

static void asked_then_from_the_cache(void **state)
{
	(void)state;
	ask("a.x. A", RD, 1);
	ask("A.x. A", RD, 2);
	assert_int_equal(received().size, 0);
	assert_int_equal(forwarding.asker.count, 1);
	asker_answer(&forwarding.asker, 0, REPLY("a.x. A", "", ANSWER));
	expect(1, ANSWERED, ANSWER "\n");
	expect(2, ANSWERED, "an A.x. 100 A 192.0.2.1\n");
	clock_advance(30 * 1000);
	weir_loop_turn(forwarding.loop, 0);
	ask("a.x. A", RD | EDNS, 3);
	expect(3, ANSWERED, "an a.x. 70 A 192.0.2.1\nad . 0 OPT \n");
	assert_int_equal(forwarding.asker.count, 1);
	assert_int_equal(weir_dns_counters(forwarding.server)->replies, 3);
}

static void flags_of_queries(void **state)
{
	(void)state;
	ask("a.x. A", RD | CD | DO, 1);
	assert_int_equal(forwarding.asker.asks[0].flags,
	        WEIR_DNS_ASK_DNSSEC | WEIR_DNS_ASK_CHECKING_DISABLED);
	asker_answer(&forwarding.asker, 0, REPLY("a.x. A", "ad", ANSWER, "an a.x. 100 RRSIG A"));
	/* DO and CD are returned; AD is not set without trust. */
	expect(1, ANSWERED | CD, ANSWER "\nan a.x. 100 RRSIG 1\nad . 32768 OPT \n");
	ask("a.x. A", 0, 2);
	expect(2, WEIR_DNS_QR | WEIR_DNS_RA | WEIR_DNS_REFUSED, "");
	assert_int_equal(forwarding.asker.count, 1);
}

static int set_up_trusting(void **state)
{
	struct weir_dns_options options = default_options();
	(void)state;
	options.responder.recursion.trust_ad = true;
	return forwarding_open(options, WEIR_DNS_ASKS_MAX);
}

static void trusted(void **state)
{
	(void)state;
	ask("a.x. A", RD | DO, 1);
	asker_answer(&forwarding.asker, 0, REPLY("a.x. A", "ad", ANSWER));
	expect(1, ANSWERED | AD, ANSWER "\nad . 32768 OPT \n");
	ask("a.x. A", RD | DO, 2);
	expect(2, ANSWERED | AD, ANSWER "\nad . 32768 OPT \n");
}

static int set_up_prohibiting(void **state)
{
	static struct weir_network network;
	struct weir_dns_options options = default_options();
	(void)state;
	weir_network_parse(WEIR_SPAN("192.0.2.0/24"), &network);
	options.responder.recursion.networks = &network;
	options.responder.recursion.network_count = 1;
	return forwarding_open(options, WEIR_DNS_ASKS_MAX);
}

static void not_for_everybody(void **state)
{
	static struct weir_network all;
	const struct weir_dns_recursion open = {forwarding.lookups, &all, 1, false};
	(void)state;
	ask("a.x. A", RD | EDNS, 1);
	struct weir_span reply = received();
	assert_int_equal(word(reply, 2), WEIR_DNS_QR | WEIR_DNS_RD | WEIR_DNS_REFUSED);
	assert_int_equal(error_of(reply), WEIR_DNS_EDE_PROHIBITED);
	assert_int_equal(forwarding.asker.count, 0);
	fail_allocation_after(0, true);
	assert_int_equal(
	        weir_dns_responder_set_recursion(weir_dns_responder(forwarding.server), &open),
	        -ENOMEM);
	stop_failing_allocations();
	assert_int_equal(
	        weir_dns_responder_set_recursion(weir_dns_responder(forwarding.server), &open), 0);
	ask("a.x. A", RD | EDNS, 2);
	assert_int_equal(forwarding.asker.count, 1);
	asker_answer(&forwarding.asker, -ETIMEDOUT, WEIR_SPAN(""));
	reply = received();
	assert_int_equal(word(reply, 2), ANSWERED | WEIR_DNS_SERVFAIL);
	assert_int_equal(error_of(reply), WEIR_DNS_EDE_NO_REACHABLE_AUTHORITY);
}

static void names_that_stay_here(void **state)
{
	static const struct {
		const char *question, *lines;
		unsigned rcode;
	} cases[] = {
	        {"localhost. A", "an localhost. 10800 A 127.0.0.1\n", 0},
	        {"a.LocalHost. A", "an a.LocalHost. 10800 A 127.0.0.1\n", 0},
	        {"localhost. TXT", "au localhost. 10800 SOA 10800\n", 0},
	        {"1.0.0.127.in-addr.arpa. PTR", "an 1.0.0.127.in-addr.arpa. 10800 PTR localhost.\n",
	                0},
	        {"1.0.0.127.in-addr.arpa. A", "au 127.in-addr.arpa. 10800 SOA 10800\n", 0},
	        {"2.0.0.127.in-addr.arpa. PTR", "au 127.in-addr.arpa. 10800 SOA 10800\n", 3},
	        {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa. PTR",
	                "an 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6."
	                "arpa. 10800 PTR localhost.\n",
	                0},
	        {"a.onion. A", "au onion. 10800 SOA 10800\n", 3},
	        {"test. A", "au test. 10800 SOA 10800\n", 3},
	        {"a.b.invalid. A", "au invalid. 10800 SOA 10800\n", 3},
	        {"x.resolver.arpa. A", "au resolver.arpa. 10800 SOA 10800\n", 0},
	        {"a.x. ANY", "an a.x. 3600 HINFO \n", 0},
	        {"1.2.3.10.in-addr.arpa. PTR", "au 10.in-addr.arpa. 10800 SOA 10800\n", 3},
	        {"10.IN-ADDR.arpa. SOA", "au 10.IN-ADDR.arpa. 10800 SOA 10800\n", 0},
	        {"1.1.168.192.in-addr.arpa. PTR", "au 168.192.in-addr.arpa. 10800 SOA 10800\n", 3},
	        {"1.1.16.172.in-addr.arpa. PTR", "au 16.172.in-addr.arpa. 10800 SOA 10800\n", 3},
	        {"1.1.31.172.in-addr.arpa. PTR", "au 31.172.in-addr.arpa. 10800 SOA 10800\n", 3},
	        {"1.0.254.169.in-addr.arpa. PTR", "au 254.169.in-addr.arpa. 10800 SOA 10800\n", 3},
	        {"1.1.64.100.in-addr.arpa. PTR", "au 64.100.in-addr.arpa. 10800 SOA 10800\n", 3},
	        {"127.100.in-addr.arpa. PTR", "au 127.100.in-addr.arpa. 10800 SOA 10800\n", 0},
	        {"9.2.0.192.in-addr.arpa. PTR", "au 2.0.192.in-addr.arpa. 10800 SOA 10800\n", 3},
	        {"255.255.255.255.in-addr.arpa. PTR",
	                "au 255.255.255.255.in-addr.arpa. 10800 SOA 10800\n", 0},
	        {"a.d.f.ip6.arpa. PTR", "au d.f.ip6.arpa. 10800 SOA 10800\n", 3},
	        {"a.8.e.f.ip6.arpa. PTR", "au 8.e.f.ip6.arpa. 10800 SOA 10800\n", 3},
	        {"1.8.b.d.0.1.0.0.2.ip6.arpa. PTR",
	                "au 8.b.d.0.1.0.0.2.ip6.arpa. 10800 SOA 10800\n", 3},
	        {"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa. PTR",
	                "au 0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6."
	                "arpa. 10800 SOA 10800\n",
	                0},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		ask(cases[i].question, RD, (uint16_t)i);
		struct weir_span reply = received();
		assert_int_equal(word(reply, 2), ANSWERED | cases[i].rcode);
		if (question_of(cases[i].question).type != WEIR_DNS_ANY)
			assert_string_equal(lines_of(reply), cases[i].lines);
	}
	assert_int_equal(forwarding.asker.count, 0);
	/* Almost one of them. */
	ask("xlocalhost. A", RD, 1);
	assert_int_equal(forwarding.asker.count, 1);
	static const char *const others[] = {"1.1.32.172.in-addr.arpa. PTR",
	        "1.1.15.172.in-addr.arpa. PTR", "1.1.63.100.in-addr.arpa. PTR",
	        "1.1.128.100.in-addr.arpa. PTR", "110.in-addr.arpa. PTR", "e.f.ip6.arpa. PTR"};
	for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
		ask(others[i], RD, (uint16_t)(2 + i));
	assert_int_equal(forwarding.asker.count, 7);
}

static void names_of_private_addresses_are_asked_for_where_that_is_wanted(void **state)
{
	const struct weir_dns_recursion recursion = {
	        .lookups = forwarding.lookups, .forward_private = true};
	(void)state;
	assert_int_equal(
	        weir_dns_responder_set_recursion(weir_dns_responder(forwarding.server), &recursion),
	        0);
	ask("1.1.168.192.in-addr.arpa. PTR", RD, 1);
	assert_int_equal(forwarding.asker.count, 1);
}

static void what_does_not_fit_is_cut(void **state)
{
	uint8_t query[512], frame[514];
	(void)state;
	ask("a.x. A", RD, 1);
	asker_answer(&forwarding.asker, 0, large_reply());
	expect(1, ANSWERED | WEIR_DNS_TC, "");
	ask("a.x. A", RD | EDNS, 2);
	expect(2, ANSWERED | WEIR_DNS_TC, "ad . 0 OPT \n");
	/* By TCP it is whole, from the cache. */
	struct peer peer = peer_connect(
	        forwarding.loop, weir_server_address(weir_dns_listener(forwarding.server)), 0);
	size_t size = put_query(query, "a.x. A", RD, 3);
	dns_put16(frame, (unsigned)size);
	memcpy(frame + 2, query, size);
	peer_send_bytes(&peer, frame, size + 2);
	assert_true(peer_read(&peer, 2 + large_reply().size));
	assert_int_equal(forwarding.asker.count, 1);
	peer_close(&peer);
}

static int set_up_limited(void **state)
{
	struct weir_dns_options options = default_options();
	(void)state;
	options.rrl_rate = options.rrl_slip = 1;
	return forwarding_open(options, WEIR_DNS_ASKS_MAX);
}

static void late_replies_are_limited_too(void **state)
{
	(void)state;
	ask("a.x. A", RD, 1);
	ask("a.x. A", RD, 2);
	asker_answer(&forwarding.asker, 0, REPLY("a.x. A", "", ANSWER));
	expect(1, ANSWERED, ANSWER "\n");
	expect(2, ANSWERED | WEIR_DNS_TC, "");
	assert_int_equal(weir_dns_counters(forwarding.server)->slipped, 1);
}

static void what_cannot_be_asked_fails_at_once(void **state)
{
	(void)state;
	forwarding.asker.error = WEIR_E_LIMIT;
	ask("a.x. A", RD | EDNS, 1);
	struct weir_span reply = received();
	assert_int_equal(word(reply, 2), ANSWERED | WEIR_DNS_SERVFAIL);
	assert_int_equal(error_of(reply), WEIR_DNS_EDE_NOT_READY);
	forwarding.asker.error = 0;
	fail_allocation_after(0, true);
	ask("a.x. A", RD, 2);
	assert_true(stop_failing_allocations());
	assert_int_equal(word(received(), 2), ANSWERED | WEIR_DNS_SERVFAIL);
}

/* The server goes, and with it who waits. */
static void destroyed_while_it_asks(void **state)
{
	(void)state;
	ask("a.x. A", RD, 1);
	weir_dns_destroy(forwarding.server);
	forwarding.server = NULL;
	asker_answer(&forwarding.asker, 0, REPLY("a.x. A", "", ANSWER));
}

/* -- by TCP ------------------------------------------------------------------------------------ */

static void replies_in_the_order_in_which_they_come(void **state)
{
	struct peer peer = connect_peer();
	(void)state;
	tcp_ask(&peer, "a.x. A", 1);
	tcp_ask(&peer, "b.x. A", 2);
	tcp_ask(&peer, "c.x. A", 3);
	tcp_ask(&peer, "localhost. A", 4);
	assert_int_equal(tcp_next(&peer), 4);
	answer_one("c.x. A");
	assert_int_equal(tcp_next(&peer), 3);
	tcp_ask(&peer, "c.x. A", 5);
	assert_int_equal(tcp_next(&peer), 5);
	answer_one("a.x. A");
	assert_int_equal(tcp_next(&peer), 1);
	tcp_ask(&peer, "d.x. A", 6);
	answer_one("d.x. A");
	assert_int_equal(tcp_next(&peer), 6);
	answer_one("b.x. A");
	assert_int_equal(tcp_next(&peer), 2);
	peer_close(&peer);
}

/* Every order of four: the places never get mixed up. */
static void in_every_order(void **state)
{
	static const char *const questions[] = {"a.x. A", "b.x. A", "c.x. A", "d.x. A"};
	(void)state;
	for (unsigned order = 0; order < 256; order++) {
		unsigned seen = 0;
		for (unsigned i = 0; i < 4; i++)
			seen |= 1u << (order >> 2 * i & 3);
		if (seen != 15)
			continue;
		struct peer peer = connect_peer();
		for (unsigned i = 0; i < 4; i++)
			tcp_ask(&peer, questions[i], (uint16_t)i);
		for (unsigned i = 0; i < 4; i++) {
			answer_one(questions[order >> 2 * i & 3]);
			assert_int_equal(tcp_next(&peer), order >> 2 * i & 3);
		}
		peer_close(&peer);
		clock_advance(4 * 24 * 3600 * 1000L);
		weir_loop_turn(forwarding.loop, 0);
	}
}

static void a_client_who_is_gone_waits_no_more(void **state)
{
	struct peer peer = connect_peer();
	(void)state;
	tcp_ask(&peer, "a.x. A", 1);
	tcp_ask(&peer, "b.x. A", 2);
	answer_one("b.x. A");
	assert_int_equal(tcp_next(&peer), 2);
	peer_reset(&peer);
	for (unsigned i = 0; i < 10; i++)
		weir_loop_turn(forwarding.loop, 1);
	/* The cache learns it nevertheless. */
	answer_one("a.x. A");
	ask("a.x. A", RD, 3);
	expect(3, ANSWERED, ANSWER "\n");
}

/* The client has closed its sending side: it gets the replies that are due. */
static void a_client_who_will_say_no_more(void **state)
{
	struct peer peer = connect_peer();
	(void)state;
	tcp_ask(&peer, "a.x. A", 1);
	tcp_ask(&peer, "b.x. A", 2);
	peer_finish(&peer);
	peer_turn(&peer, 5);
	answer_one("b.x. A");
	answer_one("a.x. A");
	assert_int_equal(tcp_next(&peer), 2);
	assert_int_equal(tcp_next(&peer), 1);
	assert_true(peer_read_end(&peer));
	peer_close(&peer);
}

static void no_more_is_read_than_is_answered(void **state)
{
	struct peer peer = connect_peer();
	(void)state;
	for (unsigned i = 0; i < 2 * WEIR_DNS_REPLIES_MAX; i++) {
		char question[32];
		snprintf(question, sizeof question, "n%u.x. A", i);
		tcp_ask(&peer, question, (uint16_t)i);
	}
	assert_int_equal(forwarding.asker.open, WEIR_DNS_REPLIES_MAX);
	asker_answer(&forwarding.asker, -ETIMEDOUT, WEIR_SPAN(""));
	for (unsigned i = 0; i < WEIR_DNS_REPLIES_MAX; i++)
		assert_int_equal(tcp_next(&peer), i);
	TURN_UNTIL(forwarding.loop, forwarding.asker.open == WEIR_DNS_REPLIES_MAX);
	assert_int_equal(forwarding.asker.open, WEIR_DNS_REPLIES_MAX);
	peer_close(&peer);
	for (unsigned i = 0; i < 10; i++)
		weir_loop_turn(forwarding.loop, 1);
	asker_answer(&forwarding.asker, -ETIMEDOUT, WEIR_SPAN(""));
}

/* A query that is kept for its padding's sake would be a way to fill our memory. */
static void a_query_of_absurd_size(void **state)
{
	enum {
		PADDING = WEIR_DNS_UDP_QUERY_MAX
	};
	static uint8_t frame[PADDING + 512];
	struct peer peer = connect_peer();
	(void)state;
	size_t size = put_query(frame + 2, "a.x. A", RD | EDNS, 7);
	dns_put16(frame + size, 4 + PADDING);
	dns_put16(frame + 2 + size, WEIR_DNS_OPTION_PADDING);
	dns_put16(frame + 4 + size, PADDING);
	size += 4 + PADDING;
	dns_put16(frame, (unsigned)size);
	assert_int_equal(peer_send_bytes(&peer, frame, size + 2), size + 2);
	assert_true(peer_read(&peer, 6));
	assert_int_equal(
	        dns_get16((const uint8_t *)peer.got.data + 4), ANSWERED | WEIR_DNS_SERVFAIL);
	assert_int_equal(forwarding.asker.count, 0);
	peer_close(&peer);
}

static void by_tcp_without_memory(void **state)
{
	(void)state;
	for (unsigned good = 0; good < 12; good++) {
		struct peer peer = connect_peer();
		uint8_t frame[514];
		size_t size = put_query(frame + 2, "a.x. A", RD, 1);
		peer_turn(&peer, 5);
		dns_put16(frame, (unsigned)size);
		peer_send_bytes(&peer, frame, size + 2);
		fail_allocation_after(good, true);
		for (unsigned i = 0; i < 5; i++)
			weir_loop_turn(forwarding.loop, 1);
		if (forwarding.asker.open)
			asker_answer(&forwarding.asker, -ETIMEDOUT, WEIR_SPAN(""));
		for (unsigned i = 0; i < 5; i++)
			weir_loop_turn(forwarding.loop, 1);
		stop_failing_allocations();
		peer_close(&peer);
		for (unsigned i = 0; i < 5; i++)
			weir_loop_turn(forwarding.loop, 1);
		clock_advance(60 * 1000);
		weir_loop_turn(forwarding.loop, 0);
	}
}

/* -- a client's part --------------------------------------------------------------------------- */

/* Of 8 questions under way, a fourth: 2. */
static int set_up_few(void **state)
{
	(void)state;
	return forwarding_open(default_options(), 8);
}

/* From now on by another address, or another port of the same. */
static void become(const char *address)
{
	const struct weir_address *to = weir_server_address(weir_dns_listener(forwarding.server));
	struct weir_address from;
	assert_int_equal(weir_address_parse(weir_span_of(address), &from), 0);
	close(forwarding.udp);
	forwarding.udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(forwarding.udp, &from.any, weir_address_size(&from)), 0);
	assert_int_equal(connect(forwarding.udp, &to->any, weir_address_size(to)), 0);
}

static void nobody_has_it_all(void **state)
{
	const struct weir_dns_counters *counters = weir_dns_counters(forwarding.server);
	(void)state;
	ask("a.x. A", RD, 1);
	ask("b.x. A", RD, 2);
	ask("c.x. A", RD, 3);
	/* Not even what others wait for. */
	ask("a.x. A", RD, 4);
	assert_int_equal(received().size, 0);
	assert_int_equal(forwarding.asker.count, 2);
	assert_int_equal(counters->over_quota, 2);
	struct peer peer = connect_peer();
	tcp_ask(&peer, "c.x. A", 5);
	assert_true(peer_read(&peer, 6));
	assert_int_equal(
	        dns_get16((const uint8_t *)peer.got.data + 4), ANSWERED | WEIR_DNS_SERVFAIL);
	peer_close(&peer);
	assert_int_equal(counters->over_quota, 3);
	/* Others go on. */
	become("127.0.0.2:0");
	ask("c.x. A", RD, 6);
	assert_int_equal(forwarding.asker.count, 3);
	answer_one("c.x. A");
	expect(6, ANSWERED, "an c.x. 100 A 192.0.2.1\n");
	answer_one("a.x. A");
	/* He of before, too, and from the cache in any case. */
	become("127.0.0.1:0");
	ask("a.x. A", RD, 7);
	expect(7, ANSWERED, ANSWER "\n");
	ask("d.x. A", RD, 8);
	answer_one("d.x. A");
	expect(8, ANSWERED, "an d.x. 100 A 192.0.2.1\n");
	assert_int_equal(counters->over_quota, 3);
	answer_one("b.x. A");
}

static void who_hangs_up_has_no_more(void **state)
{
	struct peer peer = connect_peer();
	(void)state;
	tcp_ask(&peer, "a.x. A", 1);
	tcp_ask(&peer, "b.x. A", 2);
	peer_reset(&peer);
	for (unsigned i = 0; i < 10; i++)
		weir_loop_turn(forwarding.loop, 1);
	ask("c.x. A", RD, 3);
	assert_int_equal(received().size, 0);
	assert_int_equal(weir_dns_counters(forwarding.server)->over_quota, 1);
	asker_answer(&forwarding.asker, -ETIMEDOUT, WEIR_SPAN(""));
	ask("c.x. A", RD, 3);
	answer_one("c.x. A");
	expect(3, ANSWERED, "an c.x. 100 A 192.0.2.1\n");
}

static void asked_again_by_the_same(void **state)
{
	const struct weir_dns_counters *counters = weir_dns_counters(forwarding.server);
	(void)state;
	ask("a.x. A", RD, 1);
	ask("a.x. A", RD, 1);
	ask("a.x. A", RD, 1);
	assert_int_equal(counters->duplicate, 2);
	answer_one("a.x. A");
	expect(1, ANSWERED, ANSWER "\n");
	assert_int_equal(received().size, 0);
	assert_int_equal(counters->queries, 3);
	assert_int_equal(counters->replies, 1);
	ask("a.x. A", RD, 1);
	expect(1, ANSWERED, ANSWER "\n");
	assert_int_equal(counters->duplicate, 2);
}

/* Each client gets a reply, even if another one has sent the same bytes by another protocol. */
static void asked_again_by_another(void **state)
{
	struct peer peer = connect_peer();
	(void)state;
	tcp_ask(&peer, "a.x. A", 1);
	tcp_ask(&peer, "a.x. A", 1);
	ask("a.x. A", RD, 1);
	int first = dup(forwarding.udp);
	become("127.0.0.1:0");
	ask("a.x. A", RD, 1);
	assert_int_equal(weir_dns_counters(forwarding.server)->duplicate, 0);
	answer_one("a.x. A");
	expect(1, ANSWERED, ANSWER "\n");
	close(forwarding.udp);
	forwarding.udp = first;
	expect(1, ANSWERED, ANSWER "\n");
	assert_int_equal(tcp_next(&peer), 1);
	assert_int_equal(tcp_next(&peer), 1);
	peer_close(&peer);
}

/* -- without a server -------------------------------------------------------------------------- */

/*
 * The records at the end need more room than there is: some are left out, and nothing is overrun.
 */
static void no_room_for_everything(void **state)
{
	static const uint8_t tsig[] = "\1k\0\0\xfa\0\xff\0\0\0\0\0\x1d"
	                              "\13hmac-sha256\0\0\0\0\0\0\0\1\x2c\0\0\x12\x34\0\0\0\0";
	static const char nsid[WEIR_DNS_NSID_MAX];
	struct weir_dns_responder_options options;
	struct weir_dns_responder *responder;
	struct weir_dns_outcome outcome;
	struct weir_dns_zones *zones;
	struct weir_address peer = local_address();
	uint8_t query[1024], reply[1024];
	(void)state;
	weir_dns_responder_options_init(&options);
	options.nsid = weir_span(nsid, sizeof nsid);
	options.recursion.lookups = forwarding.lookups;
	options.udp_size = WEIR_DNS_UDP_MIN - 1;
	assert_int_equal(weir_dns_responder_create(&options, &responder), -EINVAL);
	options.udp_size = WEIR_DNS_UDP_SIZE;
	assert_int_equal(weir_dns_responder_create(&options, &responder), 0);
	assert_int_equal(weir_dns_zones_create(NULL, 0, &zones), 0);
	size_t size = put_query(query,
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa. A",
	        RD | EDNS, 1);
	dns_put16(query + size - 8, 512);
	query[size - 1] = 4;
	memcpy(query + size, "\0\3\0\0", 4);
	memcpy(query + size + 4, tsig, sizeof tsig - 1);
	query[11] = 2;
	memset(reply, 0x55, sizeof reply);
	const struct weir_dns_request request = {
	        .message = weir_span(query, size + 4 + sizeof tsig - 1),
	        .peer = &peer,
	        .over = WEIR_DNS_OVER_UDP};
	size_t got = weir_dns_respond(responder, zones, &request, reply, 512, &outcome);
	assert_true(outcome.is_signed);
	assert_true(got <= 512);
	for (size_t i = 512; i < sizeof reply; i++)
		assert_int_equal(reply[i], 0x55);
	weir_dns_zones_release(zones);
	weir_dns_responder_destroy(responder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(asked_then_from_the_cache),
	        TEST(flags_of_queries),
	        cmocka_unit_test_setup_teardown(trusted, set_up_trusting, tear_down),
	        cmocka_unit_test_setup_teardown(not_for_everybody, set_up_prohibiting, tear_down),
	        TEST(names_that_stay_here),
	        TEST(names_of_private_addresses_are_asked_for_where_that_is_wanted),
	        TEST(what_does_not_fit_is_cut),
	        cmocka_unit_test_setup_teardown(
	                late_replies_are_limited_too, set_up_limited, tear_down),
	        TEST(what_cannot_be_asked_fails_at_once),
	        TEST(destroyed_while_it_asks),
	        TEST(replies_in_the_order_in_which_they_come),
	        TEST(in_every_order),
	        TEST(a_client_who_is_gone_waits_no_more),
	        TEST(a_client_who_will_say_no_more),
	        TEST(no_more_is_read_than_is_answered),
	        TEST(a_query_of_absurd_size),
	        TEST(by_tcp_without_memory),
	        cmocka_unit_test_setup_teardown(nobody_has_it_all, set_up_few, tear_down),
	        cmocka_unit_test_setup_teardown(who_hangs_up_has_no_more, set_up_few, tear_down),
	        TEST(asked_again_by_the_same),
	        TEST(asked_again_by_another),
	        TEST(no_room_for_everything),
	};
	clock_hold();
	return cmocka_run_group_tests_name("dns/forward", tests, NULL, NULL);
}
