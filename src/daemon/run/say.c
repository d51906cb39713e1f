/*
 * Prints lines to stderr. A line is composed first and written whole, since several threads may
 * print. A long line is cut off. Nothing here allocates, so that it works when memory is short.
 *
 * Of complaints a period begins with the first one; at its end the number of the rest is reported.
 */
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

#include "recent_lines.h"
#include "say.h"

enum {
	LINE_SIZE = 4096
};

/* Set before threads start. */
static bool say_time;
static bool say_journal; /* stderr is the journal */

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

void say_in_format(enum weir_log_format format)
{
	say_format = format;
}

bool say_is_plain(void)
{
	return say_format == WEIR_LOG_TEXT && !say_journal;
}

/* -- lines ------------------------------------------------------------------------------------- */

/* Composes the line as text. Returns its size, without its end. */
static size_t say_compose_text(char *line, size_t max, const char *text)
{
	time_t now = time(NULL);
	struct tm local;
	size_t used = 0;
	if (say_time && localtime_r(&now, &local))
		used = strftime(line, max, "%Y-%m-%dT%H:%M:%S%z ", &local);
	int size = snprintf(line + used, max - used, "weir: %s", text);
	used += size > 0 ? (size_t)size : 0;
	return used < max ? used : max - 1;
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

static void say_print(enum weir_log_level level, const char *format, va_list arguments)
{
	char text[LINE_SIZE - 256], line[LINE_SIZE];
	enum weir_log_format form = say_format;
	size_t used = 0;
	if (vsnprintf(text, sizeof text, format, arguments) < 0)
		return;
	recent_lines_add(text, strlen(text));
	/* The journal cuts the level off (sd-daemon(3)). */
	if (say_journal)
		used = (size_t)snprintf(line, sizeof line, "<%d>", (int)level);
	char *rest = line + used;
	size_t room = sizeof line - used - 1;
	used += form == WEIR_LOG_TEXT ? say_compose_text(rest, room, text)
	                              : say_compose_fields(rest, room, level, text, form);
	line[used++] = '\n';
	ssize_t put = write(STDERR_FILENO, line, used);
	(void)put; /* a failure cannot be reported */
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
