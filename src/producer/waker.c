/*
 * Wakers: a wake from any thread becomes one task on the producer's loop. Further wakes join a task
 * that has been posted and has not run. The task is marked as run before it wakes the producer, so
 * that no wake is lost.
 *
 * A cancelled waker may outlive its loop. So the check whether it is cancelled and the post are one
 * step, under the lock.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <weir/loop.h>
#include <weir/producer.h>

#include "refcount.h"

struct weir_waker {
	struct weir_task task; /* holds a reference while it is posted */
	struct refcount references;
	pthread_mutex_t lock;
	struct weir_loop *loop;
	struct weir_producer *producer; /* under the lock; NULL once cancelled */
	bool posted;                    /* under the lock */
};

static void waker_producer_run(struct weir_task *task)
{
	struct weir_waker *waker = WEIR_CONTAINER(task, struct weir_waker, task);
	pthread_mutex_lock(&waker->lock);
	waker->posted = false;
	struct weir_producer *producer = waker->producer;
	pthread_mutex_unlock(&waker->lock);
	/* Only this thread cancels, so the producer exists, and the lock is not needed. */
	if (producer)
		weir_wake(producer);
	weir_waker_release(waker);
}

struct weir_waker *weir_waker_create(struct weir_loop *loop, struct weir_producer *producer)
{
	struct weir_waker *waker = calloc(1, sizeof *waker);
	if (!waker)
		return NULL;
	waker->task.run = waker_producer_run;
	refcount_init(&waker->references);
	pthread_mutex_init(&waker->lock, NULL);
	waker->loop = loop;
	waker->producer = producer;
	return waker;
}

struct weir_waker *weir_waker_hold(struct weir_waker *waker)
{
	refcount_hold(&waker->references);
	return waker;
}

void weir_waker_release(struct weir_waker *waker)
{
	if (!refcount_release(&waker->references))
		return;
	pthread_mutex_destroy(&waker->lock);
	free(waker);
}

void weir_waker_wake(struct weir_waker *waker)
{
	pthread_mutex_lock(&waker->lock);
	if (waker->producer && !waker->posted) {
		waker->posted = true;
		weir_loop_post(waker->loop, &weir_waker_hold(waker)->task);
	}
	pthread_mutex_unlock(&waker->lock);
}

void weir_waker_cancel(struct weir_waker *waker)
{
	pthread_mutex_lock(&waker->lock);
	waker->producer = NULL;
	pthread_mutex_unlock(&waker->lock);
	weir_waker_release(waker);
}
