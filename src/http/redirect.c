/*
 * Redirects. Location is put together anew from the cleaned path: each segment is escaped again, so
 * that nothing a client sends can end the field or turn into another host. The query goes on as it
 * came. What it leaves out: patterns; a place is moved with all that is below it.
 */
#include <stdlib.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/http_redirect.h>
#include <weir/limits.h>
#include <weir/list.h>

#include "escape.h"
#include "prefix.h"

struct redirect {
	struct weir_http_handler handler;
	struct weir_span from; /* in text, as is `to` */
	struct weir_span to;
	unsigned status;
	char text[];
};

static bool match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	const struct redirect *redirect = WEIR_CONTAINER(handler, struct redirect, handler);
	/* "*" of OPTIONS is no path. */
	return weir_span_starts(weir_http_request(exchange)->path, WEIR_SPAN("/")) &&
	       weir_http_path_below(weir_http_path(exchange), redirect->from);
}

/* Appends within what was reserved. */
static void put(struct weir_buffer *buffer, struct weir_span text)
{
	weir_buffer_append(buffer, text.data, text.size, buffer->capacity);
}

static void put_slash(struct weir_buffer *buffer)
{
	if (buffer->size == 0 || buffer->data[buffer->size - 1] != '/')
		put(buffer, WEIR_SPAN("/"));
}

static void put_segment(struct weir_buffer *buffer, struct weir_span segment)
{
	size_t size;
	put_slash(buffer);
	if (weir_http_escape_url(segment, buffer->data + buffer->size,
	            buffer->capacity - buffer->size, &size) == 0)
		buffer->size += size;
}

/* 0, -ENOMEM or WEIR_E_LIMIT. */
static int compose(const struct redirect *redirect, const struct weir_http_exchange *exchange,
        struct weir_buffer *location)
{
	const struct weir_http_request *request = weir_http_request(exchange);
	struct weir_span rest = weir_span_skip(weir_http_path(exchange), redirect->from.size);
	struct weir_span segment;
	size_t most = redirect->to.size + rest.size * WEIR_HTTP_ESCAPE_URL_MAX +
	              request->query.size + sizeof "//?";
	int error = weir_buffer_reserve(location, most, WEIR_HTTP_REPLY_FIELDS_MAX);
	if (error < 0)
		return error;
	put(location, redirect->to);
	if (weir_span_starts(rest, WEIR_SPAN("/")))
		rest = weir_span_skip(rest, 1);
	for (bool more = rest.size > 0; more;) {
		more = weir_span_cut(&rest, '/', &segment);
		put_segment(location, segment);
	}
	if (weir_http_path_is_directory(exchange))
		put_slash(location);
	if (request->has_query) {
		put(location, WEIR_SPAN("?"));
		put(location, request->query);
	}
	return 0;
}

static void handle(struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	const struct redirect *redirect = WEIR_CONTAINER(handler, struct redirect, handler);
	struct weir_buffer location = {0};
	int error = compose(redirect, exchange, &location);
	if (error == 0)
		error = weir_http_add_field(exchange, "Location", weir_buffer_span(&location));
	weir_buffer_free(&location);
	weir_http_reply_error(exchange, error == 0              ? redirect->status
	                                : error == WEIR_E_LIMIT ? 414
	                                                        : 500);
}

static void destroy(struct weir_http_handler *handler)
{
	free(WEIR_CONTAINER(handler, struct redirect, handler));
}

struct weir_http_handler *weir_http_redirect(const char *from, const char *to, unsigned status)
{
	static const struct weir_http_handler_type type = {"redirect", match, handle, destroy};
	size_t from_size = strlen(from), to_size = strlen(to);
	struct redirect *redirect = malloc(sizeof *redirect + from_size + to_size);
	if (!redirect)
		return NULL;
	memcpy(redirect->text, from, from_size);
	memcpy(redirect->text + from_size, to, to_size);
	redirect->handler = (struct weir_http_handler){.type = &type};
	redirect->from = weir_span(redirect->text, from_size);
	redirect->to = weir_span(redirect->text + from_size, to_size);
	redirect->status = status;
	return &redirect->handler;
}
