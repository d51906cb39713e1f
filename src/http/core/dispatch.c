/*
 * From a request to its handler, for all versions of HTTP: the site by the host, the path decoded
 * once, the quota of the client, then the site's chain of handlers.
 */
#include <errno.h>
#include <stdio.h>

#include <weir/policy.h>

#include "exchange.h"
#include "path.h"

/* A reload takes effect for the requests that begin after it. */
void http_dispatch_choose_site(struct weir_http_exchange *exchange)
{
	exchange->sites = weir_http_sites_hold(exchange->server->sites);
	exchange->site = http_sites_find(exchange->sites, exchange->handling->request->host);
}

static void http_dispatch_to_handlers(struct weir_http_exchange *exchange)
{
	struct weir_http_handler first = {.next = exchange->site->handlers};
	weir_http_next(&first, exchange);
}

/* Decodes the path, once. The asterisk and authority forms have none. */
static int http_dispatch_clean_path(struct weir_http_exchange *exchange)
{
	struct http_handling *handling = exchange->handling;
	struct http_loop *loop_state = exchange->server->loop_state;
	struct weir_span raw = handling->request->path;
	handling->path = (struct weir_http_path){.text = WEIR_SPAN("")};
	if (raw.size == 0 || raw.data[0] != '/')
		return 0;
	return http_path_clean(raw, loop_state->path, sizeof loop_state->path, &handling->path);
}

int http_dispatch_check(struct weir_http_exchange *exchange)
{
	char text[16];
	int status = http_dispatch_clean_path(exchange);
	uint32_t wait_ms = weir_channel_count_request(exchange->channel);
	if (!wait_ms)
		return status;
	int size = snprintf(text, sizeof text, "%u", (unsigned)((wait_ms + 999ull) / 1000));
	weir_http_add_field(exchange, "Retry-After", weir_span(text, (size_t)size));
	return 429;
}

static inline void http_dispatch_handle(struct weir_http_exchange *exchange)
{
	if (exchange->handling->request->method == WEIR_HTTP_CONNECT) {
		weir_http_allow(exchange, WEIR_HTTP_TARGET_SITE);
		weir_http_reply_error(exchange, 405);
	} else {
		http_dispatch_to_handlers(exchange);
	}
}

void http_dispatch_path(struct weir_http_exchange *exchange)
{
	http_dispatch_handle(exchange);
}

void http_dispatch(struct weir_http_exchange *exchange, struct weir_span head)
{
	enum http_handler_state before = http_exchange_enter_handler(exchange);
	exchange->handling->request_head = head;
	http_dispatch_choose_site(exchange);
	int status = http_dispatch_check(exchange);
	if (status)
		weir_http_reply_error(exchange, (unsigned)status);
	else
		http_dispatch_handle(exchange);
	http_exchange_leave_handler(exchange, before);
	if (!http_exchange_replied(exchange) && http_exchange_copy_request_now(exchange) < 0)
		weir_channel_abort(exchange->channel, -ENOMEM);
	exchange->handling->request_head = (struct weir_span){0};
}
