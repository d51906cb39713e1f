/*
 * The access log. A line is prepared when the reply is made, while the request is there to be seen,
 * and finished when the last byte has gone. Two buffers take turns: one is filled by the loop while
 * a thread of the pool writes the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/http_log.h>
#include <weir/loop.h>
#include <weir/tls.h>

#include "exchange.h"

/* Written as soon as that much has come, or after a moment. */
enum {
	WRITE_SIZE = 32 * 1024,
	WRITE_AFTER_MS = 200
};

/* What clients sent is cut off at the first; what is ours has its place up to the second. */
enum {
	TEXT_MAX = WEIR_REQUEST_MAX,
	LINE_MAX_SIZE = TEXT_MAX + 1024
};

struct weir_http_log {
	struct weir_loop *loop;
	char *path;
	int fd;
	struct weir_buffer filling;
	struct weir_buffer writing; /* the pool's, while `busy` */
	struct weir_work work;
	struct weir_timer timer;
	uint64_t lost; /* lines, since the last that could be told */
	int64_t date_s;
	char date[40];
	bool busy;
};

/* -- writing ----------------------------------------------------------------------------------- */

static int open_log(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	return fd < 0 ? -errno : fd;
}

/* What a disk that fails does not take is lost: there is nobody to tell but the log. */
static void write_all(int fd, struct weir_buffer *buffer)
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

static void run_write(struct weir_work *work)
{
	struct weir_http_log *log = WEIR_CONTAINER(work, struct weir_http_log, work);
	write_all(log->fd, &log->writing);
}

static void start_write(struct weir_http_log *log);
static void on_time(struct weir_timer *timer);

static void done_write(struct weir_work *work)
{
	struct weir_http_log *log = WEIR_CONTAINER(work, struct weir_http_log, work);
	log->busy = false;
	if (log->filling.size >= WRITE_SIZE)
		start_write(log);
	if (log->filling.size && !log->busy && !weir_timer_running(&log->timer))
		weir_timer_start(log->loop, &log->timer, WRITE_AFTER_MS, on_time);
}

static void swap_buffers(struct weir_http_log *log)
{
	struct weir_buffer filled = log->filling;
	log->filling = log->writing;
	log->writing = filled;
}

static void start_write(struct weir_http_log *log)
{
	if (log->busy || log->filling.size == 0)
		return;
	swap_buffers(log);
	weir_timer_stop(&log->timer);
	log->busy = weir_work_submit(log->loop, &log->work, run_write, done_write) == 0;
	if (!log->busy)
		swap_buffers(log);
}

static void on_time(struct weir_timer *timer)
{
	struct weir_http_log *log = WEIR_CONTAINER(timer, struct weir_http_log, timer);
	start_write(log);
	if (log->filling.size)
		weir_timer_start(log->loop, timer, WRITE_AFTER_MS, on_time);
}

static void tell_lost(struct weir_http_log *log)
{
	if (log->lost && weir_buffer_format(&log->filling, WEIR_HTTP_LOG_QUEUE_MAX,
	                         "# %llu lines were lost here: the disk was too slow\n",
	                         (unsigned long long)log->lost) == 0)
		log->lost = 0;
}

/* Makes room for a line; false: there is none, the line is lost. */
static bool begin_line(struct weir_http_log *log, size_t size)
{
	tell_lost(log);
	if (log->lost || weir_buffer_reserve(&log->filling, size, WEIR_HTTP_LOG_QUEUE_MAX) < 0) {
		log->lost++;
		return false;
	}
	return true;
}

static void end_line(struct weir_http_log *log)
{
	if (log->filling.size >= WRITE_SIZE)
		start_write(log);
	/* Also when the pool was full. */
	if (log->filling.size && !log->busy && !weir_timer_running(&log->timer))
		weir_timer_start(log->loop, &log->timer, WRITE_AFTER_MS, on_time);
}

/* -- the line ---------------------------------------------------------------------------------- */

static const char *date_of(struct weir_http_log *log)
{
	int64_t now = weir_loop_wall_s(log->loop);
	if (log->date_s != now) {
		time_t seconds = now;
		struct tm tm;
		static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
		log->date_s = now;
		gmtime_r(&seconds, &tm);
		snprintf(log->date, sizeof log->date, "%02d/%.3s/%04d:%02d:%02d:%02d +0000",
		        tm.tm_mday, months + tm.tm_mon * 3, tm.tm_year + 1900, tm.tm_hour,
		        tm.tm_min, tm.tm_sec);
	}
	return log->date;
}

/* What a client sent must not be able to forge a line, nor to reach whoever shows the log. */
static void add_escaped(struct weir_buffer *line, struct weir_span text)
{
	for (size_t i = 0, plain = 0; i <= text.size; i++) {
		unsigned char c = i < text.size ? (unsigned char)text.data[i] : 0;
		if (i < text.size && c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			continue;
		weir_buffer_append(line, text.data + plain, i - plain, TEXT_MAX);
		if (i < text.size)
			weir_buffer_format(line, TEXT_MAX, "\\x%02X", c);
		plain = i + 1;
	}
}

static void add_field(struct weir_buffer *line, const struct weir_http_request *request,
        enum weir_http_known known)
{
	struct weir_span value =
	        request ? weir_http_request_known(request, known) : weir_span(NULL, 0);
	weir_buffer_append(line, " \"", 2, LINE_MAX_SIZE);
	add_escaped(line, value.data ? value : WEIR_SPAN("-"));
	weir_buffer_append(line, "\"", 1, LINE_MAX_SIZE);
}

void weir_http_log_prepare(struct weir_http_exchange *exchange)
{
	struct weir_http_log *log = exchange->server->log;
	const struct weir_http_request *request = exchange->request;
	struct weir_buffer *line = &exchange->log_line;
	struct weir_tls_info tls;
	char host[WEIR_ADDRESS_TEXT_MAX];
	exchange->log = log;
	if (!log)
		return;
	weir_address_host(&exchange->peer, host);
	weir_buffer_format(line, LINE_MAX_SIZE, "%s - ", host);
	add_escaped(line, exchange->user.size ? weir_buffer_span(&exchange->user) : WEIR_SPAN("-"));
	weir_buffer_format(line, LINE_MAX_SIZE, " [%s] \"", date_of(log));
	if (request) {
		add_escaped(line, request->method_name);
		weir_buffer_append(line, " ", 1, LINE_MAX_SIZE);
		add_escaped(line, request->target);
		weir_buffer_format(line, LINE_MAX_SIZE, " HTTP/1.%u", request->minor);
	} else {
		weir_buffer_append(line, "-", 1, LINE_MAX_SIZE);
	}
	weir_buffer_format(line, LINE_MAX_SIZE, "\" %u ", exchange->status);
	exchange->log_split = line->size;
	add_field(line, request, WEIR_HTTP_REFERER);
	add_field(line, request, WEIR_HTTP_USER_AGENT);
	if (weir_http_tls(exchange, &tls))
		weir_buffer_format(line, LINE_MAX_SIZE, " %s", tls.version);
}

/* More than size, time and mark can take. */
enum {
	LINE_END_MAX = 64
};

void weir_http_log_finish(struct weir_http_exchange *exchange, enum weir_close_reason why)
{
	struct weir_http_log *log = exchange->log;
	const struct weir_buffer *known = &exchange->log_line;
	if (!log || !begin_line(log, known->size + LINE_END_MAX))
		return;
	struct weir_buffer *line = &log->filling;
	uint64_t before_body = exchange->head_size + exchange->continue_put;
	uint64_t taken = exchange->producer.taken;
	int64_t took_ms = weir_loop_now_ms(exchange->loop) - exchange->begun_ms;
	weir_buffer_append(line, known->data, exchange->log_split, WEIR_HTTP_LOG_QUEUE_MAX);
	weir_buffer_format(line, WEIR_HTTP_LOG_QUEUE_MAX, "%llu",
	        (unsigned long long)(taken > before_body ? taken - before_body : 0));
	weir_buffer_append(line, known->data + exchange->log_split,
	        known->size - exchange->log_split, WEIR_HTTP_LOG_QUEUE_MAX);
	weir_buffer_format(line, WEIR_HTTP_LOG_QUEUE_MAX, " %lld.%03lld %c\n",
	        (long long)(took_ms / 1000), (long long)(took_ms % 1000),
	        why != WEIR_CLOSE_DONE ? 'X'
	        : exchange->keep_alive ? '+'
	                               : '-');
	end_line(log);
}

/* -- life -------------------------------------------------------------------------------------- */

int weir_http_log_create(struct weir_loop *loop, const char *path, struct weir_http_log **ret)
{
	struct weir_http_log *log = calloc(1, sizeof *log);
	char *copy = malloc(strlen(path) + 1);
	int fd = open_log(path);
	if (!log || !copy || fd < 0) {
		if (fd >= 0)
			close(fd);
		free(copy);
		free(log);
		return fd < 0 ? fd : -ENOMEM;
	}
	log->loop = loop;
	log->path = strcpy(copy, path);
	log->fd = fd;
	*ret = log;
	return 0;
}

int weir_http_log_reopen(struct weir_http_log *log)
{
	int fd = open_log(log->path);
	if (fd < 0)
		return fd;
	/* In place, so that a thread which is writing finds one file or the other. */
	int error = dup3(fd, log->fd, O_CLOEXEC) < 0 ? -errno : 0;
	close(fd);
	return error;
}

void weir_http_log_destroy(struct weir_http_log *log)
{
	if (!log)
		return;
	weir_timer_stop(&log->timer);
	while (log->busy)
		weir_loop_turn(log->loop, -1);
	write_all(log->fd, &log->filling);
	/* There is room for it now. */
	tell_lost(log);
	write_all(log->fd, &log->filling);
	close(log->fd);
	weir_buffer_free(&log->filling);
	weir_buffer_free(&log->writing);
	free(log->path);
	free(log);
}
