/*
 * The pool for what blocks: a queue and a few threads for each lane, for all loops together. A lane
 * starts a thread when work is waiting and none of its own is free; all end with the last loop.
 *
 * Invariant: threads never change lanes, so that a disk that hangs stops its own kind of work only.
 * A work object is its submitter's; it is in a queue, on a thread, or in its loop's posted tasks.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "loop_state.h"

struct lane {
	pthread_cond_t filled;
	struct weir_task *first;
	struct weir_task **last;
	unsigned queued;
	unsigned threads;
	unsigned idle;
	uint64_t submitted;
	uint64_t refused;
	pthread_t ids[WEIR_WORK_THREADS];
};

static struct {
	pthread_mutex_t life; /* held while `loops` changes, and before `lock` */
	unsigned loops;
	pthread_mutex_t lock; /* guards all below */
	bool ending;
	struct lane lanes[WEIR_LANES];
} pool = {.life = PTHREAD_MUTEX_INITIALIZER,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .lanes = {[0 ... WEIR_LANES - 1] = {.filled = PTHREAD_COND_INITIALIZER}}};

static struct weir_work *work_next(struct lane *lane)
{
	while (!lane->first && !pool.ending) {
		lane->idle++;
		pthread_cond_wait(&lane->filled, &pool.lock);
		lane->idle--;
	}
	struct weir_task *task = lane->first;
	if (!task)
		return NULL;
	lane->first = task->next;
	lane->queued--;
	return WEIR_CONTAINER(task, struct weir_work, task);
}

static void work_finish(struct weir_task *task)
{
	struct weir_work *work = WEIR_CONTAINER(task, struct weir_work, task);
	work->loop->works--;
	work->done(work);
}

static void *work_thread_main(void *context)
{
	struct lane *lane = context;
	pthread_mutex_lock(&pool.lock);
	for (struct weir_work *work; (work = work_next(lane));) {
		pthread_mutex_unlock(&pool.lock);
		work->run(work);
		work->task.run = work_finish;
		/* Under the lock, so that the loop is not freed before the post has returned. */
		pthread_mutex_lock(&pool.lock);
		weir_loop_post(work->loop, &work->task);
	}
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

/* These threads block all signals, which are for the threads that handle them. */
static int work_start_thread(struct lane *lane)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int error = pthread_create(&lane->ids[lane->threads], NULL, work_thread_main, lane);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error == 0)
		lane->threads++;
	return -error;
}

static int work_enqueue(struct lane *lane, struct weir_work *work)
{
	if (lane->queued >= WEIR_WORK_QUEUE_MAX) {
		lane->refused++;
		return WEIR_E_LIMIT;
	}
	if (lane->idle <= lane->queued && lane->threads < WEIR_WORK_THREADS) {
		int error = work_start_thread(lane);
		if (error < 0 && lane->threads == 0)
			return error;
	}
	if (!lane->first)
		lane->last = &lane->first;
	work->task.next = NULL;
	*lane->last = &work->task;
	lane->last = &work->task.next;
	lane->queued++;
	lane->submitted++;
	return 0;
}

int weir_work_submit_to(struct weir_loop *loop, enum weir_lane lane, struct weir_work *work,
        weir_work_fn *run, weir_work_fn *done)
{
	work->loop = loop;
	work->run = run;
	work->done = done;
	pthread_mutex_lock(&pool.lock);
	int error = work_enqueue(&pool.lanes[lane], work);
	pthread_mutex_unlock(&pool.lock);
	if (error == 0) {
		/* After the unlock, since the woken thread needs the lock first. */
		pthread_cond_signal(&pool.lanes[lane].filled);
		loop->works++;
		weir_metric_add(&loop->cells.counters.work_submitted, 1);
	}
	return error;
}

int weir_work_submit(
        struct weir_loop *loop, struct weir_work *work, weir_work_fn *run, weir_work_fn *done)
{
	return weir_work_submit_to(loop, WEIR_LANE_GENERAL, work, run, done);
}

void weir_work_info(enum weir_lane lane, struct weir_lane_info *ret)
{
	const struct lane *from = &pool.lanes[lane];
	pthread_mutex_lock(&pool.lock);
	*ret = (struct weir_lane_info){
	        .queued = from->queued,
	        .threads = from->threads,
	        .idle = from->idle,
	        .submitted = from->submitted,
	        .refused = from->refused,
	};
	pthread_mutex_unlock(&pool.lock);
}

void work_attach(void)
{
	pthread_mutex_lock(&pool.life);
	pool.loops++;
	pthread_mutex_unlock(&pool.life);
}

static void work_end_threads(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.ending = true;
	for (unsigned i = 0; i < WEIR_LANES; i++)
		pthread_cond_broadcast(&pool.lanes[i].filled);
	pthread_mutex_unlock(&pool.lock);
	for (struct lane *lane = pool.lanes; lane < pool.lanes + WEIR_LANES; lane++) {
		for (unsigned i = 0; i < lane->threads; i++)
			pthread_join(lane->ids[i], NULL);
		lane->threads = 0;
	}
	pool.ending = false;
}

/* The last loop ends the threads: nothing is submitted then, and a new loop waits for `life`. */
void work_detach(void)
{
	pthread_mutex_lock(
	        &pool.lock); /* a thread may still be in the post of this loop's last work */
	pthread_mutex_unlock(&pool.lock);
	pthread_mutex_lock(&pool.life);
	if (--pool.loops == 0)
		work_end_threads();
	pthread_mutex_unlock(&pool.life);
}
