/* How channels end: in order, by error, by time; and what the peer sees of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/server.h>
#include <weir/sources.h>

#include "clock.h"
#include "drain.h"
#include "peer.h"

static struct weir_loop *loop;
static struct weir_server *server;
static struct weir_channel *channel;
static struct peer peer;
static int closed_with, open_result;
static unsigned opens, closes, drains;
static enum weir_timeout timed_out;
static unsigned timeouts;
static bool abort_in_open, stream_in_open, push_in_drained, eof_pushes;

static int on_open(struct weir_channel *opened)
{
	channel = opened;
	opens++;
	if (abort_in_open)
		weir_channel_push(opened, NULL);
	if (stream_in_open)
		weir_channel_stream(opened, weir_length(100000));
	return open_result;
}

/* Handles one line, which is a command. */
static void on_request(struct weir_channel *of, struct weir_span request)
{
	const struct probe failing = {
	        .loop = loop, .bytes = WEIR_SPAN("half"), .fails = true, .kind = PROBE_LEND};
	if (weir_span_equal(request, WEIR_SPAN("fail")))
		weir_channel_push(of, probe_create(&failing));
	else if (weir_span_equal(request, WEIR_SPAN("hard")))
		weir_channel_reset_on_failure(of, true);
	else if (weir_span_equal(request, WEIR_SPAN("pause")))
		weir_channel_pause(of);
	else if (weir_span_equal(request, WEIR_SPAN("stream")))
		weir_channel_stream(of, weir_length(100000));
	else if (weir_span_equal(request, WEIR_SPAN("expected")))
		weir_channel_expect_body(of, true);
	else if (weir_span_equal(request, WEIR_SPAN("open")))
		weir_channel_set_session(of, weir_reply_open(of));
	else if (weir_span_equal(request, WEIR_SPAN("quit"))) {
		weir_channel_push_static(of, "bye");
		weir_channel_close(of);
	} else
		weir_channel_push_copy(of, request);
}

static void on_eof(struct weir_channel *of)
{
	if (eof_pushes)
		weir_channel_push_static(of, "eof");
	else
		weir_channel_close(of);
}

static void on_drained(struct weir_channel *of)
{
	drains++;
	if (push_in_drained)
		weir_channel_push_static(of, "more");
	if (eof_pushes && drains > 0)
		weir_channel_close(of);
}

static void on_timeout(struct weir_channel *of, enum weir_timeout which)
{
	timeouts++;
	timed_out = which;
	if (which == WEIR_TIMEOUT_REQUEST) {
		weir_channel_push_static(of, "slow");
		weir_channel_close(of);
	}
}

static void on_close(struct weir_channel *of, int error)
{
	(void)of;
	closes++;
	closed_with = error;
	channel = NULL;
}

static const struct weir_protocol protocol = {
        .name = "ends",
        .open = on_open,
        .request = on_request,
        .eof = on_eof,
        .drained = on_drained,
        .timeout = on_timeout,
        .close = on_close,
};

static void start_with(uint32_t idle_ms, uint32_t request_ms, uint32_t progress_ms)
{
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.listener.address = local_address();
	options.protocol = &protocol;
	options.listener.bounds.idle_ms = idle_ms;
	options.listener.bounds.request_ms = request_ms;
	options.listener.bounds.progress_ms = progress_ms;
	options.listener.bounds.drain_ms = 1000;
	opens = closes = drains = timeouts = 0;
	closed_with = 1;
	open_result = 0;
	abort_in_open = push_in_drained = eof_pushes = false;
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(weir_server_create(loop, &options, &server), 0);
	peer = peer_connect(loop, weir_server_address(server), 0);
}

static void start(void)
{
	start_with(1000, 2000, 3000);
}

static void stop(void)
{
	peer_close(&peer);
	weir_server_destroy(server);
	weir_loop_destroy(loop);
	assert_int_equal(opens, closes);
	assert_int_equal(probes_open, 0);
}

/* -- orderly ----------------------------------------------------------------------------------- */

static void the_last_reply_survives_unread_input(void **state)
{
	(void)state;
	static char more[300000];
	memset(more, 'x', sizeof more);
	for (int late = 0; late <= 1; late++) {
		start();
		peer_send(&peer, "quit\r\n");
		if (late)
			peer_turn(&peer, 1);
		peer_send_bytes(&peer, more, sizeof more);
		peer_turn(&peer, 10);
		assert_true(peer_read(&peer, 3));
		assert_memory_equal(peer.got.data, "bye", 3);
		stop();
	}
}

/* The expected body comes after the reply: the end of the channel must wait for it. */
static void an_expected_body_is_read_and_dropped(void **state)
{
	(void)state;
	start();
	peer_send(&peer, "expected\r\nquit\r\n");
	peer_turn(&peer, 5);
	assert_int_equal(closes, 0);
	for (int i = 0; i < 10; i++) {
		peer_send(&peer, "the rest of what the request announced");
		peer_turn(&peer, 2);
	}
	assert_true(peer_read_end(&peer));
	assert_int_equal(peer.error, 0);
	assert_int_equal(peer.got.size, 3);
	clock_advance(2500); /* not for ever */
	assert_true(TURN_UNTIL(loop, closes == 1));
	assert_int_equal(closed_with, 0);
	stop();
}

static void half_a_client_gets_its_replies(void **state)
{
	(void)state;
	start();
	peer_send(&peer, "a\r\nopen\r\nb\r\n");
	peer_finish(&peer);
	peer_turn(&peer, 10);
	assert_int_equal(closes, 0);
	weir_reply_fill(weir_channel_session(channel), weir_produce_borrowed("X", 1));
	assert_true(peer_read_end(&peer));
	assert_true(peer.eof && peer.got.size == 3);
	assert_memory_equal(peer.got.data, "aXb", 3);
	assert_int_equal(closed_with, 0);
	stop();
}

/* A reply that eof() pushes is sent, and drained() is called after it. */
static void the_queue_drains_after_the_end_too(void **state)
{
	(void)state;
	start();
	eof_pushes = true;
	peer_finish(&peer);
	assert_true(peer_read_end(&peer));
	assert_true(peer.eof && peer.got.size == 3);
	assert_int_equal(drains, 1);
	assert_int_equal(timeouts, 0);
	stop();
}

/* -- failures ---------------------------------------------------------------------------------- */

static void a_reply_that_breaks_off_is_the_last(void **state)
{
	(void)state;
	for (int hard = 0; hard <= 1; hard++) {
		start();
		push_in_drained = true;
		weir_loop_turn(loop, 10);
		peer_send(&peer, hard ? "hard\r\nfail\r\nnext\r\n" : "fail\r\nnext\r\n");
		assert_true(peer_read_end(&peer));
		assert_int_equal(peer.error, hard ? ECONNRESET : 0);
		if (!hard) {
			assert_int_equal(peer.got.size, 4);
			assert_memory_equal(peer.got.data, "half", 4);
		}
		peer_finish(&peer);
		assert_true(TURN_UNTIL(loop, closes == 1));
		assert_int_equal(closed_with, -EIO);
		stop();
	}
}

static void open_may_refuse(void **state)
{
	(void)state;
	for (int aborts = 0; aborts <= 1; aborts++) {
		start();
		open_result = -EPERM;
		abort_in_open = aborts;
		for (int i = 0; i < 20 && !closes; i++)
			weir_loop_turn(loop, 10);
		assert_int_equal(closes, 1);
		assert_int_equal(closed_with, aborts ? -ENOMEM : -EPERM);
		assert_int_equal(weir_server_channels(server), 0);
		stop();
	}
}

static void a_reset_is_told(void **state)
{
	(void)state;
	for (int paused = 0; paused <= 1; paused++) {
		start();
		peer_send(&peer, paused ? "pause\r\n" : "a\r\n");
		peer_turn(&peer, 10);
		peer_reset(&peer);
		assert_true(TURN_UNTIL(loop, closes == 1));
		assert_int_equal(closed_with, -ECONNRESET);
		stop();
	}
}

/* -- time limits ------------------------------------------------------------------------------- */

/* Lets it pass in steps, in which everything may react. */
static void pass(int64_t ms)
{
	for (; ms > 0; ms -= 50) {
		clock_advance(50);
		weir_loop_turn(loop, 0);
		weir_loop_turn(loop, 0);
	}
}

static void settle(const char *text)
{
	peer_send(&peer, text);
	for (int i = 0; i < 10; i++)
		weir_loop_turn(loop, i < 3 ? 1 : 0);
	assert_non_null(channel);
}

static void idle_ends_after_its_time(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 5; i++) {
		settle("a\r\n");
		pass(800);
		assert_int_equal(timeouts, 0);
	}
	pass(500);
	assert_int_equal(timeouts, 1);
	assert_int_equal(timed_out, WEIR_TIMEOUT_IDLE);
	assert_int_equal(closed_with, -ETIMEDOUT);
	stop();
}

/* Each byte comes in time, and the request does not. */
static void dripping_a_request_does_not_help(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 4; i++) {
		settle("x");
		pass(450);
		assert_int_equal(timeouts, 0);
	}
	settle("x");
	pass(450);
	assert_int_equal(timeouts, 1);
	assert_int_equal(timed_out, WEIR_TIMEOUT_REQUEST);
	assert_true(peer_got(&peer, "slow"));
	stop();
}

/*
 * A peer may send 4000 bytes a second, but not 2000. With `expected` each part is a line, and a
 * reply is open.
 */
static void check_rate(const char *begin, const char *part, unsigned parts, bool lives)
{
	start();
	settle(begin);
	for (int i = 0; i < 20; i++) {
		for (unsigned n = 0; n < parts; n++)
			peer_send(&peer, part);
		pass(500);
	}
	assert_int_equal(timeouts, lives ? 0 : 1);
	if (!lives)
		assert_int_equal(timed_out, WEIR_TIMEOUT_REQUEST);
	if (channel && weir_channel_session(channel))
		weir_reply_fill(weir_channel_session(channel), weir_produce_borrowed("", 0));
	stop();
}

static struct weir_reply *left_open;

static void streamed_input_must_keep_a_rate(void **state)
{
	(void)state;
	static char part[101];
	memset(part, 'x', 100);
	check_rate("stream\r\n", part, 21, true);
	check_rate("stream\r\n", part, 10, false);
	stream_in_open = true;
	check_rate("", part, 21, true);
	check_rate("", part, 10, false);
	stream_in_open = false;
}

static void a_request_in_parts_must_come_too(void **state)
{
	(void)state;
	/* Between the parts, with nothing there at all, and a reply that is ours to fill. */
	start();
	settle("open\r\nexpected\r\n");
	left_open = weir_channel_session(channel);
	pass(1800);
	assert_int_equal(timeouts, 0);
	pass(500);
	assert_int_equal(timeouts, 1);
	assert_int_equal(timed_out, WEIR_TIMEOUT_REQUEST);
	weir_reply_fill(left_open, weir_produce_borrowed("", 0));
	stop();

	/* Dripped in whole parts: no part resets the time. */
	start();
	settle("open\r\nexpected\r\n");
	left_open = weir_channel_session(channel);
	weir_channel_set_session(channel, NULL);
	for (int i = 0; i < 4; i++) {
		settle("x\r\n");
		pass(450);
		assert_int_equal(timeouts, 0);
	}
	settle("x\r\n");
	pass(500);
	assert_int_equal(timeouts, 1);
	weir_reply_fill(left_open, weir_produce_borrowed("", 0));
	stop();
}

/* As long as it is our turn nothing is awaited of the peer; afterwards its time starts. */
static void our_own_time_is_not_theirs(void **state)
{
	(void)state;
	start();
	settle("open\r\n");
	left_open = weir_channel_session(channel);
	pass(60 * 1000);
	assert_int_equal(timeouts, 0);
	weir_reply_fill(left_open, weir_produce_borrowed("", 0));
	pass(800);
	assert_int_equal(timeouts, 0);
	settle("pause\r\n");
	pass(60 * 1000);
	assert_int_equal(timeouts, 0);
	weir_channel_resume(channel);
	pass(800);
	assert_int_equal(timeouts, 0);
	pass(500);
	assert_int_equal(timeouts, 1);
	stop();
}

static void a_peer_that_takes_nothing_is_dropped(void **state)
{
	(void)state;
	static char page[200000];
	start();
	settle("a\r\n");
	for (int i = 0; i < 100; i++)
		weir_channel_push(channel, weir_produce_borrowed(page, sizeof page));
	pass(2500);
	assert_int_equal(timeouts, 0);
	assert_true(peer_read(&peer, 5 * 1000 * 1000)); /* progress */
	pass(2500);
	assert_int_equal(timeouts, 0);
	pass(1000);
	assert_int_equal(timeouts, 1);
	assert_int_equal(timed_out, WEIR_TIMEOUT_PROGRESS);
	assert_int_equal(closed_with, -ETIMEDOUT);
	stop();
}

static void a_bound_may_be_never(void **state)
{
	(void)state;
	start_with(UINT32_MAX, UINT32_MAX, UINT32_MAX);
	settle("a\r\nb");
	pass(1000);
	assert_int_equal(closes, 0);
	clock_advance(7 * 24 * 3600 * 1000LL);
	weir_loop_turn(loop, 0);
	assert_int_equal(closes, 0);
	stop();
}

/* The low 32 bits of the clock, and their sign, go over while a request is coming. */
static void the_clock_may_go_round(void **state)
{
	(void)state;
	for (int bits = 31; bits <= 32; bits++) {
		clock_set_monotonic(((int64_t)5 << 33) + ((int64_t)1 << bits) - 600);
		start();
		settle("x");
		pass(1500);
		assert_int_equal(timeouts, 0);
		pass(1000);
		assert_int_equal(timeouts, 1);
		stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_last_reply_survives_unread_input),
	        cmocka_unit_test(an_expected_body_is_read_and_dropped),
	        cmocka_unit_test(half_a_client_gets_its_replies),
	        cmocka_unit_test(the_queue_drains_after_the_end_too),
	        cmocka_unit_test(a_reply_that_breaks_off_is_the_last),
	        cmocka_unit_test(open_may_refuse),
	        cmocka_unit_test(a_reset_is_told),
	        cmocka_unit_test(idle_ends_after_its_time),
	        cmocka_unit_test(dripping_a_request_does_not_help),
	        cmocka_unit_test(streamed_input_must_keep_a_rate),
	        cmocka_unit_test(a_request_in_parts_must_come_too),
	        cmocka_unit_test(our_own_time_is_not_theirs),
	        cmocka_unit_test(a_peer_that_takes_nothing_is_dropped),
	        cmocka_unit_test(a_bound_may_be_never),
	        cmocka_unit_test(the_clock_may_go_round),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
