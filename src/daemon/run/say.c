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

#include <weir/error.h>

#include "recent_lines.h"
#include "say.h"

enum {
	LINE_SIZE = 4096
};

static bool say_time; /* set before threads start */

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
	say_time = !say_is_journal();
}

static size_t say_begin(char line[LINE_SIZE])
{
	time_t now = time(NULL);
	struct tm local;
	size_t used = 0;
	if (say_time && localtime_r(&now, &local))
		used = strftime(line, LINE_SIZE, "%Y-%m-%dT%H:%M:%S%z ", &local);
	strcpy(line + used, "weir: ");
	return used + strlen("weir: ");
}

void say(const char *format, ...)
{
	char line[LINE_SIZE];
	size_t used = say_begin(line), begin = used;
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(line + used, sizeof line - used - 1, format, arguments);
	va_end(arguments);
	if (size < 0)
		return;
	used = strlen(line);
	recent_lines_add(line + begin, used - begin);
	line[used++] = '\n';
	ssize_t put = write(STDERR_FILENO, line, used);
	(void)put; /* a failure cannot be reported */
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
		say("the root %s can be reached again", root);
}

/* -- complaints -------------------------------------------------------------------------------- */

static void complaints_report_rest(struct complaints *complaints)
{
	if (complaints->suppressed)
		say("%u more %s", complaints->suppressed, complaints->what);
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
