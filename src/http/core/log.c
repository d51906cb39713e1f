/*
 * The lines of the access log. A line is prepared when the reply is made, while the request is
 * valid, and is written when the reply's last byte has left. Its text is composed in log_line.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/log.h>
#include <weir/loop.h>

#include "exchange.h"
#include "helper.h"
#include "loop_internal.h"
#include "probe.h"

enum {
	HTTP_LOG_CLIENT_LEFT = 499, /* as others log it; no reply has this status */
};

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

uint64_t http_log_id(struct weir_http_exchange *exchange)
{
	if (!exchange->log_id)
		exchange->log_id = loop_next_number(exchange->server->loop);
	return loop_log_id(exchange->server->loop, exchange->log_id);
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
	value.size = value.size ? strnlen(value.data, value.size) : 0;
	const struct weir_span note[] = {weir_span(key, strlen(key) + 1), value, weir_span("", 1)};
	return buffer_append_spans(notes, note, 3, WEIR_HTTP_LOG_NOTES_MAX);
}

int weir_http_log_note_number(struct weir_http_exchange *exchange, const char *key, uint64_t number)
{
	char name[32], text[24];
	if (!http_log_of(exchange))
		return 0;
	snprintf(name, sizeof name, HTTP_LOG_NUMBER "%s", key);
	int size = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	return weir_http_log_note(exchange, name, weir_span(text, (size_t)size));
}

/* A fault of the server is an error, one of the client a warning. */
static enum weir_log_level http_log_level(unsigned status)
{
	if (status < 400 || status == HTTP_LOG_CLIENT_LEFT)
		return WEIR_LOG_INFO;
	return status >= 500 ? WEIR_LOG_ERROR : WEIR_LOG_WARNING;
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
	if (handling->forwarded) {
		char text[WEIR_ADDRESS_TEXT_MAX];
		size_t size = weir_address_host(&handling->forwarder, text);
		weir_http_log_note(exchange, "forwarder", weir_span(text, size));
	}
	exchange->log = &handling->log;
	handling->log.log = log;
	handling->log.level = (uint8_t)http_log_level(status);
	http_log_line_compose(&handling->log, exchange, handling->request, status);
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
	http_log_line_write(exchange->log, exchange, size, mark);
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
	struct http_log_entry entry = {
	        .log = http_log_of(exchange), .level = (uint8_t)http_log_level(status)};
	if (!entry.log)
		return;
	http_log_line_compose(&entry, exchange, copy ? copy->request : NULL, status);
	entry.notes = *http_log_notes(exchange); /* borrowed */
	http_log_line_write(&entry, exchange, 0, '-');
	weir_buffer_finish(&entry.line);
}
