/*
 * Appends lines to a file, or sends them one by one. The loop fills one buffer while a thread of
 * the pool writes another. Lines that a full pipe does not take are held in the buffer, and tried
 * again after a moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "log_state.h"

/* The level of the process: less grave lines, whose numbers are larger, are left out. */
static atomic_int log_level = WEIR_LOG_INFO;

/* A buffer is written when it has so many bytes, or after a moment. */
enum {
	WRITE_SIZE = 32 * 1024,
	WRITE_AFTER_MS = 200,
	REPORT_AFTER_MS = 10 * 1000, /* between two reports that writing fails */
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

/* -- writing ----------------------------------------------------------------------------------- */

static int log_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	return fd < 0 ? -errno : fd;
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
