/*
 * Text of clients is put between quotes or <>; characters that could end these, or the line, are
 * escaped. The protocols bound the text already, and long text is cut off here.
 */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <weir/buffer.h>
#include <weir/log.h>
#include <weir/loop.h>

#include "log_line.h"

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
