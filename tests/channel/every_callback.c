/*
 * One conversation that calls every callback there is, again and again: each time something else is
 * done in another of them. And again with every allocation failing once. Whatever happens: close()
 * comes once and last, every producer is closed, nothing leaks, the server goes on.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/server.h>
#include <weir/sources.h>

#include "allocation.h"
#include "clock.h"
#include "drain.h"
#include "peer.h"

enum callback {
	IN_OPEN,
	IN_REQUEST,
	IN_PIECE,
	IN_OVERFLOW,
	IN_EOF,
	IN_TIMEOUT,
	IN_DRAINED,
	IN_MORE,
	IN_PRODUCER_CLOSE,
	CALLBACKS
};

enum action {
	NOTHING,
	ABORT,
	CLOSE,
	PAUSE,
	PAUSE_AND_RESUME,
	PUSH,
	PUSH_NOTHING,
	FILL,
	CLOSE_AND_PUSH,
	AWAIT,
	STREAM,
	ACTIONS
};

static struct weir_loop *loop;
static struct weir_server *server;

static struct {
	enum callback where;
	enum action what;
	unsigned which; /* its n-th call */
	unsigned calls[CALLBACKS];
	struct weir_channel *channel;
	struct weir_reply *reply; /* open */
	struct weir_task fill;
	unsigned opens, closes, producers;
	bool aborted, busy;
	unsigned timeouts_left;
} talk;

/* -- the actions ------------------------------------------------------------------------------- */

static void fill_reply(void)
{
	struct weir_reply *reply = talk.reply;
	talk.reply = NULL;
	if (reply)
		weir_reply_fill(reply, weir_produce_borrowed("later\n", 6));
}

static void act(struct weir_channel *channel)
{
	switch (talk.what) {
	case NOTHING:
	case ACTIONS:
		break;
	case ABORT:
		weir_channel_abort(channel, -EPERM);
		talk.aborted = true;
		break;
	case CLOSE:
		weir_channel_close(channel);
		break;
	case PAUSE:
		weir_channel_pause(channel);
		break;
	case PAUSE_AND_RESUME:
		weir_channel_pause(channel);
		weir_channel_resume(channel);
		break;
	case PUSH:
		weir_channel_push_static(channel, "pushed\n");
		break;
	case PUSH_NOTHING:
		weir_channel_push(channel, NULL);
		talk.aborted = true;
		break;
	case FILL:
		fill_reply();
		break;
	case CLOSE_AND_PUSH:
		weir_channel_close(channel);
		weir_channel_push_static(channel, "last\n");
		break;
	case AWAIT:
		weir_channel_await(channel, weir_length(3));
		break;
	case STREAM:
		weir_channel_stream(channel, weir_everything());
		break;
	}
}

/* No callback within another, none before open or after close; only ends after an abort. */
static void enter(enum callback callback, struct weir_channel *channel)
{
	assert_ptr_equal(channel, talk.channel);
	assert_true(talk.opens == 1 && talk.closes == 0);
	if (callback != IN_MORE && callback != IN_PRODUCER_CLOSE) {
		assert_false(talk.aborted);
		assert_false(talk.busy);
		talk.busy = true;
	}
	if (talk.calls[callback]++ == talk.which && callback == talk.where)
		act(channel);
	if (callback != IN_MORE && callback != IN_PRODUCER_CLOSE)
		talk.busy = false;
}

/* -- a producer that records its calls --------------------------------------------------------- */

struct recorder {
	struct weir_producer base;
	struct weir_producer *inner;
};

static enum weir_more telling_more(struct weir_producer *producer, struct weir_output *out)
{
	struct recorder *telling = (struct recorder *)producer;
	if (talk.channel)
		enter(IN_MORE, talk.channel);
	return weir_producer_more(telling->inner, out);
}

static void telling_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct recorder *telling = (struct recorder *)producer;
	talk.producers--;
	if (talk.channel && !talk.closes)
		enter(IN_PRODUCER_CLOSE, talk.channel);
	weir_producer_close(telling->inner, why);
	free(telling);
}

static struct weir_producer *telling_create(struct weir_producer *inner)
{
	static const struct weir_producer_type type = {
	        .name = "telling", .more = telling_more, .close = telling_close};
	struct recorder *telling = inner ? calloc(1, sizeof *telling) : NULL;
	if (!telling) {
		weir_producer_close(inner, WEIR_CLOSE_ABORTED);
		return NULL;
	}
	weir_producer_init(&telling->base, &type);
	telling->inner = inner;
	weir_producer_adopt(&telling->base, inner);
	talk.producers++;
	return &telling->base;
}

/* -- the protocol ------------------------------------------------------------------------------ */

static char big[100000];

static void run_fill(struct weir_task *task)
{
	(void)task;
	fill_reply();
}

static int on_open(struct weir_channel *channel)
{
	talk.channel = channel;
	talk.opens++;
	weir_channel_push(channel, telling_create(weir_produce_borrowed("hello\n", 6)));
	enter(IN_OPEN, channel);
	return 0;
}

static void on_request(struct weir_channel *channel, struct weir_span request)
{
	enter(IN_REQUEST, channel);
	if (weir_span_equal(request, WEIR_SPAN("later")) && !talk.reply) {
		talk.reply = weir_reply_open(channel);
		talk.fill.run = run_fill;
		weir_loop_defer(loop, &talk.fill);
	} else if (weir_span_equal(request, WEIR_SPAN("stream"))) {
		weir_channel_stream(channel, weir_length(5));
	} else if (weir_span_equal(request, WEIR_SPAN("big"))) {
		struct probe probe = {.loop = loop,
		        .bytes = {big, sizeof big},
		        .step = 3000,
		        .waits = true,
		        .kind = PROBE_MIXED,
		        .seed = 7};
		weir_channel_push(channel, telling_create(probe_create(&probe)));
	} else {
		weir_channel_await(channel, weir_until_line_end());
		weir_channel_push_copy(channel, request);
	}
}

static void on_piece(struct weir_channel *channel, struct weir_span bytes)
{
	(void)bytes;
	enter(IN_PIECE, channel);
}

static void on_overflow(struct weir_channel *channel, int error)
{
	(void)error;
	enter(IN_OVERFLOW, channel);
}

static void on_eof(struct weir_channel *channel)
{
	enter(IN_EOF, channel);
}

static void on_timeout(struct weir_channel *channel, enum weir_timeout which)
{
	(void)which;
	enter(IN_TIMEOUT, channel);
}

static void on_drained(struct weir_channel *channel)
{
	enter(IN_DRAINED, channel);
}

static void on_close(struct weir_channel *channel, int error)
{
	assert_ptr_equal(channel, talk.channel);
	assert_int_equal(talk.opens, 1);
	if (talk.what == ABORT && talk.aborted)
		assert_int_equal(error, -EPERM);
	talk.closes++;
	weir_channel_push_static(channel, "too late");
}

static const struct weir_protocol protocol = {
        .name = "every",
        .open = on_open,
        .request = on_request,
        .piece = on_piece,
        .overflow = on_overflow,
        .eof = on_eof,
        .timeout = on_timeout,
        .drained = on_drained,
        .close = on_close,
};

/* -- the conversation -------------------------------------------------------------------------- */

static void converse(void)
{
	static const char request[] = "one\r\nstream\r\nabcde\r\n"
	                              "much too long a request for this server\r\n"
	                              "later\r\ntwo\r\nbig\r\nlater\r\nthree\r\nstr";
	struct peer peer = peer_connect(loop, weir_server_address(server), 0);
	for (size_t at = 0; at < sizeof request - 1; at += 20) {
		size_t left = sizeof request - 1 - at;
		peer_send_bytes(&peer, request + at, left < 20 ? left : 20);
		peer_turn(&peer, 2);
	}
	for (int turn = 0; turn < 3000 && !talk.closes && !peer.eof && !peer.error; turn++) {
		char bytes[8192];
		ssize_t got = recv(peer.fd, bytes, sizeof bytes, 0);
		peer.eof = got == 0;
		peer_turn(&peer, 1);
		if (turn == 100)
			peer_finish(&peer);
		if (turn > 150 && turn % 10 == 0)
			clock_advance(5000);
	}
	peer_close(&peer);
	/* Nobody but the protocol ends a pause. */
	if (talk.what == PAUSE && talk.opens && !talk.closes)
		weir_channel_resume(talk.channel);
	for (int turn = 0; turn < 200 && weir_server_channels(server); turn++) {
		clock_advance(5000);
		weir_loop_turn(loop, 0);
	}
}

static void begin(enum callback where, enum action what, unsigned which)
{
	memset(&talk, 0, sizeof talk);
	talk.where = where;
	talk.what = what;
	talk.which = which;
}

static void end(void)
{
	if (weir_server_channels(server))
		fail_msg("action %d in callback %d: the channel is still open", talk.what,
		        talk.where);
	assert_int_equal(talk.closes, talk.opens);
	fill_reply();
	weir_loop_cancel(loop, &talk.fill);
	assert_int_equal(talk.producers, 0);
	assert_int_equal(probes_open, 0);
	weir_loop_turn(loop, 0);
}

static void anything_may_be_done_in_any_callback(void **state)
{
	(void)state;
	unsigned calls[CALLBACKS];
	begin(CALLBACKS, NOTHING, 0);
	converse();
	end();
	memcpy(calls, talk.calls, sizeof calls);
	for (int where = 0; where < CALLBACKS; where++) {
		if (where != IN_TIMEOUT)
			assert_true(calls[where] > 0);
		for (int what = 1; what < ACTIONS; what++) {
			/* The first calls, and then some. */
			for (unsigned which = 0; which < 40; which = which * 3 / 2 + 1) {
				begin((enum callback)where, (enum action)what, which);
				converse();
				bool reached = talk.calls[where] > which;
				end();
				if (!reached)
					break;
			}
		}
	}
}

/* A conversation as the one before comes to the end it must. */
static void check_server_lives(void)
{
	begin(CALLBACKS, NOTHING, 0);
	struct peer peer = peer_connect(loop, weir_server_address(server), 0);
	peer_send(&peer, "one\r\n");
	assert_true(peer_got(&peer, "hello\none"));
	peer_close(&peer);
	assert_true(
	        TURN_UNTIL(loop, weir_server_channels(server) == 0 || (clock_advance(1000), 0)));
	end();
}

static void any_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned good = 0;; good++) {
		begin(CALLBACKS, NOTHING, 0);
		fail_allocation_after(good, false);
		converse();
		bool failed = stop_failing_allocations();
		end();
		if (!failed)
			break;
		if (good % 8 == 0)
			check_server_lives();
	}
	check_server_lives();
}

static int set_up(void **state)
{
	(void)state;
	memset(big, 'b', sizeof big);
	if (weir_loop_create(&loop) < 0)
		return -1;
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.listener.address = local_address();
	options.protocol = &protocol;
	options.listener.bounds.request_max = 20;
	options.listener.bounds.replies_max = 3;
	options.listener.bounds.idle_ms = 3000;
	options.listener.bounds.request_ms = 3000;
	options.listener.bounds.progress_ms = 3000;
	return weir_server_create(loop, &options, &server);
}

static int tear_down(void **state)
{
	(void)state;
	weir_server_destroy(server);
	weir_loop_destroy(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                anything_may_be_done_in_any_callback, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(any_allocation_may_fail, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
