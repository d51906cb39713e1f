/*
 * The fields of replies on the wire: whatever table the client sets, and whatever becomes of
 * streams, its decoder finds the fields that the handlers have added, in fewer and fewer bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/http.h>
#include <weir/sources.h>

#include "allocation.h"
#include "clock.h"
#include "h2_client.h"

static struct weir_loop *loop;
static struct weir_http_server *server;
static char large[300000], long_lines[24000];

static size_t put_trailers(void *context, char *text, size_t room)
{
	(void)context;
	return (size_t)snprintf(text, room, "Sum: 7\r\nSum-Of: the body\r\n");
}

static void handle(void *context, struct weir_http_exchange *exchange)
{
	struct weir_span path = weir_http_path(exchange);
	(void)context;
	if (weir_span_equal(path, WEIR_SPAN("long"))) {
		weir_http_lend_fields(exchange, weir_span_of(long_lines), NULL, NULL);
	} else if (weir_span_equal(path, WEIR_SPAN("hints"))) {
		const struct weir_http_field field = {WEIR_SPAN("Link"), WEIR_SPAN("</a.css>")};
		weir_http_interim(exchange, 103, &field, 1);
	}
	weir_http_add_field(exchange, "X-Same", WEIR_SPAN("in all replies"));
	weir_http_add_field(exchange, "X-Path", path);
	if (weir_span_equal(path, WEIR_SPAN("trailers"))) {
		weir_http_set_trailers(exchange, put_trailers, NULL);
		weir_http_reply(exchange, 200, weir_produce_borrowed(large, 3));
	} else if (weir_span_equal(path, WEIR_SPAN("large"))) {
		weir_http_reply(exchange, 200, weir_produce_borrowed(large, sizeof large));
	} else {
		weir_http_reply_empty(exchange, 200);
	}
}

static int set_up(void **state)
{
	(void)state;
	clock_hold(); /* or the date would change at any time */
	assert_int_equal(weir_loop_create(&loop), 0);
	struct weir_http_options options;
	weir_http_options_init(&options);
	options.listener.address = local_address();
	options.http2_prior_knowledge = true;
	options.sites = weir_http_sites_create(weir_http_function_create("", handle, NULL));
	assert_int_equal(weir_http_create(loop, &options, &server), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	weir_http_destroy(server);
	weir_loop_destroy(loop);
	clock_go_on();
	return 0;
}

/* Sets the size of the client's table. The server applies it before it reads the next request. */
static void set_table(struct h2_client *client, uint32_t size)
{
	h2_client_put_setting(client, H2_SETTINGS_HEADER_TABLE_SIZE, size);
	assert_int_equal(nghttp2_hd_inflate_change_table_size(client->inflater, size), 0);
}

/* Asks for a path on the next stream. Returns the size of the block of fields that came last. */
static size_t ask(struct h2_client *client, uint32_t *id, const char *path)
{
	char expected[200];
	snprintf(expected, sizeof expected,
	        "%u:200 %u:content-length=0 %u:x-same=in all replies %u:x-path=%s %u. ", *id, *id,
	        *id, *id, path + 1, *id);
	h2_client_ask(client, *id, "GET", path, true);
	h2_client_send(client);
	h2_client_expect(client, expected);
	*id += 2;
	return client->block_size;
}

enum {
	INDEXED = 8, /* the size of a block of which all but the length is indexed */
};

static void a_reply_that_comes_again_is_small(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	uint32_t id = 1;
	size_t first = ask(&client, &id, "/a"), second = ask(&client, &id, "/a");
	assert_true(first > 60 && second <= first);
	assert_int_equal(ask(&client, &id, "/a"), INDEXED);
	/* Another path alone needs bytes. */
	assert_int_equal(ask(&client, &id, "/bcd"), INDEXED - 1 +
	                                                    strlen("?"
	                                                           "?x-path"
	                                                           "?bcd"));
	assert_int_equal(ask(&client, &id, "/a"), INDEXED);
	/* The date is another one each second. */
	clock_advance(1000);
	assert_true(ask(&client, &id, "/a") > 20 && ask(&client, &id, "/a") > 20);
	assert_int_equal(ask(&client, &id, "/a"), INDEXED);
	h2_client_end(&client);
}

static void a_table_has_the_size_that_the_client_sets(void **state)
{
	static const struct {
		uint32_t size;
		bool all; /* all fields fit */
	} cases[] = {{0, false}, {60, false}, {4095, true}, {65536, true}, {UINT32_MAX, true}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct h2_client client = h2_client_begin(loop, server);
		uint32_t id = 1;
		size_t sizes[4];
		set_table(&client, cases[i].size);
		for (unsigned n = 0; n < 4; n++)
			sizes[n] = ask(&client, &id, "/a");
		/* The first block has the table size update. */
		if (cases[i].size == 0)
			assert_int_equal(sizes[3], sizes[0] - 1);
		if (cases[i].all)
			assert_int_equal(sizes[3], INDEXED);
		h2_client_end(&client);
	}
}

static void a_table_changes_between_replies(void **state)
{
	static const uint32_t sizes[] = {4096, 100, 4096, 0, 50, 65536, 1000, 1 << 20, 0, 4096};
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	uint32_t id = 1;
	for (unsigned i = 0; i < 200; i++) {
		ask(&client, &id, i % 3 ? "/a" : "/b");
		if (i % 7 == 6)
			set_table(&client, sizes[i / 7 % 10]);
		/* Two changes between blocks: the smaller one has to be sent, too. */
		if (i % 21 == 20) {
			set_table(&client, sizes[i / 21 % 10]);
			set_table(&client, 3000);
		}
	}
	h2_client_end(&client);
}

/* The other streams' blocks refer to what the block of a stream that was reset has inserted. */
static void a_reset_leaves_the_table_alone(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	uint32_t id = 1;
	client.quiet = true;
	for (; id <= 5; id += 2) {
		char head[40];
		h2_client_ask(&client, id, "GET", "/large", true);
		h2_client_send(&client);
		snprintf(head, sizeof head, "%u:x-path=large ", id);
		h2_client_await(&client, head);
		client.text.size = 0;
		h2_client_put32(&client, H2_RST_STREAM, id, H2_CANCEL);
	}
	size_t small = strlen("?"
	                      "?"
	                      "?????"
	                      "?"
	                      "?x-path"
	                      "?a");
	assert_int_equal(ask(&client, &id, "/a"), small);
	/* A stream that is reset before its reply has inserted nothing. */
	h2_client_ask(&client, id, "GET", "/a", true);
	h2_client_put32(&client, H2_RST_STREAM, id, H2_CANCEL);
	h2_client_send(&client);
	peer_turn(&client.peer, 20);
	h2_client_read(&client);
	client.text.size = 0;
	id += 2;
	ask(&client, &id, "/a");
	assert_int_equal(ask(&client, &id, "/a"), INDEXED);
	h2_client_end(&client);
}

static void interim_replies_and_trailers_use_the_table(void **state)
{
	(void)state;
	struct h2_client client = h2_client_begin(loop, server);
	client.quiet = true;
	for (uint32_t id = 1; id <= 9; id += 4) {
		char expected[300];
		h2_client_ask(&client, id, "GET", "/trailers", true);
		h2_client_send(&client);
		snprintf(expected, sizeof expected,
		        "%u:200 %u:content-length=3 %u:x-same=in all replies %u:x-path=trailers "
		        "%u:sum=7 %u:sum-of=the body %u. ",
		        id, id, id, id, id, id, id);
		h2_client_expect(&client, expected);
		assert_int_equal(client.block_size == 2, id == 9);
		h2_client_ask(&client, id + 2, "GET", "/hints", true);
		h2_client_send(&client);
		snprintf(expected, sizeof expected,
		        "%u:103 %u:link=</a.css> %u:200 %u:content-length=0 "
		        "%u:x-same=in all replies %u:x-path=hints %u. ",
		        id + 2, id + 2, id + 2, id + 2, id + 2, id + 2, id + 2);
		h2_client_expect(&client, expected);
		assert_int_equal(client.block_size == INDEXED, id == 9);
	}
	h2_client_end(&client);
}

/* Reads, and returns how often this was noted so far. */
static unsigned count_noted(struct h2_client *client, const char *text)
{
	unsigned count = 0;
	h2_client_has(client, ""); /* ends the text */
	for (const char *at = client->text.data; (at = strstr(at, text)); at++)
		count++;
	return count;
}

/* More blocks than an output has room for, with CONTINUATION frames; sizes change meanwhile. */
static void blocks_without_room_come_later(void **state)
{
	enum {
		ROUNDS = 6,
		STREAMS = 20,
		HINTS = 5, /* of the streams; the others have long blocks */
	};
	(void)state;
	for (int i = 0, at = 0; i < 3; i++)
		at += snprintf(long_lines + at, sizeof long_lines - (size_t)at, "X-%d: %0*d\r\n", i,
		        i == 1 ? 20000 : 30, i);
	struct h2_client client = h2_client_begin(loop, server);
	client.quiet = true;
	uint32_t id = 1;
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < STREAMS; i++, id += 2)
			h2_client_ask(&client, id, "GET",
			        i % (STREAMS / HINTS) ? "/long" : "/hints", true);
		h2_client_send(&client);
		assert_true(TURN_UNTIL(
		        loop, count_noted(&client, "=in all replies ") == (round + 1) * STREAMS));
		set_table(&client, round % 2 ? 4096 : 90);
	}
	assert_int_equal(client.continuations, ROUNDS * (STREAMS - HINTS));
	h2_client_end(&client);
}

static void any_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned good = 0;; good++) {
		struct h2_client client = h2_client_begin(loop, server);
		for (uint32_t id = 1; id < 13; id += 2)
			h2_client_ask(&client, id, "GET", id % 4 == 1 ? "/trailers" : "/a", true);
		fail_allocation_after(good, false);
		h2_client_send(&client);
		peer_turn(&client.peer, 20);
		bool failed = stop_failing_allocations();
		assert_int_equal(count_noted(&client, ":200 "),
		        count_noted(&client, ":x-same=in all replies "));
		h2_client_end(&client);
		assert_true(TURN_UNTIL(loop,
		        (clock_advance(500), !weir_server_channels(weir_http_listener(server)))));
		if (!failed)
			break;
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_reply_that_comes_again_is_small),
	        TEST(a_table_has_the_size_that_the_client_sets),
	        TEST(a_table_changes_between_replies),
	        TEST(a_reset_leaves_the_table_alone),
	        TEST(interim_replies_and_trailers_use_the_table),
	        TEST(blocks_without_room_come_later),
	        TEST(any_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
