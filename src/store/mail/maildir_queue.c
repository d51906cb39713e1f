/*
 * The deliveries of a loop that wait for the disk. A batch takes those that have come by the end of
 * the turn; later ones wait for the next batch. So batches grow as the disk gets slower.
 *
 * Invariant: a queue belongs to its loop, and a delivery in a lane to the work pool. A queue lives
 * as long as the loop has deliveries.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "maildir_state.h"

static void maildir_queue_start_lanes(struct weir_task *task);

static struct maildir_queue *maildir_queue_find(struct maildir *maildir, struct weir_loop *loop)
{
	for (struct weir_list *at = maildir->queues.next; at != &maildir->queues; at = at->next) {
		struct maildir_queue *queue = WEIR_CONTAINER(at, struct maildir_queue, link);
		if (queue->loop == loop)
			return queue;
	}
	return NULL;
}

static struct maildir_queue *maildir_queue_create(struct maildir *maildir, struct weir_loop *loop)
{
	struct maildir_queue *queue = calloc(1, sizeof *queue);
	if (!queue)
		return NULL;
	queue->maildir = maildir;
	queue->loop = loop;
	queue->last = &queue->first;
	queue->task.run = maildir_queue_start_lanes;
	for (unsigned i = 0; i < WEIR_MAIL_LANES; i++)
		queue->lanes[i].queue = queue;
	weir_list_append(&maildir->queues, &queue->link);
	return queue;
}

struct maildir_queue *maildir_queue_get(struct maildir *maildir, struct weir_loop *loop)
{
	pthread_mutex_lock(&maildir->lock);
	struct maildir_queue *queue = maildir_queue_find(maildir, loop);
	if (!queue)
		queue = maildir_queue_create(maildir, loop);
	if (queue)
		queue->references++;
	pthread_mutex_unlock(&maildir->lock);
	return queue;
}

void maildir_queue_put(struct maildir_queue *queue)
{
	struct maildir *maildir = queue->maildir;
	if (--queue->references)
		return;
	pthread_mutex_lock(&maildir->lock);
	weir_list_remove(&queue->link);
	pthread_mutex_unlock(&maildir->lock);
	weir_loop_cancel(queue->loop, &queue->task);
	free(queue);
}

int maildir_queue_add(struct maildir_queue *queue, struct maildir_delivery *delivery)
{
	if (queue->waiting >= WEIR_MAIL_COMMITS_MAX)
		return WEIR_E_LIMIT;
	delivery->next = NULL;
	*queue->last = delivery;
	queue->last = &delivery->next;
	queue->waiting++;
	weir_loop_defer(queue->loop, &queue->task);
	return 0;
}

/* -- lanes ------------------------------------------------------------------------------------- */

static void maildir_queue_finish_all(struct maildir_delivery *first)
{
	for (struct maildir_delivery *next; first; first = next) {
		next = first->next;
		mail_intake_finish(&first->intake);
	}
}

static void maildir_queue_run_lane(struct weir_work *work)
{
	struct maildir_lane *lane = WEIR_CONTAINER(work, struct maildir_lane, work);
	maildir_commit(lane->queue->maildir, lane->first);
}

static void maildir_queue_lane_done(struct weir_work *work);

static struct maildir_delivery *maildir_queue_take(struct maildir_queue *queue, unsigned count)
{
	struct maildir_delivery *first = queue->first, **end = &queue->first;
	for (unsigned i = 0; i < count; i++, end = &(*end)->next)
		(*end)->intake.result = (*end)->intake.aborted ? -ECANCELED : 0;
	struct maildir_delivery *rest = *end;
	*end = NULL;
	queue->first = rest;
	if (!queue->first)
		queue->last = &queue->first;
	queue->waiting -= count;
	return first;
}

static void maildir_queue_refuse(struct maildir_delivery *first, int error)
{
	for (struct maildir_delivery *at = first; at; at = at->next)
		mail_intake_fail(&at->intake, error);
	maildir_queue_finish_all(first);
}

static unsigned maildir_queue_idle_lanes(const struct maildir_queue *queue)
{
	unsigned idle = 0;
	for (unsigned i = 0; i < WEIR_MAIL_LANES; i++)
		idle += !queue->lanes[i].busy;
	return idle;
}

static void maildir_queue_start_lane(
        struct maildir_queue *queue, struct maildir_lane *lane, unsigned count)
{
	lane->first = maildir_queue_take(queue, count);
	lane->busy = true;
	int error = weir_work_submit_to(queue->loop, WEIR_LANE_MAIL, &lane->work,
	        maildir_queue_run_lane, maildir_queue_lane_done);
	if (error == 0)
		return;
	lane->busy = false;
	maildir_queue_refuse(lane->first, error);
}

/* Distributes the waiting deliveries over the idle lanes. */
static void maildir_queue_start_idle(struct maildir_queue *queue)
{
	for (unsigned i = 0; i < WEIR_MAIL_LANES && queue->waiting; i++) {
		if (queue->lanes[i].busy)
			continue;
		unsigned idle = maildir_queue_idle_lanes(queue);
		unsigned count = (queue->waiting + idle - 1) / idle;
		maildir_queue_start_lane(queue, &queue->lanes[i],
		        count < WEIR_MAIL_BATCH_MAX ? count : WEIR_MAIL_BATCH_MAX);
	}
}

static void maildir_queue_lane_done(struct weir_work *work)
{
	struct maildir_lane *lane = WEIR_CONTAINER(work, struct maildir_lane, work);
	struct maildir_queue *queue = lane->queue;
	struct maildir_delivery *first = lane->first;
	lane->busy = false;
	queue->references++;
	maildir_queue_start_idle(queue);
	maildir_queue_finish_all(first);
	maildir_queue_put(queue);
}

static void maildir_queue_start_lanes(struct weir_task *task)
{
	struct maildir_queue *queue = WEIR_CONTAINER(task, struct maildir_queue, task);
	queue->references++;
	maildir_queue_start_idle(queue);
	maildir_queue_put(queue);
}
