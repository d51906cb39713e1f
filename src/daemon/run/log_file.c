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

#include "log_file.h"
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

int log_create(struct weir_loop *loop, const char *user, const char *path, struct weir_log **ret)
{
	int fd = resources_open_log(user, path);
	int error = fd < 0 ? fd : weir_log_adopt(loop, path, fd, resources_reopen_log, ret);
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
	return error;
}

int log_file_open(struct weir_list *logs, struct weir_loop *loop, const char *user,
        const char *path, struct log_file **ret)
{
	struct log_file *file = log_file_find(logs, path);
	*ret = file;
	if (file)
		return 0;
	file = calloc(1, sizeof *file);
	if (!file || !(file->path = strdup(path))) {
		free(file);
		return -ENOMEM;
	}
	int error = log_create(loop, user, path, &file->log);
	if (error < 0) {
		free(file->path);
		free(file);
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
		free(file->path);
		free(file);
	}
}

/* -- lines ------------------------------------------------------------------------------------- */

/* The bytes of a line, and of each text of a client in it. */
enum {
	TEXT_MAX = 512,
	LINE_SIZE = 16 * 1024
};

void log_line_add(struct log_line *line, const char *format, ...)
{
	char text[256];
	va_list arguments;
	if (!line->buffer)
		return;
	va_start(arguments, format);
	int size = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (size > 0)
		weir_buffer_append(line->buffer, text,
		        (size_t)size < sizeof text ? (size_t)size : sizeof text - 1,
		        WEIR_LOG_QUEUE_MAX);
}

void log_line_add_text(
        struct log_line *line, const char *key, const char signs[2], struct weir_span text)
{
	if (!line->buffer)
		return;
	if (text.size > TEXT_MAX)
		text.size = TEXT_MAX;
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
        const char *name, const char *what)
{
	time_t now = weir_loop_wall_s(loop);
	char date[32];
	struct tm tm;
	*line = (struct log_line){log, weir_log_begin(log, LINE_SIZE)};
	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
	log_line_add(line, "%s %s %s", date, name, what);
}

void log_line_add_peer(struct log_line *line, const struct weir_address *peer, bool secure)
{
	char host[WEIR_ADDRESS_TEXT_MAX];
	weir_address_host(peer, host);
	log_line_add(line, " peer=%s%s", host, secure ? " tls" : "");
}

void log_line_end(struct log_line *line)
{
	log_line_add(line, "\n");
	if (line->buffer)
		weir_log_end(line->log);
}
