/*
 * The queue in memory: a heap of entries, each with the id of a message and when it is due.
 *
 * Invariants: each ID.env on the disk that can be read has one entry, in the heap or among the
 * claimed ones. Both arrays have room for all entries and all reservations, so that adding a
 * message that is on the disk cannot fail.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "mail_queue_state.h"

enum {
	UNREADABLE_S = 60 * 60 /* until a message that cannot be read is tried again */
};

/* -- reservations ------------------------------------------------------------------------------ */

static int mail_queue_grow(struct queue_files *queue)
{
	size_t capacity = queue->capacity ? 2 * queue->capacity : 64;
	struct queue_entry **heap = realloc(queue->heap, capacity * sizeof(struct queue_entry *));
	if (!heap)
		return -ENOMEM;
	queue->heap = heap;
	struct queue_entry **claimed =
	        realloc(queue->claimed, capacity * sizeof(struct queue_entry *));
	if (!claimed)
		return -ENOMEM;
	queue->claimed = claimed;
	queue->capacity = capacity;
	return 0;
}

int mail_queue_reserve(struct queue_files *queue)
{
	pthread_mutex_lock(&queue->lock);
	size_t count = queue->heap_count + queue->claimed_count + queue->reserved;
	int error = count >= queue->messages_max ? WEIR_E_LIMIT : 0;
	if (error == 0 && count >= queue->capacity)
		error = mail_queue_grow(queue);
	queue->reserved += error == 0;
	pthread_mutex_unlock(&queue->lock);
	return error;
}

void mail_queue_unreserve(struct queue_files *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->reserved--;
	pthread_mutex_unlock(&queue->lock);
}

void mail_queue_add(struct queue_files *queue, struct queue_entry *entry)
{
	pthread_mutex_lock(&queue->lock);
	queue->reserved--;
	/* The directory was read between the writing of its files and now. */
	if (queue->merges && mail_queue_find(queue, entry->id)) {
		mail_queue_free_entry(queue, entry);
	} else {
		mail_queue_heap(queue, entry);
		if (strcmp(entry->id, queue->oldest) < 0)
			memcpy(queue->oldest, entry->id, sizeof queue->oldest);
		mail_queue_wake(queue);
	}
	pthread_mutex_unlock(&queue->lock);
}

size_t queue_files_count(struct weir_mail_queue *base)
{
	struct queue_files *queue = queue_files_of(base);
	pthread_mutex_lock(&queue->lock);
	size_t count = queue->heap_count + queue->claimed_count;
	pthread_mutex_unlock(&queue->lock);
	return count;
}

void queue_files_claims(struct weir_mail_queue *base, struct weir_mail_queue_claims *ret)
{
	struct queue_files *queue = queue_files_of(base);
	pthread_mutex_lock(&queue->lock);
	*ret = (struct weir_mail_queue_claims){.claimed = queue->claimed_count};
	pthread_mutex_unlock(&queue->lock);
}

static void mail_queue_find_oldest(struct queue_files *queue)
{
	const char *oldest = queue->heap_count ? queue->heap[0]->id : queue->claimed[0]->id;
	for (size_t i = 0; i < queue->heap_count; i++)
		if (strcmp(queue->heap[i]->id, oldest) < 0)
			oldest = queue->heap[i]->id;
	for (size_t i = 0; i < queue->claimed_count; i++)
		if (strcmp(queue->claimed[i]->id, oldest) < 0)
			oldest = queue->claimed[i]->id;
	memcpy(queue->oldest, oldest, sizeof queue->oldest);
}

/* An id begins with the microseconds of its making, in 13 hexadecimal digits. */
int64_t queue_files_oldest_s(struct weir_mail_queue *base)
{
	struct queue_files *queue = queue_files_of(base);
	int64_t oldest_s = INT64_MAX;
	pthread_mutex_lock(&queue->lock);
	if (queue->heap_count + queue->claimed_count) {
		uint64_t us = 0;
		if (!queue->oldest[0])
			mail_queue_find_oldest(queue);
		weir_span_number(weir_span(queue->oldest, 13), 16, &us);
		oldest_s = (int64_t)(us / 1000000);
	}
	pthread_mutex_unlock(&queue->lock);
	return oldest_s;
}

/* -- listening ------------------------------------------------------------------------------- */

static void mail_queue_on_wake(void *context)
{
	struct queue_files *queue = context;
	queue->changed(queue->context);
}

void mail_queue_wake(struct queue_files *queue)
{
	if (queue->waker)
		mail_waker_wake(queue->waker);
}

int queue_files_listen(struct weir_mail_queue *base, struct weir_loop *loop,
        weir_mail_queue_changed_fn *changed, void *context)
{
	struct queue_files *queue = queue_files_of(base);
	struct mail_waker *waker = mail_waker_create(loop, &queue->lock, mail_queue_on_wake, queue);
	if (!waker)
		return -ENOMEM;
	queue->loop = loop;
	queue->changed = changed;
	queue->context = context;
	int error = mail_queue_control_start(queue);
	pthread_mutex_lock(&queue->lock);
	if (error < 0) {
		mail_waker_end(waker);
		pthread_mutex_unlock(&queue->lock);
		return error;
	}
	queue->waker = waker;
	mail_queue_wake(queue);
	pthread_mutex_unlock(&queue->lock);
	return 0;
}

void queue_files_ignore(struct weir_mail_queue *base)
{
	struct queue_files *queue = queue_files_of(base);
	pthread_mutex_lock(&queue->lock);
	struct mail_waker *waker = queue->waker;
	queue->waker = NULL;
	if (waker)
		mail_waker_end(waker);
	pthread_mutex_unlock(&queue->lock);
	if (waker)
		mail_queue_control_stop(queue);
}

/*
 * -- claiming and requeueing --------------------------------------------------------------------
 */

struct queue_job {
	struct weir_work work;
	struct queue_files *queue;
	struct queue_entry *entry;
	struct weir_queued *queued;
	bool remove;
	int error;
	weir_mail_queue_claimed_fn *claimed;
	weir_mail_queue_requeued_fn *given;
	void *context;
};

int64_t queue_files_next(struct weir_mail_queue *base)
{
	struct queue_files *queue = queue_files_of(base);
	pthread_mutex_lock(&queue->lock);
	int64_t next_s = queue->heap_count ? queue->heap[0]->next_s : INT64_MAX;
	pthread_mutex_unlock(&queue->lock);
	return next_s;
}

/* Puts the entry back into the heap, or frees it if `gone`. */
static void mail_queue_put_back(struct queue_files *queue, struct queue_entry *entry, bool gone)
{
	pthread_mutex_lock(&queue->lock);
	mail_queue_remove_claimed(queue, entry);
	if (gone) {
		mail_queue_free_entry(queue, entry);
	} else {
		/* Deleted when it was on the disk again: the next claim removes it. */
		if (entry->retried || entry->deleted)
			entry->next_s = 0;
		entry->retried = false;
		mail_queue_heap(queue, entry);
		mail_queue_wake(queue);
	}
	pthread_mutex_unlock(&queue->lock);
}

void mail_queue_free_entry(struct queue_files *queue, struct queue_entry *entry)
{
	queue->unsaved_count -= entry->unsaved != NULL;
	mail_queued_free(entry->unsaved);
	if (strcmp(entry->id, queue->oldest) == 0)
		queue->oldest[0] = 0;
	free(entry);
}

static struct weir_queued *mail_queue_claim_unsaved(
        struct queue_files *queue, struct queue_entry *entry)
{
	struct weir_queued *unsaved = entry->unsaved;
	pthread_mutex_lock(&queue->lock);
	entry->unsaved = NULL;
	queue->unsaved_count--;
	pthread_mutex_unlock(&queue->lock);
	return unsaved;
}

/* Returns false if there are too many already. */
static bool mail_queue_retain_unsaved(
        struct queue_files *queue, struct queue_entry *entry, struct weir_queued *queued)
{
	pthread_mutex_lock(&queue->lock);
	bool room = queue->unsaved_count < WEIR_QUEUE_STATES_MAX;
	queue->unsaved_count += room;
	if (room)
		entry->unsaved = queued;
	pthread_mutex_unlock(&queue->lock);
	if (!room)
		return false;
	close(queued->fd);
	queued->fd = -1;
	return true;
}

static void mail_queue_run_claim(struct weir_work *work)
{
	struct queue_job *job = WEIR_CONTAINER(work, struct queue_job, work);
	struct weir_queued *unsaved = job->entry->unsaved;
	int directory = job->queue->directory;
	job->remove = job->entry->deleted;
	if (job->remove) {
		mail_queued_remove(directory, job->entry->id);
		job->error = -ENOENT;
	} else if (unsaved)
		job->error = mail_queued_open(directory, unsaved);
	else
		job->error = mail_queued_load(directory, job->entry->id, true, &job->queued);
}

static void mail_queue_claim_done(struct weir_work *work)
{
	struct queue_job *job = WEIR_CONTAINER(work, struct queue_job, work);
	if (job->error == 0 && job->entry->unsaved)
		job->queued = mail_queue_claim_unsaved(job->queue, job->entry);
	if (job->error < 0) {
		job->entry->next_s = weir_loop_wall_s(work->loop) + UNREADABLE_S;
		mail_queue_put_back(job->queue, job->entry, job->remove);
		job->claimed(job->context, job->error, NULL);
		free(job);
		return;
	}
	job->queued->job = job; /* for the requeue, which must not fail */
	job->claimed(job->context, 0, job->queued);
}

/* Takes the first entry off the heap, if it is due. */
static struct queue_entry *mail_queue_claim_entry(struct queue_files *queue, int64_t now_s)
{
	struct queue_entry *entry = NULL;
	pthread_mutex_lock(&queue->lock);
	if (queue->heap_count && queue->heap[0]->next_s <= now_s) {
		entry = queue->heap[0];
		mail_queue_unheap(queue, entry);
		mail_queue_add_claimed(queue, entry);
	}
	pthread_mutex_unlock(&queue->lock);
	return entry;
}

int queue_files_claim(struct weir_mail_queue *base, struct weir_loop *loop, int64_t now_s,
        weir_mail_queue_claimed_fn *claimed, void *context)
{
	struct queue_files *queue = queue_files_of(base);
	struct queue_job *job = calloc(1, sizeof *job);
	if (!job)
		return -ENOMEM;
	job->queue = queue;
	job->claimed = claimed;
	job->context = context;
	job->entry = mail_queue_claim_entry(queue, now_s);
	if (!job->entry) {
		free(job);
		return 0;
	}
	int error = weir_work_submit_to(
	        loop, WEIR_LANE_MAIL, &job->work, mail_queue_run_claim, mail_queue_claim_done);
	if (error == 0)
		return 1;
	pthread_mutex_lock(&queue->lock);
	mail_queue_remove_claimed(queue, job->entry);
	mail_queue_heap(queue, job->entry);
	pthread_mutex_unlock(&queue->lock);
	free(job);
	return error;
}

static void mail_queue_run_requeue(struct weir_work *work)
{
	struct queue_job *job = WEIR_CONTAINER(work, struct queue_job, work);
	int directory = job->queue->directory;
	pthread_mutex_lock(&job->queue->lock);
	job->remove = job->entry->deleted || mail_queued_is_done(job->queued);
	pthread_mutex_unlock(&job->queue->lock);
	job->error = job->remove ? mail_queued_remove(directory, job->queued->id)
	                         : mail_queued_store(directory, job->queued);
	if (job->remove && job->error == -ENOENT)
		job->error = 0;
}

static void mail_queue_requeue_done(struct weir_work *work)
{
	struct queue_job *job = WEIR_CONTAINER(work, struct queue_job, work);
	job->entry->next_s = job->queued->next_s;
	bool retained = job->error < 0 && !job->remove &&
	                mail_queue_retain_unsaved(job->queue, job->entry, job->queued);
	if (!retained)
		mail_queued_free(job->queued);
	mail_queue_put_back(job->queue, job->entry, job->remove);
	if (job->given)
		job->given(job->context, job->error);
	free(job);
}

void queue_files_requeue(struct weir_mail_queue *base, struct weir_loop *loop,
        struct weir_queued *queued, weir_mail_queue_requeued_fn *given, void *context)
{
	struct queue_files *queue = queue_files_of(base);
	struct queue_job *job = queued->job;
	*job = (struct queue_job){.queue = queue,
	        .entry = job->entry,
	        .queued = queued,
	        .given = given,
	        .context = context};
	if (weir_work_submit_to(loop, WEIR_LANE_MAIL, &job->work, mail_queue_run_requeue,
	            mail_queue_requeue_done) == 0)
		return;
	/*
	 * The result of sending must not be lost: if the pool accepts no work, the loop writes it.
	 */
	job->work.loop = loop;
	mail_queue_run_requeue(&job->work);
	mail_queue_requeue_done(&job->work);
}
