/*
 * The life of an exchange, and what handlers ask of it. It ends when three are through with it: the
 * reply queue (its producer was closed), the body (all came, or never will), and the handler (it
 * has replied). Ended exchanges are kept for reuse, a bounded number a loop.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "accept.h"
#include "exchange.h"
#include "loop_internal.h"
#include "status.h"
#include "syntax.h"

/* -- one state a loop -------------------------------------------------------------------------- */

static void http_exchange_free(struct weir_http_exchange *exchange)
{
	weir_buffer_finish(&exchange->fields);
	weir_buffer_finish(&exchange->user);
	weir_buffer_finish(&exchange->log_line);
	free(exchange);
}

static void http_exchange_destroy_loop_state(void *object)
{
	struct http_loop *shared = object;
	for (struct weir_http_exchange *exchange = shared->free, *next; exchange; exchange = next) {
		next = exchange->next_free;
		http_exchange_free(exchange);
	}
	free(shared);
}

struct http_loop *http_loop_state(struct weir_loop *loop)
{
	struct http_loop *shared = loop_slot(loop, WEIR_SLOT_HTTP);
	if (!shared) {
		shared = calloc(1, sizeof *shared);
		if (shared)
			loop_set_slot(
			        loop, WEIR_SLOT_HTTP, shared, http_exchange_destroy_loop_state);
	}
	return shared;
}

/* -- life -------------------------------------------------------------------------------------- */

static struct weir_http_exchange *http_exchange_take_free(struct http_loop *shared)
{
	struct weir_http_exchange *exchange = shared->free;
	if (!exchange)
		return calloc(1, sizeof *exchange);
	shared->free = exchange->next_free;
	shared->free_count--;
	/* Everything but the memory of its buffers. */
	struct weir_buffer fields = exchange->fields, user = exchange->user,
	                   log_line = exchange->log_line;
	fields.size = user.size = log_line.size = 0;
	memset(exchange, 0, offsetof(struct weir_http_exchange, scratch));
	exchange->fields = fields;
	exchange->user = user;
	exchange->log_line = log_line;
	return exchange;
}

struct weir_http_exchange *http_exchange_create(
        struct weir_http_server *server, struct weir_channel *channel)
{
	struct weir_http_exchange *exchange = http_exchange_take_free(server->shared);
	if (!exchange) {
		weir_channel_abort(channel, -ENOMEM);
		return NULL;
	}
	weir_producer_init(&exchange->producer, &http_response_type);
	exchange->server = http_server_hold(server);
	exchange->channel = channel;
	exchange->shared = server->shared;
	exchange->loop = weir_channel_loop(channel);
	exchange->peer = *weir_channel_peer(channel);
	exchange->begun_ms = weir_loop_now_ms(exchange->loop);
	exchange->handling = true;
	int error = weir_channel_push(channel, &exchange->producer);
	exchange->handling = false;
	if (error < 0) {
		http_server_release(server);
		http_exchange_free(exchange);
		return NULL;
	}
	return exchange;
}

static void http_exchange_free_kept(struct kept_request *kept)
{
	if (!kept)
		return;
	free(kept->request);
	free(kept->bytes);
	free(kept);
}

void http_exchange_settle(struct weir_http_exchange *exchange)
{
	struct http_loop *shared = exchange->shared;
	if (!exchange->finished || !exchange->replied || exchange->handling ||
	        exchange->body_state != BODY_NONE)
		return;
	if (exchange->release_lent)
		exchange->release_lent(exchange->lent_context);
	weir_http_sites_release(exchange->sites);
	http_server_release(exchange->server);
	http_exchange_free_kept(exchange->kept);
	free(exchange->head);
	if (shared->free_count >= WEIR_HTTP_EXCHANGES_KEPT) {
		http_exchange_free(exchange);
		return;
	}
	exchange->next_free = shared->free;
	shared->free = exchange;
	shared->free_count++;
}

/* Only the fields that are in use: a request has room for many. */
static struct weir_http_request *http_exchange_copy_request(const struct weir_http_request *request)
{
	size_t size = offsetof(struct weir_http_request, fields) +
	              request->field_count * sizeof request->fields[0];
	struct weir_http_request *copy = malloc(size);
	if (copy)
		memcpy(copy, request, size);
	return copy;
}

static int http_exchange_retain(struct weir_http_exchange *exchange, struct weir_span head)
{
	struct kept_request *kept = calloc(1, sizeof *kept);
	size_t path = exchange->path.text.size;
	if (!kept)
		return -ENOMEM;
	exchange->kept = kept;
	kept->request = http_exchange_copy_request(exchange->request);
	kept->bytes = malloc(head.size + path + 1);
	if (!kept->request || !kept->bytes)
		return -ENOMEM;
	memcpy(kept->bytes, head.data, head.size);
	memcpy(kept->bytes + head.size, exchange->path.text.data, path);
	kept->bytes[head.size + path] = 0;
	weir_http_request_rebase(kept->request, head.data, kept->bytes);
	exchange->request = kept->request;
	exchange->path.text = weir_span(kept->bytes + head.size, path);
	return 0;
}

/* Without memory it is an empty one: the handler has yet to reply, and may look at it. */
int http_exchange_keep(struct weir_http_exchange *exchange, struct weir_span head)
{
	static const struct weir_http_request none = {.method_name = {"", 0},
	        .target = {"", 0},
	        .path = {"", 0},
	        .query = {"", 0},
	        .host = {"", 0}};
	int error = http_exchange_retain(exchange, head);
	if (error < 0) {
		exchange->request = &none;
		exchange->path = (struct weir_http_path){.text = WEIR_SPAN("")};
	}
	return error;
}

int http_exchange_keep_now(struct weir_http_exchange *exchange)
{
	struct weir_span head = exchange->request_head;
	return head.size && !exchange->kept ? http_exchange_keep(exchange, head) : 0;
}

/* -- the request ------------------------------------------------------------------------------- */

const struct weir_http_request *weir_http_request(const struct weir_http_exchange *exchange)
{
	return exchange->request;
}

struct weir_span weir_http_path(const struct weir_http_exchange *exchange)
{
	return exchange->path.text;
}

bool weir_http_path_is_directory(const struct weir_http_exchange *exchange)
{
	return exchange->path.directory;
}

bool weir_http_path_is_hidden(const struct weir_http_exchange *exchange)
{
	return exchange->path.hidden;
}

struct weir_loop *weir_http_loop(const struct weir_http_exchange *exchange)
{
	return exchange->loop;
}

const struct weir_address *weir_http_peer(const struct weir_http_exchange *exchange)
{
	return &exchange->peer;
}

bool weir_http_tls(const struct weir_http_exchange *exchange, struct weir_tls_info *ret)
{
	return exchange->channel && weir_channel_tls(exchange->channel, ret);
}

bool weir_http_gone(const struct weir_http_exchange *exchange)
{
	return exchange->finished || !exchange->channel;
}

void weir_http_on_gone(
        struct weir_http_exchange *exchange, void (*gone)(void *context), void *context)
{
	exchange->gone = gone;
	exchange->gone_context = context;
}

int weir_http_set_user(struct weir_http_exchange *exchange, struct weir_span user)
{
	exchange->user.size = 0;
	return weir_buffer_append(&exchange->user, user.data, user.size, WEIR_REQUEST_MAX);
}

struct weir_span weir_http_user(const struct weir_http_exchange *exchange)
{
	return weir_buffer_span(&exchange->user);
}

void *weir_http_scratch(struct weir_http_exchange *exchange)
{
	return exchange->scratch;
}

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
	const struct weir_http_handler *handler =
	        http_sites_find(exchange->sites, exchange->request->host);
	for (; handler; handler = handler->next)
		if (handler->type->methods)
			methods |= handler->type->methods(handler, exchange, target);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (methods & 1u << names[i].method)
			size += (size_t)snprintf(list + size, sizeof list - size, "%s%s",
			        size ? ", " : "", names[i].name);
	return weir_http_add_field(exchange, "Allow", weir_span(list, size));
}

/* -- the reply --------------------------------------------------------------------------------- */

int weir_http_add_field(
        struct weir_http_exchange *exchange, const char *name, struct weir_span value)
{
	struct weir_buffer *fields = &exchange->fields;
	size_t size = strlen(name);
	if (exchange->replied)
		return WEIR_E_CLOSED;
	if (size == 0 || http_run(weir_span(name, size), WEIR_HTTP_TCHAR) < size ||
	        http_run(value, WEIR_HTTP_VCHAR) < value.size)
		return WEIR_E_SYNTAX;
	int error = weir_buffer_reserve(fields, size + value.size + 4, WEIR_HTTP_REPLY_FIELDS_MAX);
	if (error < 0)
		return error;
	char *to = fields->data + fields->size;
	memcpy(to, name, size);
	memcpy(to + size, ": ", 2);
	if (value.size)
		memcpy(to + size + 2, value.data, value.size);
	memcpy(to + size + 2 + value.size, "\r\n", 2);
	fields->size += size + value.size + 4;
	return 0;
}

void weir_http_lend_fields(struct weir_http_exchange *exchange, struct weir_span lines,
        void (*release)(void *context), void *context)
{
	if (exchange->replied) {
		if (release)
			release(context);
		return;
	}
	exchange->lent = lines;
	exchange->release_lent = release;
	exchange->lent_context = context;
}

bool weir_http_compress(struct weir_http_exchange *exchange)
{
	weir_http_add_field(exchange, "Vary", WEIR_SPAN("Accept-Encoding"));
	if (http_accept_coding(exchange->request) != WEIR_HTTP_GZIP ||
	        weir_http_add_field(exchange, "Content-Encoding", WEIR_SPAN("gzip")) < 0)
		return false;
	exchange->compress = true;
	return true;
}

void weir_http_set_trailers(struct weir_http_exchange *exchange,
        size_t (*trailers)(void *context, char *text, size_t room), void *context)
{
	if (exchange->replied)
		return;
	exchange->trailers = trailers;
	exchange->trailers_context = context;
}

/* Decides where the body ends for the client, and wraps it so. NULL without memory. */
static struct weir_producer *http_exchange_frame(
        struct weir_http_exchange *exchange, struct weir_producer *body)
{
	exchange->body_size = exchange->compress ? -1 : weir_producer_size(body);
	if (exchange->compress)
		body = weir_produce_gzip(body);
	if (exchange->body_size >= 0 && !exchange->trailers)
		return body;
	exchange->body_size = -1;
	exchange->chunked = exchange->request && exchange->request->minor >= 1;
	if (exchange->chunked)
		body = weir_produce_chunked(body, exchange->trailers, exchange->trailers_context);
	else
		exchange->until_close = true;
	return weir_produce_glob(body, WEIR_HTTP_GLOB_SIZE);
}

static void http_exchange_end_with_connection(struct weir_http_exchange *exchange)
{
	exchange->keep_alive = false;
	if (!exchange->channel)
		return;
	weir_channel_reset_on_failure(exchange->channel, true);
	if (exchange->body_state == BODY_NONE)
		weir_channel_close(exchange->channel);
}

/* The reply stands: from here on the producer has something to say. */
static void http_exchange_reply(
        struct weir_http_exchange *exchange, unsigned status, struct weir_producer *body)
{
	exchange->replied = true;
	exchange->status = (uint16_t)status;
	exchange->response_state = RESPONSE_HEAD;
	exchange->body = body;
	if (body)
		weir_producer_adopt(&exchange->producer, body);
	if (exchange->until_close)
		http_exchange_end_with_connection(exchange);
	http_body_unwanted(exchange);
	http_log_prepare(exchange);
	if (exchange->finished) {
		exchange->body = NULL;
		weir_producer_close(body, WEIR_CLOSE_ABORTED);
		http_log_finish(exchange, WEIR_CLOSE_ABORTED);
	} else {
		weir_wake(&exchange->producer);
	}
	http_exchange_settle(exchange);
}

static bool http_exchange_sends_no_body(const struct weir_http_exchange *exchange, unsigned status)
{
	return status == 204 || status == 304 ||
	       (exchange->request && exchange->request->method == WEIR_HTTP_HEAD);
}

int weir_http_reply(
        struct weir_http_exchange *exchange, unsigned status, struct weir_producer *body)
{
	if (exchange->replied) {
		weir_producer_close(body, WEIR_CLOSE_ABORTED);
		return WEIR_E_CLOSED;
	}
	if (body)
		body = http_exchange_frame(exchange, body);
	if (!body) {
		exchange->compress = exchange->chunked = exchange->until_close = false;
		exchange->fields.size = 0;
		exchange->lent.size = 0;
		return weir_http_reply_empty(exchange, 500);
	}
	if (http_exchange_sends_no_body(exchange, status)) {
		exchange->until_close = false;
		weir_producer_close(body, WEIR_CLOSE_ABORTED);
		body = NULL;
		if (status == 204 || status == 304) {
			exchange->body_size = NO_LENGTH;
			exchange->chunked = false;
		}
	}
	http_exchange_reply(exchange, status, body);
	return 0;
}

int weir_http_reply_empty(struct weir_http_exchange *exchange, unsigned status)
{
	if (exchange->replied)
		return WEIR_E_CLOSED;
	exchange->body_size = status == 204 || status == 304 ? NO_LENGTH : 0;
	http_exchange_reply(exchange, status, NULL);
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
	char page[512];
	int size = snprintf(page, sizeof page,
	        "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>%u %.*s</title></head>"
	        "<body><h1>%u %.*s</h1></body></html>\n",
	        status, (int)reason.size, reason.data, status, (int)reason.size, reason.data);
	return weir_http_reply_text(
	        exchange, status, "text/html; charset=utf-8", weir_span(page, (size_t)size));
}
