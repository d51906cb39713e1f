/* Input that is spliced into a pipe: its counts, its end, and the way back to the channel. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/server.h>

#include "channel_splice.h"
#include "peer.h"

static struct weir_loop *loop;
static struct weir_server *server;
static struct weir_channel *channel;
static struct peer peer;
static int ends[2]; /* of a pipe */
static unsigned arrivals, requests, eofs;
static size_t piece_bytes;

static int on_open(struct weir_channel *opened)
{
	channel = opened;
	assert_int_equal(channel_splice(channel, ends[1], 10), -EOPNOTSUPP); /* not streamed */
	weir_channel_stream(channel, weir_length(10));
	return 0;
}

static void on_request(struct weir_channel *of, struct weir_span request)
{
	assert_int_equal(request.size, 0);
	requests++;
	weir_channel_stream(of, weir_everything());
}

static void on_piece(struct weir_channel *of, struct weir_span bytes)
{
	(void)of;
	piece_bytes += bytes.size;
}

static void on_divert_ready(struct weir_channel *of)
{
	(void)of;
	arrivals++;
}

static void on_eof(struct weir_channel *of)
{
	eofs++;
	weir_channel_close(of);
}

static void on_close(struct weir_channel *of, int error)
{
	(void)of, (void)error;
	channel = NULL;
}

static const struct weir_protocol protocol = {
        .name = "spliced",
        .open = on_open,
        .request = on_request,
        .piece = on_piece,
        .divert_ready = on_divert_ready,
        .eof = on_eof,
        .close = on_close,
};

static int start(void **state)
{
	struct weir_server_options options;
	(void)state;
	weir_server_options_init(&options);
	options.listener.address = local_address();
	options.protocol = &protocol;
	arrivals = requests = eofs = 0;
	piece_bytes = 0;
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(weir_server_create(loop, &options, &server), 0);
	peer = peer_connect(loop, weir_server_address(server), 0);
	assert_true(TURN_UNTIL(loop, channel));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	peer_close(&peer);
	weir_server_destroy(server);
	weir_loop_destroy(loop);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void expect_in_pipe(const char *text)
{
	char got[32];
	ssize_t size = read(ends[0], got, sizeof got);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

/* Input is reported once, and the channel is paused then. */
static void wait_for_arrival(const char *text, unsigned count)
{
	assert_int_equal(channel_splice(channel, ends[1], 10), -EAGAIN);
	weir_channel_resume(channel);
	peer_send(&peer, text);
	assert_true(TURN_UNTIL(loop, arrivals == count));
	peer_turn(&peer, 10);
	assert_int_equal(arrivals, count);
}

static void bytes_go_into_the_pipe_up_to_the_end(void **state)
{
	(void)state;
	assert_int_equal(channel_splice(channel, ends[1], 10), -EAGAIN);
	peer_send(&peer, "0123");
	assert_true(TURN_UNTIL(loop, arrivals == 1));
	assert_int_equal(channel_splice(channel, ends[1], 3), 3);
	assert_int_equal(channel_splice(channel, ends[1], 3), 1);
	expect_in_pipe("0123");
	wait_for_arrival("456789behind", 2);
	/* No byte behind the stream is taken, and with the last one the splicing ends. */
	assert_true(channel_splices(channel));
	assert_int_equal(channel_splice(channel, ends[1], 10), 6);
	assert_false(channel_splices(channel));
	expect_in_pipe("456789");
	assert_int_equal(requests, 0);
	weir_channel_resume(channel);
	assert_true(TURN_UNTIL(loop, piece_bytes == 6));
	assert_int_equal(requests, 1);
	assert_int_equal(weir_loop_counters(loop)->bytes_in, 16);
}

static void the_rest_may_be_received(void **state)
{
	(void)state;
	assert_int_equal(channel_splice(channel, ends[1], 10), -EAGAIN);
	peer_send(&peer, "0123");
	assert_true(TURN_UNTIL(loop, arrivals == 1));
	assert_int_equal(channel_splice(channel, ends[1], 2), 2);
	channel_splice_end(channel);
	weir_channel_resume(channel);
	assert_true(TURN_UNTIL(loop, piece_bytes == 2));
	peer_send(&peer, "456789");
	assert_true(TURN_UNTIL(loop, requests == 1));
	assert_int_equal(piece_bytes, 8);
	assert_int_equal(arrivals, 1);
}

/* All of the input is a stream, too. */
static void a_stream_without_an_end(void **state)
{
	(void)state;
	weir_channel_stream(channel, weir_everything());
	assert_int_equal(channel_splice(channel, ends[1], 10), -EAGAIN);
	peer_send(&peer, "0123");
	assert_true(TURN_UNTIL(loop, arrivals == 1));
	assert_int_equal(channel_splice(channel, ends[1], 10), 4);
	assert_true(channel_splices(channel));
	expect_in_pipe("0123");
	wait_for_arrival("45678901234567", 2);
	assert_int_equal(channel_splice(channel, ends[1], 20), 14);
	expect_in_pipe("45678901234567");
	channel_splice_end(channel);
	weir_channel_resume(channel);
	peer_send(&peer, "89");
	assert_true(TURN_UNTIL(loop, piece_bytes == 2));
	assert_int_equal(requests, 0);
	/* A request that is collected is none. */
	weir_channel_await(channel, weir_until_line_end());
	assert_int_equal(channel_splice(channel, ends[1], 10), -EOPNOTSUPP);
}

static void the_end_of_the_input_is_left_to_the_channel(void **state)
{
	(void)state;
	assert_int_equal(channel_splice(channel, ends[1], 10), -EAGAIN);
	peer_finish(&peer);
	assert_true(TURN_UNTIL(loop, arrivals == 1));
	assert_int_equal(channel_splice(channel, ends[1], 10), -ENODATA);
	assert_false(channel_splices(channel));
	weir_channel_resume(channel);
	assert_true(TURN_UNTIL(loop, eofs == 1));
	assert_true(TURN_UNTIL(loop, !channel));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(bytes_go_into_the_pipe_up_to_the_end, start, stop),
	        cmocka_unit_test_setup_teardown(the_rest_may_be_received, start, stop),
	        cmocka_unit_test_setup_teardown(a_stream_without_an_end, start, stop),
	        cmocka_unit_test_setup_teardown(
	                the_end_of_the_input_is_left_to_the_channel, start, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
