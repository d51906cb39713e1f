/*
 * The request: its fields, the copy that outlives the receive buffer, and what handlers ask of it.
 *
 * Invariant: a span that is NULL (nothing was sent) stays NULL wherever the head is moved to.
 */
#include <errno.h>
#include <stdlib.h>

#include "exchange.h"

/* -- a head's fields --------------------------------------------------------------------------- */

struct weir_span weir_http_request_field(
        const struct weir_http_request *request, struct weir_span name)
{
	for (unsigned i = 0; i < request->field_count; i++)
		if (weir_span_equal_nocase(request->fields[i].name, name))
			return request->fields[i].value;
	return weir_span(NULL, 0);
}

const struct weir_http_field *weir_http_request_next(const struct weir_http_request *request,
        enum weir_http_known known, const struct weir_http_field *after)
{
	unsigned first = request->first[known];
	if (first == 0)
		return NULL;
	for (unsigned i = after ? (unsigned)(after - request->fields) + 1 : first - 1;
	        i < request->field_count; i++)
		if (request->known[i] == known)
			return &request->fields[i];
	return NULL;
}

static void http_request_move(struct weir_span *span, const char *from, const char *to)
{
	/* Integers, since arithmetic on a pointer to freed memory is undefined. */
	if (span->data)
		span->data = to + ((uintptr_t)span->data - (uintptr_t)from);
}

void weir_http_request_rebase(struct weir_http_request *request, const char *from, const char *to)
{
	http_request_move(&request->method_name, from, to);
	http_request_move(&request->target, from, to);
	http_request_move(&request->path, from, to);
	http_request_move(&request->query, from, to);
	http_request_move(&request->host, from, to);
	for (unsigned i = 0; i < request->field_count; i++) {
		http_request_move(&request->fields[i].name, from, to);
		http_request_move(&request->fields[i].value, from, to);
	}
}

/* -- the copy ---------------------------------------------------------------------------------- */

/* Copies only the fields that are in use, since a request has room for many. */
static struct weir_http_request *http_request_clone(const struct weir_http_request *request)
{
	size_t size = offsetof(struct weir_http_request, fields) +
	              request->field_count * sizeof request->fields[0];
	struct weir_http_request *clone = malloc(size);
	if (clone)
		memcpy(clone, request, size);
	return clone;
}

void http_request_copy_free(struct http_request_copy *copy)
{
	if (!copy)
		return;
	free(copy->request);
	free(copy->bytes);
	free(copy);
}

static int http_request_copy_all(struct weir_http_exchange *exchange, struct weir_span head)
{
	struct http_handling *handling = exchange->handling;
	struct http_request_copy *copy = calloc(1, sizeof *copy);
	size_t path = handling->path.text.size;
	if (!copy)
		return -ENOMEM;
	handling->copy = copy;
	copy->request = http_request_clone(handling->request);
	copy->bytes = malloc(head.size + path + 1);
	if (!copy->request || !copy->bytes)
		return -ENOMEM;
	memcpy(copy->bytes, head.data, head.size);
	memcpy(copy->bytes + head.size, handling->path.text.data, path);
	copy->bytes[head.size + path] = 0;
	weir_http_request_rebase(copy->request, head.data, copy->bytes);
	handling->request = copy->request;
	handling->path.text = weir_span(copy->bytes + head.size, path);
	return 0;
}

int http_exchange_copy_request(struct weir_http_exchange *exchange, struct weir_span head)
{
	static const struct weir_http_request none = {.method_name = {"", 0},
	        .target = {"", 0},
	        .path = {"", 0},
	        .query = {"", 0},
	        .host = {"", 0}};
	int error = http_request_copy_all(exchange, head);
	if (error < 0) {
		exchange->handling->request = &none;
		exchange->handling->path = (struct weir_http_path){.text = WEIR_SPAN("")};
	}
	return error;
}

int http_exchange_copy_request_now(struct weir_http_exchange *exchange)
{
	struct weir_span head = exchange->handling->request_head;
	return head.size && !exchange->handling->copy ? http_exchange_copy_request(exchange, head)
	                                              : 0;
}

/* -- what handlers ask ------------------------------------------------------------------------- */

const struct weir_http_request *weir_http_request(const struct weir_http_exchange *exchange)
{
	return exchange->handling->request;
}

struct weir_span weir_http_path(const struct weir_http_exchange *exchange)
{
	return exchange->handling->path.text;
}

bool weir_http_path_is_directory(const struct weir_http_exchange *exchange)
{
	return exchange->handling->path.directory;
}

bool weir_http_path_is_hidden(const struct weir_http_exchange *exchange)
{
	return exchange->handling->path.hidden;
}

struct weir_loop *weir_http_loop(const struct weir_http_exchange *exchange)
{
	return exchange->server->loop;
}

const struct weir_address *weir_http_peer(const struct weir_http_exchange *exchange)
{
	return &exchange->handling->peer;
}

bool weir_http_tls(const struct weir_http_exchange *exchange, struct weir_tls_info *ret)
{
	return exchange->channel && weir_channel_tls(exchange->channel, ret);
}

bool weir_http_secure(const struct weir_http_exchange *exchange)
{
	const struct http_handling *handling = exchange->handling;
	if (handling && handling->forwarded_scheme != HTTP_SCHEME_UNKNOWN)
		return handling->forwarded_scheme == HTTP_SCHEME_HTTPS;
	return exchange->channel && weir_channel_secure(exchange->channel);
}

bool weir_http_gone(const struct weir_http_exchange *exchange)
{
	return http_exchange_closed(exchange) || !exchange->channel;
}

void weir_http_on_gone(struct weir_http_exchange *exchange, weir_http_gone_fn *gone, void *context)
{
	struct http_handling *handling = exchange->handling;
	if (!handling)
		return; /* there is a reply */
	handling->gone = gone;
	handling->gone_context = context;
}

int weir_http_set_user(struct weir_http_exchange *exchange, struct weir_span user)
{
	struct weir_buffer *buffer = &exchange->handling->user;
	buffer->size = 0;
	return weir_buffer_append(buffer, user.data, user.size, WEIR_REQUEST_MAX);
}

struct weir_span weir_http_user(const struct weir_http_exchange *exchange)
{
	return weir_buffer_span(&exchange->handling->user);
}

void *weir_http_scratch(struct weir_http_exchange *exchange)
{
	return exchange->handling->scratch;
}
