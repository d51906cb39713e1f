/* The queue of replies: order, bounds, back-pressure, and the very bytes. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/server.h>
#include <weir/sources.h>

#include "allocation.h"
#include "channel_state.h"
#include "drain.h"
#include "peer.h"

static struct weir_loop *loop;
static struct weir_server *server;
static struct weir_channel *channel; /* the one that is open */
static struct peer peer;
static unsigned requests, drained, asks;
static void (*answer)(struct weir_span request);

static int on_open(struct weir_channel *opened)
{
	channel = opened;
	return 0;
}

static void on_request(struct weir_channel *of, struct weir_span request)
{
	(void)of;
	requests++;
	answer(request);
}

static void on_drained(struct weir_channel *of)
{
	(void)of;
	drained++;
}

static void on_close(struct weir_channel *of, int error)
{
	(void)of, (void)error;
	channel = NULL;
}

static const struct weir_protocol protocol = {
        .name = "replies",
        .open = on_open,
        .request = on_request,
        .drained = on_drained,
        .close = on_close,
};

static void start(unsigned replies_max, int receive_buffer)
{
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.listener.address = local_address();
	options.protocol = &protocol;
	options.listener.bounds.replies_max = replies_max;
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(weir_server_create(loop, &options, &server), 0);
	peer = peer_connect(loop, weir_server_address(server), receive_buffer);
	requests = drained = asks = 0;
	assert_true(TURN_UNTIL(loop, channel));
}

static void stop(void)
{
	peer_close(&peer);
	weir_server_destroy(server);
	weir_loop_destroy(loop);
	assert_null(channel);
	assert_int_equal(probes_open, 0);
}

/* -- order ------------------------------------------------------------------------------------- */

static void echo(struct weir_span request)
{
	weir_channel_push_copy(channel, request);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	(void)state;
	enum {
		COUNT = 5000
	};
	static char request[COUNT * 7 + 1], reply[COUNT * 5 + 1];
	answer = echo;
	for (int i = 0; i < COUNT; i++) {
		snprintf(request + i * 7, 8, "%05d\r\n", i);
		snprintf(reply + i * 5, 6, "%05d", i);
	}
	start(WEIR_REPLIES_MAX, 0);
	peer_send(&peer, request);
	assert_true(peer_got(&peer, reply));
	assert_int_equal(requests, COUNT);
	/* In few calls: pipelining is batching. */
	assert_true(weir_loop_counters(loop)->sends < COUNT / 20);
	stop();
}

static struct weir_reply *opened[8];
static unsigned opened_count;

static void open_reply(struct weir_span request)
{
	(void)request;
	opened[opened_count++] = weir_reply_open(channel);
	assert_ptr_equal(weir_reply_channel(opened[opened_count - 1]), channel);
}

/* Fills `count` replies in the order that `number` stands for. */
static void check_permutation(unsigned count, unsigned number)
{
	char expected[16] = "";
	unsigned left[8];
	opened_count = 0;
	for (unsigned i = 0; i < count; i++) {
		left[i] = i;
		expected[i] = (char)('a' + i);
		peer_send(&peer, "x\r\n");
	}
	expected[count] = 0;
	assert_true(TURN_UNTIL(loop, opened_count == count));
	unsigned filled = 0; /* bits */
	for (unsigned n = count; n > 0; n--) {
		unsigned pick = number % n, which = left[pick];
		number /= n;
		left[pick] = left[n - 1];
		char letter = (char)('a' + which);
		weir_reply_fill(opened[which], weir_produce_copied(&letter, 1));
		filled |= 1u << which;
		if (number % 2)
			continue; /* several in one turn */
		/* Just those have come that have no gap before them. */
		unsigned ready = 0;
		while (filled >> ready & 1)
			ready++;
		peer_read(&peer, ready);
		assert_int_equal(peer.got.size, ready);
		assert_memory_equal(peer.got.data, expected, ready);
	}
	assert_true(peer_got(&peer, expected));
}

static void replies_leave_in_order_however_they_are_filled(void **state)
{
	(void)state;
	answer = open_reply;
	start(WEIR_REPLIES_MAX, 0);
	for (unsigned number = 0; number < 24; number++)
		check_permutation(4, number);
	for (unsigned number = 0; number < 120; number++)
		check_permutation(5, number);
	stop();
}

static void a_reply_outlives_its_channel(void **state)
{
	(void)state;
	answer = open_reply;
	opened_count = 0;
	start(WEIR_REPLIES_MAX, 0);
	peer_send(&peer, "x\r\ny\r\nz\r\n");
	assert_true(TURN_UNTIL(loop, opened_count == 3));
	struct weir_channel_ref ref = weir_channel_ref(channel);
	assert_ptr_equal(weir_channel_find(ref), channel);
	weir_channel_abort(channel, -EPERM);
	assert_null(weir_channel_find(ref));
	weir_reply_fill(opened[0], weir_produce_borrowed("a", 1));
	weir_loop_turn(loop, 0);
	assert_null(channel);
	assert_null(weir_reply_channel(opened[1]));
	weir_reply_fill(opened[1], weir_produce_borrowed("b", 1));
	weir_reply_fill(opened[2], NULL);
	assert_int_equal(weir_push_from_thread(ref, weir_produce_borrowed("c", 1)), 0);
	weir_loop_turn(loop, 0);
	stop();
}

/* -- from threads ------------------------------------------------------------------------------ */

static void *push_some(void *context)
{
	for (int i = 0; i < 100; i++)
		weir_push_from_thread(
		        *(struct weir_channel_ref *)context, weir_produce_borrowed("t", 1));
	return NULL;
}

static void threads_push(void **state)
{
	(void)state;
	pthread_t threads[3];
	start(WEIR_REPLIES_MAX, 0);
	struct weir_channel_ref ref = weir_channel_ref(channel);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, push_some, &ref);
	assert_true(peer_read(&peer, 300));
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	stop();
}

/* -- bounds ------------------------------------------------------------------------------------ */

static char page[2000];

static void send_page(struct weir_span request)
{
	(void)request;
	weir_channel_push(channel, weir_produce_borrowed(page, sizeof page));
}

/* A hundred thousand requests, and nothing is read: the requests wait in the kernel, not here. */
static void a_client_that_does_not_read_costs_little(void **state)
{
	(void)state;
	enum {
		COUNT = 100000
	};
	static char request[COUNT * 3];
	answer = send_page;
	for (int i = 0; i < COUNT; i++)
		memcpy(request + i * 3, "x\r\n", 3);
	start(16, 4096);
	weir_loop_turn(loop, 0);
	size_t before = memory_in_use();
	size_t sent = peer_send_bytes(&peer, request, sizeof request);
	peer_turn(&peer, 100);
	unsigned stopped_at = requests;
	assert_true(requests < COUNT);
	assert_true(weir_channel_replies(channel) <= 16);
	/* The loop's receive buffer and scratch, what was read at once, and a little. */
	assert_true(memory_in_use() - before < 1024 * 1024);
	peer_turn(&peer, 100);
	assert_int_equal(requests, stopped_at);
	while (sent < sizeof request) {
		size_t put = peer_send_bytes(&peer, request + sent,
		        sizeof request - sent < 30000 ? sizeof request - sent : 30000);
		sent += put;
		peer.got.size = 0;
		assert_true(peer_read(&peer, 1) || put);
	}
	size_t total = (size_t)stopped_at; /* all are answered in the end */
	while (requests < COUNT && total++ < 10 * COUNT) {
		peer.got.size = 0;
		peer_read(&peer, 65536);
	}
	assert_int_equal(requests, COUNT);
	stop();
}

/* More replies than 16 bits can count. */
static void a_long_queue_is_counted(void **state)
{
	(void)state;
	enum {
		COUNT = 70000
	};
	start(1000000, 0);
	for (int i = 0; i < COUNT; i++)
		weir_channel_push(channel, weir_produce_borrowed("xy", 2));
	assert_int_equal(weir_channel_replies(channel), COUNT);
	assert_true(peer_read(&peer, COUNT * 2));
	assert_int_equal(weir_channel_replies(channel), 0);
	stop();
}

/* -- back-pressure ----------------------------------------------------------------------------- */

static size_t generate(struct weir_output *out)
{
	size_t size;
	char *to = weir_output_reserve(out, 16384, &size);
	if (!to)
		return 0;
	memset(to, 'g', size);
	weir_output_commit(out, size);
	return size;
}

static enum weir_more endless_more(struct weir_producer *producer, struct weir_output *out)
{
	(void)producer;
	asks++;
	return generate(out) ? WEIR_MORE : WEIR_FAILED;
}

static void endless_close(struct weir_producer *producer, enum weir_close_reason why)
{
	(void)why;
	free(producer);
	probes_open--;
}

static void send_endless(struct weir_span request)
{
	static const struct weir_producer_type type = {
	        .name = "endless", .more = endless_more, .close = endless_close};
	struct weir_producer *producer = malloc(sizeof *producer);
	(void)request;
	weir_producer_init(producer, &type);
	probes_open++;
	weir_channel_push(channel, producer);
}

static void a_producer_is_asked_as_the_peer_reads(void **state)
{
	(void)state;
	answer = send_endless;
	start(WEIR_REPLIES_MAX, 4096);
	peer_send(&peer, "x\r\n");
	assert_true(TURN_UNTIL(loop, asks > 0));
	peer_turn(&peer, 1000);
	unsigned stopped_at = asks;
	peer_turn(&peer, 1000);
	assert_int_equal(asks, stopped_at);
	assert_true(peer_read(&peer, (stopped_at + 50) * (size_t)16384));
	assert_true(asks > stopped_at);
	for (size_t i = 0; i < peer.got.size; i += 997)
		assert_int_equal(peer.got.data[i], 'g');
	stop();
}

/* One that never stops does not starve another. */
static void others_get_their_turn(void **state)
{
	(void)state;
	answer = send_endless;
	start(WEIR_REPLIES_MAX, 0);
	peer_send(&peer, "x\r\n");
	assert_true(TURN_UNTIL(loop, asks > 0));
	struct peer other = peer_connect(loop, weir_server_address(server), 0);
	answer = echo;
	peer_send(&other, "hi\r\n");
	for (int i = 0; i < 2000 && other.got.size < 2; i++) {
		char bytes[65536];
		(void)!recv(peer.fd, bytes, sizeof bytes, 0);
		ssize_t got = recv(other.fd, bytes, 2, 0);
		if (got > 0)
			weir_buffer_append(&other.got, bytes, (size_t)got, 10);
		weir_loop_turn(loop, 0);
	}
	assert_int_equal(other.got.size, 2);
	peer_close(&other);
	TURN_UNTIL(loop, weir_server_channels(server) == 1);
	stop();
}

/* -- the bytes --------------------------------------------------------------------------------- */

static char *bytes;
static size_t bytes_at;
static struct dice dice;

enum {
	BYTES = 10 * 1000 * 1000
};

static void push_part(void)
{
	size_t size = dice_throw(&dice, 4) ? dice_throw(&dice, 300) : dice_throw(&dice, 200000);
	if (size > BYTES - bytes_at)
		size = BYTES - bytes_at;
	struct probe probe = {
	        .loop = loop,
	        .bytes = {bytes + bytes_at, size},
	        .step = dice_throw(&dice, 3) ? 1 + dice_throw(&dice, 20000) : 0,
	        .waits = dice_throw(&dice, 4) == 0,
	        .kind = (enum probe_kind)dice_throw(&dice, PROBE_MIXED + 1),
	        .seed = dice.state,
	};
	weir_channel_push(channel, probe_create(&probe));
	bytes_at += size;
}

static void send_parts(struct weir_span request)
{
	(void)request;
	while (bytes_at < BYTES && weir_channel_replies(channel) < 40)
		push_part();
}

/* Small buffers on both sides, so that nearly every send leaves a remainder. */
static void every_byte_arrives_once_and_in_order(void **state)
{
	(void)state;
	answer = send_parts;
	bytes = malloc(BYTES);
	for (int seed = 1; seed <= 2; seed++) {
		dice = (struct dice){.state = (uint64_t)seed};
		for (size_t i = 0; i < BYTES; i++)
			bytes[i] = (char)(i * 2654435761u >> 13);
		bytes_at = 0;
		start(WEIR_REPLIES_MAX, seed == 1 ? 20000 : 0);
		if (seed == 1) {
			int small = 5000;
			setsockopt(channel->watch.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
		}
		while (peer.got.size < BYTES) {
			size_t before = peer.got.size;
			size_t most = before + 1 + dice_throw(&dice, 60000);
			peer_send(&peer, "x\r\n");
			peer_read(&peer, most < bytes_at ? most : bytes_at);
			assert_true(bytes_at == 0 || peer.got.size > before);
			if (bytes_at == 0)
				weir_loop_turn(loop, 1);
		}
		assert_int_equal(peer.got.size, BYTES);
		assert_memory_equal(peer.got.data, bytes, BYTES);
		stop();
	}
	free(bytes);
}

/* Borrowed memory is not copied: the remainder has the pointer. */
static void borrowed_memory_is_not_copied(void **state)
{
	(void)state;
	enum {
		LARGE = 20 * 1000 * 1000
	};
	char *large = calloc(1, LARGE);
	start(WEIR_REPLIES_MAX, 4096);
	weir_loop_turn(loop, 0);
	size_t before = memory_in_use();
	weir_channel_push(channel, weir_produce_borrowed(large, LARGE));
	peer_turn(&peer, 100);
	assert_true(channel->remainder);
	for (unsigned i = channel->remainder->first; i < channel->remainder->count; i++)
		assert_true(channel->remainder->pieces[i].data >= large &&
		            channel->remainder->pieces[i].data < large + LARGE);
	assert_true(memory_in_use() - before < 100000);
	stop();
	free(large);
}

static void drained_is_told_once(void **state)
{
	(void)state;
	answer = echo;
	start(WEIR_REPLIES_MAX, 0);
	for (unsigned i = 1; i <= 3; i++) {
		peer_send(&peer, "a\r\nb\r\n");
		assert_true(peer_got(&peer, "ab"));
		peer_turn(&peer, 3);
		assert_true(drained >= 1 && drained <= 2 * i);
	}
	unsigned before = drained;
	peer_turn(&peer, 5);
	assert_int_equal(drained, before);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(pipelined_requests_are_answered_in_order),
	        cmocka_unit_test(replies_leave_in_order_however_they_are_filled),
	        cmocka_unit_test(a_reply_outlives_its_channel),
	        cmocka_unit_test(threads_push),
	        cmocka_unit_test(a_client_that_does_not_read_costs_little),
	        cmocka_unit_test(a_long_queue_is_counted),
	        cmocka_unit_test(a_producer_is_asked_as_the_peer_reads),
	        cmocka_unit_test(others_get_their_turn),
	        cmocka_unit_test(every_byte_arrives_once_and_in_order),
	        cmocka_unit_test(borrowed_memory_is_not_copied),
	        cmocka_unit_test(drained_is_told_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
