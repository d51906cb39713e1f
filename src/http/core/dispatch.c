/*
 * From a request to its handler, for all versions of HTTP: the site by the host, the path decoded
 * once, the quota of the client, then the site's chain of handlers.
 */
#include <errno.h>
#include <stdlib.h>

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
	int status = http_dispatch_clean_path(exchange);
	int refusal = http_forwarder_admit(exchange);
	return refusal ? refusal : status;
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

/* -- another target ---------------------------------------------------------------------------- */

/*
 * The block has the raw path, the query, and the path as it was cleaned. Returns 0 or the status of
 * the reply.
 */
static int http_dispatch_replace_path(struct weir_http_exchange *exchange, struct weir_span target)
{
	struct weir_http_request *request = exchange->handling->copy->request;
	struct weir_span raw, query = target;
	bool has_query = weir_span_cut(&query, '?', &raw);
	if (!has_query) {
		query = request->query.data ? request->query : weir_span("", 0);
		has_query = request->has_query;
	}
	char *block = malloc(2 * raw.size + query.size + 1);
	if (!block)
		return 500;
	char *clean = block + raw.size + query.size;
	memcpy(block, raw.data, raw.size);
	memcpy(block + raw.size, query.data, query.size);
	int status = http_path_clean(
	        weir_span(block, raw.size), clean, raw.size + 1, &exchange->handling->path);
	if (status) {
		free(block);
		return status;
	}
	free(exchange->handling->rewritten);
	exchange->handling->rewritten = block;
	request->path = weir_span(block, raw.size);
	request->query = weir_span(block + raw.size, query.size);
	request->has_query = has_query;
	return 0;
}

void http_dispatch_rewrite(struct weir_http_exchange *exchange, struct weir_span target)
{
	unsigned status = 0;
	if (exchange->handling->rewrites == WEIR_HTTP_REWRITES_MAX ||
	        http_exchange_copy_request_now(exchange) < 0)
		status = 500;
	else
		status = (unsigned)http_dispatch_replace_path(exchange, target);
	if (status) {
		weir_http_log_note(exchange, "rewrite_failed", target);
		weir_http_reply_error(exchange, status);
		return;
	}
	exchange->handling->rewrites++;
	http_dispatch_to_handlers(exchange);
}

/* -- a request --------------------------------------------------------------------------------- */

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
