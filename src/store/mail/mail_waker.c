/*
 * Waking the loop that listens to a queue.
 *
 * Invariant: a waker whose task is posted is freed by the task, if it has ended meanwhile.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "mail_queued.h"

struct mail_waker {
	struct weir_task task;
	struct weir_loop *loop;
	pthread_mutex_t *lock; /* covers `posted` */
	void (*woken)(void *context);
	void *context;
	bool posted;
	bool ended;
};

static void mail_waker_run(struct weir_task *task)
{
	struct mail_waker *waker = WEIR_CONTAINER(task, struct mail_waker, task);
	if (waker->ended) {
		free(waker);
		return;
	}
	pthread_mutex_lock(waker->lock);
	waker->posted = false;
	pthread_mutex_unlock(waker->lock);
	waker->woken(waker->context);
}

struct mail_waker *mail_waker_create(
        struct weir_loop *loop, pthread_mutex_t *lock, void (*woken)(void *context), void *context)
{
	struct mail_waker *waker = calloc(1, sizeof *waker);
	if (!waker)
		return NULL;
	waker->task.run = mail_waker_run;
	waker->loop = loop;
	waker->lock = lock;
	waker->woken = woken;
	waker->context = context;
	return waker;
}

void mail_waker_wake(struct mail_waker *waker)
{
	if (waker->posted)
		return;
	waker->posted = true;
	weir_loop_post(waker->loop, &waker->task);
}

void mail_waker_end(struct mail_waker *waker)
{
	waker->ended = true;
	if (!waker->posted)
		free(waker);
}
