/*
 * The contract of producers, held here so that their own code may be naive: an end is sticky, bytes
 * are counted, no producer is asked without room, the close is the last call. That it is called
 * only once is the owner's duty.
 *
 * The bytes that a transformer reads count against the loop's budget of input, since a GB that is
 * compressed to a MB costs the work of a GB. When the budget is spent, the answer is WEIR_WAIT.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/producer.h>

#include "loop_internal.h"
#include "probe.h"
#include "refcount.h"

void weir_producer_init(struct weir_producer *producer, const struct weir_producer_type *type)
{
	*producer = (struct weir_producer){.type = type, .state = WEIR_MORE};
}

void weir_producer_adopt(struct weir_producer *parent, struct weir_producer *child)
{
	child->parent = parent;
	child->wrapped = true;
}

void weir_wake(struct weir_producer *producer)
{
	while (producer->wrapped)
		producer = producer->parent;
	PROBE1(wake, producer);
	if (producer->waiter)
		producer->waiter->wake(producer->waiter);
}

static bool producer_ended(const struct weir_producer *producer)
{
	return producer->state == WEIR_DONE || producer->state == WEIR_FAILED;
}

/*
 * A producer that puts nothing again and again waits for the next turn. With WEIR_MORE, each
 * wrapper around it would ask as often again: exponential in the depth.
 */
enum weir_more weir_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	if (producer_ended(producer))
		return producer->state;
	if (!weir_output_room(out))
		return WEIR_MORE;
	if (out->inner && loop_input_spent(out->loop)) {
		producer->state = WEIR_WAIT;
		weir_wake(producer);
		return WEIR_WAIT;
	}
	producer->taken = producer->put;
	for (int asks = 0; asks < WEIR_EMPTY_ASKS_MAX; asks++) {
		size_t before = out->size;
		producer->state = producer->type->more(producer, out);
		producer->put += out->size - before;
		PROBE4(ask, producer, producer->type->name, out->size - before, producer->state);
		if (out->inner)
			loop_input_charge(out->loop, out->size - before);
		if (producer->state != WEIR_MORE || out->size != before)
			return producer->state;
	}
	producer->state = WEIR_WAIT;
	weir_wake(producer);
	return WEIR_WAIT;
}

void weir_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	if (!producer)
		return;
	PROBE3(producer_closed, producer, producer->type->name, why);
	if (why == WEIR_CLOSE_DONE)
		producer->taken = producer->put;
	if (producer->type->close)
		producer->type->close(producer, why);
}

void weir_producer_consumed(struct weir_producer *producer, uint64_t unsent)
{
	uint64_t taken = unsent < producer->put ? producer->put - unsent : 0;
	if (taken > producer->taken)
		producer->taken = taken;
}

int64_t weir_producer_size(const struct weir_producer *producer)
{
	return producer->type->size ? producer->type->size(producer) : -1;
}

/* -- wakers ------------------------------------------------------------------------------------ */

/*
 * A wake from any thread becomes one task on the producer's loop. Further wakes join a task
 * that has been posted and has not run. The task is marked as run before it wakes the producer, so
 * that no wake is lost.
 *
 * A cancelled waker may outlive its loop. So the check whether it is cancelled and the post are one
 * step, under the lock.
 */
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
