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

enum {
	WISH_NAME = 32,
	POLL_MS = 20
};

/*
 * -- running commands
 * --------------------------------------------------------------------------------
 */

static void mail_queue_control_retry(struct weir_mail_queue *queue, struct queue_entry *entry)
{
	entry->retried = entry->claimed;
	if (entry->claimed)
		return;
	mail_queue_unheap(queue, entry);
	entry->next_s = 0;
	mail_queue_heap(queue, entry);
}

/* All become due in the order in which they have waited. */
static void mail_queue_control_retry_all(struct weir_mail_queue *queue)
{
	for (size_t i = 0; i < queue->heap_count; i++)
		queue->heap[i]->next_s = 0;
	for (size_t i = 0; i < queue->claimed_count; i++)
		queue->claimed[i]->retried = true;
}

/* Removes the entry from the heap with the lock held, and the files without. */
static int mail_queue_control_delete_message(struct weir_mail_queue *queue, const char *id)
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
        struct weir_mail_queue *queue, enum weir_queue_command command, const char *id)
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

static void mail_queue_run_commands(struct weir_mail_queue *queue)
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
	struct weir_mail_queue *queue;
	bool running;
	bool again;
	bool stopped; /* not listened to any more: freed when the work is done */
};

static void mail_queue_control_run_process(struct weir_work *work)
{
	struct weir_mail_queue *queue = WEIR_CONTAINER(work, struct control_job, work)->queue;
	mail_queue_run_commands(queue);
	pthread_mutex_lock(&queue->lock);
	queue->controlling = false;
	pthread_cond_signal(&queue->processed);
	pthread_mutex_unlock(&queue->lock);
}

static void mail_queue_control_process_done(struct weir_work *work);

static void mail_queue_control_process(struct control_job *job)
{
	struct weir_mail_queue *queue = job->queue;
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
	struct weir_mail_queue *queue = WEIR_CONTAINER(watch, struct weir_mail_queue, watch);
	char buffer[4096] __attribute__((aligned(8)));
	(void)events;
	while (read(watch->fd, buffer, sizeof buffer) > 0)
		;
	mail_queue_control_process(queue->control_job);
}

int mail_queue_control_start(struct weir_mail_queue *queue)
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

void mail_queue_control_stop(struct weir_mail_queue *queue)
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

/* -- from another process ---------------------------------------------------------------------- */

struct ids {
	struct weir_buffer list; /* of ids, WEIR_QUEUE_ID_SIZE each */
	int error;
};

static bool mail_queue_control_collect(void *context, const char *id)
{
	struct ids *ids = context;
	ids->error = weir_buffer_append(&ids->list, id, WEIR_QUEUE_ID_SIZE, SIZE_MAX);
	return ids->error == 0;
}

static int mail_queue_control_compare_ids(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int mail_queue_control_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool mail_queue_control_stop_at_first(void *context, const char *id)
{
	(void)id;
	*(bool *)context = true;
	return false;
}

/* The process that serves a queue creates its lock. A copy of a queue may lack it. */
int weir_mail_queue_probe(const char *path)
{
	int directory = mail_queue_control_open(path);
	if (directory < 0)
		return directory;
	bool found = faccessat(directory, "lock", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	int error = found ? 0
	                  : mail_queue_scan(
	                            directory, ".env", mail_queue_control_stop_at_first, &found);
	close(directory);
	return error == 0 && !found ? WEIR_E_SYNTAX : error;
}

int weir_mail_queue_each(const char *path, weir_mail_queue_show_fn *show, void *context)
{
	struct ids ids = {0};
	int directory = mail_queue_control_open(path);
	if (directory < 0)
		return directory;
	int error = mail_queue_scan(directory, ".env", mail_queue_control_collect, &ids);
	if (error == 0)
		error = ids.error;
	size_t count = error ? 0 : ids.list.size / WEIR_QUEUE_ID_SIZE;
	if (count)
		qsort(ids.list.data, count, WEIR_QUEUE_ID_SIZE, mail_queue_control_compare_ids);
	for (size_t i = 0; i < count && error == 0; i++) {
		const char *id = ids.list.data + i * WEIR_QUEUE_ID_SIZE;
		struct weir_queued *queued = NULL;
		int loaded = mail_queued_load(directory, id, false, &queued);
		if (loaded == -ENOMEM)
			error = loaded;
		else if (loaded != -ENOENT)
			show(context, id, queued);
		mail_queued_free(queued);
	}
	weir_buffer_finish(&ids.list);
	close(directory);
	return error;
}

static bool mail_queue_control_make_due(void *context, const char *id)
{
	struct weir_queued *queued;
	int directory = *(int *)context;
	if (mail_queued_load(directory, id, false, &queued) < 0)
		return true;
	queued->next_s = 0;
	mail_queued_store(directory, queued);
	mail_queued_free(queued);
	return true;
}

/* Holds the lock, so that no process serves the queue meanwhile. */
static int mail_queue_control_run_alone(
        int directory, enum weir_queue_command command, const char *id)
{
	struct weir_queued *queued;
	if (command == WEIR_QUEUE_DELETE)
		return mail_queued_remove(directory, id);
	if (command == WEIR_QUEUE_RETRY_ALL)
		return mail_queue_scan(directory, ".env", mail_queue_control_make_due, &directory);
	int error = mail_queued_load(directory, id, false, &queued);
	if (error < 0)
		return error;
	queued->next_s = 0;
	error = mail_queued_store(directory, queued);
	mail_queued_free(queued);
	return error;
}

static int put_command(int directory, const char *name, unsigned wait_ms)
{
	struct timespec pause = {0, POLL_MS * 1000000L};
	int control = openat(directory, "control", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int fd = control < 0 ? -1
	                     : openat(control, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	/* Another process may have queued the same command already. */
	int error = fd < 0 && errno != EEXIST ? -errno : 0;
	if (fd >= 0)
		close(fd);
	for (unsigned waited = 0; error == 0; waited += POLL_MS) {
		if (faccessat(control, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			break;
		if (waited >= wait_ms)
			error = -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	if (control >= 0)
		close(control);
	return error;
}

static int mail_queue_control_ask(
        int directory, enum weir_queue_command command, const char *id, unsigned wait_ms)
{
	char name[QUEUE_NAME], file[WISH_NAME];
	if (id) {
		mail_queue_name(name, id, ".env");
		if (faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	}
	int turn = -1;
	int lock = mail_queue_lock(directory, &turn);
	mail_queue_give_up_turn(&turn);
	if (lock >= 0) {
		int error = mail_queue_control_run_alone(directory, command, id);
		close(lock);
		return error;
	}
	if (lock != -EBUSY)
		return lock;
	snprintf(file, sizeof file, "%s%s", prefixes[command], id ? id : "");
	return put_command(directory, file, wait_ms);
}

int weir_mail_queue_command(
        const char *path, enum weir_queue_command command, const char *id, unsigned wait_ms)
{
	if (command == WEIR_QUEUE_RETRY_ALL)
		id = NULL;
	else if (!id || !mail_queue_is_id(id, strlen(id)))
		return -EINVAL;
	int directory = mail_queue_control_open(path);
	if (directory < 0)
		return directory;
	int error = mail_queue_control_ask(directory, command, id, wait_ms);
	close(directory);
	return error;
}
