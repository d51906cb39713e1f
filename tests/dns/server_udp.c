/*
 * Queries by UDP: how replies are limited by the network that they go to, what slips through, who
 * is never limited, and what gets no reply at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/dns_message.h>

#include "dns_codec.h"
#include "peer.h"
#include "served.h"

enum {
	RATE = 5,
	ASKED = 45,
	CLIENT_COOKIE = 8,
	COOKIE = 24
};

static struct weir_loop *loop;
static struct weir_dns_zones *zones;
static struct weir_dns_server *server;

static void start(
        const char *address, unsigned rate, unsigned slip, const struct weir_network *unlimited)
{
	struct weir_dns_options options;
	weir_dns_options_init(&options);
	options.rrl_rate = rate;
	options.rrl_slip = slip;
	options.unlimited = unlimited;
	options.unlimited_count = unlimited ? 1 : 0;
	options.zones = zones;
	assert_int_equal(weir_address_parse(weir_span_of(address), &options.listener.address), 0);
	assert_int_equal(weir_dns_create(loop, &options, &server), 0);
}

static void stop(void)
{
	weir_dns_destroy(server);
	for (int i = 0; i < 3; i++)
		weir_loop_turn(loop, 0);
}

/* A client's socket at this address, without its port. */
static int client(const char *host)
{
	struct weir_address from;
	const struct weir_address *to = weir_server_address(weir_dns_listener(server));
	char text[64];
	snprintf(text, sizeof text, "%s:0", host);
	assert_int_equal(weir_address_parse(weir_span_of(text), &from), 0);
	int fd = socket(from.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &from.any, weir_address_size(&from)), 0);
	assert_int_equal(connect(fd, &to->any, weir_address_size(to)), 0);
	return fd;
}

/* The reply; its size, or 0 if none comes. */
static size_t ask(int fd, const void *query, size_t size, uint8_t reply[512])
{
	uint64_t before = weir_dns_counters(server)->queries;
	ssize_t got = -1;
	assert_int_equal(send(fd, query, size, 0), size);
	for (int i = 0; i < 1000 && weir_dns_counters(server)->queries == before; i++)
		weir_loop_turn(loop, 1);
	got = recv(fd, reply, 512, 0);
	return got < 0 ? 0 : (size_t)got;
}

struct count {
	unsigned whole, slipped, none;
	unsigned extra; /* that came to be within the rate while it was asked */
};

static unsigned extra_since(int64_t began_ms)
{
	return (unsigned)((weir_loop_now_ms(loop) - began_ms) * RATE / 1000) + 1;
}

/* One question, again and again. */
static struct count ask_often(const char *host, const void *query, size_t size)
{
	struct count count = {0};
	int64_t began_ms = weir_loop_now_ms(loop);
	int fd = client(host);
	for (unsigned i = 0; i < ASKED; i++) {
		uint8_t reply[512];
		struct weir_dns_header header;
		size_t got = ask(fd, query, size, reply);
		if (!got) {
			count.none++;
			continue;
		}
		assert_true(weir_dns_header_read(weir_span(reply, got), &header));
		if (!(header.flags & WEIR_DNS_TC)) {
			count.whole++;
			continue;
		}
		/* A truncated reply is no larger than the query, and has no records. */
		count.slipped++;
		assert_true(got <= size);
		assert_int_equal(header.counts[WEIR_DNS_QUESTION], 1);
		assert_int_equal(header.counts[WEIR_DNS_ANSWER], 0);
		assert_int_equal(header.counts[WEIR_DNS_AUTHORITY], 0);
		assert_int_equal(header.counts[WEIR_DNS_ADDITIONAL], 0);
		assert_memory_equal(reply + 12, (const uint8_t *)query + 12, got - 12);
	}
	close(fd);
	count.extra = extra_since(began_ms);
	return count;
}

static struct count ask_plainly(const char *host, const char *name)
{
	uint8_t query[QUERY_MAX];
	size_t size = make_query(query, 77, name, WEIR_DNS_A);
	return ask_often(host, query + 2, size - 2);
}

static void assert_limited(struct count count, unsigned slip)
{
	unsigned over = ASKED - count.whole;
	assert_in_range(count.whole, RATE, RATE + count.extra);
	/* A reply within the rate begins the count anew. */
	assert_in_range(count.slipped, over / slip - count.extra, over / slip);
	assert_int_equal(count.whole + count.slipped + count.none, ASKED);
}

static void assert_free(struct count count)
{
	assert_int_equal(count.whole, ASKED);
}

/* -- rates ------------------------------------------------------------------------------------- */

static void replies_are_limited_by_network(void **state)
{
	(void)state;
	for (unsigned slip = 1; slip <= 3; slip++) {
		start("127.0.0.1:0", RATE, slip, NULL);
		assert_limited(ask_plainly("127.0.0.1", "ns.z"), slip);
		int64_t began_ms = weir_loop_now_ms(loop);
		/* It has used up nothing of another network's, nor of another kind. */
		assert_limited(ask_plainly("127.0.1.1", "ns.z"), slip);
		assert_limited(ask_plainly("127.0.0.1", "absent.z"), slip);
		struct count neighbour = ask_plainly("127.0.0.2", "ns.z");
		assert_in_range(neighbour.whole, 0, extra_since(began_ms));
		const struct weir_dns_counters *counters = weir_dns_counters(server);
		assert_true(counters->slipped > 0);
		assert_int_equal(counters->queries, 4 * ASKED);
		assert_int_equal(counters->replies + counters->dropped, 4 * ASKED);
		stop();
	}
}

static void replies_by_ipv6_are_limited(void **state)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct weir_address address;
	(void)state;
	assert_int_equal(weir_address_parse(WEIR_SPAN("[::1]:0"), &address), 0);
	bool there = fd >= 0 && bind(fd, &address.any, weir_address_size(&address)) == 0;
	if (fd >= 0)
		close(fd);
	if (!there)
		skip();
	start("[::]:0", RATE, WEIR_DNS_RRL_SLIP, NULL);
	assert_limited(ask_plainly("[::1]", "ns.z"), WEIR_DNS_RRL_SLIP);
	stop();
}

static void names_at_random_are_of_one_kind(void **state)
{
	struct count count = {0};
	(void)state;
	start("127.0.0.1:0", RATE, 1, NULL);
	int64_t began_ms = weir_loop_now_ms(loop);
	int fd = client("127.0.0.1");
	for (unsigned i = 0; i < ASKED; i++) {
		uint8_t query[QUERY_MAX], reply[512];
		char name[32];
		snprintf(name, sizeof name, "random%u.z", i);
		size_t size = make_query(query, 1, name, WEIR_DNS_A);
		assert_true(ask(fd, query + 2, size - 2, reply) > 0);
		count.whole += !(reply[2] & 2);
	}
	assert_in_range(count.whole, RATE, RATE + extra_since(began_ms));
	close(fd);
	stop();
}

static void who_is_known_is_never_limited(void **state)
{
	struct weir_network network;
	uint8_t query[QUERY_MAX + 15 + COOKIE] = {0}, reply[512];
	size_t plain = make_query(query, 5, "ns.z", WEIR_DNS_A);
	(void)state;
	assert_int_equal(weir_network_parse(WEIR_SPAN("127.0.7.0/24"), &network), 0);
	start("127.0.0.1:0", RATE, WEIR_DNS_RRL_SLIP, &network);
	assert_free(ask_plainly("127.0.7.9", "ns.z"));
	/* Asks for a cookie, and then has one. */
	query[2 + 11] = 1;
	memcpy(query + plain, "\0\0\51\20\0\0\0\0\0\0\14\0\12\0\10clients-", 23);
	int fd = client("127.0.0.1");
	size_t got = ask(fd, query + 2, plain - 2 + 23, reply);
	assert_true(got > COOKIE);
	close(fd);
	query[plain + 10] = 4 + COOKIE;
	query[plain + 14] = COOKIE;
	memcpy(query + plain + 15, reply + got - COOKIE, COOKIE);
	assert_free(ask_often("127.0.0.1", query + 2, plain - 2 + 15 + COOKIE));
	/* Another address has no use for it. */
	assert_limited(
	        ask_often("127.0.2.1", query + 2, plain - 2 + 15 + COOKIE), WEIR_DNS_RRL_SLIP);
	stop();
}

/* -- what is no query -------------------------------------------------------------------------- */

static void every_prefix_of_a_query_is_survived(void **state)
{
	uint8_t query[QUERY_MAX], reply[512];
	size_t size = make_query(query, 9, "t.ns.z", WEIR_DNS_A) - 2;
	(void)state;
	start("127.0.0.1:0", 0, 0, NULL);
	int fd = client("127.0.0.1");
	for (size_t part = 0; part <= size; part++) {
		struct weir_dns_header header;
		size_t got = ask(fd, query + 2, part, reply);
		if (part < WEIR_DNS_HEADER_SIZE) {
			assert_int_equal(got, 0);
			continue;
		}
		assert_true(weir_dns_header_read(weir_span(reply, got), &header));
		assert_int_equal(header.id, 9);
		assert_int_equal(header.flags & WEIR_DNS_RCODE_MASK,
		        part < size ? WEIR_DNS_FORMERR : WEIR_DNS_NXDOMAIN);
	}
	/* A reply is never answered: two servers would go on for ever. */
	query[4] |= 0x80;
	assert_int_equal(ask(fd, query + 2, size, reply), 0);
	close(fd);
	stop();
}

static int begin(void **state)
{
	(void)state;
	zones = make_zones(1, 0, NULL);
	return weir_loop_create(&loop);
}

static int end(void **state)
{
	(void)state;
	weir_dns_zones_release(zones);
	weir_loop_destroy(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(replies_are_limited_by_network),
	        cmocka_unit_test(replies_by_ipv6_are_limited),
	        cmocka_unit_test(names_at_random_are_of_one_kind),
	        cmocka_unit_test(who_is_known_is_never_limited),
	        cmocka_unit_test(every_prefix_of_a_query_is_survived),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
