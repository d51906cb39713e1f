/*
 * Lines of the mail log. What clients say stands between quotes or <>, with all that could end
 * these, or the line, escaped; each of it is bounded by the protocol already, and cut off here.
 */
#include <stdio.h>
#include <time.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/log.h>
#include <weir/loop.h>

#include "mail_log.h"

/* A line has at most so much, of which each text of a client has its part. */
enum {
	TEXT_MAX = 512,
	LINE_SIZE = 16 * 1024
};

struct line {
	struct weir_log *log;
	struct weir_buffer *buffer; /* NULL: there is no room, all that is added is dropped */
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
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

/* key="text", or with other signs around it. */
static void add_text(struct line *line, const char *key, const char signs[2], struct weir_span text)
{
	if (!line->buffer)
		return;
	if (text.size > TEXT_MAX)
		text.size = TEXT_MAX;
	add(line, " %s=%c", key, signs[0]);
	weir_log_escape(line->buffer, text, WEIR_LOG_QUEUE_MAX);
	add(line, "%c", signs[1]);
}

/* What is empty is not there. */
static void add_known(struct line *line, const char *key, struct weir_span text)
{
	if (text.size)
		add_text(line, key, "\"\"", text);
}

static void begin(struct line *line, struct weir_log *log, struct weir_loop *loop, const char *name,
        const char *what)
{
	time_t now = weir_loop_wall_s(loop);
	char date[32];
	struct tm tm;
	*line = (struct line){log, weir_log_begin(log, LINE_SIZE)};
	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
	add(line, "%s %s %s", date, name, what);
}

static void add_peer(struct line *line, const struct weir_address *peer, bool secure)
{
	char host[WEIR_ADDRESS_TEXT_MAX];
	weir_address_host(peer, host);
	add(line, " peer=%s%s", host, secure ? " tls" : "");
}

static void end(struct line *line)
{
	add(line, "\n");
	if (line->buffer)
		weir_log_end(line->log);
}

static const char *const smtp_names[] = {
        [WEIR_SMTP_ACCEPTED] = "accepted",
        [WEIR_SMTP_FAILED] = "failed",
        [WEIR_SMTP_REFUSED] = "refused",
        [WEIR_SMTP_LOGIN] = "login",
        [WEIR_SMTP_DENIED] = "denied",
};

void mail_log_smtp(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_smtp_event *event)
{
	struct line line;
	if (!log)
		return;
	bool message = event->kind == WEIR_SMTP_ACCEPTED || event->kind == WEIR_SMTP_FAILED;
	begin(&line, log, loop, name, smtp_names[event->kind]);
	add_peer(&line, event->peer, event->secure);
	add_known(&line, "helo", event->helo);
	add_known(&line, "user", event->user);
	if (message || event->sender.size)
		add_text(&line, "from", "<>", event->sender);
	if (event->recipient.size)
		add_text(&line, "to", "<>", event->recipient);
	else if (message)
		add(&line, " recipients=%zu", event->recipients);
	if (message)
		add(&line, " size=%llu", (unsigned long long)event->size);
	if (event->id.size)
		add(&line, " id=%.*s", (int)event->id.size, event->id.data);
	add_known(&line, "reply", event->text);
	end(&line);
}

static const char *const pop3_names[] = {
        [WEIR_POP3_LOGIN] = "login",
        [WEIR_POP3_DENIED] = "denied",
        [WEIR_POP3_LOGOUT] = "logout",
};

void mail_log_pop3(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_pop3_event *event)
{
	struct line line;
	if (!log)
		return;
	begin(&line, log, loop, name, pop3_names[event->kind]);
	add_peer(&line, event->peer, event->secure);
	add_known(&line, "user", event->user);
	if (event->mechanism)
		add(&line, " by=%s", event->mechanism);
	if (event->kind != WEIR_POP3_DENIED)
		add(&line, " messages=%zu octets=%llu", event->messages,
		        (unsigned long long)event->octets);
	if (event->kind == WEIR_POP3_LOGOUT)
		add(&line, " retrieved=%llu sent=%llu removed=%llu",
		        (unsigned long long)event->retrieved, (unsigned long long)event->sent,
		        (unsigned long long)event->removed);
	if (event->error)
		add_known(&line, "error", weir_span_of(weir_error_text(event->error)));
	end(&line);
}

static const char *const relay_names[] = {
        [WEIR_RELAY_SENT] = "sent",
        [WEIR_RELAY_LATE] = "late",
        [WEIR_RELAY_FAILED] = "failed",
        [WEIR_RELAY_REPORTED] = "reported",
        [WEIR_RELAY_UNREPORTED] = "unreported",
};

void mail_log_relay(struct weir_log *log, struct weir_loop *loop, const char *id,
        struct weir_span address, enum weir_relay_outcome outcome, const char *text)
{
	struct line line;
	if (!log)
		return;
	begin(&line, log, loop, "relay", relay_names[outcome]);
	add(&line, " id=%s", id);
	add_text(&line, "to", "<>", address);
	add_known(&line, "reply", weir_span_of(text));
	end(&line);
}
