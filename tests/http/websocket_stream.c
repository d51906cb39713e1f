/*
 * WebSocket on a stream of HTTP/2 (RFC 8441): the request, messages both ways within the windows,
 * and every way in which the stream, the connection or the WebSocket ends. Frames of HTTP/2 that
 * come are noted as text, DATA by its bytes:
 *
 *   1:200 1:"\x81\x02hi" 1. ─ the head, DATA, the end;  1!8 ─ RST_STREAM;  set8=1 ─ the setting
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include <nghttp2/nghttp2.h>
#include <weir/error.h>

#include "clock.h"
#include "h2.h"
#include "h2_frame.h"
#include "sockets.h"
#include "with_loop.h"

#define NOTE(client, ...) weir_buffer_format(&(client)->text, SIZE_MAX, __VA_ARGS__)

struct client {
	struct peer peer;
	nghttp2_hd_inflater *inflater;
	struct weir_buffer out, text;
	size_t data_bytes;
	bool quiet;
};

static void put(struct client *client, enum h2_frame_type type, unsigned flags, uint32_t id,
        const void *payload, size_t size)
{
	char header[H2_FRAME_HEADER_SIZE];
	h2_frame_put_header(header, size, type, flags, id);
	weir_buffer_append(&client->out, header, sizeof header, SIZE_MAX);
	weir_buffer_append(&client->out, payload, size, SIZE_MAX);
}

static char *add_field(char *to, const char *name, const char *value)
{
	*to++ = 0;
	*to++ = (char)strlen(name);
	to = stpcpy(to, name);
	*to++ = (char)strlen(value);
	return stpcpy(to, value);
}

/* `fields` are pairs of a name and a value, up to NULL. */
static void put_head(struct client *client, uint32_t id, unsigned flags, const char *const *fields)
{
	char block[1000], *to = block;
	for (; *fields; fields += 2)
		to = add_field(to, fields[0], fields[1]);
	put(client, H2_HEADERS, H2_FLAG_END_HEADERS | flags, id, block, (size_t)(to - block));
}

static const char *const ask[] = {":method", "CONNECT", ":protocol", "websocket", ":scheme", "http",
        ":path", "/chat", ":authority", "a", "sec-websocket-version", "13", NULL};

static void client_send(struct client *client)
{
	peer_send_bytes(&client->peer, client->out.data, client->out.size);
	client->out.size = 0;
}

static struct client client_begin(struct sockets *sockets)
{
	struct client client = {0};
	client.peer = peer_connect(
	        sockets->loop, weir_server_address(weir_http_listener(sockets->server)), 0);
	assert_int_equal(nghttp2_hd_inflate_new(&client.inflater), 0);
	weir_buffer_append(&client.out, H2_PREFACE, sizeof H2_PREFACE - 1, SIZE_MAX);
	put(&client, H2_SETTINGS, 0, 0, NULL, 0);
	return client;
}

static void client_end(struct client *client)
{
	peer_close(&client->peer);
	nghttp2_hd_inflate_del(client->inflater);
	weir_buffer_finish(&client->out);
	weir_buffer_finish(&client->text);
}

/* A masked frame of WebSocket in a frame of DATA. */
static void put_frame(struct client *client, uint32_t id, unsigned first, const char *payload,
        size_t size, bool end)
{
	char bytes[200] = {(char)first, (char)(0x80 | size), 1, 2, 3, 4};
	assert_true(size <= 125);
	for (size_t i = 0; i < size; i++)
		bytes[6 + i] = (char)(payload[i] ^ bytes[2 + i % 4]);
	put(client, H2_DATA, end ? H2_FLAG_END_STREAM : 0, id, bytes, 6 + size);
}

static void note_fields(struct client *client, const struct h2_frame *frame)
{
	struct weir_span block = frame->payload;
	for (int flags = 0; !(flags & NGHTTP2_HD_INFLATE_FINAL);) {
		nghttp2_nv nv;
		ssize_t used = nghttp2_hd_inflate_hd2(
		        client->inflater, &nv, &flags, (const uint8_t *)block.data, block.size, 1);
		assert_true(used >= 0);
		block = weir_span_skip(block, (size_t)used);
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT))
			continue;
		if (strcmp((char *)nv.name, ":status") == 0)
			NOTE(client, "%u:%s ", frame->stream_id, (char *)nv.value);
		else if (strncmp((char *)nv.name, "sec-", 4) == 0)
			NOTE(client, "%u:%s=%s ", frame->stream_id, (char *)nv.name,
			        (char *)nv.value);
	}
	nghttp2_hd_inflate_end_headers(client->inflater);
}

static void note_settings(struct client *client, const struct h2_frame *frame)
{
	for (size_t at = 0; at + 6 <= frame->payload.size; at += 6)
		if (frame->payload.data[at + 1] == H2_SETTINGS_ENABLE_CONNECT_PROTOCOL)
			NOTE(client, "set8=%u ", h2_frame_get32(frame->payload.data + at + 2));
}

static void note_data(struct client *client, const struct h2_frame *frame)
{
	client->data_bytes += frame->size;
	if (!frame->size || client->quiet)
		return;
	NOTE(client, "%u:\"", frame->stream_id);
	weir_buffer_append(&client->text, frame->payload.data, frame->size, SIZE_MAX);
	NOTE(client, "\" ");
}

static void note_frame(struct client *client, const struct h2_frame *frame)
{
	if (frame->type == H2_HEADERS)
		note_fields(client, frame);
	else if (frame->type == H2_SETTINGS)
		note_settings(client, frame);
	else if (frame->type == H2_DATA)
		note_data(client, frame);
	else if (frame->type == H2_RST_STREAM)
		NOTE(client, "%u!%u ", frame->stream_id, h2_frame_get32(frame->payload.data));
	else if (frame->type == H2_GOAWAY)
		NOTE(client, "goaway%u ", h2_frame_get32(frame->payload.data + 4));
	if (frame->type <= H2_HEADERS && frame->flags & H2_FLAG_END_STREAM)
		NOTE(client, "%u. ", frame->stream_id);
}

static bool client_has(struct client *client, struct weir_span text)
{
	char bytes[65536];
	struct weir_buffer *got = &client->peer.got;
	ssize_t size = recv(client->peer.fd, bytes, sizeof bytes, MSG_DONTWAIT);
	client->peer.eof |= size == 0;
	if (size > 0)
		weir_buffer_append(got, bytes, (size_t)size, SIZE_MAX);
	struct weir_cut cut = {0};
	while (h2_frame_scan(weir_buffer_span(got), &cut) == WEIR_SCAN_FOUND) {
		struct h2_frame frame = h2_frame_read(weir_span(got->data, cut.end));
		note_frame(client, &frame);
		weir_buffer_consume(got, cut.end);
	}
	return weir_span_equal(weir_buffer_span(&client->text), text);
}

static void client_expect_span(struct client *client, struct weir_span text)
{
	client_send(client);
	if (!TURN_UNTIL(client->peer.loop, client_has(client, text)))
		fail_msg("\"%.*s\" instead of \"%s\"", (int)client->text.size,
		        client->text.size ? client->text.data : "", text.data);
	client->text.size = 0;
}

#define client_expect(client, literal) client_expect_span(client, WEIR_SPAN(literal))

/* A stream that has become a WebSocket. */
static struct client client_open(struct sockets *sockets)
{
	struct client client = client_begin(sockets);
	put_head(&client, 1, 0, ask);
	client_expect(&client, "set8=1 1:200 ");
	assert_int_equal(sockets->open, 1);
	return client;
}

/* -- requests ---------------------------------------------------------------------------------- */

static void messages_go_both_ways(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct client client = client_open(&sockets);
	put_frame(&client, 1, 0x81, "hello", 5, false);
	client_expect(&client, "1:\"\x81\5hello\" ");
	put_frame(&client, 1, 0x01, "hel", 3, false);
	put_frame(&client, 1, 0x89, "x", 1, false);
	put_frame(&client, 1, 0x80, "lo", 2, false);
	client_expect(&client, "1:\"\x8a\1x\x81\5hello\" ");
	sockets_expect(&sockets, "T\"hello\" T\"hello\" ");
	/* Other streams go on beside it. */
	put_head(&client, 3, 0, ask);
	client_expect(&client, "3:200 ");
	put_frame(&client, 3, 0x88, "\x03\xe8", 2, false);
	client_expect(&client, "3:\"\x88\2\x03\xe8\" 3. ");
	sockets_expect(&sockets, "closed1000\"\" ");
	put_frame(&client, 1, 0x88, "", 0, true);
	client_expect(&client, "1:\"\x88\0\" 1. ");
	sockets_expect(&sockets, "closed1005\"\" ");
	client_end(&client);
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
	struct client client = client_begin(&sockets);
	put_head(&client, 1, 0, fields);
	client_expect(&client,
	        "set8=1 1:200 1:sec-websocket-protocol=chat 1:sec-websocket-extensions="
	        "permessage-deflate; server_no_context_takeover; client_no_context_takeover ");
	client_end(&client);
	sockets_stop(&sockets);
}

static void requests_that_break_a_rule_are_refused(void **state)
{
	static const struct {
		const char *const fields[20];
		unsigned flags;
		const char *expected;
	} cases[] = {
	        {{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/",
	                 ":authority", "a", NULL},
	                0, "1:426 1:sec-websocket-version=13 "},
	        {{":method", "CONNECT", ":protocol", "other", ":scheme", "http", ":path", "/",
	                 ":authority", "a", "sec-websocket-version", "13", NULL},
	                0, "1:426 1:sec-websocket-version=13 "},
	        {{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/",
	                 ":authority", "a", "sec-websocket-version", "13", "origin", "http://b",
	                 NULL},
	                0, "1:403 "},
	        {{":method", "GET", ":protocol", "websocket", ":scheme", "http", ":path", "/",
	                 ":authority", "a", NULL},
	                0, "1!1 "},
	        {{":method", "CONNECT", ":protocol", "websocket", ":path", "/", ":authority", "a",
	                 NULL},
	                0, "1!1 "},
	        {{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority",
	                 "a", NULL},
	                0, "1!1 "},
	        {{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/",
	                 NULL},
	                0, "1!1 "},
	        {{":method", "CONNECT", ":protocol", "web socket", ":scheme", "http", ":path", "/",
	                 ":authority", "a", NULL},
	                0, "1!1 "},
	        {{":method", "CONNECT", ":protocol", "websocket", ":protocol", "websocket",
	                 ":scheme", "http", ":path", "/", ":authority", "a", NULL},
	                0, "1!1 "},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sockets sockets;
		sockets_start(&sockets, *state);
		struct client client = client_begin(&sockets);
		client_expect(&client, "set8=1 ");
		client.quiet = true;
		put_head(&client, 1, cases[i].flags, cases[i].fields);
		client_send(&client);
		char expected[200];
		bool replied = cases[i].expected[1] == ':';
		snprintf(
		        expected, sizeof expected, "%s%s", cases[i].expected, replied ? "1. " : "");
		client_expect_span(&client, weir_span_of(expected));
		client_end(&client);
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
	struct client client = client_begin(&sockets);
	put_head(&client, 1, 0, ask);
	client_expect(&client, "1!1 ");
	client_end(&client);
	weir_http_destroy(sockets.server);
}

/* -- flow control ------------------------------------------------------------------------------ */

static void messages_wait_for_the_windows(void **state)
{
	static char large[200000];
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct client client = client_open(&sockets);
	client.quiet = true;
	assert_int_equal(weir_websocket_send(sockets.last, WEIR_WEBSOCKET_BINARY,
	                         weir_span(large, sizeof large)),
	        0);
	assert_true(TURN_UNTIL(
	        *state, (client_has(&client, WEIR_SPAN("")), client.data_bytes == 65535)));
	peer_turn(&client.peer, 10);
	client_has(&client, WEIR_SPAN(""));
	assert_int_equal(client.data_bytes, 65535);
	char increment[4];
	h2_frame_put32(increment, 1000000);
	put(&client, H2_WINDOW_UPDATE, 0, 0, increment, 4);
	put(&client, H2_WINDOW_UPDATE, 0, 1, increment, 4);
	client_send(&client);
	assert_true(TURN_UNTIL(*state,
	        (client_has(&client, WEIR_SPAN("")), client.data_bytes == sizeof large + 10)));
	client_end(&client);
	sockets_stop(&sockets);
}

static void a_pause_holds_the_stream_and_not_the_connection(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct client client = client_open(&sockets);
	struct weir_websocket *first = sockets.last;
	weir_websocket_pause(first);
	put_frame(&client, 1, 0x81, "held", 4, false);
	put_head(&client, 3, 0, ask);
	client_expect(&client, "3:200 ");
	put_frame(&client, 3, 0x81, "hi", 2, false);
	client_expect(&client, "3:\"\x81\2hi\" ");
	sockets_expect(&sockets, "T\"hi\" ");
	sockets.last = first;
	weir_websocket_resume(first);
	sockets_expect(&sockets, "T\"held\" ");
	client_end(&client);
	assert_true(TURN_UNTIL(*state, sockets.open == 0));
	sockets_stop(&sockets);
}

/* -- ends -------------------------------------------------------------------------------------- */

static void the_client_may_end_the_stream_in_any_way(void **state)
{
	static const char cancel[4] = {0, 0, 0, 8};
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct client client = client_open(&sockets);
	put(&client, H2_RST_STREAM, 0, 1, cancel, 4);
	client_send(&client);
	sockets_expect(&sockets, "closed1006\"\" ");
	put_head(&client, 3, 0, ask);
	client_expect(&client, "3:200 ");
	put(&client, H2_DATA, H2_FLAG_END_STREAM, 3, "", 0);
	client_expect(&client, "3!8 ");
	sockets_expect(&sockets, "closed1006\"\" ");
	put_head(&client, 5, 0, ask);
	client_expect(&client, "5:200 ");
	put_frame(&client, 5, 0x81, "\xff", 1, false);
	client_expect(&client, "5:\"\x88\2\x03\xef\" 5. ");
	sockets_expect(&sockets, "closed1007\"\" ");
	put_head(&client, 7, 0, ask);
	client_expect(&client, "7:200 ");
	client_end(&client);
	sockets_expect(&sockets, "closed1006\"\" ");
	sockets_stop(&sockets);
}

static void the_server_may_end_the_stream_in_any_way(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct client client = client_open(&sockets);
	weir_websocket_abort(sockets.last);
	client_expect(&client, "1!8 ");
	sockets_expect(&sockets, "closed1006\"\" ");
	put_head(&client, 3, 0, ask);
	client_expect(&client, "3:200 ");
	weir_websocket_close(sockets.last, 1000, WEIR_SPAN("bye"));
	client_expect(&client, "3:\"\x88\5\x03\xe8"
	                       "bye\" ");
	put_frame(&client, 3, 0x88, "\x03\xe8", 2, false);
	client_expect(&client, "3. ");
	sockets_expect(&sockets, "closed1000\"\" ");
	client_end(&client);
	sockets_stop(&sockets);
}

static void an_idle_stream_is_pinged_and_has_no_other_limit(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct client client = client_open(&sockets);
	for (int i = 0; i < 5; i++) {
		clock_advance(WEIR_WEBSOCKET_PING_MS + 100);
		client_expect(&client, "1:\"\x89\0\" ");
		put_frame(&client, 1, 0x8a, "", 0, false);
		client_send(&client);
		peer_turn(&client.peer, 5);
		clock_advance(WEIR_WEBSOCKET_PONG_MS + 100);
		peer_turn(&client.peer, 5);
	}
	clock_advance(WEIR_WEBSOCKET_PING_MS + 100);
	client_expect(&client, "1:\"\x89\0\" ");
	clock_advance(WEIR_WEBSOCKET_PONG_MS + 100);
	client_expect(&client, "1!8 ");
	sockets_expect(&sockets, "closed1006\"\" ");
	client_end(&client);
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
	struct client client = client_open(&sockets);
	weir_server_drain(weir_http_listener(sockets.server), note_drained, &drained);
	client_expect(&client, "goaway0 1:\"\x88\2\x03\xe9\" ");
	put_frame(&client, 1, 0x88, "\x03\xe9", 2, true);
	client_expect(&client, "1. goaway0 ");
	assert_true(TURN_UNTIL(*state, drained));
	sockets_expect(&sockets, "closed1001\"\" ");
	client_end(&client);
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
