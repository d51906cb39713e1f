/*
 * The pool for what blocks: a few threads, one queue for all loops. Threads start when work
 * is waiting and none is free, and end with the last loop.
 *
 * A work object is its submitter's; it is in the queue, on a thread, or in its loop's posted tasks.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "loop_state.h"

static struct {
	pthread_mutex_t life; /* held while `loops` changes, and before `lock` */
	unsigned loops;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t filled;
	struct weir_task *first;
	struct weir_task **last;
	unsigned queued;
	unsigned threads;
	unsigned idle;
	bool ending;
	pthread_t ids[WEIR_WORK_THREADS];
} pool = {.life = PTHREAD_MUTEX_INITIALIZER,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .filled = PTHREAD_COND_INITIALIZER};

static struct weir_work *next_work(void)
{
	while (!pool.first && !pool.ending) {
		pool.idle++;
		pthread_cond_wait(&pool.filled, &pool.lock);
		pool.idle--;
	}
	struct weir_task *task = pool.first;
	if (!task)
		return NULL;
	pool.first = task->next;
	pool.queued--;
	return WEIR_CONTAINER(task, struct weir_work, task);
}

static void finish(struct weir_task *task)
{
	struct weir_work *work = WEIR_CONTAINER(task, struct weir_work, task);
	work->loop->works--;
	work->done(work);
}

static void *thread_main(void *unused)
{
	pthread_mutex_lock(&pool.lock);
	for (struct weir_work *work; (work = next_work());) {
		pthread_mutex_unlock(&pool.lock);
		work->run(work);
		work->task.run = finish;
		/* Under the lock, so that the loop is not freed before the post has returned. */
		pthread_mutex_lock(&pool.lock);
		weir_loop_post(work->loop, &work->task);
	}
	pthread_mutex_unlock(&pool.lock);
	return unused;
}

/* Signals are for the threads that asked for them, never for these. */
static int start_thread(void)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int error = pthread_create(&pool.ids[pool.threads], NULL, thread_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error == 0)
		pool.threads++;
	return -error;
}

static int enqueue(struct weir_work *work)
{
	if (pool.queued >= WEIR_WORK_QUEUE_MAX)
		return WEIR_E_LIMIT;
	if (pool.idle <= pool.queued && pool.threads < WEIR_WORK_THREADS) {
		int error = start_thread();
		if (error < 0 && pool.threads == 0)
			return error;
	}
	if (!pool.first)
		pool.last = &pool.first;
	work->task.next = NULL;
	*pool.last = &work->task;
	pool.last = &work->task.next;
	pool.queued++;
	return 0;
}

int weir_work_submit(struct weir_loop *loop, struct weir_work *work,
        void (*run)(struct weir_work *work), void (*done)(struct weir_work *work))
{
	work->loop = loop;
	work->run = run;
	work->done = done;
	pthread_mutex_lock(&pool.lock);
	int error = enqueue(work);
	pthread_mutex_unlock(&pool.lock);
	if (error == 0) {
		/* After the unlock: who is woken needs the lock first. */
		pthread_cond_signal(&pool.filled);
		loop->works++;
		loop->counters.work_submitted++;
	}
	return error;
}

void weir_work_attach(void)
{
	pthread_mutex_lock(&pool.life);
	pool.loops++;
	pthread_mutex_unlock(&pool.life);
}

static void end_threads(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.ending = true;
	pthread_cond_broadcast(&pool.filled);
	pthread_mutex_unlock(&pool.lock);
	for (unsigned i = 0; i < pool.threads; i++)
		pthread_join(pool.ids[i], NULL);
	pool.threads = 0;
	pool.ending = false;
}

/*
 * The last loop ends the threads: nobody submits then, and a loop being created waits for `life`.
 */
void weir_work_detach(void)
{
	pthread_mutex_lock(
	        &pool.lock); /* a thread may still be in the post of this loop's last work */
	pthread_mutex_unlock(&pool.lock);
	pthread_mutex_lock(&pool.life);
	if (--pool.loops == 0)
		end_threads();
	pthread_mutex_unlock(&pool.life);
}
