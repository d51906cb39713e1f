/*
 * The rules of RFC 6455 on the wire, a table a section, as Autobahn's suite has them: framing,
 * pings, reserved bits, opcodes, fragments, UTF-8, closing, sizes. The server echoes messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sockets.h"
#include "with_loop.h"

enum {
	FIN = 0x80,
	CONT = 0,
	TEXT = 1,
	BINARY = 2,
	CLOSE = 0x88,
	PING = 0x89,
	PONG = 0x8a,
};

struct frame {
	unsigned first;
	const char *payload;
	size_t size;
};

struct rule {
	struct frame frames[12];
	size_t step;          /* bytes sent at a time; 0: a frame at a time */
	const char *expected; /* what comes; without "end" the client then closes */
};

#define F(first, literal)                                                                          \
	{                                                                                          \
		first, literal, sizeof(literal) - 1                                                \
	}
#define DIES(code) "close" #code "\"\" end "

static void check(struct sockets *sockets, const struct rule *rule)
{
	struct socket_client client = socket_connect(sockets, "");
	for (const struct frame *frame = rule->frames; frame->payload; frame++)
		socket_send(&client, frame->first, frame->payload, frame->size, rule->step);
	socket_expect(&client, rule->expected);
	if (!strstr(rule->expected, "end")) {
		SOCKET_SEND(&client, CLOSE, "\x03\xe8");
		socket_expect(&client, "close1000\"\" end ");
	}
	socket_close(&client);
	assert_true(TURN_UNTIL(sockets->loop, sockets->open == 0));
}

/* In whole frames, and byte by byte. */
static void check_all(void **state, const struct rule *rules, size_t count)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	sockets.options.deflate = WEIR_WEBSOCKET_DEFLATE;
	for (size_t i = 0; i < count; i++) {
		struct rule rule = rules[i];
		check(&sockets, &rule);
		rule.step = 1;
		check(&sockets, &rule);
	}
	sockets_stop(&sockets);
}

#define CHECK_ALL(state, rules) check_all(state, rules, sizeof(rules) / sizeof *(rules))

/* -- 1: framing -------------------------------------------------------------------------------- */

static void messages_of_all_lengths_of_header_come_back(void **state)
{
	static const size_t sizes[] = {0, 1, 125, 126, 127, 128, 65535, 65536, 100000};
	static char payload[100000];
	struct sockets sockets;
	memset(payload, '*', sizeof payload);
	sockets_start(&sockets, *state);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (unsigned kind = TEXT; kind <= BINARY; kind++)
			for (size_t step = 0; step <= 997; step += 997) {
				char expected[200];
				struct socket_client client = socket_connect(&sockets, "");
				socket_send(&client, FIN | kind, payload, sizes[i], step);
				if (sizes[i] > 60)
					snprintf(expected, sizeof expected, "%s%zu ",
					        kind == TEXT ? "text" : "binary", sizes[i]);
				else
					snprintf(expected, sizeof expected, "%s\"%.*s\" ",
					        kind == TEXT ? "text" : "binary", (int)sizes[i],
					        payload);
				socket_expect(&client, expected);
				assert_memory_equal(client.last.data, payload, sizes[i]);
				SOCKET_SEND(&client, CLOSE, "");
				socket_expect(&client, "close\"\" end ");
				socket_close(&client);
			}
	assert_true(TURN_UNTIL(*state, sockets.open == 0));
	sockets_stop(&sockets);
}

/* -- 2: pings ---------------------------------------------------------------------------------- */

#define FIVE_PINGS F(PING, "1"), F(PING, "2"), F(PING, "3"), F(PING, "4"), F(PING, "5")
#define FIVE_PONGS "pong\"1\" pong\"2\" pong\"3\" pong\"4\" pong\"5\" "
#define LETTERS_25 "abcdefghijklmnopqrstuvwxy"
#define LETTERS_125 LETTERS_25 LETTERS_25 LETTERS_25 LETTERS_25 LETTERS_25

static void pings_are_answered(void **state)
{
	static const struct rule rules[] = {
	        {{F(PING, "")}, 0, "pong\"\" "},
	        {{F(PING, "hello")}, 0, "pong\"hello\" "},
	        {{F(PING, "\1\2\3\xfe\xff")}, 0, "pong\"\1\2\3\xfe\xff\" "},
	        {{F(PING, LETTERS_125)}, 0, "pong125 "},
	        {{F(PING, LETTERS_125 "z")}, 0, DIES(1002)},
	        {{F(PONG, "")}, 0, ""},
	        {{F(PONG, "not asked for")}, 0, ""},
	        {{F(PONG, "not asked for"), F(PING, "a")}, 0, "pong\"a\" "},
	        {{FIVE_PINGS, FIVE_PINGS}, 0, FIVE_PONGS FIVE_PONGS},
	};
	CHECK_ALL(state, rules);
}

/* -- 3 and 4: reserved bits and opcodes -------------------------------------------------------- */

static void reserved_bits_end_the_connection(void **state)
{
	static const struct rule rules[] = {
	        {{F(0xc1, "hi")}, 0, DIES(1002)},
	        {{F(0x81, "hi"), F(0xa1, "hi"), F(PING, "")}, 0, "text\"hi\" " DIES(1002)},
	        {{F(0x81, "hi"), F(0xb1, "hi"), F(PING, "")}, 0, "text\"hi\" " DIES(1002)},
	        {{F(0x91, "hi")}, 0, DIES(1002)},
	        {{F(0xd2, "hi")}, 0, DIES(1002)},
	        {{F(0xe9, "hi")}, 0, DIES(1002)},
	        {{F(0xc9, "hi")}, 0, DIES(1002)},
	        {{F(0xf8, "")}, 0, DIES(1002)},
	};
	CHECK_ALL(state, rules);
}

static void unknown_opcodes_end_the_connection(void **state)
{
	static const unsigned opcodes[] = {3, 4, 5, 6, 7, 11, 12, 13, 14, 15};
	for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++) {
		const struct rule rules[] = {
		        {{{FIN | opcodes[i], "", 0}}, 0, DIES(1002)},
		        {{{FIN | opcodes[i], "payload", 7}}, 0, DIES(1002)},
		        {{F(0x81, "hi"), {FIN | opcodes[i], "", 0}, F(PING, "")}, 0,
		                "text\"hi\" " DIES(1002)},
		};
		CHECK_ALL(state, rules);
	}
}

/* -- 5: fragments ------------------------------------------------------------------------------ */

static void fragments_make_messages(void **state)
{
	static const struct rule rules[] = {
	        {{F(0x09, "part"), F(FIN | CONT, "ping")}, 0, DIES(1002)},
	        {{F(0x0a, "part"), F(FIN | CONT, "pong")}, 0, DIES(1002)},
	        {{F(TEXT, "one"), F(FIN | CONT, "two")}, 0, "text\"onetwo\" "},
	        {{F(BINARY, "one"), F(CONT, ""), F(FIN | CONT, "two")}, 0, "binary\"onetwo\" "},
	        {{F(TEXT, "one"), F(PING, "in between"), F(FIN | CONT, "two")}, 0,
	                "pong\"in between\" text\"onetwo\" "},
	        {{F(FIN | CONT, "stray"), F(0x81, "hi")}, 0, DIES(1002)},
	        {{F(CONT, "stray"), F(0x81, "hi")}, 0, DIES(1002)},
	        {{F(TEXT, "one"), F(FIN | CONT, "two"), F(CONT, "stray")}, 0,
	                "text\"onetwo\" " DIES(1002)},
	        {{F(TEXT, "one"), F(0x81, "two")}, 0, DIES(1002)},
	        {{F(TEXT, "one"), F(BINARY, "two")}, 0, DIES(1002)},
	        {{F(TEXT, "1"), F(CONT, "2"), F(PING, "a"), F(CONT, "3"), F(CONT, "4"),
	                 F(PING, "b"), F(FIN | CONT, "5")},
	                0, "pong\"a\" pong\"b\" text\"12345\" "},
	        {{F(TEXT, ""), F(CONT, ""), F(FIN | CONT, "")}, 0, "text\"\" "},
	        {{F(TEXT, ""), F(CONT, "x"), F(FIN | CONT, "")}, 0, "text\"x\" "},
	        {{F(0x81, "a"), F(0x82, "b"), F(0x81, "c")}, 0, "text\"a\" binary\"b\" text\"c\" "},
	};
	CHECK_ALL(state, rules);
}

/* -- 6: UTF-8 ---------------------------------------------------------------------------------- */

#define KOSME "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"

static void text_is_utf_8_in_whatever_parts(void **state)
{
	static const struct rule rules[] = {
	        {{F(0x81, KOSME)}, 0, "text\"" KOSME "\" "},
	        {{F(TEXT, "\xce"), F(CONT, "\xba\xe1"), F(FIN | CONT, "\xbd\xb9")}, 0,
	                "text\"\xce\xba\xe1\xbd\xb9\" "},
	        {{F(0x81, "\xf4\x8f\xbf\xbf")}, 0, "text\"\xf4\x8f\xbf\xbf\" "},
	        {{F(0x81, "\xef\xbf\xbf\xed\x9f\xbf\xee\x80\x80")}, 0,
	                "text\"\xef\xbf\xbf\xed\x9f\xbf\xee\x80\x80\" "},
	        {{F(0x81, KOSME "\xed\xa0\x80"
	                        "edited")},
	                0, DIES(1007)},
	        {{F(0x81, "\xf4\x90\x80\x80")}, 0, DIES(1007)},
	        {{F(0x81, "\xf8\x88\x80\x80\x80")}, 0, DIES(1007)},
	        {{F(0x81, "\xc0\xaf")}, 0, DIES(1007)},
	        {{F(0x81, "\xe0\x80\xaf")}, 0, DIES(1007)},
	        {{F(0x81, "\xed\xad\xbf")}, 0, DIES(1007)},
	        {{F(0x81, "\x80")}, 0, DIES(1007)},
	        {{F(0x81, "a\xff")}, 0, DIES(1007)},
	        {{F(0x81, "cut off \xce")}, 0, DIES(1007)},
	        {{F(0x81, "\xf0\x9f\x98")}, 0, DIES(1007)},
	        {{F(TEXT, KOSME), F(FIN | CONT, "\xce")}, 0, DIES(1007)},
	        /* The fault is found before the message, and even the frame, is complete. */
	        {{F(TEXT, KOSME "\xf4\x90"), F(CONT, "\x80\x80"), F(FIN | CONT, "edited")}, 0,
	                DIES(1007)},
	        {{F(0x82, "\xff\xfe\xed\xa0\x80")}, 0, "binary\"\xff\xfe\xed\xa0\x80\" "},
	};
	CHECK_ALL(state, rules);
}

/* A wrong byte ends the connection although the rest of its frame never comes. */
static void wrong_text_is_refused_before_the_frame_is_complete(void **state)
{
	static const char begin[] = "\x81\xfe\x01\x00\0\0\0\0ok\xed\xa0";
	struct sockets sockets;
	sockets_start(&sockets, *state);
	struct socket_client client = socket_connect(&sockets, "");
	peer_send_bytes(&client.peer, begin, sizeof begin - 1);
	socket_expect(&client, DIES(1007));
	sockets_expect(&sockets, "closed1007\"\" ");
	socket_close(&client);
	sockets_stop(&sockets);
}

/* -- 7: closing -------------------------------------------------------------------------------- */

#define LETTERS_123 LETTERS_25 LETTERS_25 LETTERS_25 LETTERS_25 "abcdefghijklmnopqrstuvw"

static void close_frames_are_checked_and_answered(void **state)
{
	static const struct rule rules[] = {
	        {{F(0x81, "hi"), F(CLOSE, "\x03\xe8")}, 0, "text\"hi\" close1000\"\" end "},
	        {{F(CLOSE, ""), F(CLOSE, "")}, 0, "close\"\" end "},
	        {{F(CLOSE, "\x03\xe8"), F(PING, "late")}, 0, "close1000\"\" end "},
	        {{F(CLOSE, "\x03\xe8"), F(0x81, "late")}, 0, "close1000\"\" end "},
	        {{F(TEXT, "begun"), F(CLOSE, "\x03\xe8"), F(FIN | CONT, "late")}, 0,
	                "close1000\"\" end "},
	        {{F(CLOSE, "")}, 0, "close\"\" end "},
	        {{F(CLOSE, "\x03")}, 0, DIES(1002)},
	        {{F(CLOSE, "\x03\xe8"
	                   "reason")},
	                0, "close1000\"\" end "},
	        {{F(CLOSE, "\x03\xe8" LETTERS_123)}, 0, "close1000\"\" end "},
	        {{F(CLOSE, "\x03\xe8" LETTERS_123 "z")}, 0, DIES(1002)},
	        {{F(CLOSE, "\x03\xe8" KOSME "\xed\xa0\x80")}, 0, DIES(1007)},
	        {{F(CLOSE, "\x03\xe8"
	                   "\xce")},
	                0, DIES(1007)},
	};
	CHECK_ALL(state, rules);
}

static void codes_of_close_frames_are_checked(void **state)
{
	static const struct {
		unsigned code;
		bool valid;
	} codes[] = {{1000, true}, {1001, true}, {1002, true}, {1003, true}, {1007, true},
	        {1008, true}, {1009, true}, {1010, true}, {1011, true}, {3000, true}, {3999, true},
	        {4000, true}, {4999, true}, {0, false}, {999, false}, {1004, false}, {1005, false},
	        {1006, false}, {1014, false}, {1015, false}, {1016, false}, {1100, false},
	        {2000, false}, {2999, false}, {5000, false}, {65535, false}};
	struct sockets sockets;
	sockets_start(&sockets, *state);
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		char payload[2] = {(char)(codes[i].code >> 8), (char)codes[i].code}, expected[40];
		unsigned answer = codes[i].valid ? codes[i].code : 1002;
		struct socket_client client = socket_connect(&sockets, "");
		socket_send(&client, CLOSE, payload, sizeof payload, 0);
		snprintf(expected, sizeof expected, "close%u\"\" end ", answer);
		socket_expect(&client, expected);
		snprintf(expected, sizeof expected, "closed%u\"\" ", answer);
		sockets_expect(&sockets, expected);
		socket_close(&client);
	}
	sockets_stop(&sockets);
}

/* -- 9: sizes ---------------------------------------------------------------------------------- */

static void large_messages_come_back_in_whatever_frames(void **state)
{
	enum {
		SIZE = 4 * 1024 * 1024
	};
	static const size_t fragments[] = {64, 4096, 65536, 1048576, SIZE};
	char *payload = malloc(SIZE);
	struct sockets sockets;
	assert_non_null(payload);
	for (size_t i = 0; i < SIZE; i++)
		payload[i] = (char)('a' + i % 23);
	sockets_start(&sockets, *state);
	sockets.options.message_max = sockets.options.queue_max = SIZE + 10;
	for (size_t i = 0; i < sizeof fragments / sizeof *fragments; i++) {
		struct socket_client client = socket_connect(&sockets, "");
		/* Fewer of the small ones: each is a call of the kernel. */
		size_t size = fragments[i] < 4096 ? 65536 : SIZE;
		char expected[40];
		for (size_t at = 0; at < size; at += fragments[i]) {
			bool last = size - at <= fragments[i];
			socket_send(&client, (at ? CONT : TEXT) | (last ? FIN : 0u), payload + at,
			        fragments[i], 0);
		}
		snprintf(expected, sizeof expected, "text%zu ", size);
		socket_expect(&client, expected);
		assert_memory_equal(client.last.data, payload, size);
		socket_close(&client);
		assert_true(TURN_UNTIL(*state, sockets.open == 0));
	}
	sockets_stop(&sockets);
	free(payload);
}

static void frames_and_messages_over_their_limits_end_the_connection(void **state)
{
	struct sockets sockets;
	sockets_start(&sockets, *state);
	sockets.options.frame_max = 10;
	sockets.options.message_max = 15;
	struct {
		struct frame frames[4];
		const char *expected;
	} cases[] = {
	        {{F(0x81, "0123456789")}, "text\"0123456789\" "},
	        {{F(0x81, "0123456789a")}, DIES(1009)},
	        {{F(TEXT, "0123456789"), F(FIN | CONT, "01234")}, "text\"012345678901234\" "},
	        {{F(TEXT, "0123456789"), F(CONT, "012345")}, DIES(1009)},
	        {{F(TEXT, "0123456789"), F(PING, "0123456789abc"), F(FIN | CONT, "x")},
	                "pong\"0123456789abc\" text\"0123456789x\" "},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rule rule = {.expected = cases[i].expected};
		memcpy(rule.frames, cases[i].frames, sizeof cases[i].frames);
		check(&sockets, &rule);
	}
	/* A size that is announced is enough. */
	struct socket_client client = socket_connect(&sockets, "");
	peer_send_bytes(&client.peer, "\x82\xff\x7f\0\0\0\0\0\0\0\1\2\3\4", 14);
	socket_expect(&client, DIES(1009));
	socket_close(&client);
	sockets_stop(&sockets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(messages_of_all_lengths_of_header_come_back),
	        cmocka_unit_test(pings_are_answered),
	        cmocka_unit_test(reserved_bits_end_the_connection),
	        cmocka_unit_test(unknown_opcodes_end_the_connection),
	        cmocka_unit_test(fragments_make_messages),
	        cmocka_unit_test(text_is_utf_8_in_whatever_parts),
	        cmocka_unit_test(wrong_text_is_refused_before_the_frame_is_complete),
	        cmocka_unit_test(close_frames_are_checked_and_answered),
	        cmocka_unit_test(codes_of_close_frames_are_checked),
	        cmocka_unit_test(large_messages_come_back_in_whatever_frames),
	        cmocka_unit_test(frames_and_messages_over_their_limits_end_the_connection),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
