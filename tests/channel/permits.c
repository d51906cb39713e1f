/* Permits: several servers, on one loop and on several, share one bound on their connections. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/permits.h>
#include <weir/server.h>

#include "allocation.h"
#include "clock.h"
#include "peer.h"

enum {
	SERVERS = 2,
	LONG_MS = 1500, /* long enough for an idle channel to be closed for another */
};

static struct weir_permits *permits;
static struct weir_loop *loops[SERVERS];
static struct weir_server *servers[SERVERS];

static void on_request(struct weir_channel *channel, struct weir_span request)
{
	weir_channel_push_copy(channel, request);
}

static const struct weir_protocol protocol = {.name = "permits", .request = on_request};

static int server_create(struct weir_loop *loop, struct weir_server **ret)
{
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.listener.address = local_address();
	options.protocol = &protocol;
	options.listener.bounds.permits = permits;
	return weir_server_create(loop, &options, ret);
}

/* Two servers, on one loop or on one each. */
static void start(unsigned most, unsigned reserved, bool two_loops)
{
	assert_int_equal(weir_permits_create(most, reserved, &permits), 0);
	for (int i = 0; i < SERVERS; i++) {
		loops[i] = loops[0];
		if (i == 0 || two_loops)
			assert_int_equal(weir_loop_create(&loops[i]), 0);
		assert_int_equal(server_create(loops[i], &servers[i]), 0);
	}
}

/* No permit may be left behind. */
static void stop(void)
{
	for (int i = 0; i < SERVERS; i++)
		weir_server_destroy(servers[i]);
	assert_int_equal(weir_permits_used(permits), 0);
	for (int i = 0; i < SERVERS; i++)
		if (i == 0 || loops[i] != loops[0])
			weir_loop_destroy(loops[i]);
	weir_permits_release(permits);
}

static struct peer client(int server)
{
	return peer_connect(loops[server], weir_server_address(servers[server]), 0);
}

static bool answered(struct peer *peer)
{
	peer_send(peer, "hi\r\n");
	return peer_got(peer, "hi");
}

static void turn_all(int turns)
{
	for (int i = 0; i < turns; i++)
		for (int j = 0; j < SERVERS; j++)
			weir_loop_turn(loops[j], 0);
}

static void one_server_can_take_all_that_others_have_not_reserved(void **state)
{
	(void)state;
	struct peer peers[11];
	start(10, 2, false);
	assert_int_equal(weir_permits_used(permits), 2 * SERVERS);
	for (int i = 0; i < 8; i++) {
		peers[i] = client(0);
		assert_true(answered(&peers[i]));
	}
	assert_int_equal(weir_permits_used(permits), 10);
	/* The channels are too new to be closed for another. */
	peers[8] = client(0);
	turn_all(5);
	assert_int_equal(weir_server_channels(servers[0]), 8);
	/* The other server has its reserve. */
	for (int i = 9; i < 11; i++) {
		peers[i] = client(1);
		assert_true(answered(&peers[i]));
	}
	assert_int_equal(weir_permits_used(permits), 10);
	for (int i = 0; i < 11; i++)
		peer_close(&peers[i]);
	assert_true(TURN_UNTIL(loops[0],
	        weir_server_channels(servers[0]) == 0 && weir_server_channels(servers[1]) == 0));
	assert_int_equal(weir_permits_used(permits), 2 * SERVERS);
	stop();
}

static void the_longest_idle_channel_of_another_server_is_closed(void **state)
{
	(void)state;
	struct peer peers[4];
	start(3, 0, false);
	for (int i = 0; i < 3; i++) {
		peers[i] = client(0);
		assert_true(answered(&peers[i]));
		clock_advance(LONG_MS);
	}
	assert_true(answered(&peers[0]));
	clock_advance(LONG_MS);
	peers[3] = client(1);
	assert_true(answered(&peers[3]));
	assert_int_equal(weir_permits_used(permits), 3);
	assert_true(peer_read_end(&peers[1]) || peers[1].error);
	assert_true(answered(&peers[0]));
	assert_true(answered(&peers[2]));
	for (int i = 0; i < 4; i++)
		peer_close(&peers[i]);
	stop();
}

static void a_loop_without_idle_channels_asks_another(void **state)
{
	(void)state;
	struct peer peers[3];
	start(2, 0, true);
	for (int i = 0; i < 2; i++) {
		peers[i] = client(0);
		assert_true(answered(&peers[i]));
		clock_advance(LONG_MS);
	}
	peers[2] = client(1);
	peer_send(&peers[2], "hi\r\n");
	turn_all(3);
	assert_int_equal(weir_server_channels(servers[0]), 1);
	clock_advance(LONG_MS);
	turn_all(3);
	assert_true(peer_got(&peers[2], "hi"));
	assert_int_equal(weir_permits_used(permits), 2);
	for (int i = 0; i < 3; i++)
		peer_close(&peers[i]);
	stop();
}

/* The other loop's group is gone by the time its task runs. */
static void a_server_may_be_destroyed_after_it_was_asked(void **state)
{
	(void)state;
	struct peer peers[2];
	start(1, 0, true);
	peers[0] = client(0);
	assert_true(answered(&peers[0]));
	peers[1] = client(1);
	for (int i = 0; i < 3; i++)
		weir_loop_turn(loops[1], 0);
	weir_server_destroy(servers[0]);
	servers[0] = NULL;
	clock_advance(LONG_MS);
	assert_true(answered(&peers[1]));
	for (int i = 0; i < 2; i++)
		peer_close(&peers[i]);
	stop();
}

static void fewer_permits_close_nothing_by_themselves(void **state)
{
	(void)state;
	struct peer peers[4];
	start(3, 0, false);
	for (int i = 0; i < 3; i++) {
		peers[i] = client(0);
		assert_true(answered(&peers[i]));
	}
	weir_permits_set(permits, 1, 0);
	turn_all(3);
	assert_int_equal(weir_server_channels(servers[0]), 3);
	for (int i = 0; i < 3; i++) {
		peer_close(&peers[i]);
		turn_all(3);
	}
	peers[3] = client(1);
	assert_true(answered(&peers[3]));
	assert_int_equal(weir_permits_used(permits), 1);
	peer_close(&peers[3]);
	stop();
}

static void without_memory_nothing_is_left(void **state)
{
	struct weir_loop *loop;
	struct weir_server *server = NULL;
	(void)state;
	fail_allocation_after(0, true);
	assert_int_equal(weir_permits_create(1, 1, &permits), -ENOMEM);
	assert_true(stop_failing_allocations());
	assert_int_equal(weir_permits_create(1, 1, &permits), 0);
	assert_int_equal(weir_loop_create(&loop), 0);
	for (unsigned good = 0; !server; good++) {
		fail_allocation_after(good, true);
		int error = server_create(loop, &server);
		stop_failing_allocations();
		assert_true(error == 0 || error == -ENOMEM);
		assert_int_equal(weir_permits_used(permits), error == 0);
	}
	weir_server_destroy(server);
	assert_int_equal(weir_permits_used(permits), 0);
	weir_loop_destroy(loop);
	weir_permits_release(permits);
}

/* -- threads ----------------------------------------------------------------------------------- */

enum {
	THREADS = 3,
	ROUNDS = 60,
	CROWD = 6
};

/* Opens more connections than there are permits, as all threads do, and then closes them. */
static void *run(void *context)
{
	struct weir_loop *loop;
	struct weir_server *server;
	(void)context;
	if (weir_loop_create(&loop) < 0)
		return NULL;
	if (server_create(loop, &server) < 0) {
		weir_loop_destroy(loop);
		return NULL;
	}
	for (int round = 0; round < ROUNDS; round++) {
		struct peer peers[CROWD];
		for (int i = 0; i < CROWD; i++)
			peers[i] = peer_connect(loop, weir_server_address(server), 0);
		for (int i = 0; i < 20; i++)
			weir_loop_turn(loop, 0);
		for (int i = 0; i < CROWD; i++)
			peer_close(&peers[i]);
		for (int i = 0; i < 20; i++)
			weir_loop_turn(loop, 0);
	}
	weir_server_destroy(server);
	weir_loop_destroy(loop);
	return permits;
}

static void no_permit_is_lost_among_threads(void **state)
{
	pthread_t threads[THREADS];
	(void)state;
	assert_int_equal(weir_permits_create(THREADS * 2, 1, &permits), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		void *done;
		assert_int_equal(pthread_join(threads[i], &done), 0);
		assert_ptr_equal(done, permits);
	}
	assert_int_equal(weir_permits_used(permits), 0);
	weir_permits_release(permits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(one_server_can_take_all_that_others_have_not_reserved),
	        cmocka_unit_test(the_longest_idle_channel_of_another_server_is_closed),
	        cmocka_unit_test(a_loop_without_idle_channels_asks_another),
	        cmocka_unit_test(a_server_may_be_destroyed_after_it_was_asked),
	        cmocka_unit_test(fewer_permits_close_nothing_by_themselves),
	        cmocka_unit_test(without_memory_nothing_is_left),
	        cmocka_unit_test(no_permit_is_lost_among_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
