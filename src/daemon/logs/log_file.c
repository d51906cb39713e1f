/*
 * The logs of one worker, and lines in them.
 *
 * Servers of several configurations may write to the same log for a while, so each path is opened
 * once, for as long as a server uses it. Text of clients is put between quotes or <>; characters
 * that could end these, or the line, are escaped. The protocols bound the text already, and long
 * text is cut off here.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/log.h>
#include <weir/loop.h>

#include "config.h"
#include "log_file.h"
#include "log_socket.h"
#include "resources.h"
#include "say.h"

/* -- files ------------------------------------------------------------------------------------- */

static struct log_file *log_file_find(struct weir_list *logs, const char *path)
{
	WEIR_LIST_EACH (struct log_file, file, logs, link)
		if (strcmp(file->path, path) == 0)
			return file;
	return NULL;
}

const struct log_level_name log_levels[] = {
        {"info", WEIR_LOG_INFO},
        {"warning", WEIR_LOG_WARNING},
        {"error", WEIR_LOG_ERROR},
        {0},
};

static enum weir_log_format log_file_format;

void log_configure(const struct config *config)
{
	log_file_format = (enum weir_log_format)config->log_format;
	say_in_format(log_file_format);
	weir_log_set_level(log_levels[config->log_level].level);
}

/* The fields of the journal are cut out of logfmt. */
void log_use_format(struct weir_log *log, enum weir_log_format format)
{
	weir_log_set_format(
	        log, log_socket_is_journal(weir_log_path(log)) ? WEIR_LOG_LOGFMT : format);
}

static void log_file_failed(void *context, int error)
{
	const char *path = weir_log_path(context);
	if (error < 0)
		say("cannot write the log %s: %s; lines are lost until it can be written again",
		        path, weir_error_text(error));
	else
		say_at(WEIR_LOG_INFO, "the log %s can be written again", path);
}

int log_create(struct weir_loop *loop, const char *user, const char *path, struct weir_log **ret)
{
	bool sent = log_socket_is(path);
	int fd = sent ? log_socket_open(path) : resources_open_log(user, path);
	int error = fd < 0 ? fd
	                   : weir_log_adopt(loop, path, fd,
	                             sent ? log_socket_open : resources_reopen_log, ret);
	if (error == -ELOOP)
		say("cannot write the log %s: it is a symbolic link, or below one, that may be another "
		    "user's; name the file itself",
		        path);
	else if (error == -EPERM)
		say("cannot write the log %s: the file belongs to another user, or has a second name; "
		    "remove it, or name another",
		        path);
	else if (error < 0)
		say("cannot write the log %s: %s", path, weir_error_text(error));
	if (error < 0)
		return error;
	if (sent)
		weir_log_set_send(*ret, log_socket_send);
	log_use_format(*ret, log_file_format);
	weir_log_on_failure(*ret, log_file_failed, *ret);
	return 0;
}

static void log_file_free(struct log_file *file)
{
	free(file->path);
	free(file);
}

struct log_file *log_file_hold(struct log_file *file)
{
	if (file)
		file->users++;
	return file;
}

void log_file_release(struct log_file *file)
{
	if (file && --file->users == 0 && !file->log)
		log_file_free(file);
}

int log_file_open(struct weir_list *logs, struct weir_loop *loop, const char *user,
        const char *path, struct log_file **ret)
{
	struct log_file *file = log_file_find(logs, path);
	*ret = file;
	if (file) {
		log_use_format(file->log, log_file_format);
		return 0;
	}
	file = calloc(1, sizeof *file);
	if (!file || !(file->path = strdup(path))) {
		free(file);
		return -ENOMEM;
	}
	int error = log_create(loop, user, path, &file->log);
	if (error < 0) {
		log_file_free(file);
		return error;
	}
	weir_list_append(logs, &file->link);
	*ret = file;
	return 0;
}

void log_files_reopen(struct weir_list *logs)
{
	WEIR_LIST_EACH (struct log_file, file, logs, link) {
		int error = weir_log_reopen(file->log);
		if (error < 0)
			say("cannot reopen the log %s: %s; logging goes on in the old file",
			        file->path, weir_error_text(error));
	}
}

void log_files_close(struct weir_list *logs, bool all)
{
	WEIR_LIST_EACH_SAFE (struct log_file, file, next, logs, link) {
		if (file->users && !all)
			continue;
		weir_list_remove(&file->link);
		weir_log_destroy(file->log);
		file->log = NULL;
		if (!file->users)
			log_file_free(file);
	}
}

/* -- lines ------------------------------------------------------------------------------------- */

/* The bytes of a line, and of each text of a client in it. */
enum {
	TEXT_MAX = 512,
	LINE_SIZE = 16 * 1024
};

/* "key=value" in the form of the line. Values that are numbers are so in JSON, too. */
static void log_line_add_pair(struct log_line *line, struct weir_span pair)
{
	struct weir_span key;
	char name[32];
	uint64_t number;
	if (!weir_span_cut(&pair, '=', &key))
		return;
	snprintf(name, sizeof name, "%.*s", (int)key.size, key.data);
	if (weir_span_number(pair, 10, &number) == 0)
		weir_log_add_number(line->buffer, line->format, name, number, WEIR_LOG_QUEUE_MAX);
	else
		weir_log_add_text(line->buffer, line->format, name, pair, WEIR_LOG_QUEUE_MAX);
}

void log_line_add(struct log_line *line, const char *format, ...)
{
	char text[256];
	va_list arguments;
	if (!line->buffer)
		return;
	va_start(arguments, format);
	int size = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (size <= 0)
		return;
	struct weir_span rest = weir_span(
	                         text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1),
	                 pair;
	if (line->format == WEIR_LOG_TEXT) {
		weir_buffer_append(line->buffer, rest.data, rest.size, WEIR_LOG_QUEUE_MAX);
		return;
	}
	while (rest.size) {
		weir_span_cut(&rest, ' ', &pair);
		if (pair.size)
			log_line_add_pair(line, pair);
	}
}

void log_line_add_text(
        struct log_line *line, const char *key, const char signs[2], struct weir_span text)
{
	if (!line->buffer)
		return;
	if (text.size > TEXT_MAX)
		text.size = TEXT_MAX;
	if (line->format != WEIR_LOG_TEXT) {
		weir_log_add_text(line->buffer, line->format, key, text, WEIR_LOG_QUEUE_MAX);
		return;
	}
	log_line_add(line, " %s=%c", key, signs[0]);
	weir_log_escape(line->buffer, text, WEIR_LOG_QUEUE_MAX);
	log_line_add(line, "%c", signs[1]);
}

void log_line_add_known(struct log_line *line, const char *key, struct weir_span text)
{
	if (text.size)
		log_line_add_text(line, key, "\"\"", text);
}

void log_line_begin(struct log_line *line, struct weir_log *log, struct weir_loop *loop,
        enum weir_log_level level, const char *name, const char *what)
{
	time_t now = weir_loop_wall_s(loop);
	char date[32];
	struct tm tm;
	*line = (struct log_line){log, weir_log_begin(log, level, LINE_SIZE), weir_log_format(log)};
	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (line->format == WEIR_LOG_TEXT) {
		log_line_add(line, "%s %s %s", date, name, what);
	} else if (line->buffer) {
		weir_log_open_line(line->buffer, line->format, WEIR_LOG_QUEUE_MAX);
		log_line_add(line, "time=%s kind=%s event=%s", date, name, what);
	}
}

void log_line_add_peer(struct log_line *line, const struct weir_address *peer, bool secure)
{
	char host[WEIR_ADDRESS_TEXT_MAX];
	weir_address_host(peer, host);
	log_line_add(line, " peer=%s%s", host,
	        !secure                         ? ""
	        : line->format == WEIR_LOG_TEXT ? " tls"
	                                        : " tls=yes");
}

/* In JSON it is text, also if all its digits are decimal. */
void log_line_add_session(struct log_line *line, uint64_t id)
{
	char text[24];
	if (!line->buffer || !id)
		return;
	snprintf(text, sizeof text, "%016llx", (unsigned long long)id);
	if (line->format == WEIR_LOG_TEXT)
		log_line_add(line, " session=%s", text);
	else
		weir_log_add_text(line->buffer, line->format, "session", weir_span_of(text),
		        WEIR_LOG_QUEUE_MAX);
}

void log_line_end(struct log_line *line)
{
	if (!line->buffer)
		return;
	if (line->format == WEIR_LOG_TEXT)
		log_line_add(line, "\n");
	else
		weir_log_close_line(line->buffer, line->format, WEIR_LOG_QUEUE_MAX);
	weir_log_end(line->log);
}
