/* Wakers under several threads: no wake is lost, none comes after the detach. */
#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <weir/loop.h>
#include <weir/producer.h>

enum {
	THREADS = 4,
	ROUNDS = 5000
};

struct woken {
	struct weir_waiter waiter;
	unsigned count;
	unsigned seen; /* of work_done, at the last wake */
};

static const struct weir_producer_type type = {.name = "idle"};
static atomic_uint work_done;
static atomic_bool started;

static void on_wake(struct weir_waiter *waiter)
{
	struct woken *woken = WEIR_CONTAINER(waiter, struct woken, waiter);
	woken->count++;
	woken->seen = atomic_load_explicit(&work_done, memory_order_relaxed);
}

static void init(struct weir_producer *producer, struct woken *woken)
{
	weir_producer_init(producer, &type);
	*woken = (struct woken){.waiter.wake = on_wake};
	producer->waiter = &woken->waiter;
}

static void *wake_often(void *argument)
{
	struct weir_waker *waker = argument;
	for (int i = 0; i < ROUNDS; i++) {
		atomic_fetch_add_explicit(&work_done, 1, memory_order_relaxed);
		weir_waker_wake(waker);
	}
	weir_waker_release(waker);
	return NULL;
}

/* Work is done, then a wake is sent: the last wake to arrive must see all of the work. */
static void no_wake_is_lost(void **state)
{
	(void)state;
	struct weir_loop *loop;
	struct weir_producer producer;
	struct woken woken;
	pthread_t threads[THREADS];
	assert_int_equal(weir_loop_create(&loop), 0);
	init(&producer, &woken);
	struct weir_waker *waker = weir_waker_create(loop, &producer);
	atomic_store(&work_done, 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		        pthread_create(&threads[i], NULL, wake_often, weir_waker_hold(waker)), 0);
	for (int turns = 0; woken.seen < THREADS * ROUNDS && turns < THREADS * ROUNDS; turns++)
		weir_loop_turn(loop, 1000);
	assert_int_equal(woken.seen, THREADS * ROUNDS);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(woken.count > 0 && woken.count <= THREADS * ROUNDS);
	weir_waker_cancel(waker);
	weir_loop_destroy(loop);
}

static void *wake_until_released(void *argument)
{
	struct weir_waker *waker = argument;
	atomic_store(&started, true);
	for (int i = 0; i < ROUNDS * 10; i++)
		weir_waker_wake(waker);
	weir_waker_release(waker);
	return NULL;
}

/* The producer and even the loop go while a thread is still waking. */
static void a_detached_waker_may_outlive_its_loop(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		struct weir_loop *loop;
		struct weir_producer *producer = malloc(sizeof *producer);
		struct woken woken;
		pthread_t thread;
		assert_int_equal(weir_loop_create(&loop), 0);
		init(producer, &woken);
		struct weir_waker *waker = weir_waker_create(loop, producer);
		atomic_store(&started, false);
		pthread_create(&thread, NULL, wake_until_released, weir_waker_hold(waker));
		while (!atomic_load(&started))
			;
		weir_loop_turn(loop, 0);
		weir_waker_cancel(waker);
		free(producer);
		unsigned before = woken.count;
		weir_loop_turn(loop, 0);
		assert_int_equal(woken.count, before);
		weir_loop_destroy(loop);
		pthread_join(thread, NULL);
	}
}

static void wakes_in_a_burst_are_one(void **state)
{
	(void)state;
	struct weir_loop *loop;
	struct weir_producer producer;
	struct woken woken;
	assert_int_equal(weir_loop_create(&loop), 0);
	init(&producer, &woken);
	struct weir_waker *waker = weir_waker_create(loop, &producer);
	for (int i = 0; i < 10; i++)
		weir_waker_wake(waker);
	weir_loop_turn(loop, 0);
	assert_int_equal(woken.count, 1);
	weir_waker_wake(waker);
	weir_loop_turn(loop, 0);
	assert_int_equal(woken.count, 2);
	weir_waker_cancel(waker);
	weir_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(wakes_in_a_burst_are_one),
	        cmocka_unit_test(no_wake_is_lost),
	        cmocka_unit_test(a_detached_waker_may_outlive_its_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
