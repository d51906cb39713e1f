/*
 * Lists and commands from outside: of another process, which has the path of the queue, and of any
 * loop of this one. A command is a file in control/ if a process serves the queue (see
 * mail_queue_control.c). If none does, its lock is free, and the command is run here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <weir/error.h>

#include "mail_queue_state.h"

enum {
	POLL_MS = 20
};

/* -- of another process ------------------------------------------------------------------------ */

struct ids {
	struct weir_buffer list; /* of ids, QUEUE_FILE_ID each */
	int error;
};

static bool mail_queue_command_collect(void *context, const char *id)
{
	struct ids *ids = context;
	ids->error = weir_buffer_append(&ids->list, id, QUEUE_FILE_ID, SIZE_MAX);
	return ids->error == 0;
}

static int mail_queue_command_compare_ids(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int mail_queue_command_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool mail_queue_command_stop_at_first(void *context, const char *id)
{
	(void)id;
	*(bool *)context = true;
	return false;
}

/* The process that serves a queue creates its lock. A copy of a queue may lack it. */
int weir_mail_queue_probe(const char *path)
{
	int directory = mail_queue_command_open(path);
	if (directory < 0)
		return directory;
	bool found = faccessat(directory, "lock", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	int error = found ? 0
	                  : mail_queue_scan(
	                            directory, ".env", mail_queue_command_stop_at_first, &found);
	close(directory);
	return error == 0 && !found ? WEIR_E_SYNTAX : error;
}

static int mail_queue_command_each(int directory, weir_mail_queue_show_fn *show, void *context)
{
	struct ids ids = {0};
	int error = mail_queue_scan(directory, ".env", mail_queue_command_collect, &ids);
	if (error == 0)
		error = ids.error;
	size_t count = error ? 0 : ids.list.size / QUEUE_FILE_ID;
	if (count)
		qsort(ids.list.data, count, QUEUE_FILE_ID, mail_queue_command_compare_ids);
	for (size_t i = 0; i < count && error == 0; i++) {
		const char *id = ids.list.data + i * QUEUE_FILE_ID;
		struct weir_queued *queued = NULL;
		int loaded = mail_queued_load(directory, id, false, &queued);
		if (loaded == -ENOMEM)
			error = loaded;
		else if (loaded != -ENOENT)
			show(context, id, queued);
		mail_queued_free(queued);
	}
	weir_buffer_finish(&ids.list);
	return error;
}

int weir_mail_queue_each(const char *path, weir_mail_queue_show_fn *show, void *context)
{
	int directory = mail_queue_command_open(path);
	if (directory < 0)
		return directory;
	int error = mail_queue_command_each(directory, show, context);
	close(directory);
	return error;
}

static bool mail_queue_command_make_due(void *context, const char *id)
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
static int mail_queue_command_run_alone(
        int directory, enum weir_queue_command command, const char *id)
{
	struct weir_queued *queued;
	if (command == WEIR_QUEUE_DELETE)
		return mail_queued_remove(directory, id);
	if (command == WEIR_QUEUE_RETRY_ALL)
		return mail_queue_scan(directory, ".env", mail_queue_command_make_due, &directory);
	int error = mail_queued_load(directory, id, false, &queued);
	if (error < 0)
		return error;
	queued->next_s = 0;
	error = mail_queued_store(directory, queued);
	mail_queued_free(queued);
	return error;
}

static int mail_queue_command_put(int directory, const char *name, unsigned wait_ms)
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

static int mail_queue_command_ask(
        int directory, enum weir_queue_command command, const char *id, unsigned wait_ms)
{
	char name[QUEUE_NAME], file[QUEUE_NAME];
	if (id) {
		mail_queue_name(name, id, ".env");
		if (faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	}
	int turn = -1;
	int lock = mail_queue_lock(directory, &turn);
	mail_queue_give_up_turn(&turn);
	if (lock >= 0) {
		int error = mail_queue_command_run_alone(directory, command, id);
		close(lock);
		return error;
	}
	if (lock != -EBUSY)
		return lock;
	mail_queue_command_name(file, command, id);
	return mail_queue_command_put(directory, file, wait_ms);
}

/* Whether the command can have this id. */
static bool mail_queue_command_is_command(enum weir_queue_command command, const char *id)
{
	return command == WEIR_QUEUE_RETRY_ALL || (id && mail_queue_is_id(id, strlen(id)));
}

int weir_mail_queue_command(
        const char *path, enum weir_queue_command command, const char *id, unsigned wait_ms)
{
	if (!mail_queue_command_is_command(command, id))
		return -EINVAL;
	int directory = mail_queue_command_open(path);
	if (directory < 0)
		return directory;
	int error = mail_queue_command_ask(
	        directory, command, command == WEIR_QUEUE_RETRY_ALL ? NULL : id, wait_ms);
	close(directory);
	return error;
}

/* -- of a loop of this process ----------------------------------------------------------------- */

/* A list, or a command: the work pool runs it as another process would. */
struct queue_question {
	struct weir_work work;
	struct queue_files *queue;
	enum weir_queue_command command;
	char id[QUEUE_FILE_ID]; /* or empty */
	weir_mail_queue_show_fn *show;
	weir_mail_queue_done_fn *done;
	void *context;
	int error;
};

static void queue_question_run_list(struct weir_work *work)
{
	struct queue_question *question = WEIR_CONTAINER(work, struct queue_question, work);
	question->error = mail_queue_command_each(
	        question->queue->directory, question->show, question->context);
}

static void queue_question_run_command(struct weir_work *work)
{
	struct queue_question *question = WEIR_CONTAINER(work, struct queue_question, work);
	question->error = mail_queue_command_ask(question->queue->directory, question->command,
	        question->id[0] ? question->id : NULL, WEIR_QUEUE_COMMAND_MS);
}

static void queue_question_done(struct weir_work *work)
{
	struct queue_question *question = WEIR_CONTAINER(work, struct queue_question, work);
	question->done(question->context, question->error);
	mail_queue_release(question->queue);
	free(question);
}

static int queue_question_start(struct weir_mail_queue *base, struct weir_loop *loop,
        const struct queue_question *from, weir_work_fn *run)
{
	struct queue_question *question = malloc(sizeof *question);
	if (!question)
		return -ENOMEM;
	*question = *from;
	question->queue = queue_files_of(base);
	/* Commands wait for the lane of mail, so they must not wait in it. */
	int error = weir_work_submit_to(
	        loop, WEIR_LANE_GENERAL, &question->work, run, queue_question_done);
	if (error < 0)
		free(question);
	else
		mail_queue_hold(question->queue);
	return error;
}

int queue_files_list(struct weir_mail_queue *base, struct weir_loop *loop,
        weir_mail_queue_show_fn *show, weir_mail_queue_done_fn *done, void *context)
{
	struct queue_question question = {.show = show, .done = done, .context = context};
	return queue_question_start(base, loop, &question, queue_question_run_list);
}

int queue_files_command(struct weir_mail_queue *base, struct weir_loop *loop,
        enum weir_queue_command command, const char *id, weir_mail_queue_done_fn *done,
        void *context)
{
	struct queue_question question = {.command = command, .done = done, .context = context};
	if (!mail_queue_command_is_command(command, id))
		return -EINVAL;
	if (command != WEIR_QUEUE_RETRY_ALL)
		memcpy(question.id, id, sizeof question.id);
	return queue_question_start(base, loop, &question, queue_question_run_command);
}
