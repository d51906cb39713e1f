/*
 * Opening a queue: removes the files that a killed process was writing, and reads the envelopes.
 *
 * Invariant: only the process with the lock removes files, and never a message that has an
 * envelope, readable or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

#include "mail_queue_state.h"
#include "refcount.h"

struct mail_queue_opening {
	struct weir_mail_queue *queue;
	void (*report)(void *context, const char *name, const char *text);
	void *context;
	int error;
};

static bool mail_queue_knows(struct weir_mail_queue *queue, const char *id)
{
	if (!queue->merges)
		return false;
	pthread_mutex_lock(&queue->lock);
	bool known = mail_queue_find(queue, id);
	pthread_mutex_unlock(&queue->lock);
	return known;
}

static bool mail_queue_open_read_entry(void *context, const char *id)
{
	struct mail_queue_opening *opening = context;
	struct weir_mail_queue *queue = opening->queue;
	struct weir_queued *queued;
	char name[QUEUE_NAME];
	int error = mail_queued_load(queue->directory, id, false, &queued);
	if (error < 0) {
		mail_queue_name(name, id, ".env");
		if (opening->report)
			opening->report(opening->context, name, weir_error_text(error));
		opening->error = error == -ENOMEM ? error : 0;
		return error != -ENOMEM;
	}
	/* This process has stored it itself, before it took the queue over. */
	if (mail_queue_knows(queue, id)) {
		mail_queued_free(queued);
		return true;
	}
	struct queue_entry *entry = calloc(1, sizeof *entry);
	opening->error = entry ? mail_queue_reserve(queue) : -ENOMEM;
	if (opening->error == 0) {
		memcpy(entry->id, id, sizeof entry->id);
		entry->next_s = queued->next_s;
		mail_queue_add(queue, entry);
	} else {
		free(entry);
	}
	mail_queued_free(queued);
	return opening->error == 0;
}

/* Removes unfinished files, and messages without an envelope. */
static bool mail_queue_open_remove_temporary(void *context, const char *id)
{
	static const char *const suffixes[] = {".tmp", ".new"};
	const struct mail_queue_opening *opening = context;
	char name[QUEUE_NAME];
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		mail_queue_name(name, id, suffixes[i]);
		unlinkat(opening->queue->directory, name, 0);
	}
	return true;
}

static bool mail_queue_open_remove_orphan(void *context, const char *id)
{
	const struct mail_queue_opening *opening = context;
	char name[QUEUE_NAME];
	mail_queue_name(name, id, ".env");
	if (faccessat(opening->queue->directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	        errno != ENOENT)
		return true;
	mail_queue_name(name, id, ".msg");
	unlinkat(opening->queue->directory, name, 0);
	return true;
}

/* `flags`: O_NOFOLLOW, or 0 for the configured path. */
static int mail_queue_open_make_directory(int parent, const char *path, int flags)
{
	if (mkdirat(parent, path, 0700) < 0 && errno != EEXIST)
		return -errno;
	int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	return fd < 0 ? -errno : fd;
}

static int mail_queue_open_fill(struct mail_queue_opening *opening)
{
	struct weir_mail_queue *queue = opening->queue;
	int error = mail_queue_scan(
	        queue->directory, ".tmp", mail_queue_open_remove_temporary, opening);
	if (error == 0)
		error = mail_queue_scan(
		        queue->directory, ".new", mail_queue_open_remove_temporary, opening);
	if (error == 0)
		error = mail_queue_scan(
		        queue->directory, ".msg", mail_queue_open_remove_orphan, opening);
	if (error == 0)
		error = mail_queue_scan(
		        queue->directory, ".env", mail_queue_open_read_entry, opening);
	return error ? error : opening->error;
}

int weir_mail_queue_open(const struct weir_mail_queue_options *options,
        void (*report)(void *context, const char *name, const char *text), void *context,
        struct weir_mail_queue **ret)
{
	struct weir_mail_queue *queue = calloc(1, sizeof *queue);
	if (!queue)
		return -ENOMEM;
	struct mail_queue_opening opening = {queue, report, context, 0};
	refcount_init(&queue->references);
	queue->sink.type = &mail_queue_sink_type;
	queue->message_max = options->message_max ? options->message_max : WEIR_MAIL_MESSAGE_MAX;
	queue->messages_max =
	        options->messages_max ? options->messages_max : WEIR_QUEUE_MESSAGES_MAX;
	queue->control = queue->lock_fd = -1;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->obeyed, NULL);
	int error = queue->directory = mail_queue_open_make_directory(AT_FDCWD, options->path, 0);
	if (error >= 0)
		error = queue->control =
		        mail_queue_open_make_directory(queue->directory, "control", O_NOFOLLOW);
	if (error >= 0)
		error = queue->lock_fd = mail_queue_lock(queue->directory);
	if (error == -EBUSY && options->successor)
		error = 0;
	else if (error >= 0)
		error = mail_queue_open_fill(&opening);
	if (error < 0)
		weir_mail_queue_close(queue);
	else
		*ret = queue;
	return error < 0 ? error : 0;
}

void mail_queue_hold(struct weir_mail_queue *queue)
{
	refcount_hold(&queue->references);
}

void mail_queue_release(struct weir_mail_queue *queue)
{
	if (!refcount_release(&queue->references))
		return;
	if (queue->directory >= 0)
		close(queue->directory);
	for (size_t i = 0; i < queue->heap_count; i++)
		mail_queue_free_entry(queue, queue->heap[i]);
	for (size_t i = 0; i < queue->claimed_count; i++)
		mail_queue_free_entry(queue, queue->claimed[i]);
	free(queue->heap);
	free(queue->claimed);
	pthread_mutex_destroy(&queue->lock);
	pthread_cond_destroy(&queue->obeyed);
	free(queue);
}

void weir_mail_queue_close(struct weir_mail_queue *queue)
{
	if (!queue)
		return;
	pthread_mutex_lock(&queue->lock);
	while (queue->controlling)
		pthread_cond_wait(&queue->obeyed, &queue->lock);
	pthread_mutex_unlock(&queue->lock);
	if (queue->control >= 0)
		close(queue->control);
	/*
	 * Another process may serve the queue now. An aborted delivery removes only its own files.
	 */
	if (queue->lock_fd >= 0)
		close(queue->lock_fd);
	mail_queue_release(queue);
}

int weir_mail_queue_take_over(struct weir_mail_queue *queue,
        void (*report)(void *context, const char *name, const char *text), void *context)
{
	struct mail_queue_opening opening = {queue, report, context, 0};
	if (queue->lock_fd >= 0)
		return 0;
	int lock = mail_queue_lock(queue->directory);
	if (lock < 0)
		return lock;
	queue->lock_fd = lock;
	pthread_mutex_lock(&queue->lock);
	queue->merges = true;
	pthread_mutex_unlock(&queue->lock);
	/* Temporary files may be of deliveries to this process: they stay until the next start. */
	int error = mail_queue_scan(queue->directory, ".env", mail_queue_open_read_entry, &opening);
	return error ? error : opening.error;
}
