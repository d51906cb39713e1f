/*
 * Invariant: the log belongs to the main thread. The other threads see where lines go, and the
 * buffer, in which the level follows each line; both under the lock.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/loop.h>

#include "config.h"
#include "log_file.h"
#include "log_socket.h"
#include "say.h"
#include "say_log.h"

enum {
	SAY_LOG_WAITING_MAX = 256 * 1024, /* bytes that wait for the main loop */
};

static struct weir_log *say_log; /* the main thread's; NULL: none */
static _Atomic enum say_where say_log_to = SAY_STDERR;
static char *say_log_user; /* the user that opens it, or NULL */
static bool say_log_serving;
static bool say_log_off; /* lines go nowhere */

static struct {
	pthread_mutex_t lock;
	struct weir_loop *loop; /* NULL: there is no log */
	struct weir_task task;
	struct weir_buffer lines;
	struct say_form form;
	pthread_t main;
	unsigned lost; /* lines without room */
	bool posted;
} say_log_waiting = {.lock = PTHREAD_MUTEX_INITIALIZER};

static enum say_where say_log_where(void)
{
	return say_log_to;
}

static struct say_form say_log_form(void)
{
	pthread_mutex_lock(&say_log_waiting.lock);
	struct say_form form = say_log_waiting.form;
	pthread_mutex_unlock(&say_log_waiting.lock);
	return form;
}

/* -- the main thread --------------------------------------------------------------------------- */

static void say_log_write(enum weir_log_level level, struct weir_span line)
{
	struct weir_buffer *to = say_log ? weir_log_begin(say_log, level, line.size + 1) : NULL;
	if (!to)
		return;
	weir_buffer_append(to, line.data, line.size, WEIR_LOG_QUEUE_MAX);
	weir_buffer_append(to, "\n", 1, WEIR_LOG_QUEUE_MAX);
	weir_log_end(say_log);
}

static void say_log_write_all(struct weir_span lines)
{
	size_t begin = 0;
	for (size_t i = 0; i < lines.size; i++) {
		unsigned char c = (unsigned char)lines.data[i];
		if (c >= ' ')
			continue;
		say_log_write((enum weir_log_level)c, weir_span(lines.data + begin, i - begin));
		begin = i + 1;
	}
}

/* Takes the waiting lines to the log. */
static void say_log_flush(void)
{
	pthread_mutex_lock(&say_log_waiting.lock);
	struct weir_buffer lines = say_log_waiting.lines;
	unsigned lost = say_log_waiting.lost;
	say_log_waiting.lines = (struct weir_buffer){0};
	say_log_waiting.lost = 0;
	pthread_mutex_unlock(&say_log_waiting.lock);
	say_log_write_all(weir_buffer_span(&lines));
	weir_buffer_finish(&lines);
	if (lost)
		say_at(WEIR_LOG_WARNING, "%u lines were lost here: the main thread was busy", lost);
}

static void say_log_on_task(struct weir_task *task)
{
	(void)task;
	pthread_mutex_lock(&say_log_waiting.lock);
	say_log_waiting.posted = false;
	pthread_mutex_unlock(&say_log_waiting.lock);
	say_log_flush();
}

/* Its own failure cannot be reported in it. */
static void say_log_failed(void *context, int error)
{
	const char *path = weir_log_path(context);
	if (error < 0)
		say_on_stderr("cannot write the log %s: %s; lines are lost until it can be written "
		              "again",
		        path, weir_error_text(error));
	else
		say_at(WEIR_LOG_INFO, "the log %s can be written again", path);
}

static struct say_form say_log_form_of(const struct weir_log *log)
{
	struct say_form form = {0};
	if (!log)
		return form;
	/* Syslog and the journal add both. */
	bool is_socket = log_socket_is(weir_log_path(log));
	form.format = weir_log_format(log);
	form.time = form.name = !is_socket;
	return form;
}

static enum say_where say_log_choose(void)
{
	if (!say_log_serving)
		return say_log ? SAY_LOG | SAY_STDERR : SAY_STDERR;
	return say_log ? SAY_LOG : say_log_off ? SAY_NOWHERE : SAY_STDERR;
}

static void say_log_set(struct weir_loop *loop, struct weir_log *log)
{
	pthread_mutex_lock(&say_log_waiting.lock);
	say_log_waiting.loop = log ? loop : NULL;
	say_log_waiting.task.run = say_log_on_task;
	say_log_waiting.main = pthread_self();
	say_log_waiting.form = say_log_form_of(log);
	say_log = log;
	say_log_to = say_log_choose();
	pthread_mutex_unlock(&say_log_waiting.lock);
}

static bool say_log_is_open(const char *path)
{
	return say_log && path && strcmp(weir_log_path(say_log), path) == 0;
}

/* Lines that wait are written to the old log, in the form that they were composed in. */
static void say_log_replace(struct weir_loop *loop, struct weir_log *log)
{
	struct weir_log *old = say_log;
	say_log_flush();
	if (log && log != old)
		weir_log_on_failure(log, say_log_failed, log);
	say_log_set(loop, log);
	if (log != old)
		weir_log_destroy(old);
}

static int say_log_set_user(const char *user)
{
	char *copy = user ? strdup(user) : NULL;
	if (user && !copy)
		return -ENOMEM;
	free(say_log_user);
	say_log_user = copy;
	return 0;
}

/* -- any thread -------------------------------------------------------------------------------- */

static bool say_log_add(enum weir_log_level level, struct weir_span line)
{
	char end = (char)level;
	struct weir_buffer *lines = &say_log_waiting.lines;
	pthread_mutex_lock(&say_log_waiting.lock);
	bool open = say_log_waiting.loop;
	bool here = pthread_equal(say_log_waiting.main, pthread_self());
	if (open && weir_buffer_reserve(lines, line.size + 1, SAY_LOG_WAITING_MAX) < 0) {
		say_log_waiting.lost++;
	} else if (open) {
		weir_buffer_append(lines, line.data, line.size, SAY_LOG_WAITING_MAX);
		weir_buffer_append(lines, &end, 1, SAY_LOG_WAITING_MAX);
		if (!say_log_waiting.posted && !here)
			weir_loop_post(say_log_waiting.loop, &say_log_waiting.task);
		say_log_waiting.posted = say_log_waiting.posted || !here;
	}
	pthread_mutex_unlock(&say_log_waiting.lock);
	if (open && here)
		say_log_flush();
	return open;
}

static const struct say_sink say_log_sink = {say_log_where, say_log_form, say_log_add};

int say_log_use(struct weir_loop *loop, const struct config *config)
{
	const char *path = config->logs[LOG_DAEMON];
	struct weir_log *log = say_log_is_open(path) ? say_log : NULL;
	bool opens = !log && path && strcmp(path, SAY_LOG_STDERR_PATH) != 0;
	int error = opens ? log_create(loop, config->user, path, &log) : 0;
	if (error == 0)
		error = say_log_set_user(config->user);
	if (error < 0) {
		if (opens)
			weir_log_destroy(log);
		return error;
	}
	say_log_off = !path;
	say_into(&say_log_sink);
	if (log)
		log_use_format(log, (enum weir_log_format)config->log_format);
	say_log_replace(loop, log);
	return 0;
}

void say_log_started(void)
{
	say_never_wait();
	say_log_serving = true;
	say_log_to = say_log_choose();
}

void say_log_reopen(void)
{
	struct weir_loop *loop = say_log_waiting.loop;
	struct weir_log *log = NULL;
	if (!say_log)
		return;
	/* Not by weir_log_reopen: the master is root still, and the log the user's. */
	if (log_create(loop, say_log_user, weir_log_path(say_log), &log) == 0) {
		log_use_format(log, say_log_waiting.form.format);
		say_log_replace(loop, log);
	}
}

void say_log_close(void)
{
	say_log_off = false;
	say_log_replace(NULL, NULL);
	say_log_set_user(NULL);
}

void say_log_forget(void)
{
	say_log = NULL;
	say_log_waiting.loop = NULL;
	say_log_to = SAY_STDERR;
}
