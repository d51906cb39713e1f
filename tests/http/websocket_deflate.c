/*
 * permessage-deflate on the wire: which offers are accepted, messages both ways with and without
 * contexts, in fragments, with final blocks; bombs and broken data; messages that many share.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <zlib.h>
#include <cmocka.h>

#include <weir/error.h>

#include "sockets.h"
#include "websocket_state.h"
#include "with_loop.h"

enum {
	TEXT = 0x81,
	TEXT_DEFLATED = 0xc1,
	BINARY_DEFLATED = 0xc2,
	CLOSE = 0x88,
	PING = 0x89,
};

#define OFFER "Sec-WebSocket-Extensions: permessage-deflate\r\n"

/* -- the agreement ----------------------------------------------------------------------------- */

#define ALONE "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

static const struct {
	const char *offer, *alone, *takeover; /* NULL: declined */
} offers[] = {
        {"permessage-deflate", ALONE, "permessage-deflate; server_max_window_bits=12"},
        {"PerMessage-Deflate ; client_max_window_bits", ALONE,
                "permessage-deflate; server_max_window_bits=12"},
        {"permessage-deflate; client_max_window_bits=10", ALONE,
                "permessage-deflate; server_max_window_bits=12"},
        {"permessage-deflate; server_no_context_takeover", ALONE,
                "permessage-deflate; server_no_context_takeover"},
        {"permessage-deflate; client_no_context_takeover", ALONE,
                "permessage-deflate; client_no_context_takeover; server_max_window_bits=12"},
        {"permessage-deflate; server_max_window_bits=10", ALONE "; server_max_window_bits=10",
                "permessage-deflate; server_max_window_bits=10"},
        {"permessage-deflate; server_max_window_bits=\"15\"", ALONE "; server_max_window_bits=15",
                "permessage-deflate; server_max_window_bits=12"},
        {"permessage-deflate; server_max_window_bits=8", ALONE "; server_max_window_bits=8",
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=8"},
        {"other, permessage-deflate; server_max_window_bits=1, permessage-deflate", ALONE,
                "permessage-deflate; server_max_window_bits=12"},
        {"permessage-deflate; server_max_window_bits", NULL, NULL},
        {"permessage-deflate; server_max_window_bits=7", NULL, NULL},
        {"permessage-deflate; server_max_window_bits=16", NULL, NULL},
        {"permessage-deflate; server_max_window_bits=08", NULL, NULL},
        {"permessage-deflate; client_max_window_bits=99", NULL, NULL},
        {"permessage-deflate; server_no_context_takeover=1", NULL, NULL},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", NULL, NULL},
        {"permessage-deflate; unknown", NULL, NULL},
        {"x-webkit-deflate-frame", NULL, NULL},
};

static void check_offer(struct sockets *sockets, const char *offer, const char *expected)
{
	char request[1000], field[300];
	struct peer peer = peer_connect(
	        sockets->loop, weir_server_address(weir_http_listener(sockets->server)), 0);
	snprintf(request, sizeof request,
	        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
	        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " SOCKET_KEY "\r\n"
	        "Sec-WebSocket-Extensions: %s\r\n\r\n",
	        offer);
	peer_send(&peer, request);
	while (!memmem(peer.got.data, peer.got.size, "\r\n\r\n", 4))
		assert_true(peer_read_more(&peer));
	weir_buffer_append(&peer.got, "", 1, SIZE_MAX);
	snprintf(field, sizeof field, "\r\nSec-WebSocket-Extensions: %s\r\n",
	        expected ? expected : "");
	if (expected ? !strstr(peer.got.data, field) : !!strstr(peer.got.data, "Extensions"))
		fail_msg("%s: %s", offer, peer.got.data);
	peer_close(&peer);
	assert_true(TURN_UNTIL(sockets->loop, sockets->open == 0));
}

static void offers_are_met_or_declined(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
		sockets.options.deflate = WEIR_WEBSOCKET_DEFLATE_OFF;
		check_offer(&sockets, offers[i].offer, NULL);
		sockets.options.deflate = WEIR_WEBSOCKET_DEFLATE;
		check_offer(&sockets, offers[i].offer, offers[i].alone);
		sockets.options.deflate = WEIR_WEBSOCKET_DEFLATE_TAKEOVER;
		check_offer(&sockets, offers[i].offer, offers[i].takeover);
	}
	/* Beyond the bound there are no contexts. */
	sockets.options.takeovers_max = 0;
	check_offer(&sockets, offers[0].offer, ALONE);
	sockets_stop(&sockets);
}

/* -- a client's compressor --------------------------------------------------------------------- */

struct codec {
	z_stream out, in;
	bool takeover;
};

static void codec_begin(struct codec *codec, bool takeover)
{
	*codec = (struct codec){.takeover = takeover};
	assert_int_equal(
	        deflateInit2(&codec->out, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(inflateInit2(&codec->in, -15), Z_OK);
}

static void codec_end(struct codec *codec)
{
	deflateEnd(&codec->out);
	inflateEnd(&codec->in);
}

/* Returns memory to be freed. */
static struct weir_span compress_message(struct codec *codec, struct weir_span message)
{
	size_t room = message.size + message.size / 100 + 100;
	char *to = malloc(room);
	assert_non_null(to);
	if (!codec->takeover)
		deflateReset(&codec->out);
	codec->out.next_in = (Bytef *)message.data;
	codec->out.avail_in = (uInt)message.size;
	codec->out.next_out = (Bytef *)to;
	codec->out.avail_out = (uInt)room;
	assert_int_equal(deflate(&codec->out, Z_SYNC_FLUSH), Z_OK);
	size_t size = room - codec->out.avail_out;
	assert_memory_equal(to + size - 4, "\0\0\xff\xff", 4);
	return weir_span(to, size - 4);
}

/* Checks that the last frame is this message, compressed. */
static void expect_inflated(
        struct codec *codec, struct socket_client *client, struct weir_span message)
{
	char *to = malloc(message.size + 1);
	assert_non_null(to);
	assert_true(client->first & 0x40);
	weir_buffer_append(&client->last, "\0\0\xff\xff", 4, SIZE_MAX);
	if (!codec->takeover)
		inflateReset(&codec->in);
	codec->in.next_in = (Bytef *)client->last.data;
	codec->in.avail_in = (uInt)client->last.size;
	codec->in.next_out = (Bytef *)to;
	codec->in.avail_out = (uInt)message.size + 1;
	assert_int_equal(inflate(&codec->in, Z_SYNC_FLUSH), Z_OK);
	assert_int_equal(codec->in.avail_in, 0);
	assert_int_equal(message.size + 1 - codec->in.avail_out, message.size);
	assert_memory_equal(to, message.data, message.size);
	free(to);
}

static void await_frame(struct sockets *sockets, struct socket_client *client)
{
	client->text.size = 0;
	client->first = 0;
	for (int i = 0; i < 5000 && !client->first; i++) {
		char bytes[65536];
		ssize_t got = recv(client->peer.fd, bytes, sizeof bytes, MSG_DONTWAIT);
		if (got > 0)
			weir_buffer_append(&client->peer.got, bytes, (size_t)got, SIZE_MAX);
		socket_note(client);
		weir_loop_turn(sockets->loop, 1);
	}
	assert_true(client->first);
	client->text.size = 0;
}

static char *make_text(size_t size, unsigned seed)
{
	static const char *const words[] = {"lorem ", "ipsum ", "dolor ", "sit ", "amet "};
	char *text = malloc(size + 10);
	assert_non_null(text);
	srandom(seed);
	for (size_t at = 0; at < size;)
		at += (size_t)(stpcpy(text + at, words[random() % 5]) - (text + at));
	return text;
}

/* -- messages ---------------------------------------------------------------------------------- */

static void check_echo(void **state, enum weir_websocket_deflate deflate, const char *lines)
{
	static const size_t sizes[] = {200, 300, 1000, 5000, 65536, 65537, 200000, 1000, 200};
	struct sockets sockets;
	struct codec codec;
	codec_begin(&codec, deflate == WEIR_WEBSOCKET_DEFLATE_TAKEOVER);
	sockets_start(&sockets, *state);
	sockets.options.deflate = deflate;
	sockets.quiet = true;
	struct socket_client client = socket_connect(&sockets, lines);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char *text = make_text(sizes[i], (unsigned)i);
		struct weir_span message = weir_span(text, sizes[i]);
		struct weir_span deflated = compress_message(&codec, message);
		size_t half = deflated.size / 2;
		if (i % 2) {
			socket_send(&client, TEXT_DEFLATED, deflated.data, deflated.size,
			        i % 4 == 1 ? 997 : 0);
		} else {
			socket_send(&client, 0x41, deflated.data, half, 0);
			SOCKET_SEND(&client, 0x00, "");
			socket_send(&client, 0x80, deflated.data + half, deflated.size - half, 0);
		}
		await_frame(&sockets, &client);
		expect_inflated(&codec, &client, message);
		free((char *)deflated.data);
		free(text);
	}
	SOCKET_SEND(&client, CLOSE, "");
	socket_expect(&client, "close\"\" end ");
	socket_close(&client);
	sockets_stop(&sockets);
	codec_end(&codec);
}

static void messages_are_compressed_alone(void **state)
{
	check_echo(state, WEIR_WEBSOCKET_DEFLATE, OFFER);
	check_echo(state, WEIR_WEBSOCKET_DEFLATE,
	        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n");
}

static void messages_are_compressed_in_their_context(void **state)
{
	check_echo(state, WEIR_WEBSOCKET_DEFLATE_TAKEOVER, OFFER);
	check_echo(state, WEIR_WEBSOCKET_DEFLATE_TAKEOVER,
	        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n");
}

/* Small messages that resemble each other are why contexts are kept. */
static void a_context_makes_small_messages_smaller(void **state)
{
	static const char text[] = "{\"kind\": \"quote\", \"symbol\": \"WEIR\", \"price\": 1}";
	struct weir_span message = weir_span(text, sizeof text - 1);
	struct codec codec;
	struct sockets sockets;
	codec_begin(&codec, true);
	sockets_start(&sockets, *state);
	sockets.options.deflate = WEIR_WEBSOCKET_DEFLATE_TAKEOVER;
	struct socket_client client = socket_connect(&sockets, OFFER);
	for (int i = 0; i < 3; i++) {
		weir_websocket_send(sockets.last, WEIR_WEBSOCKET_TEXT, message);
		await_frame(&sockets, &client);
		if (i)
			assert_in_range(client.last.size, 1, 12);
		expect_inflated(&codec, &client, message);
	}
	socket_close(&client);
	sockets_stop(&sockets);
	codec_end(&codec);
}

static void what_does_not_become_smaller_is_sent_as_it_is(void **state)
{
	char noise[3000];
	struct sockets sockets;
	srandom(7);
	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (char)random();
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, OFFER);
	weir_websocket_send(sockets.last, WEIR_WEBSOCKET_TEXT, WEIR_SPAN("small"));
	socket_expect(&client, "text\"small\" ");
	weir_websocket_send(sockets.last, WEIR_WEBSOCKET_BINARY, weir_span(noise, sizeof noise));
	socket_expect(&client, "binary3000 ");
	/* A client need not compress either. */
	SOCKET_SEND(&client, TEXT, "plain");
	socket_expect(&client, "text\"plain\" ");
	socket_close(&client);
	sockets_stop(&sockets);
}

static void a_shared_message_is_compressed_once(void **state)
{
	enum {
		CLIENTS = 20
	};
	struct sockets sockets;
	struct socket_client clients[CLIENTS];
	struct weir_websocket *all[CLIENTS];
	struct weir_websocket_message *message;
	struct codec codec;
	char *text = make_text(1000, 1);
	codec_begin(&codec, false);
	sockets_start(&sockets, *state);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = socket_connect(&sockets, i % 5 ? OFFER : "");
		all[i] = sockets.last;
	}
	uint64_t before = websocket_loop_state(*state)->compressed;
	assert_int_equal(
	        weir_websocket_message_create(WEIR_WEBSOCKET_TEXT, weir_span(text, 1000), &message),
	        0);
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(weir_websocket_send_message(all[i], message), 0);
	assert_int_equal(websocket_loop_state(*state)->compressed, before + 1);
	weir_websocket_message_release(message);
	for (int i = 0; i < CLIENTS; i++) {
		await_frame(&sockets, &clients[i]);
		if (i % 5)
			expect_inflated(&codec, &clients[i], weir_span(text, 1000));
		else
			assert_memory_equal(clients[i].last.data, text, 1000);
		socket_close(&clients[i]);
	}
	sockets_stop(&sockets);
	codec_end(&codec);
	free(text);
}

/* RFC 7692 7.2.3: the same text in other blocks. */
static void the_examples_of_rfc_7692_are_inflated(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	sockets.options.deflate = WEIR_WEBSOCKET_DEFLATE_TAKEOVER;
	sockets.echoes = false;
	struct socket_client client = socket_connect(&sockets, OFFER);
	SOCKET_SEND(&client, TEXT_DEFLATED, "\xf2\x48\xcd\xc9\xc9\x07\x00");
	sockets_expect(&sockets, "T\"Hello\" ");
	SOCKET_SEND(&client, TEXT_DEFLATED, "\xf2\x00\x11\x00\x00");
	sockets_expect(&sockets, "T\"Hello\" ");
	SOCKET_SEND(&client, TEXT_DEFLATED, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00");
	sockets_expect(&sockets, "T\"Hello\" ");
	SOCKET_SEND(&client, TEXT_DEFLATED, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00");
	sockets_expect(&sockets, "T\"Hello\" ");
	SOCKET_SEND(&client, TEXT_DEFLATED, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00");
	sockets_expect(&sockets, "T\"Hello\" ");
	SOCKET_SEND(&client, TEXT_DEFLATED, "\x00");
	sockets_expect(&sockets, "T\"\" ");
	socket_close(&client);
	sockets_stop(&sockets);
}

/* -- hostile messages -------------------------------------------------------------------------- */

static void a_bomb_is_not_inflated_beyond_the_limit(void **state)
{
	enum {
		SIZE = 50 * 1024 * 1024
	};
	struct codec codec;
	codec_begin(&codec, false);
	char *zeros = calloc(1, SIZE);
	assert_non_null(zeros);
	struct weir_span deflated = compress_message(&codec, weir_span(zeros, SIZE));
	assert_true(deflated.size < 60000);
	free(zeros);
	for (int streams = 0; streams < 2; streams++) {
		struct sockets sockets;
		sockets_start(&sockets, *state);
		sockets.streams = streams;
		sockets.quiet = true;
		struct socket_client client = socket_connect(&sockets, OFFER);
		size_t before = memory_in_use();
		socket_send(&client, BINARY_DEFLATED, deflated.data, deflated.size, 0);
		socket_expect(&client, "close1009\"\" end ");
		sockets_expect(&sockets, streams ? "B( closed1009\"\" " : "closed1009\"\" ");
		assert_true(memory_in_use() < before + 3 * WEIR_WEBSOCKET_MESSAGE_MAX);
		socket_close(&client);
		sockets_stop(&sockets);
	}
	free((char *)deflated.data);
	codec_end(&codec);
}

static void broken_data_ends_the_connection(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		unsigned code;
	} cases[] = {
	        {"\xff\xff\xff", 3, 1007},
	        {"\xf2\x48\xcd", 3, 1007},         /* cut off */
	        {"\xf2\x00\x11\x00\x00", 5, 1007}, /* a distance into an earlier message */
	        {"\x00\x05\x00\xfa\xff\x48", 6, 1007},
	        {"\xca\xfe\x01", 3, 1007},
	};
	struct sockets sockets;
	sockets_start(&sockets, *state);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char expected[40];
		struct socket_client client = socket_connect(&sockets, OFFER);
		socket_send(&client, TEXT_DEFLATED, cases[i].bytes, cases[i].size, 0);
		snprintf(expected, sizeof expected, "close%u\"\" end ", cases[i].code);
		socket_expect(&client, expected);
		socket_close(&client);
	}
	/* Text is checked behind the inflation: here "\xff" in a stored block. */
	struct socket_client client = socket_connect(&sockets, OFFER);
	SOCKET_SEND(&client, TEXT_DEFLATED, "\x00\x01\x00\xfe\xff\xff\x00");
	socket_expect(&client, "close1007\"\" end ");
	socket_close(&client);
	/* RSV1 belongs to the first frame of a message alone. */
	client = socket_connect(&sockets, OFFER);
	SOCKET_SEND(&client, 0x41, "\xf2\x48");
	SOCKET_SEND(&client, 0xc0, "\xcd\xc9\xc9\x07\x00");
	socket_expect(&client, "close1002\"\" end ");
	socket_close(&client);
	client = socket_connect(&sockets, OFFER);
	SOCKET_SEND(&client, 0xc9, "x");
	socket_expect(&client, "close1002\"\" end ");
	socket_close(&client);
	sockets_stop(&sockets);
}

static void empty_final_blocks_are_bounded(void **state)
{
	char *blocks = malloc(10000);
	struct sockets sockets;
	assert_non_null(blocks);
	for (size_t i = 0; i < 10000; i += 2)
		memcpy(blocks + i, "\3\0", 2); /* a final block with nothing in it */
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, OFFER);
	socket_send(&client, BINARY_DEFLATED, blocks, 10000, 0);
	socket_expect(&client, "close1007\"\" end ");
	socket_close(&client);
	sockets_stop(&sockets);
	free(blocks);
}

static void contexts_are_counted_until_they_end(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	sockets.options.deflate = WEIR_WEBSOCKET_DEFLATE_TAKEOVER;
	struct socket_client client = socket_connect(&sockets, OFFER);
	assert_int_equal(websocket_loop_state(*state)->takeovers, 1);
	socket_close(&client);
	assert_true(TURN_UNTIL(*state, sockets.open == 0));
	assert_int_equal(websocket_loop_state(*state)->takeovers, 0);
	sockets_stop(&sockets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(offers_are_met_or_declined),
	        cmocka_unit_test(messages_are_compressed_alone),
	        cmocka_unit_test(messages_are_compressed_in_their_context),
	        cmocka_unit_test(a_context_makes_small_messages_smaller),
	        cmocka_unit_test(what_does_not_become_smaller_is_sent_as_it_is),
	        cmocka_unit_test(a_shared_message_is_compressed_once),
	        cmocka_unit_test(the_examples_of_rfc_7692_are_inflated),
	        cmocka_unit_test(a_bomb_is_not_inflated_beyond_the_limit),
	        cmocka_unit_test(broken_data_ends_the_connection),
	        cmocka_unit_test(empty_final_blocks_are_bounded),
	        cmocka_unit_test(contexts_are_counted_until_they_end),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
