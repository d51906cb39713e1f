/*
 * The commands of other processes: each is a file in control/. The process that serves the queue is
 * notified by inotify, runs the command on the work pool, and removes the file. If no process
 * serves the queue, its lock is free, and the other process runs the command itself.
 *
 * Invariant: a command whose file is removed has been run, or will be when the message that is
 * being sent is requeued.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include <weir/error.h>

#include "mail_queue_state.h"

/*
 * -- running commands
 * --------------------------------------------------------------------------------
 */

static void mail_queue_control_retry(struct queue_files *queue, struct queue_entry *entry)
{
	entry->retried = entry->claimed;
	if (entry->claimed)
		return;
	mail_queue_unheap(queue, entry);
	entry->next_s = 0;
	mail_queue_heap(queue, entry);
}

/* All become due in the order in which they have waited. */
static void mail_queue_control_retry_all(struct queue_files *queue)
{
	for (size_t i = 0; i < queue->heap_count; i++)
		queue->heap[i]->next_s = 0;
	for (size_t i = 0; i < queue->claimed_count; i++)
		queue->claimed[i]->retried = true;
}

/* Removes the entry from the heap with the lock held, and the files without. */
static int mail_queue_control_delete_message(struct queue_files *queue, const char *id)
{
	pthread_mutex_lock(&queue->lock);
	struct queue_entry *entry = mail_queue_find(queue, id);
	bool claimed = entry && entry->claimed;
	if (claimed)
		entry->deleted = true;
	else if (entry)
		mail_queue_unheap(queue, entry);
	if (entry && !claimed)
		mail_queue_free_entry(queue, entry);
	pthread_mutex_unlock(&queue->lock);
	if (claimed)
		return 0;
	return mail_queued_remove(queue->directory, id);
}

static int mail_queue_control_run(
        struct queue_files *queue, enum weir_queue_command command, const char *id)
{
	if (command == WEIR_QUEUE_DELETE)
		return mail_queue_control_delete_message(queue, id);
	pthread_mutex_lock(&queue->lock);
	struct queue_entry *entry = command == WEIR_QUEUE_RETRY ? mail_queue_find(queue, id) : NULL;
	if (command == WEIR_QUEUE_RETRY_ALL)
		mail_queue_control_retry_all(queue);
	else if (entry)
		mail_queue_control_retry(queue, entry);
	mail_queue_wake(queue);
	pthread_mutex_unlock(&queue->lock);
	return 0;
}

/*
 * -- commands ------------------------------------------------------------------------------------
 */

static const char *const prefixes[] = {[WEIR_QUEUE_RETRY] = "retry-",
        [WEIR_QUEUE_RETRY_ALL] = "retry-all",
        [WEIR_QUEUE_DELETE] = "delete-"};

void mail_queue_command_name(char ret[QUEUE_NAME], enum weir_queue_command command, const char *id)
{
	snprintf(ret, QUEUE_NAME, "%s%.*s", prefixes[command], QUEUE_FILE_ID - 1, id ? id : "");
}

static bool read_command(
        const char *name, enum weir_queue_command *ret_command, const char **ret_id)
{
	if (strcmp(name, prefixes[WEIR_QUEUE_RETRY_ALL]) == 0) {
		*ret_command = WEIR_QUEUE_RETRY_ALL;
		*ret_id = NULL;
		return true;
	}
	*ret_command = strncmp(name, "delete-", 7) == 0 ? WEIR_QUEUE_DELETE : WEIR_QUEUE_RETRY;
	size_t size = strlen(prefixes[*ret_command]);
	*ret_id = name + size;
	return strncmp(name, prefixes[*ret_command], size) == 0 &&
	       mail_queue_is_id(*ret_id, strlen(*ret_id));
}

static void mail_queue_run_commands(struct queue_files *queue)
{
	int fd = openat(queue->control, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	if (!stream) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(stream));) {
		enum weir_queue_command command;
		const char *id;
		if (!read_command(entry->d_name, &command, &id))
			continue;
		mail_queue_control_run(queue, command, id);
		unlinkat(queue->control, entry->d_name, 0);
	}
	closedir(stream);
}

/* -- listening --------------------------------------------------------------------------- */

struct control_job {
	struct weir_work work;
	struct queue_files *queue;
	bool running;
	bool again;
	bool stopped; /* not listened to any more: freed when the work is done */
};

static void mail_queue_control_run_process(struct weir_work *work)
{
	struct queue_files *queue = WEIR_CONTAINER(work, struct control_job, work)->queue;
	mail_queue_run_commands(queue);
	pthread_mutex_lock(&queue->lock);
	queue->controlling = false;
	pthread_cond_signal(&queue->processed);
	pthread_mutex_unlock(&queue->lock);
}

static void mail_queue_control_process_done(struct weir_work *work);

static void mail_queue_control_process(struct control_job *job)
{
	struct queue_files *queue = job->queue;
	job->again = job->running;
	if (job->running)
		return;
	queue->controlling = true; /* no other thread reads the directory now */
	job->running =
	        weir_work_submit_to(queue->loop, WEIR_LANE_MAIL, &job->work,
	                mail_queue_control_run_process, mail_queue_control_process_done) == 0;
	if (!job->running)
		queue->controlling = false;
}

static void mail_queue_control_process_done(struct weir_work *work)
{
	struct control_job *job = WEIR_CONTAINER(work, struct control_job, work);
	job->running = false;
	if (job->stopped)
		free(job);
	else if (job->again)
		mail_queue_control_process(job);
}

static void mail_queue_control_on_inotify(struct weir_watch *watch, unsigned events)
{
	struct queue_files *queue = WEIR_CONTAINER(watch, struct queue_files, watch);
	char buffer[4096] __attribute__((aligned(8)));
	(void)events;
	while (read(watch->fd, buffer, sizeof buffer) > 0)
		;
	mail_queue_control_process(queue->control_job);
}

int mail_queue_control_start(struct queue_files *queue)
{
	char path[64];
	struct control_job *job = calloc(1, sizeof *job);
	if (!job)
		return -ENOMEM;
	job->queue = queue;
	queue->control_job = job;
	snprintf(path, sizeof path, "/proc/self/fd/%d", queue->control);
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int error = fd < 0 ? -errno : 0;
	if (error == 0 && inotify_add_watch(fd, path, IN_CREATE | IN_MOVED_TO) < 0)
		error = -errno;
	if (error == 0)
		error = weir_watch_start(queue->loop, &queue->watch, fd, WEIR_READABLE,
		        mail_queue_control_on_inotify);
	if (error == 0) {
		mail_queue_control_process(job);
		return 0;
	}
	if (fd >= 0)
		close(fd);
	free(job);
	queue->control_job = NULL;
	return error;
}

void mail_queue_control_stop(struct queue_files *queue)
{
	struct control_job *job = queue->control_job;
	if (!job)
		return;
	queue->control_job = NULL;
	weir_watch_close(queue->loop, &queue->watch);
	if (job->running)
		job->stopped = true;
	else
		free(job);
}
