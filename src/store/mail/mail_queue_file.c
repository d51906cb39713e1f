/*
 * The files of a queue. All functions block.
 *
 * Invariant: ID.env is created, replaced and removed in one step each, and on the disk before the
 * call returns 0. ID.msg exists as long as ID.env.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <weir/error.h>

#include "mail_queue_state.h"
#include "refcount.h"
#include "helper.h"

/* -- names ------------------------------------------------------------------------------------- */

void mail_queue_name(char ret[QUEUE_NAME], const char *id, const char *suffix)
{
	memcpy(ret, id, QUEUE_FILE_ID - 1);
	text_copy(ret + QUEUE_FILE_ID - 1, QUEUE_NAME - QUEUE_FILE_ID + 1, suffix);
}

bool mail_queue_is_id(const char *id, size_t size)
{
	if (size != QUEUE_FILE_ID - 1)
		return false;
	for (size_t i = 0; i < size; i++)
		if (!strchr("0123456789abcdef", id[i]) || !id[i])
			return false;
	return true;
}

/* The microsecond, so that names sort by arrival, and 12 random bits. */
int mail_queue_make_id(char ret[QUEUE_FILE_ID])
{
	struct timespec now;
	unsigned short chance;
	if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
		return -EIO;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	snprintf(ret, QUEUE_FILE_ID, "%013llx%03x", (unsigned long long)us & 0xfffffffffffff,
	        chance & 0xfffu);
	return 0;
}

static int mail_queue_lock_file(int directory, const char *name, int flags)
{
	int fd = openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	int error = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	return error;
}

int mail_queue_lock(int directory, int *turn)
{
	if (*turn < 0) {
		int fd = mail_queue_lock_file(directory, ".", O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			return fd;
		*turn = fd;
	}
	int lock = mail_queue_lock_file(directory, "lock", O_RDWR | O_CREAT);
	if (lock >= 0)
		mail_queue_give_up_turn(turn);
	return lock;
}

void mail_queue_give_up_turn(int *turn)
{
	if (*turn >= 0)
		close(*turn);
	*turn = -1;
}

int mail_queue_scan(int directory, const char *suffix, bool (*found)(void *context, const char *id),
        void *context)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	if (!stream) {
		int error = -errno;
		if (fd >= 0)
			close(fd);
		return error;
	}
	struct dirent *entry;
	bool more = true;
	while (errno = 0, more && (entry = readdir(stream))) {
		char id[QUEUE_FILE_ID];
		size_t size = sizeof id - 1;
		if (strlen(entry->d_name) != size + strlen(suffix) ||
		        strcmp(entry->d_name + size, suffix) != 0 ||
		        !mail_queue_is_id(entry->d_name, size))
			continue;
		memcpy(id, entry->d_name, size);
		id[size] = 0;
		more = found(context, id);
	}
	int error = more ? -errno : 0;
	closedir(stream);
	return error;
}

/* -- reading ----------------------------------------------------------------------------------- */

int mail_queued_open(int directory, struct weir_queued *queued)
{
	char name[QUEUE_NAME];
	struct stat status;
	mail_queue_name(name, queued->id, ".msg");
	queued->fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (queued->fd < 0 || fstat(queued->fd, &status) < 0)
		return -errno;
	return (uint64_t)status.st_size == queued->size ? 0 : -EIO;
}

int mail_queued_load(int directory, const char *id, bool with_message, struct weir_queued **ret)
{
	char name[QUEUE_NAME];
	struct weir_buffer text = {0};
	struct weir_queued *queued = NULL;
	mail_queue_name(name, id, ".env");
	int error = file_read_whole(directory, name, O_NOFOLLOW, WEIR_QUEUE_ENVELOPE_MAX, &text);
	if (error == 0)
		error = mail_queued_parse(weir_buffer_span(&text), &queued);
	weir_buffer_finish(&text);
	if (error)
		return error;
	memcpy(queued->id, id, QUEUE_FILE_ID);
	error = with_message ? mail_queued_open(directory, queued) : 0;
	if (error < 0)
		mail_queued_free(queued);
	else
		*ret = queued;
	return error;
}

/* -- writing ----------------------------------------------------------------------------------- */

int mail_queue_write(int fd, struct weir_span bytes)
{
	while (bytes.size) {
		ssize_t put = write(fd, bytes.data, bytes.size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		bytes = weir_span_skip(bytes, (size_t)put);
	}
	return 0;
}

/* Always creates the file: the name may be a link, or a second name of another file. */
static int mail_queue_file_write(int directory, const char *name, struct weir_span bytes)
{
	unlinkat(directory, name, 0);
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int error = mail_queue_write(fd, bytes);
	if (error == 0 && fsync(fd) < 0)
		error = -errno;
	if (close(fd) < 0 && error == 0)
		error = -errno;
	return error;
}

/* The temporary file is ID.new; ID.tmp is the message's. */
int mail_queued_store(int directory, const struct weir_queued *queued)
{
	char temporary[QUEUE_NAME], name[QUEUE_NAME];
	struct weir_buffer text = {0};
	mail_queue_name(temporary, queued->id, ".new");
	mail_queue_name(name, queued->id, ".env");
	int error = mail_queued_format(queued, &text);
	if (error == 0)
		error = mail_queue_file_write(directory, temporary, weir_buffer_span(&text));
	weir_buffer_finish(&text);
	if (error == 0 && renameat(directory, temporary, directory, name) < 0)
		error = -errno;
	if (error < 0) {
		unlinkat(directory, temporary, 0);
		return error;
	}
	return fsync(directory) < 0 ? -errno : 0;
}

int mail_queued_remove(int directory, const char *id)
{
	char name[QUEUE_NAME];
	mail_queue_name(name, id, ".env");
	if (unlinkat(directory, name, 0) < 0)
		return -errno;
	int error = fsync(directory) < 0 ? -errno : 0;
	mail_queue_name(name, id, ".msg");
	unlinkat(directory, name, 0);
	return error;
}

/* -- opening a queue --------------------------------------------------------------------------- */

/*
 * Opening a queue: removes the files that a killed process was writing, and reads the envelopes.
 *
 * Invariant: only the process with the lock removes files, and never a message that has an
 * envelope, readable or not.
 */

struct mail_queue_opening {
	struct queue_files *queue;
	weir_mail_queue_report_fn *report;
	void *context;
	int error;
};

static bool mail_queue_knows(struct queue_files *queue, const char *id)
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
	struct queue_files *queue = opening->queue;
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
		entry->next_s = queued->next_s; /* NOLINT: loaded, since there is no error */
		mail_queue_add(queue, entry);
	} else {
		free(entry);
	}
	mail_queued_free(queued); /* NOLINT: loaded, since there is no error */
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
	struct queue_files *queue = opening->queue;
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

/* -- life -------------------------------------------------------------------------------------- */

void mail_queue_hold(struct queue_files *queue)
{
	refcount_hold(&queue->references);
}

void mail_queue_release(struct queue_files *queue)
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
	pthread_cond_destroy(&queue->processed);
	free(queue);
}

static void queue_files_close(struct weir_mail_queue *base)
{
	struct queue_files *queue = queue_files_of(base);
	pthread_mutex_lock(&queue->lock);
	while (queue->controlling)
		pthread_cond_wait(&queue->processed, &queue->lock);
	pthread_mutex_unlock(&queue->lock);
	if (queue->control >= 0)
		close(queue->control);
	/*
	 * Another process may serve the queue now. An aborted delivery removes only its own files.
	 */
	if (queue->lock_fd >= 0)
		close(queue->lock_fd);
	mail_queue_give_up_turn(&queue->turn);
	mail_queue_release(queue);
}

static const struct weir_mail_queue_type queue_files_type = {
        .name = "files",
        .count = queue_files_count,
        .oldest_s = queue_files_oldest_s,
        .claims = queue_files_claims,
        .listen = queue_files_listen,
        .ignore = queue_files_ignore,
        .next = queue_files_next,
        .claim = queue_files_claim,
        .requeue = queue_files_requeue,
        .list = queue_files_list,
        .command = queue_files_command,
        .close = queue_files_close,
};

void weir_mail_queue_options_init(struct weir_mail_queue_options *options)
{
	*options = (struct weir_mail_queue_options){
	        .message_max = WEIR_MAIL_MESSAGE_MAX, .messages_max = WEIR_QUEUE_MESSAGES_MAX};
}

int weir_mail_queue_open(const struct weir_mail_queue_options *options,
        weir_mail_queue_report_fn *report, void *context, struct weir_mail_queue **ret)
{
	if (!options->path || !options->message_max || !options->messages_max)
		return -EINVAL;
	struct queue_files *queue = calloc(1, sizeof *queue);
	if (!queue)
		return -ENOMEM;
	struct mail_queue_opening opening = {queue, report, context, 0};
	refcount_init(&queue->references);
	queue->base.type = &queue_files_type;
	queue->base.sink.type = &mail_queue_sink_type;
	queue->message_max = options->message_max;
	queue->messages_max = options->messages_max;
	queue->control = queue->lock_fd = queue->turn = -1;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->processed, NULL);
	int error = queue->directory = mail_queue_open_make_directory(AT_FDCWD, options->path, 0);
	if (error >= 0)
		error = queue->control =
		        mail_queue_open_make_directory(queue->directory, "control", O_NOFOLLOW);
	if (error >= 0)
		error = queue->lock_fd = mail_queue_lock(queue->directory, &queue->turn);
	if (error == -EBUSY && options->successor)
		error = 0;
	else if (error >= 0)
		error = mail_queue_open_fill(&opening);
	if (error < 0)
		queue_files_close(&queue->base);
	else
		*ret = &queue->base;
	return error < 0 ? error : 0;
}

int weir_mail_queue_take_over(
        struct weir_mail_queue *base, weir_mail_queue_report_fn *report, void *context)
{
	if (base->type != &queue_files_type)
		return 0;
	struct queue_files *queue = queue_files_of(base);
	struct mail_queue_opening opening = {queue, report, context, 0};
	if (queue->lock_fd >= 0)
		return 0;
	int lock = mail_queue_lock(queue->directory, &queue->turn);
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
