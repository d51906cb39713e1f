/* Appends lines to a file. The loop fills one buffer while a thread of the pool writes another. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/log.h>
#include <weir/loop.h>

/* A buffer is written when it has so many bytes, or after a moment. */
enum {
	WRITE_SIZE = 32 * 1024,
	WRITE_AFTER_MS = 200
};

struct weir_log {
	struct weir_loop *loop;
	char *path;
	weir_log_open_fn *open;
	int fd;
	struct weir_buffer filling;
	struct weir_buffer writing; /* the pool's, while `busy` */
	struct weir_work work;
	struct weir_timer timer;
	uint64_t lost; /* lines dropped since the last report */
	bool busy;
};

/* -- writing ----------------------------------------------------------------------------------- */

static int log_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	return fd < 0 ? -errno : fd;
}

/* Lines that the disk does not accept are lost: there is no other way to report that. */
static void log_write_all(int fd, struct weir_buffer *buffer)
{
	for (size_t done = 0; done < buffer->size;) {
		ssize_t put = write(fd, buffer->data + done, buffer->size - done);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			break;
		done += (size_t)put;
	}
	buffer->size = 0;
}

static void log_run_write(struct weir_work *work)
{
	struct weir_log *log = WEIR_CONTAINER(work, struct weir_log, work);
	log_write_all(log->fd, &log->writing);
}

static void log_start_write(struct weir_log *log);
static void log_on_time(struct weir_timer *timer);

static void log_done_write(struct weir_work *work)
{
	struct weir_log *log = WEIR_CONTAINER(work, struct weir_log, work);
	log->busy = false;
	if (log->filling.size >= WRITE_SIZE)
		log_start_write(log);
	if (log->filling.size && !log->busy && !weir_timer_running(&log->timer))
		weir_timer_start(log->loop, &log->timer, WRITE_AFTER_MS, log_on_time);
}

static void log_swap_buffers(struct weir_log *log)
{
	struct weir_buffer filled = log->filling;
	log->filling = log->writing;
	log->writing = filled;
}

static void log_start_write(struct weir_log *log)
{
	if (log->busy || log->filling.size == 0)
		return;
	log_swap_buffers(log);
	weir_timer_stop(&log->timer);
	log->busy = weir_work_submit_to(log->loop, WEIR_LANE_LOG, &log->work, log_run_write,
	                    log_done_write) == 0;
	if (!log->busy)
		log_swap_buffers(log);
}

static void log_on_time(struct weir_timer *timer)
{
	struct weir_log *log = WEIR_CONTAINER(timer, struct weir_log, timer);
	log_start_write(log);
	if (log->filling.size)
		weir_timer_start(log->loop, timer, WRITE_AFTER_MS, log_on_time);
}

static void log_report_lost(struct weir_log *log)
{
	if (log->lost && weir_buffer_format(&log->filling, WEIR_LOG_QUEUE_MAX,
	                         "# %llu lines were lost here: the disk was too slow\n",
	                         (unsigned long long)log->lost) == 0)
		log->lost = 0;
}

/* -- lines ------------------------------------------------------------------------------------- */

struct weir_buffer *weir_log_begin(struct weir_log *log, size_t size)
{
	log_report_lost(log);
	if (log->lost || weir_buffer_reserve(&log->filling, size, WEIR_LOG_QUEUE_MAX) < 0) {
		log->lost++;
		return NULL;
	}
	return &log->filling;
}

void weir_log_end(struct weir_log *log)
{
	if (log->filling.size >= WRITE_SIZE)
		log_start_write(log);
	/* Starts also after the pool has refused the work. */
	if (log->filling.size && !log->busy && !weir_timer_running(&log->timer))
		weir_timer_start(log->loop, &log->timer, WRITE_AFTER_MS, log_on_time);
}

void weir_log_escape(struct weir_buffer *line, struct weir_span text, size_t max)
{
	for (size_t i = 0, plain = 0; i <= text.size; i++) {
		unsigned char c = i < text.size ? (unsigned char)text.data[i] : 0;
		if (i < text.size && c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			continue;
		weir_buffer_append(line, text.data + plain, i - plain, max);
		if (i < text.size)
			weir_buffer_format(line, max, "\\x%02X", c);
		plain = i + 1;
	}
}

/* -- life -------------------------------------------------------------------------------------- */

int weir_log_adopt(struct weir_loop *loop, const char *path, int fd, weir_log_open_fn *open,
        struct weir_log **ret)
{
	struct weir_log *log = calloc(1, sizeof *log);
	char *copy = strdup(path);
	if (!log || !copy) {
		close(fd);
		free(copy);
		free(log);
		return -ENOMEM;
	}
	log->loop = loop;
	log->path = copy;
	log->open = open;
	log->fd = fd;
	*ret = log;
	return 0;
}

int weir_log_create(struct weir_loop *loop, const char *path, struct weir_log **ret)
{
	int fd = log_open(path);
	return fd < 0 ? fd : weir_log_adopt(loop, path, fd, log_open, ret);
}

int weir_log_reopen(struct weir_log *log)
{
	int fd = log->open(log->path);
	if (fd < 0)
		return fd;
	/*
	 * Replaces the descriptor in place, so that a thread that is writing sees one of the two
	 * files.
	 */
	int error = dup3(fd, log->fd, O_CLOEXEC) < 0 ? -errno : 0;
	close(fd);
	return error;
}

void weir_log_destroy(struct weir_log *log)
{
	if (!log)
		return;
	weir_timer_stop(&log->timer);
	while (log->busy)
		weir_loop_turn(log->loop, -1);
	log_write_all(log->fd, &log->filling);
	/* There is room for the report now. */
	log_report_lost(log);
	log_write_all(log->fd, &log->filling);
	close(log->fd);
	weir_buffer_finish(&log->filling);
	weir_buffer_finish(&log->writing);
	free(log->path);
	free(log);
}
