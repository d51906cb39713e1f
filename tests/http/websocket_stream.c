/*
 * WebSocket on a stream of HTTP/2 (RFC 8441): the request, messages both ways within the windows,
 * and every way in which the stream, the connection or the WebSocket ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/error.h>

#include "clock.h"
#include "h2_client.h"
#include "sockets.h"
#include "with_loop.h"

static const char *const ask[] = {":method", "CONNECT", ":protocol", "websocket", ":scheme", "http",
        ":path", "/chat", ":authority", "a", "sec-websocket-version", "13", NULL};

/* A masked frame of WebSocket in a frame of DATA. */
static void put_frame(struct h2_client *client, uint32_t id, unsigned first, const char *payload,
        size_t size, bool end)
{
	char bytes[200] = {(char)first, (char)(0x80 | size), 1, 2, 3, 4};
	assert_true(size <= 125);
	for (size_t i = 0; i < size; i++)
		bytes[6 + i] = (char)(payload[i] ^ bytes[2 + i % 4]);
	h2_client_put(client, H2_DATA, end ? H2_FLAG_END_STREAM : 0, id, bytes, 6 + size);
}

/* Sends what waits, and expects a literal, which may have zero bytes. */
#define EXPECT(client, literal)                                                                    \
	(h2_client_send(client), h2_client_expect_span(client, WEIR_SPAN(literal)))

/* A stream that has become a WebSocket. */
static struct h2_client client_open(struct sockets *sockets)
{
	struct h2_client client = h2_client_begin(sockets->loop, sockets->server);
	h2_client_put_head(&client, 1, 0, ask);
	EXPECT(&client, "set8=1 1:200 ");
	assert_int_equal(sockets->open, 1);
	return client;
}

/* -- requests ---------------------------------------------------------------------------------- */

static void messages_go_both_ways(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct h2_client client = client_open(&sockets);
	put_frame(&client, 1, 0x81, "hello", 5, false);
	EXPECT(&client, "1:\"\x81\5hello\" ");
	put_frame(&client, 1, 0x01, "hel", 3, false);
	put_frame(&client, 1, 0x89, "x", 1, false);
	put_frame(&client, 1, 0x80, "lo", 2, false);
	EXPECT(&client, "1:\"\x8a\1x\x81\5hello\" ");
	sockets_expect(&sockets, "T\"hello\" T\"hello\" ");
	/* Other streams go on beside it. */
	h2_client_put_head(&client, 3, 0, ask);
	EXPECT(&client, "3:200 ");
	put_frame(&client, 3, 0x88, "\x03\xe8", 2, false);
	EXPECT(&client, "3:\"\x88\2\x03\xe8\" 3. ");
	sockets_expect(&sockets, "closed1000\"\" ");
	put_frame(&client, 1, 0x88, "", 0, true);
	EXPECT(&client, "1:\"\x88\0\" 1. ");
	sockets_expect(&sockets, "closed1005\"\" ");
	h2_client_end(&client);
	sockets_stop(&sockets);
}

static void the_fields_are_those_of_http_1(void **state)
{
	static const char *const protocols[] = {"chat", NULL};
	static const char *const fields[] = {":method", "CONNECT", ":protocol", "websocket",
	        ":scheme", "https", ":path", "/", ":authority", "a", "origin", "https://a",
	        "sec-websocket-version", "13", "sec-websocket-protocol", "x, chat",
	        "sec-websocket-extensions", "permessage-deflate", NULL};
	struct sockets sockets;
	sockets_start(&sockets, *state);
	sockets.options.protocols = protocols;
	struct h2_client client = h2_client_begin(sockets.loop, sockets.server);
	h2_client_put_head(&client, 1, 0, fields);
	EXPECT(&client,
	        "set8=1 1:200 1:sec-websocket-protocol=chat 1:sec-websocket-extensions="
	        "permessage-deflate; server_no_context_takeover; client_no_context_takeover ");
	h2_client_end(&client);
	sockets_stop(&sockets);
}

static void requests_that_break_a_rule_are_refused(void **state)
{
	static const struct {
		const char *const fields[20];
		const char *expected;
		const char *field; /* or NULL */
	} cases[] = {
	        {{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/",
	                 ":authority", "a", NULL},
	                "1:426 ", "1:sec-websocket-version=13 1. "},
	        {{":method", "CONNECT", ":protocol", "other", ":scheme", "http", ":path", "/",
	                 ":authority", "a", "sec-websocket-version", "13", NULL},
	                "1:426 ", "1:sec-websocket-version=13 1. "},
	        {{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/",
	                 ":authority", "a", "sec-websocket-version", "13", "origin", "http://b",
	                 NULL},
	                "1:403 "},
	        {{":method", "GET", ":protocol", "websocket", ":scheme", "http", ":path", "/",
	                 ":authority", "a", NULL},
	                "1!1 "},
	        {{":method", "CONNECT", ":protocol", "websocket", ":path", "/", ":authority", "a",
	                 NULL},
	                "1!1 "},
	        {{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority",
	                 "a", NULL},
	                "1!1 "},
	        {{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/",
	                 NULL},
	                "1!1 "},
	        {{":method", "CONNECT", ":protocol", "web socket", ":scheme", "http", ":path", "/",
	                 ":authority", "a", NULL},
	                "1!1 "},
	        {{":method", "CONNECT", ":protocol", "websocket", ":protocol", "websocket",
	                 ":scheme", "http", ":path", "/", ":authority", "a", NULL},
	                "1!1 "},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sockets sockets;
		sockets_start(&sockets, *state);
		struct h2_client client = h2_client_begin(sockets.loop, sockets.server);
		EXPECT(&client, "set8=1 ");
		client.quiet = true;
		h2_client_put_head(&client, 1, 0, cases[i].fields);
		h2_client_send(&client);
		h2_client_await(&client, cases[i].expected);
		if (cases[i].field)
			h2_client_await(&client, cases[i].field);
		h2_client_end(&client);
		sockets_stop(&sockets);
	}
}

static void handle_plainly(void *context, struct weir_http_exchange *exchange)
{
	(void)context;
	weir_http_reply_text(exchange, 200, "text/plain", WEIR_SPAN("plain"));
}

/* Without the setting a client must not use the method. */
static void extended_connect_is_an_option(void **state)
{
	struct sockets sockets = {.loop = *state};
	struct weir_http_options options;
	weir_http_options_init(&options);
	options.listener.address = local_address();
	options.http2_prior_knowledge = true;
	options.sites = weir_http_sites_create(weir_http_function_create("", handle_plainly, NULL));
	assert_int_equal(weir_http_create(*state, &options, &sockets.server), 0);
	struct h2_client client = h2_client_begin(sockets.loop, sockets.server);
	h2_client_put_head(&client, 1, 0, ask);
	EXPECT(&client, "1!1 ");
	h2_client_end(&client);
	weir_http_destroy(sockets.server);
}

/* -- flow control ------------------------------------------------------------------------------ */

static void messages_wait_for_the_windows(void **state)
{
	static char large[200000];
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct h2_client client = client_open(&sockets);
	client.quiet = true;
	assert_int_equal(weir_websocket_send(sockets.last, WEIR_WEBSOCKET_BINARY,
	                         weir_span(large, sizeof large)),
	        0);
	assert_true(TURN_UNTIL(*state, (h2_client_read(&client), client.data_bytes == 65535)));
	peer_turn(&client.peer, 10);
	h2_client_read(&client);
	assert_int_equal(client.data_bytes, 65535);
	h2_client_put32(&client, H2_WINDOW_UPDATE, 0, 1000000);
	h2_client_put32(&client, H2_WINDOW_UPDATE, 1, 1000000);
	h2_client_send(&client);
	assert_true(TURN_UNTIL(
	        *state, (h2_client_read(&client), client.data_bytes == sizeof large + 10)));
	h2_client_end(&client);
	sockets_stop(&sockets);
}

static void a_pause_holds_the_stream_and_not_the_connection(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct h2_client client = client_open(&sockets);
	struct weir_websocket *first = sockets.last;
	weir_websocket_pause(first);
	put_frame(&client, 1, 0x81, "held", 4, false);
	h2_client_put_head(&client, 3, 0, ask);
	EXPECT(&client, "3:200 ");
	put_frame(&client, 3, 0x81, "hi", 2, false);
	EXPECT(&client, "3:\"\x81\2hi\" ");
	sockets_expect(&sockets, "T\"hi\" ");
	sockets.last = first;
	weir_websocket_resume(first);
	sockets_expect(&sockets, "T\"held\" ");
	h2_client_end(&client);
	assert_true(TURN_UNTIL(*state, sockets.open == 0));
	sockets_stop(&sockets);
}

/* -- ends -------------------------------------------------------------------------------------- */

static void the_client_may_end_the_stream_in_any_way(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct h2_client client = client_open(&sockets);
	h2_client_put32(&client, H2_RST_STREAM, 1, H2_CANCEL);
	h2_client_send(&client);
	sockets_expect(&sockets, "closed1006\"\" ");
	h2_client_put_head(&client, 3, 0, ask);
	EXPECT(&client, "3:200 ");
	h2_client_put(&client, H2_DATA, H2_FLAG_END_STREAM, 3, "", 0);
	EXPECT(&client, "3!8 ");
	sockets_expect(&sockets, "closed1006\"\" ");
	h2_client_put_head(&client, 5, 0, ask);
	EXPECT(&client, "5:200 ");
	put_frame(&client, 5, 0x81, "\xff", 1, false);
	EXPECT(&client, "5:\"\x88\2\x03\xef\" 5. ");
	sockets_expect(&sockets, "closed1007\"\" ");
	h2_client_put_head(&client, 7, 0, ask);
	EXPECT(&client, "7:200 ");
	h2_client_end(&client);
	sockets_expect(&sockets, "closed1006\"\" ");
	sockets_stop(&sockets);
}

static void the_server_may_end_the_stream_in_any_way(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct h2_client client = client_open(&sockets);
	weir_websocket_abort(sockets.last);
	EXPECT(&client, "1!8 ");
	sockets_expect(&sockets, "closed1006\"\" ");
	h2_client_put_head(&client, 3, 0, ask);
	EXPECT(&client, "3:200 ");
	weir_websocket_close(sockets.last, 1000, WEIR_SPAN("bye"));
	EXPECT(&client, "3:\"\x88\5\x03\xe8"
	                "bye\" ");
	put_frame(&client, 3, 0x88, "\x03\xe8", 2, false);
	EXPECT(&client, "3. ");
	sockets_expect(&sockets, "closed1000\"\" ");
	h2_client_end(&client);
	sockets_stop(&sockets);
}

static void an_idle_stream_is_pinged_and_has_no_other_limit(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct h2_client client = client_open(&sockets);
	for (int i = 0; i < 5; i++) {
		clock_advance(WEIR_WEBSOCKET_PING_MS + 100);
		EXPECT(&client, "1:\"\x89\0\" ");
		put_frame(&client, 1, 0x8a, "", 0, false);
		h2_client_send(&client);
		peer_turn(&client.peer, 5);
		clock_advance(WEIR_WEBSOCKET_PONG_MS + 100);
		peer_turn(&client.peer, 5);
	}
	clock_advance(WEIR_WEBSOCKET_PING_MS + 100);
	EXPECT(&client, "1:\"\x89\0\" ");
	clock_advance(WEIR_WEBSOCKET_PONG_MS + 100);
	EXPECT(&client, "1!8 ");
	sockets_expect(&sockets, "closed1006\"\" ");
	h2_client_end(&client);
	sockets_stop(&sockets);
}

static void note_drained(void *context)
{
	*(bool *)context = true;
}

static void a_drain_closes_streams_and_then_the_connection(void **state)
{
	bool drained = false;
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct h2_client client = client_open(&sockets);
	weir_server_drain(weir_http_listener(sockets.server), note_drained, &drained);
	EXPECT(&client, "goaway 0 1:\"\x88\2\x03\xe9\" ");
	put_frame(&client, 1, 0x88, "\x03\xe9", 2, true);
	EXPECT(&client, "1. goaway 0 ");
	assert_true(TURN_UNTIL(*state, drained));
	sockets_expect(&sockets, "closed1001\"\" ");
	h2_client_end(&client);
	sockets_stop(&sockets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(messages_go_both_ways),
	        cmocka_unit_test(the_fields_are_those_of_http_1),
	        cmocka_unit_test(requests_that_break_a_rule_are_refused),
	        cmocka_unit_test(extended_connect_is_an_option),
	        cmocka_unit_test(messages_wait_for_the_windows),
	        cmocka_unit_test(a_pause_holds_the_stream_and_not_the_connection),
	        cmocka_unit_test(the_client_may_end_the_stream_in_any_way),
	        cmocka_unit_test(the_server_may_end_the_stream_in_any_way),
	        cmocka_unit_test(an_idle_stream_is_pinged_and_has_no_other_limit),
	        cmocka_unit_test(a_drain_closes_streams_and_then_the_connection),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
