/* Policies of listeners: PROXY headers before TLS and open(), lists of networks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/policy.h>
#include <weir/server.h>

#include "allocation.h"
#include "clock.h"
#include "peer.h"

static struct weir_loop *loop;
static struct weir_server *server;
static unsigned opens, closes, failures;
static int failed_with;

static int on_open(struct weir_channel *channel)
{
	char text[WEIR_ADDRESS_TEXT_MAX];
	opens++;
	weir_address_format(weir_channel_peer(channel), text);
	if (strncmp(text, "127.", 4) == 0)
		snprintf(text, sizeof text, "proxy");
	weir_channel_push_copy(channel, weir_span_of(text));
	if (weir_channel_over_quota(channel))
		weir_channel_push_static(channel, " over quota");
	weir_channel_push_static(channel, "\n");
	return 0;
}

static void on_request(struct weir_channel *channel, struct weir_span request)
{
	weir_channel_push_copy(channel, request);
}

static void on_close(struct weir_channel *channel, int error)
{
	(void)channel;
	(void)error;
	closes++;
}

static const struct weir_protocol protocol = {
        .name = "policy", .open = on_open, .request = on_request, .close = on_close};

static void proxy_failed(void *context, const struct weir_address *peer, int error)
{
	(void)context;
	(void)peer;
	failures++;
	failed_with = error;
}

static struct weir_network network(const char *text)
{
	struct weir_network found;
	assert_int_equal(weir_network_parse(weir_span_of(text), &found), 0);
	return found;
}

static struct weir_policy *policy_of(const char *proxies, const char *allow, const char *deny)
{
	struct weir_network lists[3];
	struct weir_policy *policy;
	struct weir_policy_options options;
	weir_policy_options_init(&options);
	if (proxies) {
		lists[0] = network(proxies);
		options.proxies = &lists[0];
		options.proxy_count = 1;
	}
	if (allow) {
		lists[1] = network(allow);
		options.allow = &lists[1];
		options.allow_count = 1;
	}
	if (deny) {
		lists[2] = network(deny);
		options.deny = &lists[2];
		options.deny_count = 1;
	}
	assert_int_equal(weir_policy_create(&options, &policy), 0);
	return policy;
}

static void start_with(struct weir_policy *policy, struct weir_peers *peers)
{
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.listener.address = local_address();
	options.listener.policy = policy;
	options.listener.peers = peers;
	options.listener.proxy_failed = proxy_failed;
	options.protocol = &protocol;
	opens = closes = failures = 0;
	failed_with = 0;
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(weir_server_create(loop, &options, &server), 0);
	weir_policy_release(policy);
}

static void stop(void)
{
	weir_server_destroy(server);
	weir_loop_destroy(loop);
	assert_int_equal(opens, closes);
}

static struct peer connect_peer(void)
{
	return peer_connect(loop, weir_server_address(server), 0);
}

static void the_header_comes_in_single_bytes(void **state)
{
	(void)state;
	static const char header[] = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
	start_with(policy_of("127.0.0.0/8", NULL, NULL), NULL);
	struct peer peer = connect_peer();
	for (size_t i = 0; i + 1 < sizeof header; i++) {
		assert_int_equal(opens, 0);
		peer_send_bytes(&peer, header + i, 1);
		peer_turn(&peer, 3);
	}
	assert_true(TURN_UNTIL(loop, opens == 1));
	assert_true(peer_got(&peer, "192.0.2.1:56324\n"));
	peer_send(&peer, "hello\r\n");
	assert_true(peer_got(&peer, "hello"));
	peer_close(&peer);
	stop();
}

static void a_request_may_come_with_the_header(void **state)
{
	(void)state;
	start_with(policy_of("127.0.0.0/8", NULL, NULL), NULL);
	struct peer peer = connect_peer();
	peer_send(&peer, "PROXY TCP6 2001:db8::1 ::1 7 25\r\nhello\r\n");
	assert_true(peer_got(&peer, "[2001:db8::1]:7\nhello"));
	peer_close(&peer);
	stop();
}

static void a_waiting_header_does_not_keep_the_loop_busy(void **state)
{
	(void)state;
	start_with(policy_of("127.0.0.0/8", NULL, NULL), NULL);
	struct peer peer = connect_peer();
	peer_send(&peer, "PROXY ");
	peer_turn(&peer, 10);
	/* A turn that waits ends only by its own time limit: no event is reported again. */
	int64_t before = weir_loop_now_ms(loop);
	weir_loop_turn(loop, 50);
	weir_loop_turn(loop, 0);
	assert_true(weir_loop_now_ms(loop) - before >= 40);
	peer_close(&peer);
	stop();
}

static void a_proxy_may_speak_for_itself(void **state)
{
	(void)state;
	start_with(policy_of("127.0.0.0/8", NULL, NULL), NULL);
	struct peer peer = connect_peer();
	peer_send_bytes(&peer, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
	assert_true(peer_got(&peer, "proxy\n"));
	peer_close(&peer);
	peer = connect_peer();
	peer_send(&peer, "PROXY UNKNOWN\r\n");
	assert_true(peer_got(&peer, "proxy\n"));
	peer_close(&peer);
	stop();
}

static void a_proxy_without_a_header_is_closed(void **state)
{
	(void)state;
	start_with(policy_of("127.0.0.0/8", NULL, NULL), NULL);
	struct peer peer = connect_peer();
	peer_send(&peer, "hello\r\n");
	assert_true(peer_read_end(&peer));
	assert_int_equal(failed_with, WEIR_E_SYNTAX);
	peer_close(&peer);
	/* It ends within the header. */
	peer = connect_peer();
	peer_send(&peer, "PROXY TCP4");
	peer_turn(&peer, 3);
	peer_finish(&peer);
	assert_true(peer_read_end(&peer));
	assert_int_equal(failures, 2);
	peer_close(&peer);
	/* A check whether the server is alive is no failure. */
	peer = connect_peer();
	peer_turn(&peer, 3);
	peer_finish(&peer);
	assert_true(peer_read_end(&peer));
	peer_close(&peer);
	assert_int_equal(failures, 2);
	assert_int_equal(opens, 0);
	stop();
}

static void the_header_has_a_time_limit(void **state)
{
	(void)state;
	start_with(policy_of("127.0.0.0/8", NULL, NULL), NULL);
	struct peer peer = connect_peer();
	peer_send(&peer, "PROXY ");
	peer_turn(&peer, 3);
	clock_advance(WEIR_PROXY_HEADER_MS / 2);
	peer_send(&peer, "TCP4 ");
	peer_turn(&peer, 3);
	assert_int_equal(failures, 0);
	clock_advance(WEIR_PROXY_HEADER_MS / 2 + 1000);
	assert_true(peer_read_end(&peer));
	assert_int_equal(failed_with, -ETIMEDOUT);
	peer_close(&peer);
	stop();
}

static void a_header_from_elsewhere_is_input(void **state)
{
	(void)state;
	start_with(policy_of("192.0.2.0/24", NULL, NULL), NULL);
	struct peer peer = connect_peer();
	peer_send(&peer, "PROXY UNKNOWN\r\n");
	assert_true(peer_got(&peer, "proxy\nPROXY UNKNOWN"));
	peer_close(&peer);
	stop();
}

static void the_client_counts_for_the_bound_of_peers(void **state)
{
	(void)state;
	struct weir_peers *peers;
	struct peer clients[3];
	assert_int_equal(weir_peers_create(1, 0, &peers), 0);
	start_with(policy_of("127.0.0.0/8", NULL, NULL), peers);
	clients[0] = connect_peer();
	assert_int_equal(weir_peers_count(peers), 0);
	peer_send(&clients[0], "PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\n");
	assert_true(peer_got(&clients[0], "192.0.2.1:1\n"));
	clients[1] = connect_peer();
	peer_send(&clients[1], "PROXY TCP4 192.0.2.2 192.0.2.9 1 2\r\n");
	assert_true(peer_got(&clients[1], "192.0.2.2:1\n"));
	clients[2] = connect_peer();
	peer_send(&clients[2], "PROXY TCP4 192.0.2.1 192.0.2.9 3 2\r\n");
	assert_true(peer_got(&clients[2], "192.0.2.1:3 over quota\n"));
	assert_int_equal(weir_peers_count(peers), 2);
	for (int i = 0; i < 3; i++)
		peer_close(&clients[i]);
	assert_true(TURN_UNTIL(loop, weir_peers_count(peers) == 0));
	stop();
	weir_peers_release(peers);
}

static void draining_ends_silent_proxies(void **state)
{
	(void)state;
	start_with(policy_of("127.0.0.0/8", NULL, NULL), NULL);
	struct peer peer = connect_peer();
	peer_turn(&peer, 3);
	weir_server_drain(server, NULL, NULL);
	assert_true(peer_read_end(&peer));
	peer_close(&peer);
	assert_int_equal(weir_server_channels(server), 0);
	stop();
}

static void a_denied_peer_is_closed_at_accept(void **state)
{
	(void)state;
	start_with(policy_of(NULL, NULL, "127.0.0.1"), NULL);
	struct peer peer = connect_peer();
	assert_true(peer_read_end(&peer));
	peer_close(&peer);
	assert_int_equal(opens, 0);
	/* Another policy counts from the next connection on. */
	struct weir_policy *policy = policy_of(NULL, "127.0.0.0/8", "127.0.0.2");
	weir_server_set_policy(server, policy);
	weir_policy_release(policy);
	peer = connect_peer();
	assert_true(peer_got(&peer, "proxy\n"));
	peer_close(&peer);
	policy = policy_of(NULL, "192.0.2.0/24", NULL);
	weir_server_set_policy(server, policy);
	weir_policy_release(policy);
	peer = connect_peer();
	assert_true(peer_read_end(&peer));
	peer_close(&peer);
	weir_server_set_policy(server, NULL);
	peer = connect_peer();
	assert_true(peer_got(&peer, "proxy\n"));
	peer_close(&peer);
	stop();
}

static void lists_are_of_the_client_behind_the_proxy(void **state)
{
	(void)state;
	/* The proxy itself is denied, which counts only when it is the client. */
	start_with(policy_of("127.0.0.0/8", NULL, "127.0.0.0/8"), NULL);
	struct peer peer = connect_peer();
	peer_send(&peer, "PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\n");
	assert_true(peer_got(&peer, "192.0.2.1:1\n"));
	peer_close(&peer);
	peer = connect_peer();
	peer_send(&peer, "PROXY UNKNOWN\r\n");
	assert_true(peer_read_end(&peer));
	peer_close(&peer);
	assert_int_equal(opens, 1);
	stop();
}

static void a_policy_needs_memory(void **state)
{
	(void)state;
	struct weir_network any = network("0.0.0.0/0");
	struct weir_policy_options options;
	struct weir_policy *policy = NULL;
	weir_policy_options_init(&options);
	options.deny = &any;
	options.deny_count = 1;
	fail_allocation_after(0, false);
	assert_int_equal(weir_policy_create(&options, &policy), -ENOMEM);
	assert_true(stop_failing_allocations());
	assert_null(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_header_comes_in_single_bytes),
	        cmocka_unit_test(a_request_may_come_with_the_header),
	        cmocka_unit_test(a_waiting_header_does_not_keep_the_loop_busy),
	        cmocka_unit_test(a_proxy_may_speak_for_itself),
	        cmocka_unit_test(a_proxy_without_a_header_is_closed),
	        cmocka_unit_test(a_header_from_elsewhere_is_input),
	        cmocka_unit_test(the_client_counts_for_the_bound_of_peers),
	        cmocka_unit_test(draining_ends_silent_proxies),
	        cmocka_unit_test(a_denied_peer_is_closed_at_accept),
	        cmocka_unit_test(lists_are_of_the_client_behind_the_proxy),
	        cmocka_unit_test(a_policy_needs_memory),
	        cmocka_unit_test(the_header_has_a_time_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
