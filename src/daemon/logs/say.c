/*
 * The daemon's own lines, errors and events. A line is composed first and written whole, since
 * several threads may print. A long line is cut off. Nothing here allocates, so that it works when
 * memory is short. Lines for stderr are written here, those of a log are handed to it.
 *
 * Of complaints a period begins with the first one; at its end the number of the rest is reported.
 */
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/error.h>

#include "helper.h"
#include "recent_lines.h"
#include "say.h"

enum {
	LINE_SIZE = PIPE_BUF, /* a pipe that poll(2) reports as writable takes so much at once */
	TEXT_SIZE = LINE_SIZE - 256,
};

/* Set before threads start. */
static bool say_time;
static bool say_journal; /* stderr is the journal */
static atomic_bool say_serves;

/* systemd names the device and the inode of the socket that it gave as stderr. */
static bool say_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;
	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

void say_with_time(void)
{
	say_journal = say_is_journal();
	say_time = !say_journal;
}

static _Atomic enum weir_log_format say_format;
static const struct say_sink *_Atomic say_sink; /* NULL: stderr */

void say_into(const struct say_sink *sink)
{
	say_sink = sink;
}

static enum say_where say_where(void)
{
	const struct say_sink *sink = say_sink;
	return sink ? sink->where() : SAY_STDERR;
}

void say_in_format(enum weir_log_format format)
{
	say_format = format;
}

bool say_is_plain(void)
{
	return say_format == WEIR_LOG_TEXT && !say_journal && say_where() == SAY_STDERR &&
	       !say_serves;
}

/* -- lines ------------------------------------------------------------------------------------- */

/* Composes the line as text. Returns its size, without its end. */
static size_t say_compose_text(
        char *line, size_t max, const char *text, const struct say_form *form)
{
	time_t now = time(NULL);
	struct tm local;
	size_t used = 0;
	if (form->time && localtime_r(&now, &local))
		used = strftime(line, max, "%Y-%m-%dT%H:%M:%S%z ", &local);
	int size = snprintf(line + used, max - used, "%s%s", form->name ? "weir: " : "", text);
	used += size > 0 ? (size_t)size : 0;
	used = used < max ? used : max - 1;
	/* Text of a client or of a file must not forge a line. */
	for (size_t i = 0; i < used; i++)
		if (text_is_control(line[i]))
			line[i] = '?';
	return used;
}

static const char *say_level_name(enum weir_log_level level)
{
	return level == WEIR_LOG_ERROR ? "error" : level == WEIR_LOG_WARNING ? "warning" : "info";
}

/* Composes the line in logfmt or JSON. Returns its size, without its end. */
static size_t say_compose_fields(char *line, size_t max, enum weir_log_level level,
        const char *text, enum weir_log_format format)
{
	/* The buffer has the bound's size already, so that it never allocates. */
	struct weir_buffer fields = {.data = line, .capacity = max};
	time_t now = time(NULL);
	char date[32];
	struct tm tm;
	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
	weir_log_open_line(&fields, format, max);
	weir_log_add_text(&fields, format, "time", weir_span_of(date), max);
	weir_log_add_text(&fields, format, "kind", WEIR_SPAN("weir"), max);
	weir_log_add_text(&fields, format, "level", weir_span_of(say_level_name(level)), max);
	/* Room is left for the end of the line. */
	weir_log_add_text(&fields, format, "message", weir_span_of(text), max - 2);
	weir_log_close_line(&fields, format, max);
	return fields.size - 1;
}

static size_t say_compose(char *line, size_t max, enum weir_log_level level, const char *text,
        const struct say_form *form)
{
	return form->format == WEIR_LOG_TEXT
	               ? say_compose_text(line, max, text, form)
	               : say_compose_fields(line, max, level, text, form->format);
}

/* -- stderr ------------------------------------------------------------------------------------ */

static struct {
	pthread_mutex_t lock;
	bool torn;     /* a full disk has taken a part of a line */
	unsigned lost; /* lines since the last report */
	_Atomic uint64_t lost_total;
} say_stderr = {.lock = PTHREAD_MUTEX_INITIALIZER};

void say_never_wait(void)
{
	say_serves = true;
}

uint64_t say_lost_lines(void)
{
	return say_stderr.lost_total;
}

/*
 * Writes without waiting, unless that is allowed. A line that was taken in part by a full disk
 * counts as lost, and the next one begins anew. Returns whether the line was written.
 */
static bool say_stderr_write(const char *line, size_t size)
{
	struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
	if (say_serves && poll(&ready, 1, 0) != 1)
		return false;
	if (say_stderr.torn && write(STDERR_FILENO, "\n", 1) != 1)
		return false;
	ssize_t put = write(STDERR_FILENO, line, size);
	say_stderr.torn = put > 0 && (size_t)put < size;
	return put == (ssize_t)size;
}

/* Under the lock. */
static bool say_stderr_put(enum weir_log_level level, const char *text)
{
	const struct say_form form = {say_format, say_time, true};
	char line[LINE_SIZE];
	size_t used = 0;
	/* The journal cuts the level off (sd-daemon(3)). */
	if (say_journal)
		used = (size_t)snprintf(line, sizeof line, "<%d>", (int)level);
	used += say_compose(line + used, sizeof line - used - 1, level, text, &form);
	line[used++] = '\n';
	return say_stderr_write(line, used);
}

static void say_to_stderr(enum weir_log_level level, const char *text)
{
	char report[64];
	pthread_mutex_lock(&say_stderr.lock);
	if (say_stderr.lost) {
		snprintf(report, sizeof report, "%u lines were lost here", say_stderr.lost);
		if (say_stderr_put(WEIR_LOG_WARNING, report))
			say_stderr.lost = 0;
	}
	if (say_stderr.lost || !say_stderr_put(level, text)) {
		say_stderr.lost++;
		say_stderr.lost_total++;
	}
	pthread_mutex_unlock(&say_stderr.lock);
}

/* -- printing ---------------------------------------------------------------------------------- */

static void say_to_log(enum weir_log_level level, const char *text)
{
	const struct say_sink *sink = say_sink;
	char line[LINE_SIZE];
	struct say_form form = sink->form();
	size_t size = say_compose(line, sizeof line, level, text, &form);
	if (!sink->add(level, weir_span(line, size)))
		say_to_stderr(level, text);
}

static void say_print(enum weir_log_level level, const char *format, va_list arguments)
{
	char text[TEXT_SIZE];
	if (vsnprintf(text, sizeof text, format, arguments) < 0)
		return;
	recent_lines_add(text, strlen(text));
	enum say_where where = say_where();
	if (where & SAY_STDERR)
		say_to_stderr(level, text);
	if (where & SAY_LOG)
		say_to_log(level, text);
}

void say(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	say_print(WEIR_LOG_ERROR, format, arguments);
	va_end(arguments);
}

void say_at(enum weir_log_level level, const char *format, ...)
{
	va_list arguments;
	if (level > weir_log_level())
		return;
	va_start(arguments, format);
	say_print(level, format, arguments);
	va_end(arguments);
}

void say_on_stderr(const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list arguments;
	va_start(arguments, format);
	if (vsnprintf(text, sizeof text, format, arguments) >= 0) {
		recent_lines_add(text, strlen(text));
		say_to_stderr(WEIR_LOG_ERROR, text);
	}
	va_end(arguments);
}

void say_root(const char *root, atomic_bool *lost, int error)
{
	if (atomic_exchange(lost, error < 0) == (error < 0))
		return;
	if (error < 0)
		say("the root %s cannot be reached by its path any more (%s): the directory that "
		    "was opened last is still served, and one that replaces it is not noticed",
		        root, weir_error_text(error));
	else
		say_at(WEIR_LOG_INFO, "the root %s can be reached again", root);
}

/* -- complaints -------------------------------------------------------------------------------- */

static void complaints_report_rest(struct complaints *complaints)
{
	if (complaints->suppressed)
		say_at(WEIR_LOG_WARNING, "%u more %s", complaints->suppressed, complaints->what);
	complaints->reported = complaints->suppressed = 0;
}

static void complaints_on_period(struct weir_timer *timer)
{
	complaints_report_rest(WEIR_CONTAINER(timer, struct complaints, timer));
}

void complaints_init(struct complaints *complaints, struct weir_loop *loop, const char *what)
{
	*complaints = (struct complaints){.loop = loop, .what = what};
}

bool complaints_allow(struct complaints *complaints)
{
	if (!weir_timer_running(&complaints->timer))
		weir_timer_start(complaints->loop, &complaints->timer, COMPLAINTS_PERIOD_S * 1000,
		        complaints_on_period);
	if (complaints->reported < COMPLAINTS_MAX) {
		complaints->reported++;
		return true;
	}
	complaints->suppressed++;
	return false;
}

void complaints_end(struct complaints *complaints)
{
	weir_timer_stop(&complaints->timer);
	complaints_report_rest(complaints);
}
