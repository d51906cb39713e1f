/*
 * The lines of the access log. A line is prepared when the reply is made, while the request is
 * valid, and is written when the reply's last byte has left.
 */
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
	int64_t now = weir_loop_wall_s(exchange->loop);
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
	const struct http_loop *loop_state = exchange->loop_state;
	if (request) {
		http_log_add_escaped(line, request->method_name);
		weir_buffer_append(line, " ", 1, LINE_MAX_SIZE);
		http_log_add_escaped(line, request->target);
		if (exchange->connection->major == 1)
			weir_buffer_format(line, LINE_MAX_SIZE, " HTTP/1.%u", request->minor);
		else
			weir_buffer_format(
			        line, LINE_MAX_SIZE, " HTTP/%u.0", exchange->connection->major);
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
	char host[WEIR_ADDRESS_TEXT_MAX];
	weir_address_host(&exchange->peer, host);
	weir_buffer_format(line, LINE_MAX_SIZE, "%s - ", host);
	http_log_add_escaped(
	        line, exchange->user.size ? weir_buffer_span(&exchange->user) : WEIR_SPAN("-"));
	weir_buffer_format(line, LINE_MAX_SIZE, " [%s] \"", http_log_date_of(exchange));
	http_log_add_request(line, exchange, request);
	weir_buffer_format(line, LINE_MAX_SIZE, "\" %u ", status);
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
		exchange->log_id = loop_next_number(exchange->loop);
	return loop_log_id(exchange->loop, exchange->log_id);
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
	time_t now = weir_loop_wall_s(exchange->loop);
	struct tm tm;
	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
	weir_log_open_line(line, format, LINE_MAX_SIZE);
	http_log_field(line, format, "time", weir_span_of(date));
	http_log_field(line, format, "kind", WEIR_SPAN("http"));
	text_put_hex(text, http_log_id(exchange));
	http_log_field(line, format, "id", weir_span(text, TEXT_HEX_SIZE));
	weir_address_host(&exchange->peer, text);
	http_log_field(line, format, "peer", weir_span_of(text));
	http_log_field(line, format, "user", weir_buffer_span(&exchange->user));
}

/* The fields that are known when the reply is made. */
static void http_log_compose_fields(struct weir_http_exchange *exchange,
        const struct weir_http_request *request, unsigned status, enum weir_log_format format,
        struct weir_buffer *line)
{
	const struct http_loop *loop_state = exchange->loop_state;
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

int weir_http_log_note(struct weir_http_exchange *exchange, const char *key, struct weir_span value)
{
	struct weir_buffer *notes = &exchange->log_notes;
	size_t before = notes->size;
	if (!http_log_of(exchange))
		return 0;
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

static void http_log_add_notes(struct weir_buffer *line, enum weir_log_format format,
        const struct weir_http_exchange *exchange)
{
	struct weir_span rest = weir_buffer_span(&exchange->log_notes), value;
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
static void http_log_write_fields(struct weir_log *log, const struct weir_http_exchange *exchange,
        const struct weir_buffer *known, uint64_t size, char mark)
{
	const struct weir_http_site *site = exchange->site;
	enum weir_log_format format = exchange->log_format;
	struct weir_span name =
	        weir_span_of(site && site->names && site->names[0] ? site->names[0] : "");
	struct weir_buffer *line = weir_log_begin(log, exchange->log_level,
	        known->size + 4 * (size_t)LINE_END_MAX +
	                6 * (name.size + exchange->log_notes.size));
	int64_t took_ms = weir_loop_now_ms(exchange->loop) - exchange->begun_ms;
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
	http_log_add_notes(line, format, exchange);
	weir_log_close_line(line, format, WEIR_LOG_QUEUE_MAX);
	weir_log_end(log);
}

/* -- lines ------------------------------------------------------------------------------------- */

/* A fault of the server is an error, one of the client a warning. */
static enum weir_log_level http_log_level(unsigned status)
{
	if (status < 400 || status == HTTP_LOG_CLIENT_LEFT)
		return WEIR_LOG_INFO;
	return status >= 500 ? WEIR_LOG_ERROR : WEIR_LOG_WARNING;
}

static void http_log_write_line(struct weir_log *log, struct weir_http_exchange *exchange,
        const struct weir_buffer *known, size_t split, uint64_t size, char mark)
{
	if (exchange->log_format != WEIR_LOG_TEXT) {
		http_log_write_fields(log, exchange, known, size, mark);
		return;
	}
	const struct weir_http_site *site = exchange->site;
	struct weir_span name =
	        weir_span_of(site && site->names && site->names[0] ? site->names[0] : "-");
	/* An escaped byte takes four. */
	struct weir_buffer *line = weir_log_begin(log, exchange->log_level,
	        known->size + LINE_END_MAX + 4 * (name.size + exchange->log_notes.size));
	if (!line)
		return;
	int64_t took_ms = weir_loop_now_ms(exchange->loop) - exchange->begun_ms;
	weir_buffer_append(line, known->data, split, WEIR_LOG_QUEUE_MAX);
	weir_buffer_format(line, WEIR_LOG_QUEUE_MAX, "%llu", (unsigned long long)size);
	weir_buffer_append(line, known->data + split, known->size - split, WEIR_LOG_QUEUE_MAX);
	weir_buffer_format(line, WEIR_LOG_QUEUE_MAX, " %lld.%03lld %c \"",
	        (long long)(took_ms / 1000), (long long)(took_ms % 1000), mark);
	weir_log_escape(line, name, WEIR_LOG_QUEUE_MAX);
	weir_buffer_format(
	        line, WEIR_LOG_QUEUE_MAX, "\" %016llx", (unsigned long long)http_log_id(exchange));
	http_log_add_notes(line, WEIR_LOG_TEXT, exchange);
	weir_buffer_append(line, "\n", 1, WEIR_LOG_QUEUE_MAX);
	weir_log_end(log);
}

static struct http_cells *http_log_cells(const struct weir_http_exchange *exchange)
{
	return exchange->site ? exchange->site->cells : exchange->server->cells;
}

static size_t http_log_compose_any(struct weir_log *log, struct weir_http_exchange *exchange,
        const struct weir_http_request *request, unsigned status, struct weir_buffer *line)
{
	exchange->log_level = (uint8_t)http_log_level(status);
	exchange->log_format = (uint8_t)weir_log_format(log);
	if (exchange->log_format == WEIR_LOG_TEXT)
		return http_log_compose(exchange, request, status, line);
	http_log_compose_fields(exchange, request, status, exchange->log_format, line);
	return line->size;
}

static __attribute__((noinline)) void http_log_compose_line(struct weir_http_exchange *exchange)
{
	/* The client left before there was a reply: nobody sees the status that was made. */
	unsigned status = exchange->reply_state == HTTP_REPLY_CLOSED ? HTTP_LOG_CLIENT_LEFT
	                                                             : exchange->status;
	if (http_log_level(status) > weir_log_level()) {
		exchange->log = NULL;
		return;
	}
	exchange->log_split = http_log_compose_any(
	        exchange->log, exchange, exchange->request, status, &exchange->log_line);
}

void http_log_prepare(struct weir_http_exchange *exchange)
{
	exchange->method =
	        (uint8_t)(exchange->request ? exchange->request->method : WEIR_HTTP_OTHER);
	if (exchange->loop_state->fault)
		weir_metric_add(&http_log_cells(exchange)->malformed, 1);
	exchange->log = http_log_of(exchange);
	if (exchange->log)
		http_log_compose_line(exchange);
}

/* A request is counted with few instructions, since there may be a hundred thousand a second. */
static inline void http_log_count(
        const struct weir_http_exchange *exchange, uint64_t sent, enum weir_close_reason why)
{
	struct http_cells *cells = http_log_cells(exchange);
	int64_t took_ms = *exchange->loop_state->now_ms - exchange->begun_ms;
	unsigned class = exchange->status / 100u;
	if (why != WEIR_CLOSE_DONE || class >= HTTP_METRICS_RESULTS)
		class = 0;
	weir_metric_add(&cells->requests[exchange->method][class], 1);
	weir_metric_add(&cells->sent, sent);
	if (took_ms == 0)
		weir_metric_add(&cells->took_ms[0], 1);
	else
		weir_metric_observe_ms(cells->took_ms, took_ms);
	if (exchange->body_got)
		weir_metric_add(&cells->received, exchange->body_got);
	PROBE4(http_reply, exchange->status, took_ms, sent, why);
}

/* Apart, so that a server without a log does not save registers for it. */
static __attribute__((noinline)) void http_log_write_finished(
        struct weir_http_exchange *exchange, uint64_t size, enum weir_close_reason why)
{
	char mark = why != WEIR_CLOSE_DONE ? 'X' : exchange->keep_alive ? '+' : '-';
	http_log_write_line(
	        exchange->log, exchange, &exchange->log_line, exchange->log_split, size, mark);
}

void http_log_finish(struct weir_http_exchange *exchange, enum weir_close_reason why)
{
	uint64_t before_body = exchange->head_size + exchange->continue_put + exchange->interim_put;
	uint64_t taken = exchange->producer.taken;
	uint64_t size = taken > before_body ? taken - before_body : 0;
	http_log_count(exchange, size, why);
	if (exchange->log)
		http_log_write_finished(exchange, size, why);
}

/* After the reply the request is valid only if it was copied. */
void http_log_fault(struct weir_http_exchange *exchange, unsigned status)
{
	struct weir_log *log = http_log_of(exchange);
	struct weir_buffer line = {0};
	if (!log)
		return;
	size_t split = http_log_compose_any(
	        log, exchange, exchange->copy ? exchange->copy->request : NULL, status, &line);
	http_log_write_line(log, exchange, &line, split, 0, '-');
	weir_buffer_finish(&line);
}
