/*
 * Servers and outgoing connections: limits, a kernel that refuses, drain, and failure to connect.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/limits.h>
#include <weir/server.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "allocation.h"
#include "clock.h"
#include "peer.h"

static struct weir_loop *loop;
static struct weir_server *server;
static unsigned opens, closes, failures, drained;
static int closed_with, failed_with;
static struct weir_reply *reply;

static int on_open(struct weir_channel *channel)
{
	(void)channel;
	opens++;
	return 0;
}

static void on_request(struct weir_channel *channel, struct weir_span request)
{
	if (weir_span_equal(request, WEIR_SPAN("open")))
		reply = weir_reply_open(channel);
	else
		weir_channel_push_copy(channel, request);
}

static void on_close(struct weir_channel *channel, int error)
{
	(void)channel;
	closes++;
	closed_with = error;
}

static const struct weir_protocol protocol = {
        .name = "server", .open = on_open, .request = on_request, .close = on_close};

static void accept_failed(void *context, int error)
{
	(void)context;
	failures++;
	failed_with = error;
}

static void on_drained(void *context)
{
	(void)context;
	drained++;
}

static void drained_destroys(void *context)
{
	on_drained(context);
	weir_server_destroy(server);
	server = NULL;
}

static void start_with(unsigned channels_max, uint32_t drain_ms)
{
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.listener.address = local_address();
	options.protocol = &protocol;
	options.listener.bounds.channels_max = channels_max;
	options.listener.bounds.drain_ms = drain_ms;
	options.listener.accept_failed = accept_failed;
	opens = closes = failures = drained = 0;
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(weir_server_create(loop, &options, &server), 0);
}

static void start(void)
{
	start_with(WEIR_CHANNELS_MAX, WEIR_DRAIN_MS);
}

static void stop(void)
{
	weir_server_destroy(server);
	weir_loop_destroy(loop);
	assert_int_equal(opens, closes);
}

static void no_more_channels_than_allowed(void **state)
{
	(void)state;
	enum {
		CLIENTS = 10
	};
	struct peer peers[CLIENTS];
	start_with(3, WEIR_DRAIN_MS);
	for (int i = 0; i < CLIENTS; i++) {
		peers[i] = peer_connect(loop, weir_server_address(server), 0);
		peer_send(&peers[i], "hi\r\n");
	}
	for (int i = 0; i < CLIENTS; i++) {
		assert_true(peer_got(&peers[i], "hi"));
		assert_true(weir_server_channels(server) <= 3);
		peer_close(&peers[i]);
	}
	assert_true(TURN_UNTIL(loop, closes == CLIENTS));
	stop();
}

static void the_longest_idle_channel_gives_way(void **state)
{
	(void)state;
	struct peer peers[4];
	start_with(3, WEIR_DRAIN_MS);
	reply = NULL;
	for (int i = 0; i < 3; i++) {
		peers[i] = peer_connect(loop, weir_server_address(server), 0);
		peer_send(&peers[i], i == 0 ? "open\r\n" : "hi\r\n");
		assert_true(i == 0 ? TURN_UNTIL(loop, reply != NULL) : peer_got(&peers[i], "hi"));
		clock_advance(1500);
	}
	/* The second one was asked something last; the first one is owed a reply. */
	peer_send(&peers[1], "hi\r\n");
	assert_true(peer_got(&peers[1], "hi"));
	clock_advance(1500);
	peers[3] = peer_connect(loop, weir_server_address(server), 0);
	peer_send(&peers[3], "hi\r\n");
	assert_true(peer_got(&peers[3], "hi"));
	assert_int_equal(closes, 1);
	peer_read_end(&peers[2]);
	assert_true(peers[2].eof || peers[2].error);
	weir_reply_fill(reply, weir_produce_borrowed("done", 4));
	assert_true(peer_got(&peers[0], "done"));
	peer_send(&peers[1], "hi\r\n");
	assert_true(peer_got(&peers[1], "hi"));
	for (int i = 0; i < 4; i++)
		peer_close(&peers[i]);
	assert_true(TURN_UNTIL(loop, weir_server_channels(server) == 0));
	stop();
}

/*
 * A client that speaks first would have done so: its request comes with the end of its handshake.
 */
static void a_channel_that_has_asked_nothing_gives_way_sooner(void **state)
{
	(void)state;
	struct peer silent, asked;
	start_with(1, WEIR_DRAIN_MS);
	silent = peer_connect(loop, weir_server_address(server), 0);
	assert_true(TURN_UNTIL(loop, opens == 1));
	asked = peer_connect(loop, weir_server_address(server), 0);
	peer_send(&asked, "hi\r\n");
	peer_turn(&asked, 5);
	assert_int_equal(closes, 0);
	clock_advance(WEIR_EVICT_IDLE_MS - 100);
	assert_true(peer_got(&asked, "hi"));
	assert_int_equal(closes, 1);
	/* This one has been sent a reply, and stays for longer. */
	struct peer third = peer_connect(loop, weir_server_address(server), 0);
	peer_send(&third, "ho\r\n");
	clock_advance(WEIR_EVICT_IDLE_MS - 100);
	peer_turn(&third, 5);
	assert_int_equal(closes, 1);
	peer_close(&silent);
	peer_close(&asked);
	assert_true(peer_got(&third, "ho"));
	peer_close(&third);
	assert_true(TURN_UNTIL(loop, closes == 3));
	stop();
}

static void a_stalled_request_gives_way_if_nobody_is_idle(void **state)
{
	(void)state;
	struct peer peers[2];
	start_with(1, WEIR_DRAIN_MS);
	peers[0] = peer_connect(loop, weir_server_address(server), 0);
	peer_send(&peers[0], "half a li");
	peer_turn(&peers[0], 5);
	peers[1] = peer_connect(loop, weir_server_address(server), 0);
	peer_send(&peers[1], "hi\r\n");
	peer_turn(&peers[1], 5);
	assert_int_equal(opens, 1);
	clock_advance(1500);
	assert_true(peer_got(&peers[1], "hi"));
	for (int i = 0; i < 2; i++)
		peer_close(&peers[i]);
	assert_true(TURN_UNTIL(loop, weir_server_channels(server) == 0));
	stop();
}

/* -- the budget of input ----------------------------------------------------------------------- */

static uint64_t made;

static enum weir_more zeros_more(struct weir_producer *producer, struct weir_output *out)
{
	static const char zeros[64 * 1024];
	(void)producer;
	made += weir_output_borrow(out, zeros, sizeof zeros);
	return WEIR_MORE;
}

static void zeros_close(struct weir_producer *producer, enum weir_close_reason why)
{
	(void)why;
	free(producer);
}

static const struct weir_producer_type zeros_type = {"zeros", zeros_more, zeros_close, NULL};

static void compression_of_much_leaves_others_their_turn(void **state)
{
	(void)state;
	struct peer peers[3];
	start();
	for (int i = 0; i < 3; i++)
		peers[i] = peer_connect(loop, weir_server_address(server), 0);
	for (int i = 0; i < 2; i++) {
		struct weir_producer *zeros = calloc(1, sizeof *zeros);
		weir_producer_init(zeros, &zeros_type);
		reply = NULL;
		peer_send(&peers[i], "open\r\n");
		assert_true(TURN_UNTIL(loop, reply != NULL));
		weir_reply_fill(reply, weir_produce_glob(weir_produce_gzip(zeros), 64 * 1024));
	}
	for (int i = 0; i < 20; i++) {
		uint64_t before = made;
		weir_loop_turn(loop, 0);
		assert_in_range(made - before, 64 * 1024, WEIR_INPUT_BUDGET + 2 * 64 * 1024);
	}
	peer_send(&peers[2], "hi\r\n");
	uint64_t before = made;
	assert_true(peer_got(&peers[2], "hi"));
	assert_true(made - before < 20 * WEIR_INPUT_BUDGET);
	/* Nothing is made for a client that has gone. */
	peer_reset(&peers[0]);
	peer_reset(&peers[1]);
	assert_true(TURN_UNTIL(loop, closes == 2));
	before = made;
	for (int i = 0; i < 5; i++)
		weir_loop_turn(loop, 0);
	assert_int_equal(made, before);
	peer_close(&peers[2]);
	assert_true(TURN_UNTIL(loop, weir_server_channels(server) == 0));
	stop();
}

/* In a child, since the limit is the process's. */
static void descriptors_may_run_out(void **state)
{
	(void)state;
	pid_t child = fork();
	if (child == 0) {
		start();
		struct peer peer = peer_connect(loop, weir_server_address(server), 0);
		int next = dup(0);
		close(next);
		struct rlimit limit = {(rlim_t)next, 4096};
		setrlimit(RLIMIT_NOFILE, &limit);
		peer_send(&peer, "hi\r\n");
		if (!TURN_UNTIL(loop, failures == 1) || failed_with != -EMFILE)
			_exit(1);
		for (int i = 0; i < 50; i++)
			weir_loop_turn(loop, 0);
		if (failures != 1) /* once a pause */
			_exit(2);
		limit.rlim_cur = 1024;
		setrlimit(RLIMIT_NOFILE, &limit);
		clock_advance(500);
		if (!peer_got(&peer, "hi"))
			_exit(3);
		peer_close(&peer);
		stop();
		_exit(0);
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Neither the change that pauses the listener nor the one that ends the pause may be lost. */
static void a_listener_is_watched_again_though_the_kernel_refuses_at_first(void **state)
{
	(void)state;
	for (unsigned good = 0; good < 2; good++) {
		start();
		struct peer peer = peer_connect(loop, weir_server_address(server), 0);
		fail_accept(1, EMFILE);
		fail_epoll_ctl(good, 1, ENOMEM);
		peer_send(&peer, "hi\r\n");
		assert_true(TURN_UNTIL(loop, failures == 1));
		for (int i = 0; i < 3; i++) {
			clock_advance(500);
			peer_turn(&peer, 3);
		}
		assert_true(peer_got(&peer, "hi"));
		assert_int_equal(failures, 1);
		peer_close(&peer);
		assert_true(TURN_UNTIL(loop, weir_server_channels(server) == 0));
		stop();
	}
}

/* Peers that are gone before they are accepted. */
static void a_peer_may_be_gone_already(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 100; i++) {
		struct peer peer = peer_connect(loop, weir_server_address(server), 0);
		if (i % 2)
			peer_reset(&peer);
		else
			peer_close(&peer);
	}
	struct peer peer = peer_connect(loop, weir_server_address(server), 0);
	peer_send(&peer, "hi\r\n");
	assert_true(peer_got(&peer, "hi"));
	peer_close(&peer);
	assert_true(TURN_UNTIL(loop, weir_server_channels(server) == 0));
	assert_int_equal(failures, 0);
	stop();
}

static void drain_closes_the_idle_and_lets_the_busy_finish(void **state)
{
	(void)state;
	for (int deadline = 0; deadline <= 1; deadline++) {
		start_with(WEIR_CHANNELS_MAX, 1000);
		struct peer idle = peer_connect(loop, weir_server_address(server), 0);
		struct peer busy = peer_connect(loop, weir_server_address(server), 0);
		reply = NULL;
		peer_send(&busy, "open\r\n");
		assert_true(TURN_UNTIL(loop, reply && opens == 2));
		struct peer queued = peer_connect(loop, weir_server_address(server), 0);
		weir_server_drain(server, deadline ? drained_destroys : on_drained, NULL);
		assert_true(peer_read_end(&idle));
		assert_true(idle.eof);
		assert_true(peer_read_end(&queued));
		assert_int_equal(drained, 0);
		if (deadline) {
			clock_advance(1500);
			assert_true(peer_read_end(&busy));
			assert_int_equal(busy.error, ECONNRESET);
			assert_int_equal(closed_with, -ETIMEDOUT);
		}
		weir_reply_fill(reply, weir_produce_borrowed("done", 4));
		if (!deadline) {
			assert_true(peer_read_end(&busy));
			assert_int_equal(busy.got.size, 4);
		}
		assert_true(TURN_UNTIL(loop, drained == 1));
		peer_close(&idle);
		peer_close(&busy);
		peer_close(&queued);
		stop();
	}
}

static bool count_channel(void *context, struct weir_channel *channel)
{
	unsigned *counts = context;
	counts[weir_channel_activity(channel)]++;
	return true;
}

static bool abort_first(void *context, struct weir_channel *channel)
{
	*(uint32_t *)context = weir_channel_quiet_ms(channel);
	weir_channel_abort(channel, -ECONNABORTED);
	return false;
}

static void open_channels_are_visited(void **state)
{
	(void)state;
	unsigned counts[3] = {0};
	uint32_t quiet_ms;
	start();
	struct peer idle = peer_connect(loop, weir_server_address(server), 0);
	struct peer begun = peer_connect(loop, weir_server_address(server), 0);
	struct peer waits = peer_connect(loop, weir_server_address(server), 0);
	peer_send(&begun, "hal");
	reply = NULL;
	peer_send(&waits, "open\r\n");
	assert_true(TURN_UNTIL(loop, opens == 3 && reply));
	weir_loop_turn(loop, 0);
	weir_server_each(server, count_channel, counts);
	assert_int_equal(counts[WEIR_ACTIVITY_IDLE], 1);
	assert_int_equal(counts[WEIR_ACTIVITY_RECEIVING], 1);
	assert_int_equal(counts[WEIR_ACTIVITY_REPLYING], 1);

	clock_advance(3000);
	weir_loop_turn(loop, 0);
	weir_server_each(server, abort_first, &quiet_ms);
	assert_true(quiet_ms >= 3000);
	assert_true(TURN_UNTIL(loop, closes == 1));
	assert_int_equal(closed_with, -ECONNABORTED);
	assert_int_equal(weir_server_channels(server), 2);
	weir_reply_fill(reply, weir_produce_borrowed("", 0));
	peer_close(&idle);
	peer_close(&begun);
	peer_close(&waits);
	assert_true(TURN_UNTIL(loop, closes == 3));
	stop();
}

static void destroy_aborts_what_is_open(void **state)
{
	(void)state;
	start();
	struct peer peer = peer_connect(loop, weir_server_address(server), 0);
	reply = NULL;
	peer_send(&peer, "open\r\n");
	assert_true(TURN_UNTIL(loop, reply != NULL));
	weir_server_destroy(server);
	server = NULL;
	assert_int_equal(closes, 1);
	assert_int_equal(closed_with, -ECONNABORTED);
	weir_reply_fill(reply, weir_produce_borrowed("late", 4));
	peer_close(&peer);
	stop();
}

/* -- outgoing ---------------------------------------------------------------------------------- */

static unsigned out_opens, out_closes;
static int out_error;

static int out_open(struct weir_channel *channel)
{
	out_opens++;
	return weir_channel_push_static(channel, "hi\r\n");
}

static void out_close(struct weir_channel *channel, int error)
{
	(void)channel;
	out_closes++;
	out_error = error;
}

static void out_request(struct weir_channel *channel, struct weir_span request)
{
	assert_int_equal(request.size, 2);
	weir_channel_close(channel);
}

static int out_accept(struct weir_channel *channel)
{
	out_open(channel);
	weir_channel_await(channel, weir_length(2));
	return 0;
}

static const struct weir_protocol outgoing = {
        .name = "out", .open = out_accept, .request = out_request, .close = out_close};

static struct weir_channel *connect_to(const struct weir_address *address)
{
	struct weir_channel *channel = NULL;
	out_opens = out_closes = 0;
	out_error = 1;
	assert_int_equal(weir_connect(loop, address, &outgoing, NULL, NULL, &channel), 0);
	assert_int_equal(out_opens, 0);
	return channel;
}

static void connecting_works_or_tells_why(void **state)
{
	(void)state;
	start();
	struct weir_address address = *weir_server_address(server);
	connect_to(&address);
	assert_true(TURN_UNTIL(loop, out_closes == 1));
	assert_int_equal(out_opens, 1);
	assert_int_equal(out_error, 0);

	weir_channel_abort(connect_to(&address), -EPERM);
	assert_true(TURN_UNTIL(loop, out_closes == 1));
	assert_int_equal(out_opens, 0);
	assert_int_equal(out_error, -EPERM);

	weir_server_destroy(server);
	server = NULL;
	weir_loop_turn(loop, 0);
	connect_to(&address);
	assert_true(TURN_UNTIL(loop, out_closes == 1));
	assert_int_equal(out_opens, 0);
	assert_int_equal(out_error, -ECONNREFUSED);
	stop();
}

/* A listener whose queue is full answers nothing. */
static void connecting_has_its_time(void **state)
{
	(void)state;
	struct weir_address address = local_address();
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, &address.any, sizeof address.v4), 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(getsockname(listener, &address.any, &size), 0);
	start();
	struct peer first = peer_connect(loop, &address, 0),
	            second = peer_connect(loop, &address, 0);
	connect_to(&address);
	for (int i = 0; i < 29; i++) {
		clock_advance(1000);
		weir_loop_turn(loop, 0);
	}
	assert_int_equal(out_closes, 0);
	clock_advance(2000);
	assert_true(TURN_UNTIL(loop, out_closes == 1));
	assert_int_equal(out_opens, 0);
	assert_int_equal(out_error, -ETIMEDOUT);
	peer_close(&first);
	peer_close(&second);
	close(listener);
	stop();
}

static void options_begin_with_their_defaults(void **state)
{
	struct weir_server_options options;
	(void)state;
	memset(&options, 0xff, sizeof options);
	weir_server_options_init(&options);
	const struct weir_bounds *bounds = &options.listener.bounds;
	assert_int_equal(bounds->request_max, WEIR_REQUEST_MAX);
	assert_int_equal(bounds->replies_max, WEIR_REPLIES_MAX);
	assert_int_equal(bounds->idle_ms, WEIR_IDLE_MS);
	assert_int_equal(bounds->request_ms, WEIR_REQUEST_MS);
	assert_int_equal(bounds->progress_ms, WEIR_PROGRESS_MS);
	assert_int_equal(bounds->channels_max, WEIR_CHANNELS_MAX);
	assert_int_equal(bounds->drain_ms, WEIR_DRAIN_MS);
	assert_null(bounds->permits);
	assert_int_equal(options.listener.address.any.sa_family, 0);
	assert_false(options.listener.shared);
	assert_null(options.listener.peers);
	assert_null(options.listener.tls);
	assert_null(options.protocol);
	assert_null(options.tls_refusal);
}

static void bounds_that_cannot_work_are_refused(void **state)
{
	struct weir_server_options options;
	struct weir_bounds *bounds = &options.listener.bounds;
	struct weir_channel *channel;
	struct weir_address nowhere = local_address();
	uint32_t *members[] = {&bounds->idle_ms, &bounds->request_ms, &bounds->progress_ms,
	        &bounds->replies_max, &bounds->channels_max};
	(void)state;
	assert_int_equal(weir_loop_create(&loop), 0);
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		weir_server_options_init(&options);
		options.listener.address = nowhere;
		options.protocol = &protocol;
		*members[i] = 0;
		assert_int_equal(weir_server_create(loop, &options, &server), -EINVAL);
		/* An outgoing channel is one. */
		if (members[i] != &bounds->channels_max)
			assert_int_equal(
			        weir_adopt(loop, -1, &nowhere, &protocol, NULL, bounds, &channel),
			        -EINVAL);
	}
	weir_server_options_init(&options);
	options.protocol = &protocol;
	bounds->request_max = 0;
	assert_int_equal(weir_server_create(loop, &options, &server), -EINVAL);
	weir_server_options_init(&options);
	assert_int_equal(weir_server_create(loop, &options, &server), -EINVAL);
	weir_loop_destroy(loop);
}

static void many_channels_learn_of_a_drain_in_several_turns(void **state)
{
	enum {
		PEERS = WEIR_DRAINS_PER_TURN + 40
	};
	static struct peer peers[PEERS];
	(void)state;
	start_with(WEIR_CHANNELS_MAX, 10000);
	opens = 0;
	for (unsigned i = 0; i < PEERS; i++)
		peers[i] = peer_connect(loop, weir_server_address(server), 0);
	assert_true(TURN_UNTIL(loop, opens == PEERS));
	weir_server_drain(server, on_drained, NULL);
	weir_loop_turn(loop, 0);
	assert_int_equal(weir_server_channels(server), PEERS - WEIR_DRAINS_PER_TURN);
	for (unsigned i = 0; i < PEERS; i++) {
		assert_true(peer_read_end(&peers[i]));
		peer_close(&peers[i]);
	}
	assert_true(TURN_UNTIL(loop, drained == 1));
	stop();
}

static void many_channels_end_with_a_drain_in_several_turns(void **state)
{
	enum {
		PEERS = 2 * WEIR_DRAINS_PER_TURN + 40,
		DRAIN_MS = 1000,
	};
	static struct peer peers[PEERS];
	unsigned turns = 0;
	(void)state;
	start_with(WEIR_CHANNELS_MAX, DRAIN_MS);
	opens = 0;
	for (unsigned i = 0; i < PEERS; i++) {
		peers[i] = peer_connect(loop, weir_server_address(server), 0);
		peer_send(&peers[i], "half a req");
	}
	assert_true(TURN_UNTIL(loop, opens == PEERS));
	weir_server_drain(server, on_drained, NULL);
	for (unsigned i = 0; i < 10; i++)
		weir_loop_turn(loop, 0);
	assert_int_equal(weir_server_channels(server), PEERS);
	clock_advance(DRAIN_MS + 2 * WEIR_TIMER_TICK_MS);
	for (unsigned before = PEERS; before; turns++) {
		weir_loop_turn(loop, 0);
		unsigned after = weir_server_channels(server);
		assert_true(before - after <= WEIR_DRAINS_PER_TURN);
		assert_true(turns < 10);
		before = after;
	}
	assert_int_equal(closed_with, -ETIMEDOUT);
	assert_true(TURN_UNTIL(loop, drained == 1));
	for (unsigned i = 0; i < PEERS; i++)
		peer_close(&peers[i]);
	stop();
}

static void a_drain_may_have_no_time(void **state)
{
	(void)state;
	start_with(WEIR_CHANNELS_MAX, 0);
	reply = NULL;
	struct peer peer = peer_connect(loop, weir_server_address(server), 0);
	peer_send(&peer, "open\r\n");
	assert_true(TURN_UNTIL(loop, reply));
	weir_server_drain(server, on_drained, NULL);
	clock_advance(2 * WEIR_TIMER_TICK_MS);
	assert_true(TURN_UNTIL(loop, drained == 1));
	assert_int_equal(closed_with, -ETIMEDOUT);
	weir_reply_fill(reply, NULL);
	peer_close(&peer);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bounds_that_cannot_work_are_refused),
	        cmocka_unit_test(a_drain_may_have_no_time),
	        cmocka_unit_test(many_channels_learn_of_a_drain_in_several_turns),
	        cmocka_unit_test(many_channels_end_with_a_drain_in_several_turns),
	        cmocka_unit_test(options_begin_with_their_defaults),
	        cmocka_unit_test(no_more_channels_than_allowed),
	        cmocka_unit_test(the_longest_idle_channel_gives_way),
	        cmocka_unit_test(a_channel_that_has_asked_nothing_gives_way_sooner),
	        cmocka_unit_test(a_stalled_request_gives_way_if_nobody_is_idle),
	        cmocka_unit_test(compression_of_much_leaves_others_their_turn),
	        cmocka_unit_test(descriptors_may_run_out),
	        cmocka_unit_test(a_listener_is_watched_again_though_the_kernel_refuses_at_first),
	        cmocka_unit_test(a_peer_may_be_gone_already),
	        cmocka_unit_test(drain_closes_the_idle_and_lets_the_busy_finish),
	        cmocka_unit_test(open_channels_are_visited),
	        cmocka_unit_test(destroy_aborts_what_is_open),
	        cmocka_unit_test(connecting_works_or_tells_why),
	        cmocka_unit_test(connecting_has_its_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
