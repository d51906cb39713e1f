/*
 * The reply: its fields, its framing, its body. A reply is made once, and later ones are refused.
 * How it is sent is in response.c.
 */
#include <errno.h>
#include <stdio.h>

#include <weir/error.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "exchange.h"
#include "helper.h"
#include "fields.h"
#include "page_style.h"
#include "rule.h"
#include "syntax.h"

/* -- the chain of handlers --------------------------------------------------------------------- */

void weir_http_next(struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	for (handler = handler->next; handler; handler = handler->next) {
		if (handler->type->match && !handler->type->match(handler, exchange))
			continue;
		handler->type->handle(handler, exchange);
		return;
	}
	weir_http_reply_error(exchange, 404);
}

int weir_http_allow(struct weir_http_exchange *exchange, enum weir_http_target target)
{
	static const struct {
		char name[8];
		enum weir_http_method method;
	} names[] = {
	        {"GET", WEIR_HTTP_GET},
	        {"HEAD", WEIR_HTTP_HEAD},
	        {"PUT", WEIR_HTTP_PUT},
	        {"DELETE", WEIR_HTTP_DELETE},
	        {"POST", WEIR_HTTP_POST},
	        {"OPTIONS", WEIR_HTTP_OPTIONS},
	};
	char list[sizeof names * 2] = "";
	unsigned methods = 0;
	size_t size = 0;
	const struct weir_http_handler *handler = exchange->site->handlers;
	for (; handler; handler = handler->next)
		if (handler->type->methods)
			methods |= handler->type->methods(handler, exchange, target);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (methods & 1u << names[i].method)
			size += (size_t)snprintf(list + size, sizeof list - size, "%s%s",
			        size ? ", " : "", names[i].name);
	return weir_http_add_field(exchange, "Allow", weir_span(list, size));
}

/* -- fields ------------------------------------------------------------------------------------ */

/* Returns 0, WEIR_E_SYNTAX, WEIR_E_LIMIT or -ENOMEM; after an error nothing was appended. */
static int http_reply_put_line(
        struct weir_buffer *fields, struct weir_span name, struct weir_span value, size_t limit)
{
	if (name.size == 0 || http_run(name, WEIR_HTTP_TCHAR) < name.size ||
	        http_run(value, WEIR_HTTP_VCHAR) < value.size)
		return WEIR_E_SYNTAX;
	int error = weir_buffer_reserve(fields, name.size + value.size + 4, limit);
	if (error < 0)
		return error;
	char *to = fields->data + fields->size;
	memcpy(to, name.data, name.size);
	memcpy(to + name.size, ": ", 2);
	if (value.size)
		memcpy(to + name.size + 2, value.data, value.size);
	memcpy(to + name.size + 2 + value.size, "\r\n", 2);
	fields->size += name.size + value.size + 4;
	return 0;
}

int weir_http_add_field(
        struct weir_http_exchange *exchange, const char *name, struct weir_span value)
{
	return http_reply_add_field(exchange, weir_span_of(name), value);
}

int http_reply_add_field(
        struct weir_http_exchange *exchange, struct weir_span name, struct weir_span value)
{
	if (http_exchange_replied(exchange))
		return WEIR_E_CLOSED;
	return http_reply_put_line(
	        &exchange->handling->fields, name, value, WEIR_HTTP_REPLY_FIELDS_MAX);
}

void http_reply_add_wait(struct weir_http_exchange *exchange, uint32_t wait_ms)
{
	char text[16];
	int size = snprintf(text, sizeof text, "%u", (unsigned)((wait_ms + 999ull) / 1000));
	weir_http_add_field(exchange, "Retry-After", weir_span(text, (size_t)size));
}

int weir_http_interim(struct weir_http_exchange *exchange, unsigned status,
        const struct weir_http_field *fields, unsigned field_count)
{
	struct http_handling *handling = exchange->handling;
	struct http_interim head = {.status = (uint16_t)status};
	if (status < 102 || status > 199)
		return -EINVAL;
	if (exchange->reply_state != HTTP_REPLY_AWAITED)
		return WEIR_E_CLOSED;
	if (handling->request->minor == 0)
		return 0;
	struct weir_buffer *interim = &handling->interim;
	size_t before = interim->size;
	int error = weir_buffer_append(interim, &head, sizeof head, WEIR_HTTP_INTERIM_MAX);
	for (unsigned i = 0; i < field_count && !error; i++)
		error = http_reply_put_line(
		        interim, fields[i].name, fields[i].value, WEIR_HTTP_INTERIM_MAX);
	if (error) {
		interim->size = before;
		return error;
	}
	head.lines_size = (uint16_t)(interim->size - before - sizeof head);
	memcpy(interim->data + before, &head, sizeof head);
	if (status == 103)
		weir_metric_add(&http_metrics_cells(exchange)->hints, 1);
	weir_wake(&exchange->producer);
	return 0;
}

bool http_interim_first(const struct weir_http_exchange *exchange, struct http_interim *ret_head,
        struct weir_span *ret_lines)
{
	const struct weir_buffer *interim = &exchange->handling->interim;
	if (interim->size == 0)
		return false;
	memcpy(ret_head, interim->data, sizeof *ret_head);
	*ret_lines = weir_span(interim->data + sizeof *ret_head, ret_head->lines_size);
	return true;
}

void http_interim_remove_first(struct weir_http_exchange *exchange)
{
	struct http_interim head;
	struct weir_buffer *interim = &exchange->handling->interim;
	memcpy(&head, interim->data, sizeof head);
	weir_buffer_consume(interim, sizeof head + head.lines_size);
}

void weir_http_lend_fields(struct weir_http_exchange *exchange, struct weir_span lines,
        weir_release_fn *release, void *context)
{
	if (http_exchange_replied(exchange)) {
		if (release)
			release(context);
		return;
	}
	exchange->handling->lent = lines;
	exchange->handling->lent_encoded = NULL;
	exchange->release_lent = release;
	exchange->lent_context = context;
}

bool weir_http_compress_with(
        struct weir_http_exchange *exchange, const struct weir_http_compression *how)
{
	bool may_zstd = how->zstd && weir_zstd_has_room(exchange->server->loop);
	enum http_coding coding = http_accept_coding(exchange->handling->request, may_zstd);
	const char *name = http_coding_name(coding);
	weir_http_add_field(exchange, "Vary", WEIR_SPAN("Accept-Encoding"));
	if (!name || weir_http_add_field(exchange, "Content-Encoding", weir_span_of(name)) < 0)
		return false;
	exchange->coding = coding & ((1 << HTTP_CODING_BITS) - 1);
	exchange->compress_level = min_of(how->level, (unsigned)WEIR_COMPRESS_LEVEL_MAX) &
	                           ((1 << HTTP_LEVEL_BITS) - 1);
	return true;
}

bool weir_http_compress(struct weir_http_exchange *exchange)
{
	const struct weir_http_compression how = {.level = WEIR_COMPRESS_LEVEL_MIN};
	return weir_http_compress_with(exchange, &how);
}

void weir_http_set_trailers(
        struct weir_http_exchange *exchange, weir_trailers_fn *trailers, void *context)
{
	if (http_exchange_replied(exchange))
		return;
	exchange->handling->trailers = trailers;
	exchange->handling->trailers_context = context;
}

/* -- framing ----------------------------------------------------------------------------------- */

/* Chooses how the client finds the end of the body, and wraps the body so. NULL without memory. */
static struct weir_producer *http_reply_frame(
        struct weir_http_exchange *exchange, struct weir_producer *body)
{
	const struct http_handling *handling = exchange->handling;
	exchange->reply_size = exchange->coding ? -1 : weir_producer_size(body);
	if (exchange->coding == WEIR_HTTP_ZSTD)
		body = weir_produce_zstd_level(body, exchange->compress_level);
	else if (exchange->coding == WEIR_HTTP_GZIP)
		body = weir_produce_gzip_level(body, exchange->compress_level);
	exchange->framing = HTTP_FRAMED_BY_LENGTH;
	if (exchange->reply_size >= 0 &&
	        (!handling->trailers || exchange->connection->frames_bodies))
		return body;
	if (exchange->connection->frames_bodies) {
		exchange->framing = HTTP_FRAMED_BY_STREAM;
	} else if (handling->request && handling->request->minor >= 1) {
		exchange->framing = HTTP_FRAMED_BY_CHUNKS;
		body = weir_produce_chunked(body, handling->trailers, handling->trailers_context);
	} else {
		exchange->framing = HTTP_FRAMED_BY_CLOSE;
	}
	return exchange->large_pieces ? body : weir_produce_glob(body, WEIR_HTTP_GLOB_SIZE);
}

static bool http_reply_is_to_head(const struct weir_http_exchange *exchange)
{
	const struct weir_http_request *request = exchange->handling->request;
	return request && request->method == WEIR_HTTP_HEAD;
}

static bool http_reply_has_no_body(unsigned status)
{
	return status == 204 || status == 304;
}

/* The framing of a reply whose head alone is sent. HEAD has that of GET, unless it is the close. */
static void http_reply_frame_head(struct weir_http_exchange *exchange, unsigned status)
{
	if (http_reply_has_no_body(status) || exchange->framing == HTTP_FRAMED_BY_CLOSE)
		exchange->framing = HTTP_FRAMED_BY_HEAD;
}

static void http_reply_end_with_connection(struct weir_http_exchange *exchange)
{
	exchange->keep_alive = false;
	if (!exchange->channel)
		return;
	weir_channel_reset_on_failure(exchange->channel, true);
	if (exchange->body_state == HTTP_BODY_NONE)
		weir_channel_close(exchange->channel);
}

/* -- replying ---------------------------------------------------------------------------------- */

/* The changes of a rule could not be made: nothing is sent that they might have had to remove. */
static __attribute__((noinline)) void http_reply_make_empty(
        struct weir_http_exchange *exchange, struct weir_producer **body)
{
	weir_producer_close(*body, WEIR_CLOSE_ABORTED);
	*body = NULL;
	exchange->body_is_lent = false;
	exchange->lent_body = NULL;
	exchange->handling->fields.size = 0;
	exchange->handling->lent.size = 0;
	exchange->handling->trailers = NULL;
	exchange->framing = HTTP_FRAMED_BY_LENGTH;
	exchange->reply_size = 0;
}

void http_reply_begin(
        struct weir_http_exchange *exchange, unsigned status, struct weir_producer *body)
{
	if (exchange->handling->rule && status >= 200 &&
	        http_rule_finish_fields(exchange, status) < 0) {
		http_reply_make_empty(exchange, &body);
		status = 500;
	}
	bool unwanted = exchange->reply_state == HTTP_REPLY_UNWANTED;
	http_exchange_set_reply(exchange, unwanted ? HTTP_REPLY_CLOSED : HTTP_REPLY_HEAD);
	/* The client would take this for the beginning of its tunnel (RFC 8441 5). */
	if (exchange->extended_connect && status / 100 == 2 &&
	        exchange->body_state != HTTP_BODY_TUNNEL)
		status = 501;
	exchange->status = (uint16_t)status;
	if (body) {
		exchange->body = body;
		weir_producer_adopt(&exchange->producer, body);
	}
	if (exchange->framing == HTTP_FRAMED_BY_CLOSE)
		http_reply_end_with_connection(exchange);
	http_body_drop(exchange);
	http_log_prepare(exchange);
	if (unwanted) {
		exchange->body = NULL;
		weir_producer_close(body, WEIR_CLOSE_ABORTED);
		http_log_finish(exchange, WEIR_CLOSE_ABORTED);
	} else {
		weir_wake(&exchange->producer);
	}
	http_exchange_free_if_unused(exchange);
}

int weir_http_reply(
        struct weir_http_exchange *exchange, unsigned status, struct weir_producer *body)
{
	if (http_exchange_replied(exchange)) {
		weir_producer_close(body, WEIR_CLOSE_ABORTED);
		return WEIR_E_CLOSED;
	}
	if (exchange->handling->rule && http_rule_replaces(exchange, status)) {
		weir_producer_close(body, WEIR_CLOSE_ABORTED);
		return 0;
	}
	bool is_head = http_reply_is_to_head(exchange);
	if (body)
		body = http_reply_frame(exchange, body);
	if (!body) {
		exchange->coding = WEIR_HTTP_IDENTITY;
		exchange->handling->fields.size = 0;
		exchange->handling->lent.size = 0;
		return weir_http_reply_empty(exchange, 500);
	}
	if (is_head || http_reply_has_no_body(status)) {
		http_reply_frame_head(exchange, status);
		weir_producer_close(body, WEIR_CLOSE_ABORTED);
		body = NULL;
	}
	http_reply_begin(exchange, status, body);
	return 0;
}

int http_reply_lent(struct weir_http_exchange *exchange, unsigned status, struct weir_span body)
{
	if (http_exchange_replied(exchange) || exchange->coding || exchange->handling->trailers ||
	        http_reply_has_no_body(status))
		return weir_http_reply(
		        exchange, status, weir_produce_borrowed(body.data, body.size));
	exchange->framing = HTTP_FRAMED_BY_LENGTH;
	exchange->reply_size = (int64_t)body.size;
	if (body.size && !http_reply_is_to_head(exchange)) {
		exchange->lent_body = body.data;
		exchange->body_is_lent = true;
	}
	http_reply_begin(exchange, status, NULL);
	return 0;
}

int weir_http_reply_empty(struct weir_http_exchange *exchange, unsigned status)
{
	if (http_exchange_replied(exchange))
		return WEIR_E_CLOSED;
	if (exchange->handling->rule && http_rule_replaces(exchange, status))
		return 0;
	exchange->framing = HTTP_FRAMED_BY_LENGTH;
	exchange->reply_size = 0;
	http_reply_frame_head(exchange, status);
	http_reply_begin(exchange, status, NULL);
	return 0;
}

int weir_http_reply_text(struct weir_http_exchange *exchange, unsigned status, const char *type,
        struct weir_span text)
{
	weir_http_add_field(exchange, "Content-Type", weir_span_of(type));
	return weir_http_reply(exchange, status, weir_produce_copied(text.data, text.size));
}

int weir_http_reply_error(struct weir_http_exchange *exchange, unsigned status)
{
	struct weir_span reason = http_status_reason((int)status);
	char page[1024];
	int size = snprintf(page, sizeof page,
	        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	        "<meta name=\"viewport\" content=\"width=device-width\"><title>%u %.*s</title>"
	        "<style>" HTTP_PAGE_STYLE "</style></head><body><h1>%u %.*s</h1></body></html>\n",
	        status, (int)reason.size, reason.data, status, (int)reason.size, reason.data);
	return weir_http_reply_text(
	        exchange, status, "text/html; charset=utf-8", weir_span(page, (size_t)size));
}
