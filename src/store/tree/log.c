/*
 * Appends lines to a file, or sends them one by one. The loop fills one buffer while a thread of
 * the pool writes another.
 *
 * Invariant: a line is written whole, or not at all. If a full disk takes a part of one, the part
 * is cut off again; where that is not possible (another writer), the next line begins anew. Lines
 * that a full pipe does not take are held in the buffer, and tried again after a moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/log.h>
#include <weir/loop.h>
#include <weir/metrics.h>

/* The level of the process: less grave lines, whose numbers are larger, are left out. */
static atomic_int log_level = WEIR_LOG_INFO;

/* A buffer is written when it has so many bytes, or after a moment. */
enum {
	WRITE_SIZE = 32 * 1024,
	WRITE_AFTER_MS = 200,
	REPORT_AFTER_MS = 10 * 1000, /* between two reports that writing fails */
	WRITE_WAIT_MS = 1000,        /* at the end, for the reader of a pipe or terminal */
};

struct log_cells {
	uint64_t lines;
	uint64_t lost;
	uint64_t bytes;
};

static const struct weir_metric log_metrics[] = {
        {.name = "weir_log_lines_total",
                .help = "Lines accepted",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct log_cells, lines)},
        {.name = "weir_log_lost_lines_total",
                .help = "Lines lost: the disk or the socket was full, or too slow",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct log_cells, lost)},
        {.name = "weir_log_written_bytes_total",
                .help = "Bytes written",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct log_cells, bytes)},
        {0},
};

static const struct weir_metric_table log_table = {
        .metrics = log_metrics, .size = sizeof(struct log_cells), .labels = {"log"}};

/* The result of writing a buffer. */
struct log_written {
	int error;
	uint64_t bytes;
	uint64_t lost; /* lines */
};

struct weir_log {
	struct weir_loop *loop;
	char *path;
	weir_log_open_fn *open;
	weir_log_send_fn *send; /* NULL: lines are written */
	int fd;
	struct weir_buffer filling;
	struct weir_buffer writing; /* the pool's, while `busy` */
	struct weir_work work;
	struct weir_timer timer;
	struct log_written written; /* the pool's, while `busy` */
	struct log_cells *cells;
	enum weir_log_format format;
	enum weir_log_level line_level;           /* of the line that is added */
	size_t line_at;                           /* where it begins in `filling` */
	void (*failed)(void *context, int error); /* or NULL */
	void *context;
	uint64_t lost; /* lines dropped since the last report */
	int error;     /* of the last write */
	int64_t report_after_ms;
	bool reported; /* that it fails */
	bool busy;
	bool torn;    /* the pool's: the file ends within a line */
	bool is_file; /* the pool's: and not a pipe, a terminal, … */
	bool ending;
};

static bool log_is_level(unsigned char c)
{
	return c >= WEIR_LOG_ERROR && c <= WEIR_LOG_INFO;
}

/* -- writing ----------------------------------------------------------------------------------- */

static int log_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	return fd < 0 ? -errno : fd;
}

/* Cuts off the last `size` bytes, if they are still the end of the file. */
static bool log_cut_off(int fd, size_t size)
{
	struct stat status;
	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	       lseek(fd, 0, SEEK_CUR) == status.st_size &&
	       ftruncate(fd, status.st_size - (off_t)size) == 0;
}

/* The bytes that a pipe with room takes without waiting: whole lines, if possible. */
static size_t log_size_for_pipe(const char *data, size_t size)
{
	if (size <= PIPE_BUF)
		return size;
	const char *end = memrchr(data, '\n', PIPE_BUF);
	return end ? (size_t)(end + 1 - data) : PIPE_BUF;
}

/* Returns a positive number of bytes, or a negative errno: -EAGAIN if a pipe is full. */
static ssize_t log_write_once(const struct weir_log *log, const char *data, size_t size)
{
	for (;;) {
		struct pollfd ready = {.fd = log->fd, .events = POLLOUT};
		int found = log->is_file ? 1 : poll(&ready, 1, log->ending ? WRITE_WAIT_MS : 0);
		if (found == 0)
			return -EAGAIN;
		if (!log->is_file)
			size = log_size_for_pipe(data, size);
		ssize_t put = found < 0 ? -1 : write(log->fd, data, size);
		if (put > 0)
			return put;
		if (put == 0)
			return -EIO;
		if (errno != EINTR)
			return -errno;
	}
}

/* The rest of the buffer, from `done` on, is lost. */
static void log_write_failed(struct weir_log *log, size_t done)
{
	const char *data = log->writing.data;
	const char *last = done ? memrchr(data, '\n', done) : NULL;
	size_t whole = last ? (size_t)(last + 1 - data) : 0;
	if (whole < done)
		log->torn = !log_cut_off(log->fd, done - whole);
	for (size_t i = whole; i < log->writing.size; i++)
		log->written.lost += data[i] == '\n';
}

static bool log_is_file(int fd)
{
	struct stat status;
	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* Writes the buffer `writing`. */
static void log_write_all(struct weir_log *log)
{
	size_t done = 0;
	log->written = (struct log_written){0};
	log->is_file = log_is_file(log->fd);
	if (log->torn && log->writing.size) {
		ssize_t put = log_write_once(log, "\n", 1);
		log->written.error = put < 0 ? (int)put : 0;
		log->torn = put < 0;
	}
	while (done < log->writing.size && log->written.error == 0) {
		ssize_t put =
		        log_write_once(log, log->writing.data + done, log->writing.size - done);
		if (put < 0)
			log->written.error = (int)put;
		else
			done += (size_t)put;
	}
	log->written.bytes = done;
	if (log->written.error == -EAGAIN && !log->ending) {
		log->written.error = 0;
		weir_buffer_consume(&log->writing, done);
		return;
	}
	if (log->written.error < 0)
		log_write_failed(log, done);
	log->writing.size = 0;
}

/* Sends the lines of `writing`, each of which ends with its level. The first error is reported. */
static void log_send_all(struct weir_log *log)
{
	struct weir_span line = {log->writing.data, 0};
	log->written = (struct log_written){0};
	for (size_t i = 0; i < log->writing.size; i++) {
		unsigned char c = (unsigned char)log->writing.data[i];
		if (!log_is_level(c)) {
			line.size++;
			continue;
		}
		int error = log->send(
		        log->path, log->fd, (enum weir_log_level)c, line, log->written.error == 0);
		if (error == 0)
			log->written.bytes += line.size;
		else
			log->written.lost++;
		if (log->written.error == 0)
			log->written.error = error;
		line = (struct weir_span){log->writing.data + i + 1, 0};
	}
	log->writing.size = 0;
}

static void log_put_all(struct weir_log *log)
{
	if (log->send)
		log_send_all(log);
	else
		log_write_all(log);
}

static void log_run_write(struct weir_work *work)
{
	log_put_all(WEIR_CONTAINER(work, struct weir_log, work));
}

/* A disk that is full at times is reported once in a while, and its end only after a report. */
static bool log_may_report(struct weir_log *log, bool fails)
{
	int64_t now_ms = weir_loop_now_ms(log->loop);
	if (!fails) {
		bool reported = log->reported;
		log->reported = false;
		return reported;
	}
	if (log->report_after_ms > now_ms)
		return false;
	log->report_after_ms = now_ms + REPORT_AFTER_MS;
	log->reported = true;
	return true;
}

/* Counts what a write has done, and reports that writing fails, or succeeds again. */
static void log_note_written(struct weir_log *log)
{
	bool failed = log->error < 0, fails = log->written.error < 0;
	log->error = log->written.error;
	log->lost += log->written.lost;
	if (log->cells) {
		weir_metric_add(&log->cells->bytes, log->written.bytes);
		weir_metric_add(&log->cells->lost, log->written.lost);
	}
	if (failed != fails && log->failed && log_may_report(log, fails))
		log->failed(log->context, log->error);
}

static void log_start_write(struct weir_log *log);
static void log_on_time(struct weir_timer *timer);

/* Writes now if there is much, and after a moment if there is little, or if a pipe is full. */
static void log_write_soon(struct weir_log *log)
{
	/* Starts the timer also after the pool has refused the work. */
	if (log->filling.size >= WRITE_SIZE && !log->busy && log->writing.size == 0)
		log_start_write(log);
	if (!log->busy && log->filling.size + log->writing.size && !weir_timer_running(&log->timer))
		weir_timer_start(log->loop, &log->timer, WRITE_AFTER_MS, log_on_time);
}

static void log_done_write(struct weir_work *work)
{
	struct weir_log *log = WEIR_CONTAINER(work, struct weir_log, work);
	log->busy = false;
	log_note_written(log);
	log_write_soon(log);
}

static void log_swap_buffers(struct weir_log *log)
{
	struct weir_buffer filled = log->filling;
	log->filling = log->writing;
	log->writing = filled;
}

static void log_start_write(struct weir_log *log)
{
	bool held = log->writing.size;
	if (log->busy || (log->filling.size == 0 && !held))
		return;
	if (!held)
		log_swap_buffers(log);
	weir_timer_stop(&log->timer);
	log->busy = weir_work_submit_to(log->loop, WEIR_LANE_LOG, &log->work, log_run_write,
	                    log_done_write) == 0;
	if (!log->busy && !held)
		log_swap_buffers(log);
}

static void log_on_time(struct weir_timer *timer)
{
	struct weir_log *log = WEIR_CONTAINER(timer, struct weir_log, timer);
	log_start_write(log);
	log_write_soon(log);
}

/* The report would be lost as well while the disk is full. */
static void log_report_lost(struct weir_log *log)
{
	struct weir_buffer *line = &log->filling;
	size_t before = line->size, most = WEIR_LOG_QUEUE_MAX;
	if (!log->lost || log->error < 0)
		return;
	/* A line that is cut off would be torn. */
	if (weir_buffer_reserve(line, 256, most) < 0)
		return;
	if (log->format == WEIR_LOG_TEXT) {
		weir_buffer_format(line, most,
		        "# %llu lines were lost here: the %s was full or too slow\n",
		        (unsigned long long)log->lost, log->send ? "socket" : "disk");
	} else {
		weir_log_open_line(line, log->format, most);
		weir_log_add_text(line, log->format, "event", WEIR_SPAN("lost"), most);
		weir_log_add_number(line, log->format, "lines", log->lost, most);
		weir_log_close_line(line, log->format, most);
	}
	if (line->size == before)
		return;
	log->lost = 0;
	if (log->send)
		line->data[line->size - 1] = WEIR_LOG_WARNING;
}

/* -- lines ------------------------------------------------------------------------------------- */

static void log_drop_line(struct weir_log *log)
{
	log->lost++;
	if (log->cells)
		weir_metric_add(&log->cells->lost, 1);
}

struct weir_buffer *weir_log_begin(struct weir_log *log, enum weir_log_level level, size_t size)
{
	if (level > weir_log_level())
		return NULL;
	bool pending = log->lost && log->error == 0;
	log_report_lost(log);
	if ((pending && log->lost) ||
	        weir_buffer_reserve(&log->filling, size, WEIR_LOG_QUEUE_MAX) < 0) {
		log_drop_line(log);
		return NULL;
	}
	log->line_level = level;
	log->line_at = log->filling.size;
	return &log->filling;
}

void weir_log_end(struct weir_log *log)
{
	struct weir_buffer *line = &log->filling;
	if (line->size == log->line_at || line->data[line->size - 1] != '\n') {
		/* Without its end, it had no room, and would be one with the next line. */
		line->size = log->line_at;
		log_drop_line(log);
	} else {
		/* Text has no control characters, so that the level can end a line that is sent. */
		if (log->send)
			line->data[line->size - 1] = (char)log->line_level;
		if (log->cells)
			weir_metric_add(&log->cells->lines, 1);
	}
	log_write_soon(log);
}

/* -- settings ---------------------------------------------------------------------------------- */

void weir_log_set_level(enum weir_log_level level)
{
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

enum weir_log_level weir_log_level(void)
{
	return (enum weir_log_level)atomic_load_explicit(&log_level, memory_order_relaxed);
}

void weir_log_set_send(struct weir_log *log, weir_log_send_fn *send)
{
	log->send = send;
}

void weir_log_set_format(struct weir_log *log, enum weir_log_format format)
{
	log->format = format;
}

enum weir_log_format weir_log_format(const struct weir_log *log)
{
	return log->format;
}

const char *weir_log_path(const struct weir_log *log)
{
	return log->path;
}

void weir_log_on_failure(
        struct weir_log *log, void (*failed)(void *context, int error), void *context)
{
	log->failed = failed;
	log->context = context;
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
	/* Without memory nothing is counted. */
	log->cells = weir_metrics_set(loop, &log_table, (const char *[]){path, ""});
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

static void log_put_rest(struct weir_log *log)
{
	if (log->writing.size == 0)
		return;
	log_put_all(log);
	log_note_written(log);
}

void weir_log_destroy(struct weir_log *log)
{
	if (!log)
		return;
	weir_timer_stop(&log->timer);
	while (log->busy)
		weir_loop_turn(log->loop, -1);
	log->ending = true;
	log_put_rest(log);
	log_swap_buffers(log);
	log_put_rest(log);
	/* There is room for the report now. */
	log_report_lost(log);
	log_swap_buffers(log);
	log_put_rest(log);
	close(log->fd);
	weir_buffer_finish(&log->filling);
	weir_buffer_finish(&log->writing);
	free(log->path);
	free(log);
}
