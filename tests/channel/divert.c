/* Taps: input that is taken past the channel, which counts it and keeps its time limits. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/limits.h>
#include <weir/server.h>

#include "clock.h"
#include "peer.h"

static struct weir_loop *loop;
static struct weir_server *server;
static struct weir_channel *channel;
static struct peer peer;
static int tap, tap_error, closed_with;
static unsigned arrivals, pieces, requests, ends, closes;
static uint64_t stream_length; /* 0: everything */

static int on_open(struct weir_channel *opened)
{
	channel = opened;
	tap_error = weir_channel_divert(channel, &tap);
	assert_int_equal(tap_error, -EOPNOTSUPP); /* not streamed */
	weir_channel_stream(
	        channel, stream_length ? weir_length(stream_length) : weir_everything());
	tap_error = weir_channel_divert(channel, &tap);
	return 0;
}

static void on_request(struct weir_channel *of, struct weir_span request)
{
	assert_int_equal(request.size, 0);
	requests++;
	weir_channel_close(of);
}

static void on_piece(struct weir_channel *of, struct weir_span bytes)
{
	(void)of, (void)bytes;
	pieces++;
}

static void on_divert_ready(struct weir_channel *of)
{
	(void)of;
	arrivals++;
}

static void on_eof(struct weir_channel *of)
{
	ends++;
	weir_channel_close(of);
}

static void on_close(struct weir_channel *of, int error)
{
	(void)of;
	closes++;
	closed_with = error;
	channel = NULL;
}

static const struct weir_protocol protocol = {
        .name = "tap",
        .open = on_open,
        .request = on_request,
        .piece = on_piece,
        .divert_ready = on_divert_ready,
        .eof = on_eof,
        .close = on_close,
};

static void start(uint64_t length)
{
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.listener.address = local_address();
	options.protocol = &protocol;
	options.listener.bounds.request_ms = 2000;
	options.listener.bounds.progress_ms = 3000;
	arrivals = pieces = requests = ends = closes = 0;
	closed_with = 1;
	tap = -1;
	stream_length = length;
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(weir_server_create(loop, &options, &server), 0);
	peer = peer_connect(loop, weir_server_address(server), 0);
	assert_true(TURN_UNTIL(loop, channel));
	assert_int_equal(tap_error, 0);
}

static void stop(void)
{
	if (tap >= 0)
		close(tap);
	peer_close(&peer);
	weir_server_destroy(server);
	weir_loop_destroy(loop);
	assert_int_equal(pieces, 0);
	assert_int_equal(closes, 1);
}

/* Takes what is there: the bytes. */
static uint64_t take(void)
{
	static char data[1 << 20];
	uint64_t size = 0;
	ssize_t got;
	while ((got = recv(tap, data, sizeof data, MSG_DONTWAIT)) > 0)
		size += (uint64_t)got;
	weir_channel_diverted(channel, size, got == 0);
	return size;
}

static void little_waits_for_more(void **state)
{
	static char much[WEIR_DIVERT_GATHER];
	(void)state;
	start(0);
	peer_send(&peer, "little");
	peer_turn(&peer, 20);
	assert_int_equal(arrivals, 0);
	clock_advance(2 * WEIR_DIVERT_GATHER_MS);
	assert_true(TURN_UNTIL(loop, arrivals == 1));
	assert_int_equal(take(), 6);
	/* While the channel is paused, further bytes are not reported. */
	assert_int_equal(peer_send_bytes(&peer, much, sizeof much), sizeof much);
	assert_true(TURN_UNTIL(loop, arrivals == 2));
	peer_turn(&peer, 20);
	assert_int_equal(arrivals, 2);
	assert_int_equal(take(), sizeof much);
	assert_int_equal(weir_loop_counters(loop)->bytes_in, 6 + sizeof much);
	stop();
}

static void the_end_comes_at_once(void **state)
{
	(void)state;
	start(0);
	peer_send(&peer, "last");
	peer_finish(&peer);
	assert_true(TURN_UNTIL(loop, arrivals == 1));
	assert_int_equal(take(), 4);
	assert_true(TURN_UNTIL(loop, closes == 1));
	assert_int_equal(ends, 1);
	assert_int_equal(closed_with, 0);
	stop();
	start(0);
	peer_finish(&peer);
	assert_true(TURN_UNTIL(loop, arrivals == 1));
	assert_int_equal(take(), 0);
	assert_true(TURN_UNTIL(loop, ends == 1));
	stop();
}

/* A length is met as if the channel had received it. */
static void the_terminator_counts(void **state)
{
	(void)state;
	start(10);
	peer_send(&peer, "01234");
	clock_advance(2 * WEIR_DIVERT_GATHER_MS);
	assert_true(TURN_UNTIL(loop, (clock_advance(10), arrivals == 1)));
	assert_int_equal(take(), 5);
	peer_send(&peer, "56789");
	assert_true(TURN_UNTIL(loop, (clock_advance(10), arrivals == 2)));
	assert_int_equal(requests, 0);
	assert_int_equal(take(), 5);
	assert_true(TURN_UNTIL(loop, requests == 1));
	stop();
}

/* A silent peer is dropped when its time has passed; the time of a take does not count. */
static void time_limits_go_on(void **state)
{
	(void)state;
	start(0);
	peer_send(&peer, "x");
	assert_true(TURN_UNTIL(loop, (clock_advance(10), arrivals == 1)));
	for (int i = 0; i < 100; i++) {
		clock_advance(100);
		peer_turn(&peer, 1);
	}
	assert_int_equal(closes, 0);
	assert_int_equal(take(), 1);
	peer_turn(&peer, 5);
	assert_int_equal(closes, 0);
	for (int i = 0; i < 40 && !closes; i++) {
		clock_advance(100);
		peer_turn(&peer, 1);
	}
	assert_int_equal(closes, 1);
	assert_int_equal(closed_with, -ETIMEDOUT);
	stop();
}

/* A byte now and then does not keep it alive below the lowest rate. */
static void dripping_does_not_help(void **state)
{
	(void)state;
	start(0);
	for (int i = 0; i < 100 && !closes; i++) {
		unsigned before = arrivals;
		send(peer.fd, "x", 1, MSG_NOSIGNAL);
		for (int j = 0; j < 30 && arrivals == before && !closes; j++) {
			clock_advance(20);
			peer_turn(&peer, 2);
		}
		if (arrivals > before && channel)
			take();
	}
	assert_int_equal(closed_with, -ETIMEDOUT);
	stop();
}

/* The other descriptor outlives the channel, and the loop does not hear of it. */
static void ends_before_what_is_taken(void **state)
{
	char byte;
	(void)state;
	start(0);
	peer_send(&peer, "x");
	weir_channel_abort(channel, -ECANCELED);
	assert_true(TURN_UNTIL(loop, closes == 1));
	assert_int_equal(closed_with, -ECANCELED);
	uint64_t turns = weir_loop_counters(loop)->receives;
	peer_finish(&peer);
	peer_turn(&peer, 20);
	assert_int_equal(weir_loop_counters(loop)->receives, turns);
	assert_int_equal(recv(tap, &byte, 1, 0), 1);
	stop();
	start(0);
	peer_reset(&peer);
	assert_true(TURN_UNTIL(loop, closes == 1 || arrivals == 1));
	if (arrivals)
		weir_channel_diverted(channel, 0, -ECONNRESET);
	assert_true(TURN_UNTIL(loop, closes == 1));
	assert_int_equal(closed_with, -ECONNRESET);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(little_waits_for_more),
	        cmocka_unit_test(the_end_comes_at_once),
	        cmocka_unit_test(the_terminator_counts),
	        cmocka_unit_test(time_limits_go_on),
	        cmocka_unit_test(dripping_does_not_help),
	        cmocka_unit_test(ends_before_what_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
