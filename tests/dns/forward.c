/*
 * Names of no zone, by a server whose upstream is the test: what is refused, answered at once, later,
 * in any order, cut, or not at all any more.
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
#include "dns_asker.h"
#include "dns_reply.h"
#include "name.h"
#include "peer.h"

static struct weir_loop *loop;
static struct weir_dns_lookups *lookups;
static struct weir_dns_server *server;
static struct asker asker;
static int udp = -1;

static int open_with(struct weir_dns_options options)
{
	const struct weir_dns_lookups_options with = {
	        .cache_bytes = 1 << 20, .asker = &test_asker, .asker_context = &asker};
	memset(&asker, 0, sizeof asker);
	if (weir_loop_create(&loop) < 0 || weir_dns_lookups_create(loop, &with, &lookups) < 0 ||
	        weir_dns_zones_create(NULL, 0, &options.zones) < 0)
		return -1;
	options.address = local_address();
	options.responder.recursion.lookups = lookups;
	if (weir_dns_create(loop, &options, &server) < 0)
		return -1;
	weir_dns_zones_release(options.zones);
	const struct weir_address *address = weir_server_address(weir_dns_listener(server));
	udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	return connect(udp, &address->any, weir_address_size(address));
}

static int set_up(void **state)
{
	(void)state;
	return open_with((struct weir_dns_options){0});
}

static int tear_down(void **state)
{
	(void)state;
	close(udp);
	weir_dns_destroy(server);
	weir_dns_lookups_destroy(lookups);
	weir_loop_turn(loop, 0);
	weir_loop_destroy(loop);
	return asker.open ? -1 : 0;
}

/* -- clients ----------------------------------------------------------------------------------- */

enum {
	RD = WEIR_DNS_RD,
	CD = WEIR_DNS_CD,
	AD = WEIR_DNS_AD,
	EDNS = 0x10000, /* with OPT, which takes 1232 bytes */
	DO = 0x20000,
};

static size_t make_query(uint8_t *query, const char *text, unsigned flags, uint16_t id)
{
	struct weir_dns_question asked = question_of(text);
	size_t name = asked.name.size, size = WEIR_DNS_HEADER_SIZE + name + 4;
	memset(query, 0, 512);
	weir_dns_put16(query, id);
	weir_dns_put16(query + 2, flags & 0xffff);
	query[5] = 1;
	memcpy(query + WEIR_DNS_HEADER_SIZE, asked.name.wire, name);
	weir_dns_put16(query + size - 4, asked.type);
	weir_dns_put16(query + size - 2, asked.class);
	if (!(flags & (EDNS | DO)))
		return size;
	query[11] = 1;
	weir_dns_put16(query + size + 1, WEIR_DNS_OPT);
	weir_dns_put16(query + size + 3, 1232);
	weir_dns_put16(query + size + 7, flags & DO ? 0x8000 : 0);
	return size + 11;
}

static void ask(const char *text, unsigned flags, uint16_t id)
{
	uint8_t query[512];
	size_t size = make_query(query, text, flags, id);
	assert_int_equal(send(udp, query, size, 0), size);
	for (unsigned i = 0; i < 3; i++)
		weir_loop_turn(loop, 1);
}

/* What has come; an empty span: nothing. */
static struct weir_span received(void)
{
	static uint8_t reply[WEIR_DNS_MESSAGE_MAX];
	ssize_t size = -1;
	for (unsigned i = 0; i < 20 && size < 0; i++) {
		weir_loop_turn(loop, 1);
		size = recv(udp, reply, sizeof reply, 0);
	}
	return weir_span(reply, size < 0 ? 0 : (size_t)size);
}

static unsigned word(struct weir_span reply, size_t at)
{
	assert_true(reply.size >= at + 2);
	return weir_dns_get16((const uint8_t *)reply.data + at);
}

/* The extended error of a reply, or -1. */
static int error_of(struct weir_span reply)
{
	struct weir_dns_header header;
	struct weir_dns_question question;
	struct weir_dns_record record;
	size_t at = WEIR_DNS_HEADER_SIZE;
	weir_dns_header_read(reply, &header);
	assert_int_equal(weir_dns_question_read(reply, &at, &question), 0);
	for (unsigned i = header.counts[1] + header.counts[2] + header.counts[3]; i; i--) {
		struct weir_span options, data;
		uint16_t code;
		assert_int_equal(weir_dns_record_read(reply, &at, &record), 0);
		options = record.data;
		while (record.type == WEIR_DNS_OPT && weir_dns_option_read(&options, &code, &data))
			if (code == WEIR_DNS_OPTION_ERROR)
				return weir_dns_get16((const uint8_t *)data.data);
	}
	return -1;
}

static void expect(uint16_t id, unsigned flags, const char *lines)
{
	struct weir_span reply = received();
	assert_int_equal(word(reply, 0), id);
	assert_int_equal(word(reply, 2), flags);
	assert_string_equal(lines_of(reply), lines);
}

#define ANSWER "an a.x. 100 A 192.0.2.1"
#define ANSWERED (WEIR_DNS_QR | WEIR_DNS_RD | WEIR_DNS_RA)

/* -- by UDP ------------------------------------------------------------------------------------ */

static void asked_then_from_the_cache(void **state)
{
	(void)state;
	ask("a.x. A", RD, 1);
	ask("A.x. A", RD, 2);
	assert_int_equal(received().size, 0);
	assert_int_equal(asker.count, 1);
	asker_answer(&asker, 0, REPLY("a.x. A", "", ANSWER));
	expect(1, ANSWERED, ANSWER "\n");
	expect(2, ANSWERED, "an A.x. 100 A 192.0.2.1\n");
	clock_advance(30 * 1000);
	weir_loop_turn(loop, 0);
	ask("a.x. A", RD | EDNS, 3);
	expect(3, ANSWERED, "an a.x. 70 A 192.0.2.1\nad . 0 OPT \n");
	assert_int_equal(asker.count, 1);
	assert_int_equal(weir_dns_counters(server)->replies, 3);
}

static void flags_of_queries(void **state)
{
	(void)state;
	ask("a.x. A", RD | CD | DO, 1);
	assert_int_equal(asker.asks[0].flags, WEIR_DNS_ASK_DNSSEC | WEIR_DNS_ASK_CHECKING_DISABLED);
	asker_answer(&asker, 0, REPLY("a.x. A", "ad", ANSWER, "an a.x. 100 RRSIG A"));
	/* DO comes back, CD too; AD is not ours to tell. */
	expect(1, ANSWERED | CD, ANSWER "\nan a.x. 100 RRSIG 1\nad . 32768 OPT \n");
	ask("a.x. A", 0, 2);
	expect(2, WEIR_DNS_QR | WEIR_DNS_RA | WEIR_DNS_REFUSED, "");
	assert_int_equal(asker.count, 1);
}

static int set_up_trusting(void **state)
{
	(void)state;
	return open_with((struct weir_dns_options){.responder.recursion.trust_ad = true});
}

static void trusted(void **state)
{
	(void)state;
	ask("a.x. A", RD | DO, 1);
	asker_answer(&asker, 0, REPLY("a.x. A", "ad", ANSWER));
	expect(1, ANSWERED | AD, ANSWER "\nad . 32768 OPT \n");
	ask("a.x. A", RD | DO, 2);
	expect(2, ANSWERED | AD, ANSWER "\nad . 32768 OPT \n");
}

static int set_up_prohibiting(void **state)
{
	static struct weir_network network;
	(void)state;
	weir_network_parse(WEIR_SPAN("192.0.2.0/24"), &network);
	return open_with((struct weir_dns_options){
	        .responder.recursion = {.networks = &network, .network_count = 1}});
}

static void not_for_everybody(void **state)
{
	static struct weir_network all;
	const struct weir_dns_recursion open = {lookups, &all, 1, false};
	(void)state;
	ask("a.x. A", RD | EDNS, 1);
	struct weir_span reply = received();
	assert_int_equal(word(reply, 2), WEIR_DNS_QR | WEIR_DNS_RD | WEIR_DNS_REFUSED);
	assert_int_equal(error_of(reply), WEIR_DNS_EDE_PROHIBITED);
	assert_int_equal(asker.count, 0);
	fail_allocation_after(0, true);
	assert_int_equal(
	        weir_dns_responder_set_recursion(weir_dns_responder(server), &open), -ENOMEM);
	stop_failing_allocations();
	assert_int_equal(weir_dns_responder_set_recursion(weir_dns_responder(server), &open), 0);
	ask("a.x. A", RD | EDNS, 2);
	assert_int_equal(asker.count, 1);
	asker_answer(&asker, -ETIMEDOUT, WEIR_SPAN(""));
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
	};
	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		ask(cases[i].question, RD, (uint16_t)i);
		struct weir_span reply = received();
		assert_int_equal(word(reply, 2), ANSWERED | cases[i].rcode);
		if (question_of(cases[i].question).type != WEIR_DNS_ANY)
			assert_string_equal(lines_of(reply), cases[i].lines);
	}
	assert_int_equal(asker.count, 0);
	/* Almost one of them. */
	ask("xlocalhost. A", RD, 1);
	assert_int_equal(asker.count, 1);
}

/* So many addresses that they do not fit into a datagram. */
static struct weir_span large_reply(void)
{
	static char texts[200][64];
	const char *lines[201] = {0};
	for (unsigned i = 0; i < 200; i++) {
		snprintf(texts[i], sizeof texts[i], "an a.x. 100 A 192.0.2.%u", i);
		lines[i] = texts[i];
	}
	return reply_of("a.x. A", "", lines);
}

static void what_does_not_fit_is_cut(void **state)
{
	uint8_t query[512], frame[514];
	(void)state;
	ask("a.x. A", RD, 1);
	asker_answer(&asker, 0, large_reply());
	expect(1, ANSWERED | WEIR_DNS_TC, "");
	ask("a.x. A", RD | EDNS, 2);
	expect(2, ANSWERED | WEIR_DNS_TC, "ad . 0 OPT \n");
	/* By TCP it is whole, from the cache. */
	struct peer peer = peer_connect(loop, weir_server_address(weir_dns_listener(server)), 0);
	size_t size = make_query(query, "a.x. A", RD, 3);
	weir_dns_put16(frame, (unsigned)size);
	memcpy(frame + 2, query, size);
	peer_send_bytes(&peer, frame, size + 2);
	assert_true(peer_read(&peer, 2 + large_reply().size));
	assert_int_equal(asker.count, 1);
	peer_close(&peer);
}

static int set_up_limited(void **state)
{
	(void)state;
	return open_with((struct weir_dns_options){.rrl_rate = 1, .rrl_slip = 1});
}

static void late_replies_are_limited_too(void **state)
{
	(void)state;
	ask("a.x. A", RD, 1);
	ask("a.x. A", RD, 2);
	asker_answer(&asker, 0, REPLY("a.x. A", "", ANSWER));
	expect(1, ANSWERED, ANSWER "\n");
	expect(2, ANSWERED | WEIR_DNS_TC, "");
	assert_int_equal(weir_dns_counters(server)->slipped, 1);
}

static void what_cannot_be_asked_fails_at_once(void **state)
{
	(void)state;
	asker.error = WEIR_E_LIMIT;
	ask("a.x. A", RD | EDNS, 1);
	struct weir_span reply = received();
	assert_int_equal(word(reply, 2), ANSWERED | WEIR_DNS_SERVFAIL);
	assert_int_equal(error_of(reply), WEIR_DNS_EDE_NOT_READY);
	asker.error = 0;
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
	weir_dns_destroy(server);
	server = NULL;
	asker_answer(&asker, 0, REPLY("a.x. A", "", ANSWER));
}

/* -- by TCP ------------------------------------------------------------------------------------ */

static void tcp_ask(struct peer *peer, const char *text, uint16_t id)
{
	uint8_t frame[514];
	size_t size = make_query(frame + 2, text, RD, id);
	weir_dns_put16(frame, (unsigned)size);
	assert_int_equal(peer_send_bytes(peer, frame, size + 2), size + 2);
	for (unsigned i = 0; i < 3; i++)
		weir_loop_turn(loop, 1);
}

/* The ID of the next reply. */
static unsigned tcp_next(struct peer *peer)
{
	assert_true(peer_read(peer, 4));
	const uint8_t *data = (const uint8_t *)peer->got.data;
	size_t size = weir_dns_get16(data) + 2u;
	unsigned id = weir_dns_get16(data + 2);
	assert_true(peer_read(peer, size));
	weir_buffer_consume(&peer->got, size);
	return id;
}

/* Answers the question for this name alone. */
static void answer_one(const char *question)
{
	struct weir_dns_question asked = question_of(question);
	char line[64];
	snprintf(line, sizeof line, "an %.*s 100 A 192.0.2.1", (int)strcspn(question, " "),
	        question);
	for (unsigned i = 0; i < ASKS_MAX; i++) {
		struct asked *open = &asker.asks[i];
		if (!open->open || !weir_dns_name_equal(&open->question.name, &asked.name))
			continue;
		open->open = false;
		asker.open--;
		open->answered(open->context, 0, REPLY(question, "", line));
		return;
	}
	fail();
}

static struct peer connect_peer(void)
{
	return peer_connect(loop, weir_server_address(weir_dns_listener(server)), 0);
}

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
		weir_loop_turn(loop, 0);
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
		weir_loop_turn(loop, 1);
	/* The cache learns it nevertheless. */
	answer_one("a.x. A");
	ask("a.x. A", RD, 3);
	expect(3, ANSWERED, ANSWER "\n");
}

/* The client has said all he wants to: he gets what he asked for. */
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
	assert_int_equal(asker.open, WEIR_DNS_REPLIES_MAX);
	asker_answer(&asker, -ETIMEDOUT, WEIR_SPAN(""));
	for (unsigned i = 0; i < WEIR_DNS_REPLIES_MAX; i++)
		assert_int_equal(tcp_next(&peer), i);
	TURN_UNTIL(loop, asker.open == WEIR_DNS_REPLIES_MAX);
	assert_int_equal(asker.open, WEIR_DNS_REPLIES_MAX);
	peer_close(&peer);
	for (unsigned i = 0; i < 10; i++)
		weir_loop_turn(loop, 1);
	asker_answer(&asker, -ETIMEDOUT, WEIR_SPAN(""));
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
	size_t size = make_query(frame + 2, "a.x. A", RD | EDNS, 7);
	weir_dns_put16(frame + size, 4 + PADDING);
	weir_dns_put16(frame + 2 + size, WEIR_DNS_OPTION_PADDING);
	weir_dns_put16(frame + 4 + size, PADDING);
	size += 4 + PADDING;
	weir_dns_put16(frame, (unsigned)size);
	assert_int_equal(peer_send_bytes(&peer, frame, size + 2), size + 2);
	assert_true(peer_read(&peer, 6));
	assert_int_equal(
	        weir_dns_get16((const uint8_t *)peer.got.data + 4), ANSWERED | WEIR_DNS_SERVFAIL);
	assert_int_equal(asker.count, 0);
	peer_close(&peer);
}

static void by_tcp_without_memory(void **state)
{
	(void)state;
	for (unsigned good = 0; good < 12; good++) {
		struct peer peer = connect_peer();
		uint8_t frame[514];
		size_t size = make_query(frame + 2, "a.x. A", RD, 1);
		peer_turn(&peer, 5);
		weir_dns_put16(frame, (unsigned)size);
		peer_send_bytes(&peer, frame, size + 2);
		fail_allocation_after(good, true);
		for (unsigned i = 0; i < 5; i++)
			weir_loop_turn(loop, 1);
		if (asker.open)
			asker_answer(&asker, -ETIMEDOUT, WEIR_SPAN(""));
		for (unsigned i = 0; i < 5; i++)
			weir_loop_turn(loop, 1);
		stop_failing_allocations();
		peer_close(&peer);
		for (unsigned i = 0; i < 5; i++)
			weir_loop_turn(loop, 1);
		clock_advance(60 * 1000);
		weir_loop_turn(loop, 0);
	}
}

/* -- without a server -------------------------------------------------------------------------- */

/* What has to be put at the end needs more than there is: whatever is left out, nothing is overrun. */
static void no_room_for_everything(void **state)
{
	static const uint8_t tsig[] = "\1k\0\0\xfa\0\xff\0\0\0\0\0\x1d"
	                              "\13hmac-sha256\0\0\0\0\0\0\0\1\x2c\0\0\x12\x34\0\0\0\0";
	static const char nsid[WEIR_DNS_NSID_MAX];
	struct weir_dns_responder_options options = {.nsid = {nsid, sizeof nsid}};
	struct weir_dns_responder *responder;
	struct weir_dns_outcome outcome;
	struct weir_dns_zones *zones;
	struct weir_address peer = local_address();
	uint8_t query[1024], reply[1024];
	(void)state;
	options.recursion.lookups = lookups;
	assert_int_equal(weir_dns_responder_create(&options, &responder), 0);
	assert_int_equal(weir_dns_zones_create(NULL, 0, &zones), 0);
	size_t size = make_query(query,
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa. A",
	        RD | EDNS, 1);
	weir_dns_put16(query + size - 8, 512);
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
	        TEST(no_room_for_everything),
	};
	return cmocka_run_group_tests_name("dns/forward", tests, NULL, NULL);
}
