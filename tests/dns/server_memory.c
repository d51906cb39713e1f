/*
 * Servers without memory: each allocation of a server's life fails once. A failing call returns an
 * error and leaks nothing. The previous configuration stays in effect, and no reply is ever wrong.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/dns_message.h>

#include "allocation.h"
#include "clock.h"
#include "dns_codec.h"
#include "peer.h"
#include "served.h"

static struct weir_loop *loop;
static struct weir_dns_server *server;
static struct weir_address listens_on; /* of the next server; zero: any port */
static struct weir_dns_keys *keys;
static struct weir_peers *table;
static const struct weir_network anybody = {0};
static unsigned notified;

static void on_event(void *context, const struct weir_dns_event *event)
{
	(void)context;
	notified += event->kind == WEIR_DNS_NOTIFIED;
}

/* All that a server can have. */
static int create(struct weir_dns_zones *zones)
{
	struct weir_dns_options options;
	weir_dns_options_init(&options);
	options.listener.address = listens_on.any.sa_family ? listens_on : local_address();
	options.listener.shared = true; /* the socket of a failed attempt is closed by the loop */
	options.listener.peers = table;
	options.zones = zones;
	options.responder.nsid = WEIR_SPAN("id");
	options.responder.version = "v";
	options.responder.keys = keys;
	options.rrl_rate = 1000;
	options.unlimited = &anybody;
	options.unlimited_count = 1;
	options.notifies = true;
	options.log = on_event;
	return weir_dns_create(loop, &options, &server);
}

static void stop(void)
{
	weir_dns_destroy(server);
	for (int i = 0; i < 3; i++)
		weir_loop_turn(loop, 0);
}

static void creating_fails_whole(void **state)
{
	struct weir_dns_zones *zones = make_zones(1, 0, NULL);
	size_t before = 0;
	(void)state;
	/*
	 * The loop and OpenSSL keep what they took the first times. The metrics of an address stay
	 * with the loop, so all rounds but the first have one address.
	 */
	for (int round = 0; round < 8; round++) {
		bool failed = true;
		before = memory_in_use();
		for (unsigned good = 0; failed; good++) {
			fail_allocation_after(good, false);
			int error = create(zones);
			failed = stop_failing_allocations();
			assert_int_equal(error, failed ? -ENOMEM : 0);
			assert_true(good < 100);
		}
		listens_on = *weir_server_address(weir_dns_listener(server));
		stop();
	}
	assert_int_equal(memory_in_use(), before);
	listens_on = (struct weir_address){0};
	weir_dns_zones_release(zones);
}

static void sets_of_zones_fail_whole(void **state)
{
	struct weir_address address = local_address();
	struct weir_dns_name name = {0};
	struct weir_dns_zone_entry entry = {
	        .zone = make_zone(1, 0), .policy = {&anybody, 1, &name, 1, false, &address, 1}};
	struct weir_dns_zones *zones = NULL;
	bool failed = true;
	(void)state;
	weir_dns_name_parse(WEIR_SPAN("key"), &name);
	for (unsigned good = 0; failed; good++) {
		fail_allocation_after(good, false);
		int error = weir_dns_zones_create(&entry, 1, &zones);
		failed = stop_failing_allocations();
		assert_int_equal(error, failed ? -ENOMEM : 0);
	}
	weir_dns_zones_release(zones);
	weir_dns_zone_release(entry.zone);
}

/* -- conversations ----------------------------------------------------------------------------- */

static struct weir_buffer whole; /* the replies where memory is there */

/* By TCP: two queries with a transfer between. */
static struct peer ask_by_tcp(bool fails, unsigned good)
{
	uint8_t bytes[3 * QUERY_MAX];
	size_t size = make_query(bytes, 1, "ns.z", WEIR_DNS_A);
	size += make_query(bytes + size, 2, "z", WEIR_DNS_AXFR);
	size += make_query(bytes + size, 3, "absent.z", WEIR_DNS_A);
	struct peer peer = peer_connect(loop, weir_server_address(weir_dns_listener(server)), 0);
	if (fails)
		fail_allocation_after(good, false);
	/* In two pieces, so that a rest has to be kept. */
	peer_send_bytes(&peer, bytes, 40);
	peer_turn(&peer, 5);
	peer_send_bytes(&peer, bytes + 40, size - 40);
	peer_turn(&peer, 20);
	return peer;
}

static bool is_prefix(const struct weir_buffer *part, const struct weir_buffer *of)
{
	return part->size <= of->size &&
	       (!part->size || memcmp(part->data, of->data, part->size) == 0);
}

static void take_reply(struct peer *peer)
{
	clock_advance(WEIR_DNS_IDLE_MS);
	peer_finish(peer);
	assert_true(peer_read_end(peer));
	assert_true(TURN_UNTIL(loop, weir_server_channels(weir_dns_listener(server)) == 0));
}

static void a_connection_ends_but_never_lies(void **state)
{
	const struct weir_dns_policy policy = {.networks = &anybody, .network_count = 1};
	struct weir_dns_zones *zones = make_zones(1, 300, &policy);
	bool failed = true;
	(void)state;
	assert_int_equal(create(zones), 0);
	struct peer good_peer = ask_by_tcp(false, 0);
	take_reply(&good_peer);
	whole = good_peer.got;
	assert_true(whole.size > 300 * 200);
	for (unsigned good = 0; failed; good++) {
		struct peer peer = ask_by_tcp(true, good);
		failed = stop_failing_allocations();
		take_reply(&peer);
		assert_true(is_prefix(&peer.got, &whole));
		if (!failed)
			assert_int_equal(peer.got.size, whole.size);
		peer_close(&peer);
		assert_true(good < 1000);
	}
	assert_int_equal(weir_peers_count(table), 0);
	peer_close(&good_peer);
	stop();
	weir_dns_zones_release(zones);
}

/* No query by UDP needs memory. */
static void datagrams_need_no_memory(void **state)
{
	struct weir_dns_zones *zones = make_zones(1, 0, NULL);
	uint8_t query[QUERY_MAX], reply[512];
	size_t size = make_query(query, 5, "ns.z", WEIR_DNS_A) - 2;
	ssize_t got = -1;
	(void)state;
	assert_int_equal(create(zones), 0);
	const struct weir_address *address = weir_server_address(weir_dns_listener(server));
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, &address->any, weir_address_size(address)), 0);
	fail_allocation_after(0, true);
	assert_int_equal(send(fd, query + 2, size, 0), size);
	TURN_UNTIL(loop, got >= 0 || (got = recv(fd, reply, sizeof reply, 0)) >= 0);
	assert_false(stop_failing_allocations());
	assert_true(got > (ssize_t)size);
	assert_int_equal(reply[7], 1);
	close(fd);
	stop();
	weir_dns_zones_release(zones);
}

/* -- notices ----------------------------------------------------------------------------------- */

/* Answers all notices that come; how many. */
static unsigned answer_notices(int fd, uint32_t *ret_serial)
{
	unsigned count = 0;
	for (int i = 0; i < 20; i++) {
		uint8_t message[512];
		struct weir_address from = {0};
		socklen_t from_size = sizeof from;
		weir_loop_turn(loop, 1);
		ssize_t got =
		        recvfrom(fd, message, sizeof message, MSG_DONTWAIT, &from.any, &from_size);
		if (got < 40)
			continue;
		count++;
		*ret_serial = dns_get32(message + got - 20);
		message[2] |= 0x80;
		assert_int_equal(sendto(fd, message, (size_t)got, 0, &from.any, from_size), got);
	}
	return count;
}

static void zones_are_swapped_even_if_nobody_can_be_told(void **state)
{
	struct weir_address secondary = local_address();
	struct weir_dns_policy policy = {.notify = &secondary, .notify_count = 1};
	socklen_t size = sizeof secondary;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t serial = 1, told = 0;
	bool failed = true;
	(void)state;
	assert_int_equal(bind(fd, &secondary.any, weir_address_size(&secondary)), 0);
	assert_int_equal(getsockname(fd, &secondary.any, &size), 0);
	struct weir_dns_zones *zones = make_zones(serial, 0, &policy);
	assert_int_equal(create(zones), 0);
	for (unsigned good = 0; failed; good++) {
		weir_dns_zones_release(zones);
		zones = make_zones(++serial, 0, &policy);
		fail_allocation_after(good, false);
		weir_dns_set_zones(server, zones);
		failed = stop_failing_allocations();
		assert_true(good < 100);
		notified = 0;
		if (answer_notices(fd, &told))
			assert_int_equal(told, serial);
		assert_true(!failed || notified <= 1);
	}
	assert_int_equal(notified, 1);
	/* Transfers under way end with the server. */
	weir_dns_zones_release(zones);
	zones = make_zones(++serial, 0, &policy);
	weir_dns_set_zones(server, zones);
	stop();
	close(fd);
	weir_dns_zones_release(zones);
}

static int begin(void **state)
{
	struct weir_dns_tsig_key key = {.secret_size = 16};
	(void)state;
	weir_dns_name_parse(WEIR_SPAN("key"), &key.name);
	if (weir_dns_keys_create(&key, 1, &keys) < 0 || weir_peers_create(10, 0, &table) < 0)
		return -1;
	return weir_loop_create(&loop);
}

static int end(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	weir_dns_keys_release(keys);
	weir_peers_release(table);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(creating_fails_whole),
	        cmocka_unit_test(sets_of_zones_fail_whole),
	        cmocka_unit_test(a_connection_ends_but_never_lies),
	        cmocka_unit_test(datagrams_need_no_memory),
	        cmocka_unit_test(zones_are_swapped_even_if_nobody_can_be_told),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
