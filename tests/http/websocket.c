/*
 * The life of a WebSocket: handshakes that are refused, messages that many share or that producers
 * make, slow and dead clients, time limits, and every way in which the connection ends.
 */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/error.h>
#include <weir/sources.h>

#include "allocation.h"
#include "clock.h"
#include "sockets.h"
#include "websocket_state.h"
#include "with_loop.h"

enum {
	TEXT = 0x81,
	CLOSE = 0x88,
	PING = 0x89,
	PONG = 0x8a,
};

/* -- handshakes -------------------------------------------------------------------------------- */

#define FIRST "GET / HTTP/1.1\r\nHost: a\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: " SOCKET_KEY "\r\n"
#define ALL FIRST CONNECTION UPGRADE VERSION KEY

static const struct {
	const char *request;
	const char *status;
	int error;
} handshakes[] = {
        {ALL "\r\n", "101", 0},
        {FIRST "Connection: keep-alive, upgrade\r\nUpgrade: h2c, WebSocket\r\n" VERSION KEY "\r\n",
                "101", 0},
        {ALL "Origin: http://a\r\n\r\n", "101", 0},
        {ALL "Origin: https://A\r\n\r\n", "101", 0},
        {ALL "Origin: https://friend.example\r\n\r\n", "101", 0},
        {ALL "Origin: https://b\r\n\r\n", "403", -EACCES},
        {ALL "Origin: http://a.b\r\n\r\n", "403", -EACCES},
        {ALL "Origin: null\r\n\r\n", "403", -EACCES},
        {ALL "Origin: \r\n\r\n", "403", -EACCES},
        {ALL "Origin: http://a\r\nOrigin: http://a\r\n\r\n", "403", -EACCES},
        {FIRST "\r\n", "426", WEIR_E_SYNTAX},
        {FIRST CONNECTION "Upgrade: other\r\n" VERSION KEY "\r\n", "426", WEIR_E_SYNTAX},
        {FIRST CONNECTION UPGRADE KEY "\r\n", "426", WEIR_E_SYNTAX},
        {FIRST CONNECTION UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", "426", WEIR_E_SYNTAX},
        {FIRST CONNECTION UPGRADE KEY VERSION VERSION "\r\n", "426", WEIR_E_SYNTAX},
        {FIRST UPGRADE VERSION KEY "\r\n", "400", WEIR_E_SYNTAX},
        {FIRST "Connection: close\r\n" UPGRADE VERSION KEY "\r\n", "400", WEIR_E_SYNTAX},
        {FIRST CONNECTION UPGRADE VERSION "\r\n", "400", WEIR_E_SYNTAX},
        {ALL KEY "\r\n", "400", WEIR_E_SYNTAX},
        {FIRST CONNECTION UPGRADE VERSION "Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n", "400",
                WEIR_E_SYNTAX},
        {FIRST CONNECTION UPGRADE VERSION "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!!!\r\n\r\n",
                "400", WEIR_E_SYNTAX},
        {"POST / HTTP/1.1\r\nHost: a\r\n" CONNECTION UPGRADE VERSION KEY "\r\n", "400",
                WEIR_E_SYNTAX},
        {ALL "Content-Length: 1\r\n\r\nx", "400", WEIR_E_SYNTAX},
        {"GET / HTTP/1.0\r\nHost: a\r\n" CONNECTION UPGRADE VERSION KEY "\r\n", "400",
                WEIR_E_SYNTAX},
};

static void handshakes_follow_the_rules(void **state)
{
	static const char *const origins[] = {"https://friend.example", NULL};
	struct sockets sockets;
	sockets_start(&sockets, *state);
	sockets.options.origins = origins;
	for (size_t i = 0; i < sizeof handshakes / sizeof *handshakes; i++) {
		char begin[20];
		struct peer peer = peer_connect(
		        *state, weir_server_address(weir_http_listener(sockets.server)), 0);
		peer_send(&peer, handshakes[i].request);
		do
			assert_true(peer_read_more(&peer));
		while (!memmem(peer.got.data, peer.got.size, "\r\n\r\n", 4));
		snprintf(begin, sizeof begin, "HTTP/1.1 %s ", handshakes[i].status);
		if (memcmp(peer.got.data, begin, 13) != 0)
			fail_msg("%s: %.13s", handshakes[i].request, peer.got.data);
		assert_int_equal(sockets.error, handshakes[i].error);
		weir_buffer_append(&peer.got, "", 1, SIZE_MAX);
		if (strcmp(handshakes[i].status, "426") == 0) {
			assert_non_null(strstr(peer.got.data, "\r\nSec-WebSocket-Version: 13\r\n"));
			assert_non_null(strstr(peer.got.data, "\r\nUpgrade: websocket\r\n"));
		}
		if (sockets.error == 0)
			assert_non_null(strstr(peer.got.data,
			        "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
		peer_close(&peer);
		assert_true(TURN_UNTIL(*state, sockets.open == 0));
	}
	sockets_stop(&sockets);
}

static void any_origin_is_accepted_if_none_is_checked(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	sockets.options.check_origin = false;
	struct socket_client client = socket_connect(&sockets, "Origin: https://b\r\n");
	assert_int_equal(sockets.error, 0);
	socket_close(&client);
	sockets_stop(&sockets);
}

static void the_server_prefers_its_first_subprotocol(void **state)
{
	static const char *const protocols[] = {"chat.v2", "chat.v1", NULL};
	static const struct {
		const char *lines, *chosen;
	} cases[] = {
	        {"", NULL},
	        {"Sec-WebSocket-Protocol: other\r\n", NULL},
	        {"Sec-WebSocket-Protocol: CHAT.V1\r\n", NULL},
	        {"Sec-WebSocket-Protocol: chat.v1\r\n", "chat.v1"},
	        {"Sec-WebSocket-Protocol: chat.v1 , chat.v2\r\n", "chat.v2"},
	        {"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: chat.v2\r\n", "chat.v2"},
	};
	struct sockets sockets;
	sockets_start(&sockets, *state);
	sockets.options.protocols = protocols;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct socket_client client = socket_connect(&sockets, cases[i].lines);
		const char *chosen = weir_websocket_protocol(sockets.last);
		if (cases[i].chosen)
			assert_string_equal(chosen, cases[i].chosen);
		else
			assert_null(chosen);
		socket_close(&client);
		assert_true(TURN_UNTIL(*state, sockets.open == 0));
	}
	sockets_stop(&sockets);
}

/* Frames may come in the same packet as the request, and behind pipelined requests. */
static void frames_right_behind_the_request_are_read(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct peer peer =
	        peer_connect(*state, weir_server_address(weir_http_listener(sockets.server)), 0);
	peer_send_bytes(&peer, FIRST "\r\n" ALL "\r\n\x81\x82\0\0\0\0hi",
	        sizeof(FIRST "\r\n" ALL "\r\n\x81\x82\0\0\0\0hi") - 1);
	sockets_expect(&sockets, "T\"hi\" ");
	TURN_UNTIL(*state,
	        peer_read_more(&peer) && memmem(peer.got.data, peer.got.size, "\x81\2hi", 4));
	assert_memory_equal(peer.got.data, "HTTP/1.1 426 ", 13);
	assert_non_null(memmem(peer.got.data, peer.got.size, "HTTP/1.1 101 ", 13));
	peer_close(&peer);
	sockets_stop(&sockets);
}

/* -- messages in ------------------------------------------------------------------------------- */

static void messages_may_be_received_in_pieces(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	sockets.streams = true;
	struct socket_client client = socket_connect(&sockets, "");
	SOCKET_SEND(&client, 0x01, "one");
	sockets_expect(&sockets, "T( \"one\" ");
	SOCKET_SEND(&client, 0x00, "");
	SOCKET_SEND(&client, 0x80, "two");
	sockets_expect(&sockets, "\"two\" ) ");
	SOCKET_SEND(&client, 0x82, "");
	sockets_expect(&sockets, "B( ) ");
	socket_send(&client, 0x81, "in two parts", 12, 13);
	sockets_expect(&sockets, "T( \"in two \" \"parts\" ) ");
	SOCKET_SEND(&client, 0x81, "\xff");
	sockets_expect(&sockets, "T( closed1007\"\" ");
	socket_close(&client);
	sockets_stop(&sockets);
}

static void a_paused_socket_reads_nothing(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	weir_websocket_pause(sockets.last);
	SOCKET_SEND(&client, TEXT, "hi");
	peer_turn(&client.peer, 20);
	assert_int_equal(sockets.events.size, 0);
	/* Nor is the client taken for dead. */
	for (int i = 0; i < 5; i++) {
		clock_advance(WEIR_WEBSOCKET_PING_MS + 100);
		peer_turn(&client.peer, 3);
	}
	weir_websocket_resume(sockets.last);
	sockets_expect(&sockets, "T\"hi\" ");
	socket_expect(&client, "text\"hi\" ");
	socket_close(&client);
	sockets_stop(&sockets);
}

/* -- messages out ------------------------------------------------------------------------------ */

static void a_shared_message_is_composed_once(void **state)
{
	enum {
		CLIENTS = 50
	};
	struct sockets sockets;
	struct socket_client clients[CLIENTS];
	struct weir_websocket *all[CLIENTS];
	struct weir_websocket_message *message;
	sockets_start(&sockets, *state);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = socket_connect(&sockets, "");
		all[i] = sockets.last;
	}
	char text[2000];
	memset(text, 'x', sizeof text);
	assert_int_equal(weir_websocket_message_create(
	                         WEIR_WEBSOCKET_TEXT, weir_span(text, sizeof text), &message),
	        0);
	size_t before = memory_in_use();
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(weir_websocket_send_message(all[i], message), 0);
	/* The queues refer to the one frame, and hold no copy of it. */
	assert_int_equal(message->references.count, CLIENTS + 1);
	assert_true(memory_in_use() - before < CLIENTS * 200);
	for (int i = 0; i < CLIENTS; i++)
		socket_expect(&clients[i], "text2000 ");
	assert_true(TURN_UNTIL(*state, message->references.count == 1));
	weir_websocket_message_release(message);
	for (int i = 0; i < CLIENTS; i++)
		socket_close(&clients[i]);
	sockets_stop(&sockets);
}

static void text_that_is_not_utf_8_is_not_sent(void **state)
{
	struct sockets sockets;
	struct weir_websocket_message *message = NULL;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	assert_int_equal(weir_websocket_send(sockets.last, WEIR_WEBSOCKET_TEXT, WEIR_SPAN("\xff")),
	        WEIR_E_SYNTAX);
	assert_int_equal(weir_websocket_message_create(
	                         WEIR_WEBSOCKET_TEXT, WEIR_SPAN("cut off \xce"), &message),
	        WEIR_E_SYNTAX);
	assert_int_equal(
	        weir_websocket_send(sockets.last, WEIR_WEBSOCKET_BINARY, WEIR_SPAN("\xff")), 0);
	socket_expect(&client, "binary\"\xff\" ");
	socket_close(&client);
	sockets_stop(&sockets);
}

struct parts {
	struct weir_producer base;
	const char *const *next;
	bool waits, fails;
	unsigned closed;
	enum weir_close_reason why;
};

static enum weir_more parts_more(struct weir_producer *producer, struct weir_output *out)
{
	struct parts *parts = WEIR_CONTAINER(producer, struct parts, base);
	if (!*parts->next)
		return parts->fails ? WEIR_FAILED : parts->waits ? WEIR_WAIT : WEIR_DONE;
	weir_output_borrow(out, *parts->next, strlen(*parts->next));
	parts->next++;
	return *parts->next || parts->fails ? WEIR_MORE : parts->waits ? WEIR_WAIT : WEIR_DONE;
}

static void parts_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct parts *parts = WEIR_CONTAINER(producer, struct parts, base);
	parts->closed++;
	parts->why = why;
}

static struct weir_producer *parts_init(struct parts *parts, const char *const *texts)
{
	static const struct weir_producer_type type = {
	        .name = "parts", .more = parts_more, .close = parts_close};
	*parts = (struct parts){.next = texts};
	weir_producer_init(&parts->base, &type);
	return &parts->base;
}

static const char *const three[] = {"one", "two", "three", NULL};

static void a_producer_is_sent_in_fragments(void **state)
{
	struct sockets sockets;
	struct parts parts;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	assert_int_equal(weir_websocket_send_producer(
	                         sockets.last, WEIR_WEBSOCKET_TEXT, parts_init(&parts, three)),
	        0);
	assert_int_equal(
	        weir_websocket_send(sockets.last, WEIR_WEBSOCKET_BINARY, WEIR_SPAN("behind")), 0);
	socket_expect(&client, "text+\"one\" cont+\"two\" cont\"three\" binary\"behind\" ");
	assert_int_equal(parts.closed, 1);
	assert_int_equal(parts.why, WEIR_CLOSE_DONE);
	assert_int_equal(weir_websocket_send_producer(
	                         sockets.last, WEIR_WEBSOCKET_BINARY, weir_produce_borrowed("", 0)),
	        0);
	socket_expect(&client, "binary\"\" ");
	assert_int_equal(
	        weir_websocket_send_producer(sockets.last, WEIR_WEBSOCKET_BINARY, NULL), -ENOMEM);
	socket_close(&client);
	sockets_stop(&sockets);
}

/* A pong goes between two fragments, another message behind the last. */
static void a_pong_goes_between_fragments(void **state)
{
	static const char *const one[] = {"one", NULL}, *const two[] = {"two", NULL};
	struct sockets sockets;
	struct parts parts;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	struct weir_producer *producer = parts_init(&parts, one);
	parts.waits = true;
	weir_websocket_send_producer(sockets.last, WEIR_WEBSOCKET_TEXT, producer);
	weir_websocket_send(sockets.last, WEIR_WEBSOCKET_TEXT, WEIR_SPAN("behind"));
	socket_expect(&client, "text+\"one\" ");
	SOCKET_SEND(&client, PING, "x");
	socket_expect(&client, "pong\"x\" ");
	parts.waits = false;
	parts.next = two;
	weir_wake(producer);
	socket_expect(&client, "cont\"two\" text\"behind\" ");
	socket_close(&client);
	sockets_stop(&sockets);
}

static void a_producer_that_fails_ends_the_connection(void **state)
{
	struct sockets sockets;
	struct parts parts;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	struct weir_producer *producer = parts_init(&parts, three);
	parts.fails = true;
	weir_websocket_send_producer(sockets.last, WEIR_WEBSOCKET_TEXT, producer);
	weir_websocket_send(sockets.last, WEIR_WEBSOCKET_TEXT, WEIR_SPAN("dropped"));
	socket_expect(&client, "text+\"one\" cont+\"two\" cont+\"three\" close1011\"\" end ");
	sockets_expect(&sockets, "closed1011\"\" ");
	assert_int_equal(parts.closed, 1);
	assert_int_equal(parts.why, WEIR_CLOSE_FAILED);
	socket_close(&client);
	sockets_stop(&sockets);
}

static void the_last_pongs_are_sent_if_too_many_wait(void **state)
{
	char expected[2000] = "", ping[4];
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	/* In one read, so that none of the answers can leave before. */
	char frames[9 * 100];
	for (int i = 0; i < 100; i++) {
		snprintf(ping, sizeof ping, "%03d", i);
		memcpy(frames + 9 * i, "\x89\x83\0\0\0\0", 6);
		memcpy(frames + 9 * i + 6, ping, 3);
		if (i >= 100 - WEIR_WEBSOCKET_PONGS_MAX)
			snprintf(expected + strlen(expected), sizeof expected - strlen(expected),
			        "pong\"%03d\" ", i);
	}
	assert_int_equal(send(client.peer.fd, frames, sizeof frames, 0), sizeof frames);
	socket_expect(&client, expected);
	socket_close(&client);
	sockets_stop(&sockets);
}

/* -- slow clients ------------------------------------------------------------------------------ */

static char large[300000];

static void a_message_for_a_slow_client_is_refused(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	sockets.options.queue_max = sizeof large + 100;
	struct socket_client client = socket_connect(&sockets, "");
	struct weir_span message = weir_span(large, sizeof large);
	assert_int_equal(weir_websocket_send(sockets.last, WEIR_WEBSOCKET_BINARY, message), 0);
	assert_true(weir_websocket_queued(sockets.last) >= sizeof large);
	assert_int_equal(
	        weir_websocket_send(sockets.last, WEIR_WEBSOCKET_BINARY, message), WEIR_E_LIMIT);
	socket_expect(&client, "binary300000 ");
	sockets_expect(&sockets, "drained ");
	assert_int_equal(weir_websocket_queued(sockets.last), 0);
	assert_int_equal(weir_websocket_send(sockets.last, WEIR_WEBSOCKET_BINARY, message), 0);
	socket_expect(&client, "binary300000 ");
	socket_close(&client);
	sockets_stop(&sockets);
}

static void many_empty_messages_are_bounded(void **state)
{
	enum {
		QUEUE_MAX = 100 * WEIR_WEBSOCKET_MESSAGE_COST
	};
	struct sockets sockets;
	struct weir_buffer expected = {0};
	unsigned sent = 0;
	sockets_start(&sockets, *state);
	sockets.options.queue_max = QUEUE_MAX;
	struct socket_client client = socket_connect(&sockets, "");
	while (weir_websocket_send(sockets.last, WEIR_WEBSOCKET_TEXT, WEIR_SPAN("")) == 0)
		sent++;
	assert_int_equal(sent, QUEUE_MAX / WEIR_WEBSOCKET_MESSAGE_COST);
	while (sent--)
		weir_buffer_append(&expected, "text\"\" ", 7, SIZE_MAX);
	weir_buffer_append(&expected, "", 1, SIZE_MAX);
	socket_expect(&client, expected.data);
	weir_buffer_finish(&expected);
	sockets_expect(&sockets, "drained ");
	socket_close(&client);
	sockets_stop(&sockets);
}

static void a_slow_client_is_dropped_where_that_is_the_policy(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	sockets.options.queue_max = sizeof large + 100;
	sockets.options.slow = WEIR_WEBSOCKET_SLOW_DROP;
	struct socket_client client = socket_connect(&sockets, "");
	struct weir_span message = weir_span(large, sizeof large);
	assert_int_equal(weir_websocket_send(sockets.last, WEIR_WEBSOCKET_BINARY, message), 0);
	assert_int_equal(
	        weir_websocket_send(sockets.last, WEIR_WEBSOCKET_BINARY, message), WEIR_E_LIMIT);
	assert_int_equal(
	        weir_websocket_send(sockets.last, WEIR_WEBSOCKET_BINARY, message), WEIR_E_CLOSED);
	sockets_expect(&sockets, "closed1006\"\" ");
	socket_close(&client);
	sockets_stop(&sockets);
}

/* -- time -------------------------------------------------------------------------------------- */

static void a_silent_client_is_pinged_and_dropped(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	for (int i = 0; i < 3; i++) {
		clock_advance(WEIR_WEBSOCKET_PING_MS + 100);
		socket_expect(&client, "ping\"\" ");
		SOCKET_SEND(&client, PONG, "");
		peer_turn(&client.peer, 5);
		/* The answer was in time. */
		clock_advance(WEIR_WEBSOCKET_PONG_MS + 100);
		peer_turn(&client.peer, 5);
		assert_int_equal(sockets.open, 1);
	}
	clock_advance(WEIR_WEBSOCKET_PING_MS + 100);
	socket_expect(&client, "ping\"\" ");
	clock_advance(WEIR_WEBSOCKET_PONG_MS + 100);
	sockets_expect(&sockets, "closed1006\"\" ");
	socket_close(&client);
	sockets_stop(&sockets);
}

static void an_idle_socket_has_no_other_time_limit(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	sockets.options.ping_ms = 0;
	struct socket_client client = socket_connect(&sockets, "");
	for (int i = 0; i < 30; i++) {
		clock_advance(60 * 60 * 1000);
		peer_turn(&client.peer, 3);
	}
	SOCKET_SEND(&client, TEXT, "still there");
	socket_expect(&client, "text\"still there\" ");
	socket_close(&client);
	sockets_stop(&sockets);
}

static void a_client_that_does_not_answer_a_close_frame_is_dropped(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	assert_int_equal(weir_websocket_close(sockets.last, 4000, WEIR_SPAN("go")), 0);
	assert_int_equal(weir_websocket_close(sockets.last, 4000, WEIR_SPAN("go")), WEIR_E_CLOSED);
	assert_int_equal(weir_websocket_send(sockets.last, WEIR_WEBSOCKET_TEXT, WEIR_SPAN("late")),
	        WEIR_E_CLOSED);
	socket_expect(&client, "close4000\"go\" ");
	/* Input is dropped meanwhile, be it a ping. */
	SOCKET_SEND(&client, TEXT, "late");
	SOCKET_SEND(&client, PING, "late");
	peer_turn(&client.peer, 10);
	assert_int_equal(sockets.events.size, 0);
	clock_advance(WEIR_WEBSOCKET_CLOSE_MS + 100);
	sockets_expect(&sockets, "closed1006\"\" ");
	socket_close(&client);
	sockets_stop(&sockets);
}

/* -- ends -------------------------------------------------------------------------------------- */

static void either_side_may_close(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	weir_websocket_send(sockets.last, WEIR_WEBSOCKET_TEXT, WEIR_SPAN("last"));
	assert_int_equal(weir_websocket_close(sockets.last, 1000, WEIR_SPAN("done")), 0);
	socket_expect(&client, "text\"last\" close1000\"done\" ");
	SOCKET_SEND(&client, CLOSE,
	        "\x0f\xa1"
	        "my own");
	sockets_expect(&sockets, "closed4001\"my own\" ");
	socket_expect(&client, "end ");
	socket_close(&client);

	client = socket_connect(&sockets, "");
	SOCKET_SEND(&client, CLOSE,
	        "\x03\xe9"
	        "bye");
	sockets_expect(&sockets, "closed1001\"bye\" ");
	socket_expect(&client, "close1001\"\" end ");
	socket_close(&client);

	client = socket_connect(&sockets, "");
	assert_int_equal(
	        weir_websocket_close(sockets.last, WEIR_WEBSOCKET_NO_CODE, WEIR_SPAN("")), 0);
	socket_expect(&client, "close\"\" ");
	SOCKET_SEND(&client, CLOSE, "");
	sockets_expect(&sockets, "closed1005\"\" ");
	socket_expect(&client, "end ");
	socket_close(&client);
	sockets_stop(&sockets);
}

static void end_with_frame(struct sockets *sockets, unsigned first, const char *payload,
        size_t size, const char *expected)
{
	struct socket_client client = socket_connect(sockets, "");
	socket_send(&client, first, payload, size, 0);
	sockets_expect(sockets, expected);
	socket_close(&client);
}

#define CHANGE(field) (cells->field - before.field)

static void all_that_a_socket_does_is_counted(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	/* The loop, and with it the cells, is that of all tests. */
	const struct websocket_cells *cells = sockets.last->cells;
	const struct websocket_cells before = *cells;
	assert_int_equal(before.open, 1);
	SOCKET_SEND(&client, TEXT, "hello");
	sockets_expect(&sockets, "T\"hello\" ");
	socket_expect(&client, "text\"hello\" ");
	SOCKET_SEND(&client, PING, "");
	socket_expect(&client, "pong\"\" ");
	assert_int_equal(CHANGE(messages[WEBSOCKET_RECEIVED]), 1);
	assert_int_equal(CHANGE(bytes[WEBSOCKET_RECEIVED]), 6 + 5 + 6);
	assert_int_equal(CHANGE(messages[WEBSOCKET_SENT]), 1);
	assert_int_equal(CHANGE(bytes[WEBSOCKET_SENT]), 2 + 5 + 2);
	socket_close(&client);
	sockets_expect(&sockets, "closed1006\"\" ");
	end_with_frame(&sockets, CLOSE, "\x03\xe9", 2, "closed1001\"\" ");
	end_with_frame(&sockets, CLOSE, "", 0, "closed1005\"\" ");
	end_with_frame(&sockets, CLOSE, "\x0f\xa1", 2, "closed4001\"\" ");
	end_with_frame(&sockets, 0x83, "", 0, "closed1002\"\" ");
	assert_int_equal(CHANGE(begun), 4);
	assert_int_equal(cells->open, 0);
	assert_int_equal(CHANGE(closed[WEBSOCKET_END_NORMAL]), 2);
	assert_int_equal(CHANGE(closed[WEBSOCKET_END_ERROR]), 1);
	assert_int_equal(CHANGE(closed[WEBSOCKET_END_APPLICATION]), 1);
	assert_int_equal(CHANGE(closed[WEBSOCKET_END_ABNORMAL]), 1);
	sockets_stop(&sockets);
}

static void codes_and_reasons_of_the_server_are_checked(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	static const unsigned codes[] = {0, 999, 1004, 1006, 1015, 2999, 5000};
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		assert_int_equal(
		        weir_websocket_close(sockets.last, codes[i], WEIR_SPAN("")), -EINVAL);
	assert_int_equal(weir_websocket_close(sockets.last, 1005, WEIR_SPAN("why")), -EINVAL);
	assert_int_equal(weir_websocket_close(sockets.last, 1000, WEIR_SPAN("\xff")), -EINVAL);
	/* A reason is cut off, but not within a character. */
	char reason[140], expected[200];
	memset(reason, 'r', sizeof reason);
	memcpy(reason + 122, "\xce\xba", 2);
	assert_int_equal(
	        weir_websocket_close(sockets.last, 1000, weir_span(reason, sizeof reason)), 0);
	snprintf(expected, sizeof expected, "close1000122 ");
	socket_expect(&client, expected);
	socket_close(&client);
	sockets_stop(&sockets);
}

static void an_end_without_a_close_frame_is_abnormal(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	SOCKET_SEND(&client, 0x01, "unfinished");
	peer_finish(&client.peer);
	sockets_expect(&sockets, "closed1006\"\" ");
	socket_close(&client);

	client = socket_connect(&sockets, "");
	peer_reset(&client.peer);
	sockets_expect(&sockets, "closed1006\"\" ");
	socket_close(&client);

	client = socket_connect(&sockets, "");
	weir_websocket_abort(sockets.last);
	weir_websocket_abort(sockets.last);
	sockets_expect(&sockets, "closed1006\"\" ");
	socket_close(&client);

	client = socket_connect(&sockets, "");
	weir_http_destroy(sockets.server);
	assert_int_equal(sockets.open, 0);
	sockets.server = NULL;
	socket_close(&client);
	sockets_stop(&sockets);
}

static void note_drained(void *context)
{
	*(bool *)context = true;
}

static void a_drain_closes_with_going_away(void **state)
{
	bool drained = false;
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	weir_server_drain(weir_http_listener(sockets.server), note_drained, &drained);
	socket_expect(&client, "close1001\"\" ");
	assert_false(drained);
	SOCKET_SEND(&client, CLOSE, "\x03\xe9");
	socket_expect(&client, "end ");
	assert_true(TURN_UNTIL(*state, drained));
	sockets_expect(&sockets, "closed1001\"\" ");
	socket_close(&client);
	sockets_stop(&sockets);
}

/* -- memory ------------------------------------------------------------------------------------ */

static size_t memory_of(const struct weir_buffer *buffer)
{
	return buffer->data ? malloc_usable_size(buffer->data) + sizeof(size_t) : 0;
}

static void an_idle_socket_has_512_bytes(void **state)
{
	enum {
		CLIENTS = 200
	};
	struct socket_client clients[CLIENTS];
	struct sockets sockets;
	sockets_start(&sockets, *state);
	sockets.quiet = true;
	/* The memory that the loop retains is there before. */
	for (int i = 0; i < 2; i++) {
		clients[i] = socket_connect(&sockets, "");
		SOCKET_SEND(&clients[i], TEXT, "hi");
		socket_expect(&clients[i], "text\"hi\" ");
	}
	size_t before = memory_in_use(), of_clients = 0;
	for (int i = 2; i < CLIENTS; i++) {
		clients[i] = socket_connect(&sockets, "");
		SOCKET_SEND(&clients[i], TEXT, "hi");
		socket_expect(&clients[i], "text\"hi\" ");
		weir_loop_turn(*state, 0);
		of_clients += memory_of(&clients[i].peer.got) + memory_of(&clients[i].text) +
		              memory_of(&clients[i].last);
	}
	size_t after = memory_in_use() - before - of_clients;
	if (after / (CLIENTS - 2) > 512)
		fail_msg("%zu bytes", after / (CLIENTS - 2));
	for (int i = 0; i < CLIENTS; i++)
		socket_close(&clients[i]);
	sockets_stop(&sockets);
}

/* Wherever memory ends, the server lives, and an accepted WebSocket is closed. */
static void failing_allocations_end_one_connection(void **state)
{
	bool failed = true;
	for (unsigned good = 0; failed; good++) {
		struct sockets sockets;
		assert_true(good < 500);
		sockets_start(&sockets, *state);
		struct peer peer = peer_connect(
		        *state, weir_server_address(weir_http_listener(sockets.server)), 0);
		static const char bytes[] =
		        ALL "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
		            "\x01\x82\0\0\0\0he"
		            "\x89\x81\0\0\0\0x"
		            "\x80\x83\0\0\0\0llo"
		            "\x88\x80\0\0\0\0";
		char received[4096];
		assert_int_equal(send(peer.fd, bytes, sizeof bytes - 1, 0), sizeof bytes - 1);
		sockets.quiet = true;
		weir_buffer_reserve(&sockets.events, 1000, SIZE_MAX);
		fail_allocation_after(good, false);
		for (int i = 0; i < 20; i++) {
			weir_loop_turn(*state, 0);
			(void)!recv(peer.fd, received, sizeof received, MSG_DONTWAIT);
		}
		failed = stop_failing_allocations();
		peer_close(&peer);
		assert_true(TURN_UNTIL(
		        *state, weir_server_channels(weir_http_listener(sockets.server)) == 0));
		sockets_stop(&sockets);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(handshakes_follow_the_rules),
	        cmocka_unit_test(any_origin_is_accepted_if_none_is_checked),
	        cmocka_unit_test(the_server_prefers_its_first_subprotocol),
	        cmocka_unit_test(frames_right_behind_the_request_are_read),
	        cmocka_unit_test(messages_may_be_received_in_pieces),
	        cmocka_unit_test(a_paused_socket_reads_nothing),
	        cmocka_unit_test(a_shared_message_is_composed_once),
	        cmocka_unit_test(text_that_is_not_utf_8_is_not_sent),
	        cmocka_unit_test(a_producer_is_sent_in_fragments),
	        cmocka_unit_test(a_pong_goes_between_fragments),
	        cmocka_unit_test(a_producer_that_fails_ends_the_connection),
	        cmocka_unit_test(the_last_pongs_are_sent_if_too_many_wait),
	        cmocka_unit_test(a_message_for_a_slow_client_is_refused),
	        cmocka_unit_test(many_empty_messages_are_bounded),
	        cmocka_unit_test(a_slow_client_is_dropped_where_that_is_the_policy),
	        cmocka_unit_test(a_silent_client_is_pinged_and_dropped),
	        cmocka_unit_test(an_idle_socket_has_no_other_time_limit),
	        cmocka_unit_test(a_client_that_does_not_answer_a_close_frame_is_dropped),
	        cmocka_unit_test(either_side_may_close),
	        cmocka_unit_test(all_that_a_socket_does_is_counted),
	        cmocka_unit_test(codes_and_reasons_of_the_server_are_checked),
	        cmocka_unit_test(an_end_without_a_close_frame_is_abnormal),
	        cmocka_unit_test(a_drain_closes_with_going_away),
	        cmocka_unit_test(an_idle_socket_has_512_bytes),
	        cmocka_unit_test(failing_allocations_end_one_connection),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
