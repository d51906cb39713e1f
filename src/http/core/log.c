/*
 * The lines of the access log. A line is prepared when the reply is made, while the request is
 * valid, and is written when the reply's last byte has left.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/buffer.h>
#include <weir/log.h>
#include <weir/loop.h>
#include <weir/tls.h>

#include "exchange.h"
#include "helper.h"
#include "loop_internal.h"
#include "probe.h"

/* Text from clients is cut off at TEXT_MAX; the rest is left for the server's own. */
enum {
	TEXT_MAX = WEIR_REQUEST_MAX,
	LINE_MAX_SIZE = TEXT_MAX + 1024,
	HTTP_LOG_CLIENT_LEFT = 499, /* as others log it; no reply has this status */
};

static const char *http_log_date_of(const struct weir_http_exchange *exchange)
{
	struct http_loop *loop_state = exchange->server->loop_state;
	int64_t now = weir_loop_wall_s(exchange->server->loop);
	if (loop_state->log_date_s != now) {
		time_t seconds = now;
		struct tm tm;
		static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
		loop_state->log_date_s = now;
		gmtime_r(&seconds, &tm);
		snprintf(loop_state->log_date, sizeof loop_state->log_date,
		        "%02d/%.3s/%04d:%02d:%02d:%02d +0000", tm.tm_mday, months + tm.tm_mon * 3,
		        tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	}
	return loop_state->log_date;
}

/* Appends them, all or none. */
static void http_log_put(
        struct weir_buffer *line, struct weir_span a, struct weir_span b, struct weir_span c)
{
	const struct weir_span spans[] = {a, b, c};
	buffer_append_spans(line, spans, 3, WEIR_LOG_QUEUE_MAX);
}

static struct weir_span http_log_number(char digits[TEXT_DECIMAL_SIZE], uint64_t number)
{
	return weir_span(digits, (size_t)(text_put_decimal(digits, number) - digits));
}

static void http_log_add_escaped(struct weir_buffer *line, struct weir_span text)
{
	weir_log_escape(line, text, TEXT_MAX);
}

static void http_log_add_field(struct weir_buffer *line, const struct weir_http_request *request,
        enum weir_http_known known)
{
	struct weir_span value =
	        request ? weir_http_request_known(request, known) : weir_span(NULL, 0);
	weir_buffer_append(line, " \"", 2, LINE_MAX_SIZE);
	http_log_add_escaped(line, value.data ? value : WEIR_SPAN("-"));
	weir_buffer_append(line, "\"", 1, LINE_MAX_SIZE);
}

void http_log_note_fault(struct http_loop *loop_state, const char *fault, struct weir_span bytes)
{
	size_t size = min_of(bytes.size, (size_t)WEIR_HTTP_FAULT_MAX);
	if (size)
		memcpy(loop_state->fault_room, bytes.data, size);
	loop_state->fault_bytes = weir_span(loop_state->fault_room, size);
	loop_state->fault = fault;
}

void http_log_clear_fault(struct http_loop *loop_state)
{
	loop_state->fault = NULL;
}

/* Appends the request line, and the reason why it or the body is malformed. */
static void http_log_add_request(struct weir_buffer *line,
        const struct weir_http_exchange *exchange, const struct weir_http_request *request)
{
	const struct http_loop *loop_state = exchange->server->loop_state;
	if (request) {
		http_log_add_escaped(line, request->method_name);
		weir_buffer_append(line, " ", 1, LINE_MAX_SIZE);
		http_log_add_escaped(line, request->target);
		char version[] = " HTTP/1.0";
		version[6] = (char)('0' + exchange->connection->major);
		version[8] = (char)('0' + (exchange->connection->major == 1 ? request->minor : 0));
		weir_buffer_append(line, version, sizeof version - 1, LINE_MAX_SIZE);
	} else if (!loop_state->fault) {
		weir_buffer_append(line, "-", 1, LINE_MAX_SIZE);
	}
	if (loop_state->fault) {
		weir_buffer_format(line, LINE_MAX_SIZE, "%smalformed: %s%s", request ? " " : "",
		        loop_state->fault, loop_state->fault_bytes.size ? ": " : "");
		http_log_add_escaped(line, loop_state->fault_bytes);
	}
}

/* Composes all of a line that is known already. Returns where the size belongs in it. */
static size_t http_log_compose(const struct weir_http_exchange *exchange,
        const struct weir_http_request *request, unsigned status, struct weir_buffer *line)
{
	struct weir_tls_info tls;
	char host[WEIR_ADDRESS_TEXT_MAX], digits[TEXT_DECIMAL_SIZE];
	struct weir_span user = weir_http_user(exchange);
	size_t host_size = weir_address_host(&exchange->handling->peer, host);
	http_log_put(line, WEIR_SPAN(""), weir_span(host, host_size), WEIR_SPAN(" - "));
	http_log_add_escaped(line, user.size ? user : WEIR_SPAN("-"));
	http_log_put(
	        line, WEIR_SPAN(" ["), weir_span_of(http_log_date_of(exchange)), WEIR_SPAN("] \""));
	http_log_add_request(line, exchange, request);
	http_log_put(line, WEIR_SPAN("\" "), http_log_number(digits, status), WEIR_SPAN(" "));
	size_t split = line->size;
	http_log_add_field(line, request, WEIR_HTTP_REFERER);
	http_log_add_field(line, request, WEIR_HTTP_USER_AGENT);
	if (weir_http_tls(exchange, &tls))
		weir_buffer_format(line, LINE_MAX_SIZE, " %s", tls.version);
	return split;
}

/* More than the size, the time, the mark and the ID need. */
enum {
	LINE_END_MAX = 96
};

uint64_t http_log_id(struct weir_http_exchange *exchange)
{
	if (!exchange->log_id)
		exchange->log_id = loop_next_number(exchange->server->loop);
	return loop_log_id(exchange->server->loop, exchange->log_id);
}

/* -- logfmt and JSON --------------------------------------------------------------------------- */

/* Text of a client is cut off, so that there is room for the server's fields behind it. */
static void http_log_field(struct weir_buffer *line, enum weir_log_format format, const char *key,
        struct weir_span text)
{
	if (text.size)
		weir_log_add_text(line, format, key, text, TEXT_MAX);
}

static void http_log_begin_fields(
        struct weir_http_exchange *exchange, enum weir_log_format format, struct weir_buffer *line)
{
	char text[WEIR_ADDRESS_TEXT_MAX], date[32];
	time_t now = weir_loop_wall_s(exchange->server->loop);
	struct tm tm;
	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
	weir_log_open_line(line, format, LINE_MAX_SIZE);
	http_log_field(line, format, "time", weir_span_of(date));
	http_log_field(line, format, "kind", WEIR_SPAN("http"));
	text_put_hex(text, http_log_id(exchange));
	http_log_field(line, format, "id", weir_span(text, TEXT_HEX_SIZE));
	weir_address_host(&exchange->handling->peer, text);
	http_log_field(line, format, "peer", weir_span_of(text));
	http_log_field(line, format, "user", weir_http_user(exchange));
}

/* The fields that are known when the reply is made. */
static void http_log_compose_fields(struct weir_http_exchange *exchange,
        const struct weir_http_request *request, unsigned status, enum weir_log_format format,
        struct weir_buffer *line)
{
	const struct http_loop *loop_state = exchange->server->loop_state;
	struct weir_tls_info tls;
	http_log_begin_fields(exchange, format, line);
	if (request) {
		http_log_field(line, format, "method", request->method_name);
		http_log_field(line, format, "target", request->target);
		if (exchange->connection->major == 1)
			weir_log_add_number(line, format, "minor", request->minor, LINE_MAX_SIZE);
		else
			weir_log_add_number(
			        line, format, "major", exchange->connection->major, LINE_MAX_SIZE);
		http_log_field(line, format, "host", request->host);
		http_log_field(line, format, "referer",
		        weir_http_request_known(request, WEIR_HTTP_REFERER));
		http_log_field(line, format, "agent",
		        weir_http_request_known(request, WEIR_HTTP_USER_AGENT));
	}
	if (loop_state->fault) {
		http_log_field(line, format, "malformed", weir_span_of(loop_state->fault));
		http_log_field(line, format, "input", loop_state->fault_bytes);
	}
	if (weir_http_tls(exchange, &tls))
		weir_log_add_text(line, format, "tls", weir_span_of(tls.version), LINE_MAX_SIZE);
	weir_log_add_number(line, format, "status", status, LINE_MAX_SIZE);
}

/* Returns NULL if no line is written. */
static struct weir_log *http_log_of(const struct weir_http_exchange *exchange)
{
	const struct weir_http_server *server = exchange->server;
	const struct weir_http_site *site = exchange->site;
	if (server->destroyed)
		return NULL;
	return site && site->own_log ? site->log : server->log;
}

/* -- notes of handlers ------------------------------------------------------------------------- */

/* A number has this in front of its key. */
#define NOTE_NUMBER "#"

/* NULL: no line will be written. */
static struct weir_buffer *http_log_notes(struct weir_http_exchange *exchange)
{
	if (exchange->log)
		return &exchange->log->notes;
	return exchange->handling ? &exchange->handling->log.notes : NULL;
}

int weir_http_log_note(struct weir_http_exchange *exchange, const char *key, struct weir_span value)
{
	struct weir_buffer *notes = http_log_notes(exchange);
	if (!notes || !http_log_of(exchange))
		return 0;
	size_t before = notes->size;
	value.size = value.size ? strnlen(value.data, value.size) : 0;
	int error = weir_buffer_append(notes, key, strlen(key) + 1, WEIR_HTTP_LOG_NOTES_MAX);
	if (!error)
		error = weir_buffer_append(notes, value.data, value.size, WEIR_HTTP_LOG_NOTES_MAX);
	if (!error)
		error = weir_buffer_append(notes, "", 1, WEIR_HTTP_LOG_NOTES_MAX);
	if (error)
		notes->size = before;
	return error;
}

int weir_http_log_note_number(struct weir_http_exchange *exchange, const char *key, uint64_t number)
{
	char name[32], text[24];
	if (!http_log_of(exchange))
		return 0;
	snprintf(name, sizeof name, NOTE_NUMBER "%s", key);
	int size = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	return weir_http_log_note(exchange, name, weir_span(text, (size_t)size));
}

/* Cuts the next note off `*rest`. Returns false at the end. */
static bool http_log_next_note(
        struct weir_span *rest, const char **ret_key, struct weir_span *ret_value)
{
	if (rest->size == 0)
		return false;
	*ret_key = rest->data;
	*rest = weir_span_skip(*rest, strlen(rest->data) + 1);
	*ret_value = weir_span_of(rest->data);
	*rest = weir_span_skip(*rest, ret_value->size + 1);
	return true;
}

static void http_log_add_notes(struct weir_buffer *line, const struct http_log_entry *entry)
{
	enum weir_log_format format = entry->format;
	struct weir_span rest = weir_buffer_span(&entry->notes), value;
	const char *key;
	while (http_log_next_note(&rest, &key, &value)) {
		bool number = *key == *NOTE_NUMBER;
		key += number;
		if (format == WEIR_LOG_TEXT && number) {
			weir_buffer_format(line, WEIR_LOG_QUEUE_MAX, " %s=%s", key, value.data);
		} else if (format == WEIR_LOG_TEXT) {
			weir_buffer_format(line, WEIR_LOG_QUEUE_MAX, " %s=\"", key);
			weir_log_escape(line, value, WEIR_LOG_QUEUE_MAX);
			weir_buffer_append(line, "\"", 1, WEIR_LOG_QUEUE_MAX);
		} else if (number) {
			weir_log_add_number(line, format, key, strtoull(value.data, NULL, 10),
			        WEIR_LOG_QUEUE_MAX);
		} else {
			weir_log_add_text(line, format, key, value, WEIR_LOG_QUEUE_MAX);
		}
	}
}

/* The fields that are known at the end. */
static void http_log_write_fields(const struct http_log_entry *entry,
        const struct weir_http_exchange *exchange, uint64_t size, char mark)
{
	const struct weir_http_site *site = exchange->site;
	const struct weir_buffer *known = &entry->line;
	enum weir_log_format format = entry->format;
	struct weir_span name =
	        weir_span_of(site && site->names && site->names[0] ? site->names[0] : "");
	struct weir_buffer *line = weir_log_begin(entry->log, entry->level,
	        known->size + 4 * (size_t)LINE_END_MAX + 6 * (name.size + entry->notes.size));
	int64_t took_ms = weir_loop_now_ms(exchange->server->loop) - exchange->begun_ms;
	if (!line)
		return;
	weir_buffer_append(line, known->data, known->size, WEIR_LOG_QUEUE_MAX);
	weir_log_add_number(line, format, "bytes", size, WEIR_LOG_QUEUE_MAX);
	weir_log_add_number(line, format, "ms", (uint64_t)took_ms, WEIR_LOG_QUEUE_MAX);
	weir_log_add_text(line, format, "connection",
	        mark == 'X'   ? WEIR_SPAN("gone")
	        : mark == '+' ? WEIR_SPAN("kept")
	                      : WEIR_SPAN("closed"),
	        WEIR_LOG_QUEUE_MAX);
	if (name.size)
		weir_log_add_text(line, format, "site", name, WEIR_LOG_QUEUE_MAX);
	http_log_add_notes(line, entry);
	weir_log_close_line(line, format, WEIR_LOG_QUEUE_MAX);
	weir_log_end(entry->log);
}

/* -- lines ------------------------------------------------------------------------------------- */

/* A fault of the server is an error, one of the client a warning. */
static enum weir_log_level http_log_level(unsigned status)
{
	if (status < 400 || status == HTTP_LOG_CLIENT_LEFT)
		return WEIR_LOG_INFO;
	return status >= 500 ? WEIR_LOG_ERROR : WEIR_LOG_WARNING;
}

/* Seconds with three digits, the mark, and the quote before the name of the site. */
static void http_log_put_time(struct weir_buffer *line, int64_t took_ms, char mark)
{
	char digits[TEXT_DECIMAL_SIZE], rest[] = ".000 - \"";
	uint64_t ms = took_ms > 0 ? (uint64_t)took_ms : 0;
	rest[1] = (char)('0' + ms / 100 % 10);
	rest[2] = (char)('0' + ms / 10 % 10);
	rest[3] = (char)('0' + ms % 10);
	rest[5] = mark;
	http_log_put(line, WEIR_SPAN(" "), http_log_number(digits, ms / 1000),
	        weir_span(rest, sizeof rest - 1));
}

static void http_log_write_line(const struct http_log_entry *entry,
        struct weir_http_exchange *exchange, uint64_t size, char mark)
{
	if (entry->format != WEIR_LOG_TEXT) {
		http_log_write_fields(entry, exchange, size, mark);
		return;
	}
	const struct weir_http_site *site = exchange->site;
	const struct weir_buffer *known = &entry->line;
	struct weir_span name =
	        weir_span_of(site && site->names && site->names[0] ? site->names[0] : "-");
	/* An escaped byte takes four. */
	struct weir_buffer *line = weir_log_begin(entry->log, entry->level,
	        known->size + LINE_END_MAX + 4 * (name.size + entry->notes.size));
	if (!line)
		return;
	int64_t took_ms = weir_loop_now_ms(exchange->server->loop) - exchange->begun_ms;
	char digits[TEXT_DECIMAL_SIZE], id[TEXT_HEX_SIZE];
	http_log_put(line, weir_span(known->data, entry->split), http_log_number(digits, size),
	        weir_span(known->data + entry->split, known->size - entry->split));
	http_log_put_time(line, took_ms, mark);
	weir_log_escape(line, name, WEIR_LOG_QUEUE_MAX);
	text_put_hex(id, http_log_id(exchange));
	http_log_put(line, WEIR_SPAN("\" "), weir_span(id, sizeof id), WEIR_SPAN(""));
	http_log_add_notes(line, entry);
	weir_buffer_append(line, "\n", 1, WEIR_LOG_QUEUE_MAX);
	weir_log_end(entry->log);
}

static void http_log_compose_any(struct http_log_entry *entry, struct weir_http_exchange *exchange,
        const struct weir_http_request *request, unsigned status)
{
	entry->level = (uint8_t)http_log_level(status);
	entry->format = (uint8_t)weir_log_format(entry->log);
	if (entry->format == WEIR_LOG_TEXT)
		entry->split = (uint32_t)http_log_compose(exchange, request, status, &entry->line);
	else
		http_log_compose_fields(exchange, request, status, entry->format, &entry->line);
}

static __attribute__((noinline)) void http_log_compose_line(
        struct weir_http_exchange *exchange, struct weir_log *log)
{
	struct http_handling *handling = exchange->handling;
	/* The client left before there was a reply: nobody sees the status that was made. */
	unsigned status = exchange->reply_state == HTTP_REPLY_CLOSED ? HTTP_LOG_CLIENT_LEFT
	                                                             : exchange->status;
	if (http_log_level(status) > weir_log_level())
		return;
	exchange->log = &handling->log;
	handling->log.log = log;
	http_log_compose_any(&handling->log, exchange, handling->request, status);
}

void http_log_prepare(struct weir_http_exchange *exchange)
{
	const struct weir_http_request *request = exchange->handling->request;
	exchange->method = (uint8_t)(request ? request->method : WEIR_HTTP_OTHER);
	if (exchange->server->loop_state->fault)
		weir_metric_add(&http_metrics_cells(exchange)->malformed, 1);
	struct weir_log *log = http_log_of(exchange);
	if (log)
		http_log_compose_line(exchange, log);
}

static void http_log_count_received(const struct weir_http_exchange *exchange)
{
	const struct http_handling *handling = exchange->handling;
	if (handling && handling->body_got)
		weir_metric_add(&http_metrics_cells(exchange)->received, handling->body_got);
}

/* A line takes no more than its bytes, since the reply may stall. */
int http_log_detach(struct weir_http_exchange *exchange)
{
	struct http_log_entry *entry = exchange->log;
	if (entry) {
		struct http_log_entry *detached = malloc(sizeof *detached);
		struct weir_buffer line = {0};
		size_t size = entry->line.size;
		if (!detached || weir_buffer_append(&line, entry->line.data, size, size) < 0) {
			free(detached);
			return -ENOMEM;
		}
		*detached = *entry;
		detached->line = line;
		entry->notes = (struct weir_buffer){0};
		exchange->log = detached;
	}
	http_log_count_received(exchange);
	return 0;
}

void http_log_free_detached(struct weir_http_exchange *exchange)
{
	struct http_log_entry *entry = exchange->log;
	if (!entry)
		return;
	weir_buffer_finish(&entry->line);
	weir_buffer_finish(&entry->notes);
	free(entry);
}

/* A request is counted with few instructions, since there may be a hundred thousand a second. */
static inline void http_log_count(
        const struct weir_http_exchange *exchange, uint64_t sent, enum weir_close_reason why)
{
	struct http_cells *cells = http_metrics_cells(exchange);
	int64_t took_ms = *exchange->server->loop_state->now_ms - exchange->begun_ms;
	unsigned class = exchange->status / 100u;
	if (why != WEIR_CLOSE_DONE || class >= HTTP_METRICS_RESULTS)
		class = 0;
	weir_metric_add(&cells->requests[exchange->method][class], 1);
	weir_metric_add(&cells->sent, sent);
	if (took_ms == 0)
		weir_metric_add(&cells->took_ms[0], 1);
	else
		weir_metric_observe_ms(cells->took_ms, took_ms);
	http_log_count_received(exchange);
	PROBE4(http_reply, exchange->status, took_ms, sent, why);
}

/* Apart, so that a server without a log does not save registers for it. */
static __attribute__((noinline)) void http_log_write_finished(
        struct weir_http_exchange *exchange, uint64_t size, enum weir_close_reason why)
{
	char mark = why != WEIR_CLOSE_DONE ? 'X' : exchange->keep_alive ? '+' : '-';
	http_log_write_line(exchange->log, exchange, size, mark);
}

void http_log_finish(struct weir_http_exchange *exchange, enum weir_close_reason why)
{
	uint64_t taken = exchange->producer.taken;
	uint64_t size = taken > exchange->before_body ? taken - exchange->before_body : 0;
	http_log_count(exchange, size, why);
	if (exchange->log)
		http_log_write_finished(exchange, size, why);
}

/* After the reply the request is valid only if it was copied. */
void http_log_fault(struct weir_http_exchange *exchange, unsigned status)
{
	const struct http_request_copy *copy = exchange->handling->copy;
	struct http_log_entry entry = {.log = http_log_of(exchange)};
	if (!entry.log)
		return;
	http_log_compose_any(&entry, exchange, copy ? copy->request : NULL, status);
	entry.notes = *http_log_notes(exchange); /* borrowed */
	http_log_write_line(&entry, exchange, 0, '-');
	weir_buffer_finish(&entry.line);
}
