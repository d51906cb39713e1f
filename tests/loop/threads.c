/*
 * Loops on many threads: posts keep their order, stops arrive, work comes back, nothing is shared.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <weir/loop.h>

enum {
	THREADS = 4,
	POSTS = 20000,
	ROUNDS = 100
};

struct posted {
	struct weir_task task;
	unsigned thread;
	unsigned number;
};

static struct weir_loop *target;
static unsigned next_number[THREADS];
static unsigned arrived;

static void on_posted(struct weir_task *task)
{
	struct posted *posted = WEIR_CONTAINER(task, struct posted, task);
	assert_int_equal(posted->number, next_number[posted->thread]);
	next_number[posted->thread]++;
	free(posted);
	if (++arrived == THREADS * POSTS)
		weir_loop_stop(target);
}

static void *post_many(void *argument)
{
	for (unsigned i = 0; i < POSTS; i++) {
		struct posted *posted = calloc(1, sizeof *posted);
		posted->task.run = on_posted;
		posted->thread = (unsigned)(uintptr_t)argument;
		posted->number = i;
		weir_loop_post(target, &posted->task);
	}
	return NULL;
}

static void posts_arrive_in_order(void **state)
{
	(void)state;
	pthread_t threads[THREADS];
	assert_int_equal(weir_loop_create(&target), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, post_many, (void *)i);
	assert_int_equal(weir_loop_run(target), 0);
	assert_int_equal(arrived, THREADS * POSTS);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	weir_loop_destroy(target);
}

static void *stop_it(void *argument)
{
	weir_loop_stop(argument);
	return NULL;
}

/* Also a stop that comes before the run. */
static void any_thread_may_stop_a_loop(void **state)
{
	(void)state;
	assert_int_equal(weir_loop_create(&target), 0);
	for (int round = 0; round < ROUNDS; round++) {
		pthread_t thread;
		pthread_create(&thread, NULL, stop_it, target);
		assert_int_equal(weir_loop_run(target), 0);
		pthread_join(thread, NULL);
	}
	weir_loop_destroy(target);
}

struct job {
	struct weir_work work;
	atomic_uint *ran;
	unsigned *done;
};

static void run_job(struct weir_work *work)
{
	atomic_fetch_add(WEIR_CONTAINER(work, struct job, work)->ran, 1);
}

static void done_job(struct weir_work *work)
{
	++*WEIR_CONTAINER(work, struct job, work)->done;
}

/* Each loop is destroyed with work in flight; others, and so the pool, go on. */
static void *make_and_destroy(void *argument)
{
	(void)argument;
	for (int round = 0; round < ROUNDS; round++) {
		struct weir_loop *loop;
		struct job jobs[3];
		atomic_uint ran = 0;
		unsigned done = 0;
		if (weir_loop_create(&loop) < 0)
			abort();
		for (int i = 0; i < 3; i++) {
			jobs[i] = (struct job){.ran = &ran, .done = &done};
			if (weir_work_submit(loop, &jobs[i].work, run_job, done_job) < 0)
				abort();
		}
		weir_loop_turn(loop, 0);
		weir_loop_destroy(loop);
		if (done != 3 || ran != 3)
			abort();
	}
	return NULL;
}

static void loops_come_and_go(void **state)
{
	(void)state;
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, make_and_destroy, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(posts_arrive_in_order),
	        cmocka_unit_test(any_thread_may_stop_a_loop),
	        cmocka_unit_test(loops_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
