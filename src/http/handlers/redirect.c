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

#include "location.h"
#include "prefix.h"

struct redirect {
	struct weir_http_handler handler;
	struct weir_span from; /* in text, as is `to` */
	struct weir_span to;
	unsigned status;
	char text[];
};

static bool http_redirect_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	const struct redirect *redirect = WEIR_CONTAINER(handler, struct redirect, handler);
	/* "*" of OPTIONS is no path. */
	return weir_span_starts(weir_http_request(exchange)->path, WEIR_SPAN("/")) &&
	       http_path_below(weir_http_path(exchange), redirect->from);
}

static bool http_redirect_ends_in_slash(struct weir_span text)
{
	return text.size && text.data[text.size - 1] == '/';
}

/* 0, -ENOMEM or WEIR_E_LIMIT. */
static int http_redirect_compose(const struct redirect *redirect,
        const struct weir_http_exchange *exchange, struct weir_buffer *location)
{
	const size_t limit = WEIR_HTTP_REPLY_FIELDS_MAX;
	struct weir_span to = redirect->to;
	/* What follows begins with a slash of its own. */
	if (weir_http_path(exchange).size > redirect->from.size && http_redirect_ends_in_slash(to))
		to.size--;
	int error = weir_buffer_append(location, to.data, to.size, limit);
	return error ? error
	             : http_location_put_rest(location, exchange, redirect->from.size, limit);
}

static void http_redirect_handle(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	const struct redirect *redirect = WEIR_CONTAINER(handler, struct redirect, handler);
	struct weir_buffer location = {0};
	int error = http_redirect_compose(redirect, exchange, &location);
	if (error == 0)
		error = weir_http_add_field(exchange, "Location", weir_buffer_span(&location));
	weir_buffer_finish(&location);
	weir_http_reply_error(exchange, error == 0              ? redirect->status
	                                : error == WEIR_E_LIMIT ? 414
	                                                        : 500);
}

static void http_redirect_destroy(struct weir_http_handler *handler)
{
	free(WEIR_CONTAINER(handler, struct redirect, handler));
}

struct weir_http_handler *weir_http_redirect_create(
        const char *from, const char *to, unsigned status)
{
	static const struct weir_http_handler_type type = {.name = "redirect",
	        .match = http_redirect_match,
	        .handle = http_redirect_handle,
	        .destroy = http_redirect_destroy};
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
