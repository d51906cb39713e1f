/*
 * Queries by TCP: input in any pieces, clients that do not read, and limits. The content of replies
 * is tested by tests/dns/test_dns_differential.py.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <weir/dns_message.h>

#include "clock.h"
#include "dns_codec.h"
#include "peer.h"
#include "served.h"

enum {
	TEXTS = 10000, /* a zone of more than 2 MB */
	EVENT_KINDS = WEIR_DNS_NOTIFY_FAILED + 1
};

static struct weir_loop *loop;
static struct weir_dns_server *server;
static struct weir_dns_zones *small, *large;
static unsigned events[EVENT_KINDS];

static void on_event(void *context, const struct weir_dns_event *event)
{
	(void)context;
	events[event->kind]++;
}

static struct weir_dns_options default_options(void)
{
	struct weir_dns_options options;
	weir_dns_options_init(&options);
	return options;
}

static void start(struct weir_dns_zones *zones, struct weir_dns_options options)
{
	options.listener.address = local_address();
	options.zones = zones;
	options.log = on_event;
	memset(events, 0, sizeof events);
	assert_int_equal(weir_dns_create(loop, &options, &server), 0);
}

static void stop(void)
{
	weir_dns_destroy(server);
	for (int i = 0; i < 3; i++)
		weir_loop_turn(loop, 0);
}

static struct peer connect_peer(int buffer)
{
	return peer_connect(loop, weir_server_address(weir_dns_listener(server)), buffer);
}

static void send_query(struct peer *peer, uint16_t id, const char *name, uint16_t type)
{
	uint8_t query[QUERY_MAX];
	size_t size = make_query(query, id, name, type);
	assert_int_equal(peer_send_bytes(peer, query, size), size);
}

/* A query is answered, with this ID. */
static bool is_answered(struct peer *peer, uint16_t id)
{
	struct weir_span bytes;
	struct weir_dns_header header;
	send_query(peer, id, "ns.z", WEIR_DNS_A);
	peer->got.size = 0;
	if (!peer_read(peer, 2) ||
	        !peer_read(peer, 2u + dns_get16((const uint8_t *)peer->got.data)))
		return false;
	bytes = weir_buffer_span(&peer->got);
	return weir_dns_header_read(next_message(&bytes), &header) && header.id == id &&
	       header.counts[WEIR_DNS_ANSWER] == 1;
}

static bool ends_without_a_word(struct peer *peer)
{
	return peer_read_end(peer) && peer->got.size == 0;
}

/* -- pieces ------------------------------------------------------------------------------------ */

/* Queries of several kinds, a transfer among them. */
static size_t make_pipeline(uint8_t to[8 * QUERY_MAX])
{
	static const struct {
		const char *name;
		uint16_t type;
	} asked[] = {{"ns.z", WEIR_DNS_A}, {"a.name.that.is.absent.z", WEIR_DNS_A},
	        {"z", WEIR_DNS_AXFR}, {"t3.z", WEIR_DNS_TXT}, {"other", WEIR_DNS_SOA},
	        {"z", WEIR_DNS_SOA}};
	size_t size = 0;
	for (uint16_t i = 0; i < sizeof asked / sizeof *asked; i++)
		size += make_query(to + size, i, asked[i].name, asked[i].type);
	return size;
}

/* Sends them in pieces of `step` bytes, the first of `first`, and takes all that comes back. */
static struct peer converse(const uint8_t *bytes, size_t size, size_t first, size_t step)
{
	struct peer peer = connect_peer(0);
	for (size_t at = 0, piece = first; at < size; at += piece, piece = step) {
		if (piece > size - at)
			piece = size - at;
		assert_int_equal(peer_send_bytes(&peer, bytes + at, piece), piece);
		peer_turn(&peer, 2);
	}
	peer_finish(&peer);
	assert_true(peer_read_end(&peer));
	assert_int_equal(peer.error, 0);
	return peer;
}

static void queries_may_come_in_any_pieces(void **state)
{
	static const struct weir_network anybody = {0};
	const struct weir_dns_policy policy = {.networks = &anybody, .network_count = 1};
	struct weir_dns_zones *zones = make_zones(1, 30, &policy);
	uint8_t bytes[8 * QUERY_MAX];
	size_t size = make_pipeline(bytes);
	(void)state;
	start(zones, default_options());
	struct peer whole = converse(bytes, size, size, size);
	struct weir_span rest = weir_buffer_span(&whole.got);
	unsigned messages = 0;
	while (next_message(&rest).size)
		messages++;
	assert_int_equal(rest.size, 0);
	assert_int_equal(messages, 6);
	for (size_t first = 1; first <= size; first++) {
		/* At the end, byte by byte. */
		struct peer peer = converse(bytes, size, first, first == size ? 1 : size);
		assert_true(
		        weir_span_equal(weir_buffer_span(&peer.got), weir_buffer_span(&whole.got)));
		peer_close(&peer);
	}
	peer_close(&whole);
	stop();
	weir_dns_zones_release(zones);
}

/* A query of 65,535 bytes, nearly all of them an option that means nothing. */
static void a_query_may_be_as_long_as_can_be(void **state)
{
	static uint8_t query[2 + WEIR_DNS_MESSAGE_MAX];
	size_t start_of_opt = make_query(query, 9, "ns.z", WEIR_DNS_A);
	size_t options = sizeof query - start_of_opt - 11;
	(void)state;
	dns_put16(query, WEIR_DNS_MESSAGE_MAX);
	query[2 + 11] = 1;
	memcpy(query + start_of_opt, "\0\0\51\20\0\0\0\0\0", 9);
	dns_put16(query + start_of_opt + 9, (unsigned)options);
	dns_put16(query + start_of_opt + 11, 65001);
	dns_put16(query + start_of_opt + 13, (unsigned)options - 4);
	start(small, default_options());
	for (size_t first = 1; first < sizeof query; first = first * 3 + 1) {
		struct peer peer = converse(query, sizeof query, first, 30000);
		struct weir_span bytes = weir_buffer_span(&peer.got);
		struct weir_dns_header header;
		assert_true(weir_dns_header_read(next_message(&bytes), &header));
		assert_int_equal(header.id, 9);
		assert_int_equal(header.flags & WEIR_DNS_RCODE_MASK, WEIR_DNS_NOERROR);
		assert_int_equal(header.counts[WEIR_DNS_ANSWER], 1);
		peer_close(&peer);
	}
	stop();
}

/* -- clients that do not read ------------------------------------------------------------------ */

/* Reads so many replies, whose IDs follow each other. */
static void read_replies(struct peer *peer, unsigned count)
{
	unsigned next = 0;
	while (next < count) {
		struct weir_dns_header header;
		struct weir_span rest = weir_buffer_span(&peer->got), message;
		while ((message = next_message(&rest)).size) {
			assert_true(weir_dns_header_read(message, &header));
			assert_int_equal(header.id, next & 0xffff);
			next++;
		}
		weir_buffer_consume(&peer->got, peer->got.size - rest.size);
		if (next < count)
			assert_true(peer_read_more(peer));
	}
	assert_int_equal(next, count);
}

static void who_does_not_read_is_not_read(void **state)
{
	enum {
		QUERIES = 200000
	};
	struct peer peer;
	uint8_t *queries = malloc(QUERIES * QUERY_MAX);
	size_t size = 0;
	(void)state;
	assert_non_null(queries);
	for (unsigned i = 0; i < QUERIES; i++)
		size += make_query(queries + size, (uint16_t)i, "t7.z", WEIR_DNS_TXT);
	start(large, default_options());
	peer = connect_peer(8192);
	peer_turn(&peer, 5);
	size_t before = memory_in_use();
	size_t sent = peer_send_bytes(&peer, queries, size);
	assert_true(sent < size);
	uint64_t stuck = weir_dns_counters(server)->queries;
	peer_turn(&peer, 100);
	assert_int_equal(weir_dns_counters(server)->queries, stuck);
	size_t grown = memory_in_use() - before;
	if (grown > 256 * 1024)
		fail_msg("%zu bytes", grown);
	/* As soon as it reads, all is answered that it has sent. */
	unsigned whole = (unsigned)(sent / (size / QUERIES));
	read_replies(&peer, whole);
	peer_close(&peer);
	stop();
	free(queries);
}

static void stalled_transfers_cost_little(void **state)
{
	enum {
		READERS = WEIR_DNS_TRANSFERS_MAX,
		EACH_MAX = 100 * 1024
	};
	struct peer peers[READERS];
	(void)state;
	start(large, default_options());
	struct peer other = connect_peer(0);
	assert_true(is_answered(&other, 1));
	size_t before = memory_in_use();
	for (int i = 0; i < READERS; i++) {
		peers[i] = connect_peer(4096);
		send_query(&peers[i], 7, "z", WEIR_DNS_AXFR);
	}
	peer_turn(&other, 200);
	assert_int_equal(weir_dns_counters(server)->transfers, READERS);
	size_t each = (memory_in_use() - before) / READERS;
	if (each > EACH_MAX)
		fail_msg("%zu bytes", each);
	/* A further transfer is refused; other queries are not affected. */
	struct peer late = connect_peer(0);
	send_query(&late, 8, "z", WEIR_DNS_AXFR);
	assert_true(ends_without_a_word(&late));
	assert_int_equal(events[WEIR_DNS_TRANSFER_REFUSED], 1);
	assert_true(is_answered(&other, 2));
	/* Those that go make room. */
	for (int i = 0; i < READERS; i++)
		peer_close(&peers[i]);
	assert_true(TURN_UNTIL(loop, events[WEIR_DNS_TRANSFER_FAILED] == READERS));
	struct peer last = connect_peer(0);
	send_query(&last, 9, "z", WEIR_DNS_AXFR);
	peer_finish(&last);
	assert_true(peer_read_end(&last));
	assert_true(last.got.size > TEXTS * 200);
	assert_int_equal(events[WEIR_DNS_TRANSFERRED], 1);
	peer_close(&last);
	peer_close(&late);
	peer_close(&other);
	stop();
}

/* -- options ----------------------------------------------------------------------------------- */

static void options_that_cannot_work_are_refused(void **state)
{
	struct weir_dns_options options = {0};
	(void)state;
	options.listener.address = local_address();
	options.zones = small;
	assert_int_equal(weir_dns_create(loop, &options, &server), -EINVAL);
	options = default_options();
	options.listener.address = local_address();
	assert_int_equal(weir_dns_create(loop, &options, &server), -EINVAL);
	assert_int_equal(options.listener.bounds.idle_ms, WEIR_DNS_IDLE_MS);
	assert_int_equal(options.listener.bounds.replies_max, WEIR_DNS_REPLIES_MAX);
	assert_int_equal(options.responder.udp_size, WEIR_DNS_UDP_SIZE);
}

/* -- limits ------------------------------------------------------------------------------------ */

static void connections_of_an_address_are_bounded(void **state)
{
	struct weir_dns_options options = default_options();
	(void)state;
	assert_int_equal(weir_peers_create(2, 0, &options.listener.peers), 0);
	start(small, options);
	struct peer first = connect_peer(0), second = connect_peer(0);
	assert_true(is_answered(&first, 1) && is_answered(&second, 2));
	struct peer third = connect_peer(0);
	assert_true(ends_without_a_word(&third));
	peer_close(&first);
	assert_true(TURN_UNTIL(loop, weir_server_channels(weir_dns_listener(server)) == 1));
	struct peer fourth = connect_peer(0);
	assert_true(is_answered(&fourth, 3));
	peer_close(&second);
	peer_close(&third);
	peer_close(&fourth);
	stop();
	assert_int_equal(weir_peers_count(options.listener.peers), 0);
	weir_peers_release(options.listener.peers);
}

static void who_asks_nothing_is_closed(void **state)
{
	(void)state;
	start(small, default_options());
	struct peer silent = connect_peer(0), half = connect_peer(0), busy = connect_peer(0);
	peer_send_bytes(&half, "\0\35\0\1", 4);
	peer_turn(&busy, 5);
	for (uint16_t i = 0; i < 4; i++) {
		clock_advance(WEIR_DNS_IDLE_MS * 2 / 5);
		assert_true(is_answered(&busy, i));
	}
	assert_true(ends_without_a_word(&silent));
	/* Half a query is no reason to wait longer than a connection may be idle. */
	assert_true(TURN_UNTIL(
	        loop, (clock_advance(1000), weir_server_channels(weir_dns_listener(server)) == 0)));
	assert_true(ends_without_a_word(&half));
	peer_close(&silent);
	peer_close(&half);
	peer_close(&busy);
	stop();
}

static void idle_ones_are_small(void **state)
{
	enum {
		CONNECTIONS = 200
	};
	static struct peer peers[CONNECTIONS];
	size_t own = 0;
	(void)state;
	start(small, default_options());
	struct peer first = connect_peer(0);
	assert_true(is_answered(&first, 1));
	size_t before = memory_in_use();
	for (uint16_t i = 0; i < CONNECTIONS; i++) {
		peers[i] = connect_peer(0);
		assert_true(is_answered(&peers[i], i));
		own += peers[i].got.capacity;
	}
	peer_turn(&first, 10);
	size_t each = (memory_in_use() - before - own) / CONNECTIONS;
	if (each > 320)
		fail_msg("%zu bytes", each);
	print_message("%zu bytes\n", each);
	for (int i = 0; i < CONNECTIONS; i++)
		peer_close(&peers[i]);
	peer_close(&first);
	stop();
}

static int begin(void **state)
{
	static const struct weir_network anybody = {0};
	const struct weir_dns_policy policy = {.networks = &anybody, .network_count = 1};
	(void)state;
	small = make_zones(1, 0, NULL);
	large = make_zones(1, TEXTS, &policy);
	return weir_loop_create(&loop);
}

static int end(void **state)
{
	(void)state;
	weir_dns_zones_release(small);
	weir_dns_zones_release(large);
	weir_loop_destroy(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(queries_may_come_in_any_pieces),
	        cmocka_unit_test(a_query_may_be_as_long_as_can_be),
	        cmocka_unit_test(who_does_not_read_is_not_read),
	        cmocka_unit_test(stalled_transfers_cost_little),
	        cmocka_unit_test(options_that_cannot_work_are_refused),
	        cmocka_unit_test(connections_of_an_address_are_bounded),
	        cmocka_unit_test(who_asks_nothing_is_closed),
	        cmocka_unit_test(idle_ones_are_small),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
