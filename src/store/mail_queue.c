/*
 * The queue in memory: of each message its id and when it is due, in a heap; and who takes.
 *
 * Invariants: each ID.env on the disk that can be read has one entry, in the heap or among those
 * taken; both arrays have room for all entries and all places reserved, so that putting a message
 * that is on the disk in cannot fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

#include "mail_queue_state.h"

enum {
	UNREADABLE_S = 60 * 60 /* until one that cannot be read is tried again */
};

/* -- the heap ---------------------------------------------------------------------------------- */

static void place(struct weir_mail_queue *queue, struct queue_entry *entry, size_t at)
{
	queue->heap[at] = entry;
	entry->place = at;
}

static void sift_up(struct weir_mail_queue *queue, struct queue_entry *entry, size_t at)
{
	for (; at && queue->heap[(at - 1) / 2]->next_s > entry->next_s; at = (at - 1) / 2)
		place(queue, queue->heap[(at - 1) / 2], at);
	place(queue, entry, at);
}

static void sift_down(struct weir_mail_queue *queue, struct queue_entry *entry, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;
		if (child + 1 < queue->heap_count &&
		        queue->heap[child + 1]->next_s < queue->heap[child]->next_s)
			child++;
		if (child >= queue->heap_count || queue->heap[child]->next_s >= entry->next_s)
			break;
		place(queue, queue->heap[child], at);
		at = child;
	}
	place(queue, entry, at);
}

void weir_queue_heap(struct weir_mail_queue *queue, struct queue_entry *entry)
{
	sift_up(queue, entry, queue->heap_count++);
}

void weir_queue_unheap(struct weir_mail_queue *queue, struct queue_entry *entry)
{
	struct queue_entry *last = queue->heap[--queue->heap_count];
	size_t at = entry->place;
	if (last == entry)
		return;
	if (at && queue->heap[(at - 1) / 2]->next_s > last->next_s)
		sift_up(queue, last, at);
	else
		sift_down(queue, last, at);
}

static void put_among_taken(struct weir_mail_queue *queue, struct queue_entry *entry)
{
	entry->taken = true;
	entry->place = queue->taken_count;
	queue->taken[queue->taken_count++] = entry;
}

static void remove_from_taken(struct weir_mail_queue *queue, struct queue_entry *entry)
{
	struct queue_entry *last = queue->taken[--queue->taken_count];
	entry->taken = false;
	queue->taken[entry->place] = last;
	last->place = entry->place;
}

struct queue_entry *weir_queue_find(struct weir_mail_queue *queue, const char *id)
{
	for (size_t i = 0; i < queue->heap_count; i++)
		if (strcmp(queue->heap[i]->id, id) == 0)
			return queue->heap[i];
	for (size_t i = 0; i < queue->taken_count; i++)
		if (strcmp(queue->taken[i]->id, id) == 0)
			return queue->taken[i];
	return NULL;
}

/* -- places ------------------------------------------------------------------------------------ */

static int grow(struct weir_mail_queue *queue)
{
	size_t capacity = queue->capacity ? 2 * queue->capacity : 64;
	struct queue_entry **heap = realloc(queue->heap, capacity * sizeof(struct queue_entry *));
	if (!heap)
		return -ENOMEM;
	queue->heap = heap;
	struct queue_entry **taken = realloc(queue->taken, capacity * sizeof(struct queue_entry *));
	if (!taken)
		return -ENOMEM;
	queue->taken = taken;
	queue->capacity = capacity;
	return 0;
}

int weir_queue_reserve(struct weir_mail_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	size_t count = queue->heap_count + queue->taken_count + queue->reserved;
	int error = count >= queue->messages_max ? WEIR_E_LIMIT : 0;
	if (error == 0 && count >= queue->capacity)
		error = grow(queue);
	queue->reserved += error == 0;
	pthread_mutex_unlock(&queue->lock);
	return error;
}

void weir_queue_unreserve(struct weir_mail_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->reserved--;
	pthread_mutex_unlock(&queue->lock);
}

void weir_queue_add(struct weir_mail_queue *queue, struct queue_entry *entry)
{
	pthread_mutex_lock(&queue->lock);
	queue->reserved--;
	weir_queue_heap(queue, entry);
	weir_queue_wake(queue);
	pthread_mutex_unlock(&queue->lock);
}

size_t weir_mail_queue_count(struct weir_mail_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	size_t count = queue->heap_count + queue->taken_count;
	pthread_mutex_unlock(&queue->lock);
	return count;
}

/* -- who listens ------------------------------------------------------------------------------- */

/* Posted by any thread; outlives the queue if it is posted when that goes. */
struct queue_waker {
	struct weir_task task;
	struct weir_mail_queue *queue; /* NULL: nobody listens any more */
	bool posted;
};

static void run_wake(struct weir_task *task)
{
	struct queue_waker *waker = WEIR_CONTAINER(task, struct queue_waker, task);
	struct weir_mail_queue *queue = waker->queue;
	if (!queue) {
		free(waker);
		return;
	}
	pthread_mutex_lock(&queue->lock);
	waker->posted = false;
	pthread_mutex_unlock(&queue->lock);
	queue->changed(queue->context);
}

void weir_queue_wake(struct weir_mail_queue *queue)
{
	if (!queue->waker || queue->waker->posted)
		return;
	queue->waker->posted = true;
	weir_loop_post(queue->loop, &queue->waker->task);
}

int weir_mail_queue_listen(struct weir_mail_queue *queue, struct weir_loop *loop,
        void (*changed)(void *context), void *context)
{
	struct queue_waker *waker = calloc(1, sizeof *waker);
	if (!waker)
		return -ENOMEM;
	waker->task.run = run_wake;
	waker->queue = queue;
	queue->loop = loop;
	queue->changed = changed;
	queue->context = context;
	int error = weir_queue_control_start(queue);
	if (error < 0) {
		free(waker);
		return error;
	}
	pthread_mutex_lock(&queue->lock);
	queue->waker = waker;
	weir_queue_wake(queue);
	pthread_mutex_unlock(&queue->lock);
	return 0;
}

void weir_mail_queue_ignore(struct weir_mail_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	struct queue_waker *waker = queue->waker;
	queue->waker = NULL;
	if (waker)
		waker->queue = NULL;
	if (waker && !waker->posted)
		free(waker);
	pthread_mutex_unlock(&queue->lock);
	if (waker)
		weir_queue_control_stop(queue);
}

/* -- taking and giving back -------------------------------------------------------------------- */

struct queue_job {
	struct weir_work work;
	struct weir_mail_queue *queue;
	struct queue_entry *entry;
	struct weir_queued *queued;
	bool remove;
	int error;
	void (*taken)(void *context, int error, struct weir_queued *queued);
	void (*given)(void *context, int error);
	void *context;
};

int64_t weir_mail_queue_next(struct weir_mail_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	int64_t next_s = queue->heap_count ? queue->heap[0]->next_s : INT64_MAX;
	pthread_mutex_unlock(&queue->lock);
	return next_s;
}

/* Back into the heap, or gone if `gone`. */
static void put_back(struct weir_mail_queue *queue, struct queue_entry *entry, bool gone)
{
	pthread_mutex_lock(&queue->lock);
	remove_from_taken(queue, entry);
	if (gone) {
		free(entry);
	} else {
		if (entry->retried)
			entry->next_s = 0;
		entry->retried = false;
		weir_queue_heap(queue, entry);
		weir_queue_wake(queue);
	}
	pthread_mutex_unlock(&queue->lock);
}

static void run_take(struct weir_work *work)
{
	struct queue_job *job = WEIR_CONTAINER(work, struct queue_job, work);
	job->error = weir_queued_load(job->queue->directory, job->entry->id, true, &job->queued);
}

static void take_done(struct weir_work *work)
{
	struct queue_job *job = WEIR_CONTAINER(work, struct queue_job, work);
	if (job->error < 0) {
		job->entry->next_s = weir_loop_wall_s(work->loop) + UNREADABLE_S;
		put_back(job->queue, job->entry, false);
		job->taken(job->context, job->error, NULL);
		free(job);
		return;
	}
	job->queued->job = job; /* for giving it back, which must not fail */
	job->taken(job->context, 0, job->queued);
}

/* The first of the heap, if it is due. */
static struct queue_entry *take_entry(struct weir_mail_queue *queue, int64_t now_s)
{
	struct queue_entry *entry = NULL;
	pthread_mutex_lock(&queue->lock);
	if (queue->heap_count && queue->heap[0]->next_s <= now_s) {
		entry = queue->heap[0];
		weir_queue_unheap(queue, entry);
		put_among_taken(queue, entry);
	}
	pthread_mutex_unlock(&queue->lock);
	return entry;
}

int weir_mail_queue_take(struct weir_mail_queue *queue, struct weir_loop *loop, int64_t now_s,
        void (*taken)(void *context, int error, struct weir_queued *queued), void *context)
{
	struct queue_job *job = calloc(1, sizeof *job);
	if (!job)
		return -ENOMEM;
	job->queue = queue;
	job->taken = taken;
	job->context = context;
	job->entry = take_entry(queue, now_s);
	if (!job->entry) {
		free(job);
		return 0;
	}
	int error = weir_work_submit(loop, &job->work, run_take, take_done);
	if (error == 0)
		return 1;
	pthread_mutex_lock(&queue->lock);
	remove_from_taken(queue, job->entry);
	weir_queue_heap(queue, job->entry);
	pthread_mutex_unlock(&queue->lock);
	free(job);
	return error;
}

static bool all_done(const struct weir_queued *queued)
{
	for (size_t i = 0; i < queued->count; i++)
		if (queued->recipients[i].state != WEIR_QUEUED_DONE)
			return false;
	return true;
}

static void run_give_back(struct weir_work *work)
{
	struct queue_job *job = WEIR_CONTAINER(work, struct queue_job, work);
	int directory = job->queue->directory;
	pthread_mutex_lock(&job->queue->lock);
	job->remove = job->entry->deleted || all_done(job->queued);
	pthread_mutex_unlock(&job->queue->lock);
	job->error = job->remove ? weir_queued_remove(directory, job->queued->id)
	                         : weir_queued_store(directory, job->queued);
	if (job->remove && job->error == -ENOENT)
		job->error = 0;
}

static void give_back_done(struct weir_work *work)
{
	struct queue_job *job = WEIR_CONTAINER(work, struct queue_job, work);
	job->entry->next_s = job->queued->next_s;
	put_back(job->queue, job->entry, job->remove);
	weir_queued_free(job->queued);
	if (job->given)
		job->given(job->context, job->error);
	free(job);
}

void weir_mail_queue_give_back(struct weir_mail_queue *queue, struct weir_loop *loop,
        struct weir_queued *queued, void (*given)(void *context, int error), void *context)
{
	struct queue_job *job = queued->job;
	*job = (struct queue_job){.queue = queue,
	        .entry = job->entry,
	        .queued = queued,
	        .given = given,
	        .context = context};
	if (weir_work_submit(loop, &job->work, run_give_back, give_back_done) == 0)
		return;
	/* What has been sent must be known: then the loop waits for the disk. */
	job->work.loop = loop;
	run_give_back(&job->work);
	give_back_done(&job->work);
}

/* -- life -------------------------------------------------------------------------------------- */

struct opening {
	struct weir_mail_queue *queue;
	void (*report)(void *context, const char *name, const char *text);
	void *context;
	int error;
};

static bool read_entry(void *context, const char *id)
{
	struct opening *opening = context;
	struct weir_mail_queue *queue = opening->queue;
	struct weir_queued *queued;
	char name[QUEUE_NAME];
	int error = weir_queued_load(queue->directory, id, false, &queued);
	if (error < 0) {
		weir_queue_name(name, id, ".env");
		if (opening->report)
			opening->report(opening->context, name, weir_error_text(error));
		opening->error = error == -ENOMEM ? error : 0;
		return error != -ENOMEM;
	}
	struct queue_entry *entry = calloc(1, sizeof *entry);
	opening->error = entry ? weir_queue_reserve(queue) : -ENOMEM;
	if (opening->error == 0) {
		memcpy(entry->id, id, sizeof entry->id);
		entry->next_s = queued->next_s;
		weir_queue_add(queue, entry);
	} else {
		free(entry);
	}
	weir_queued_free(queued);
	return opening->error == 0;
}

/* Half written files; messages whose envelope never came, or has gone. */
static bool remove_temporary(void *context, const char *id)
{
	static const char *const suffixes[] = {".tmp", ".new"};
	const struct opening *opening = context;
	char name[QUEUE_NAME];
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		weir_queue_name(name, id, suffixes[i]);
		unlinkat(opening->queue->directory, name, 0);
	}
	return true;
}

static bool remove_orphan(void *context, const char *id)
{
	const struct opening *opening = context;
	char name[QUEUE_NAME];
	weir_queue_name(name, id, ".env");
	if (faccessat(opening->queue->directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	        errno != ENOENT)
		return true;
	weir_queue_name(name, id, ".msg");
	unlinkat(opening->queue->directory, name, 0);
	return true;
}

static int make_directory(int parent, const char *path)
{
	if (mkdirat(parent, path, 0700) < 0 && errno != EEXIST)
		return -errno;
	int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int fill(struct opening *opening)
{
	struct weir_mail_queue *queue = opening->queue;
	int error = weir_queue_scan(queue->directory, ".tmp", remove_temporary, opening);
	if (error == 0)
		error = weir_queue_scan(queue->directory, ".new", remove_temporary, opening);
	if (error == 0)
		error = weir_queue_scan(queue->directory, ".msg", remove_orphan, opening);
	if (error == 0)
		error = weir_queue_scan(queue->directory, ".env", read_entry, opening);
	return error ? error : opening->error;
}

int weir_mail_queue_open(const struct weir_mail_queue_options *options,
        void (*report)(void *context, const char *name, const char *text), void *context,
        struct weir_mail_queue **ret)
{
	struct weir_mail_queue *queue = calloc(1, sizeof *queue);
	if (!queue)
		return -ENOMEM;
	struct opening opening = {queue, report, context, 0};
	queue->sink.type = &weir_mail_queue_sink_type;
	queue->message_max = options->message_max ? options->message_max : WEIR_QUEUE_MESSAGE_MAX;
	queue->messages_max =
	        options->messages_max ? options->messages_max : WEIR_QUEUE_MESSAGES_MAX;
	queue->control = queue->lock_fd = -1;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->obeyed, NULL);
	int error = queue->directory = make_directory(AT_FDCWD, options->path);
	if (error >= 0)
		error = queue->control = make_directory(queue->directory, "control");
	if (error >= 0)
		error = queue->lock_fd = weir_queue_lock(queue->directory);
	if (error >= 0)
		error = fill(&opening);
	if (error < 0)
		weir_mail_queue_close(queue);
	else
		*ret = queue;
	return error < 0 ? error : 0;
}

void weir_mail_queue_close(struct weir_mail_queue *queue)
{
	if (!queue)
		return;
	pthread_mutex_lock(&queue->lock);
	while (queue->obeying)
		pthread_cond_wait(&queue->obeyed, &queue->lock);
	pthread_mutex_unlock(&queue->lock);
	const int descriptors[] = {queue->directory, queue->control, queue->lock_fd};
	for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++)
		if (descriptors[i] >= 0)
			close(descriptors[i]);
	for (size_t i = 0; i < queue->heap_count; i++)
		free(queue->heap[i]);
	for (size_t i = 0; i < queue->taken_count; i++)
		free(queue->taken[i]);
	free(queue->heap);
	free(queue->taken);
	pthread_mutex_destroy(&queue->lock);
	pthread_cond_destroy(&queue->obeyed);
	free(queue);
}

struct weir_mail_sink *weir_mail_queue_sink(struct weir_mail_queue *queue)
{
	return &queue->sink;
}
