/*
 * A proxied request from its start to its end.
 *
 *   attempt ─▶ call ─▶ interim ─▶ head: the reply ─▶ pieces ─▶ end
 *      ▲         └ failed, and may be sent again: the next upstream
 *      └────────────┘           else: 502, 503, 504
 *
 * Invariant: a callback of the call that may free the job is the last that touches it.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "exchange.h"
#include "proxy_state.h"
#include "syntax.h"

static const struct weir_http_call_events proxy_events, proxy_events_with_trailers;

/* -- life -------------------------------------------------------------------------------------- */

void http_proxy_free_if_unused(struct proxy_job *job)
{
	struct proxy_cells *cells = job->upstreams->cells;
	if (job->exchange || job->call)
		return;
	weir_metric_add(&cells->requests[job->result], 1);
	weir_metric_subtract(&cells->under_way, 1);
	weir_timer_stop(&job->timer);
	http_sources_forget(job->upstreams, &job->waiting);
	http_proxy_flow_finish(job, &job->request);
	http_proxy_flow_finish(job, &job->reply);
	weir_buffer_finish(&job->script.text);
	weir_http_upstreams_release(job->upstreams);
	free(job);
}

static void proxy_job_forget_call(struct proxy_job *job)
{
	job->call = NULL;
	job->upstream->busy--;
}

void http_proxy_cancel_call(struct proxy_job *job)
{
	struct weir_http_call *call = job->call;
	if (!call)
		return;
	proxy_job_forget_call(job);
	weir_http_call_cancel(call);
}

/*
 * Whether a client that ends its input before the reply has gone. With HTTP/2 it resets the stream.
 * Another request of the connection may still wait.
 */
static void proxy_job_expect_client(struct proxy_job *job, bool expects)
{
	struct weir_channel *channel = job->exchange->channel;
	bool others = channel && weir_channel_replies(channel) > 1;
	if (channel && job->exchange->connection->major == 1 && (expects || !others))
		weir_channel_abort_at_end(channel, expects);
}

/* The exchange is not used any more. */
static void proxy_job_forget_exchange(struct proxy_job *job)
{
	if (!job->exchange)
		return;
	weir_http_on_gone(job->exchange, NULL, NULL);
	proxy_job_expect_client(job, false);
	http_proxy_stop_receiving(job);
	job->exchange = NULL;
	job->proxy = NULL;
}

void http_proxy_abandon(struct proxy_job *job)
{
	/* A reply without a body has left before its call has ended. */
	if (!job->replied || job->reply_has_body)
		http_proxy_cancel_call(job);
	proxy_job_forget_exchange(job);
	http_proxy_free_if_unused(job);
}

static void proxy_on_gone(void *context)
{
	struct proxy_job *job = context;
	struct weir_http_exchange *exchange = job->exchange;
	job->result = PROXY_RESULT_GONE;
	http_proxy_abandon(job);
	weir_http_reply_empty(exchange, 502);
}

/* -- failures ---------------------------------------------------------------------------------- */

void http_proxy_log_upstream(struct proxy_job *job)
{
	int64_t took_ms = weir_loop_now_ms(job->upstreams->loop) - job->begun_ms;
	if (job->upstream)
		weir_http_log_note(job->exchange, "upstream", weir_span_of(job->upstream->url));
	weir_http_log_note_number(job->exchange, "upstream_ms", (uint64_t)took_ms);
	if (job->retries)
		weir_http_log_note_number(job->exchange, "upstream_retries", job->retries);
}

void http_proxy_refuse(struct proxy_job *job, unsigned status, const char *why)
{
	struct weir_http_exchange *exchange = job->exchange;
	http_proxy_log_upstream(job);
	weir_http_log_note(exchange, "upstream_error", weir_span_of(why));
	exchange->handling->fields.size = 0;
	exchange->coding = WEIR_HTTP_IDENTITY;
	http_proxy_cancel_call(job);
	proxy_job_forget_exchange(job);
	http_proxy_free_if_unused(job);
	weir_http_reply_error(exchange, status);
}

unsigned http_proxy_status_of(int error)
{
	if (error == -ETIMEDOUT)
		return 504;
	if (error == WEIR_E_LIMIT || error == WEIR_E_FASTCGI_OVERLOAD)
		return 503;
	return error == -ENOMEM ? 500 : 502;
}

/* The rule of docs/proxy.md. No reply in time is a failure like any other. */
static bool proxy_may_retry(const struct proxy_job *job, const struct weir_http_call_end *end)
{
	bool idempotent = http_method_is_idempotent(weir_http_request(job->exchange)->method);
	if (job->retries >= job->upstreams->options.retries_max || end->begun ||
	        job->request.used || end->error == WEIR_E_LIMIT || end->error == -ENOMEM)
		return false;
	return !end->sent || idempotent;
}

/* A kept connection may be closed at any time, which is no failure of the upstream. */
static bool proxy_was_stale(const struct weir_http_call_end *end)
{
	bool closed = end->error == WEIR_E_HTTP_SHORT || end->error == -ECONNRESET ||
	              end->error == -EPIPE;
	return closed && end->kept && !end->begun;
}

static void proxy_job_note_failure(struct proxy_job *job, const struct weir_http_call_end *end)
{
	struct weir_http_upstreams *upstreams = job->upstreams;
	if (end->error == WEIR_E_LIMIT || end->error == -ENOMEM)
		return;
	http_upstream_failed(upstreams, job->upstream);
	job->tried |= (uint64_t)1 << (job->upstream - upstreams->upstreams);
}

/* -- attempts ---------------------------------------------------------------------------------- */

static int proxy_start_call(struct proxy_job *job, const struct proxy_request *from)
{
	const struct weir_http_request *request = weir_http_request(job->exchange);
	struct weir_http_call_options options;
	char method[WEIR_HTTP_PROXY_METHOD_MAX + 1], protocol[WEIR_HTTP_PROXY_PROTOCOL_MAX + 1];
	if (!text_copy_span(method, sizeof method, request->method_name))
		return WEIR_E_SYNTAX;
	weir_http_call_options_init(&options);
	options.url = from->url.data;
	options.method = method;
	options.unix_path = job->upstream->unix_path;
	options.host = from->host;
	options.fields = from->fields;
	options.field_count = from->count;
	options.fresh = job->fresh;
	options.params = from->params;
	options.param_count = from->param_count;
	bool fastcgi = job->upstreams->options.fastcgi;
	if (!fastcgi)
		options.upgrade = http_proxy_upgrade_of(job->exchange, protocol);
	/* The bytes behind extended CONNECT are the tunnel's. */
	if (job->received ||
	        (weir_http_has_body(job->exchange) && !job->exchange->extended_connect)) {
		options.body = http_proxy_body_create(
		        job, &job->request, request->has_length ? (int64_t)request->length : -1);
		if (!options.body)
			return -ENOMEM;
		options.expect_continue = request->expect_continue && !job->received && !fastcgi;
		options.trailers = fastcgi ? NULL : http_proxy_body_trailers;
		options.trailers_context = job->request.body;
	}
	return weir_http_call_start(job->upstreams->client, &options,
	        http_proxy_wants_trailers(request) ? &proxy_events_with_trailers : &proxy_events,
	        job, &job->call);
}

static void proxy_attempt(struct proxy_job *job)
{
	struct weir_http_upstreams *upstreams = job->upstreams;
	struct proxy_request request;
	job->upstream = http_upstreams_choose(upstreams, job->exchange, job->tried);
	job->begun_ms = weir_loop_now_ms(upstreams->loop);
	if (!job->upstream) {
		if (!http_sources_await(upstreams, &job->waiting))
			http_proxy_refuse(job, 503, "no server is known");
		return;
	}
	int error = http_proxy_make_request(job, &request);
	bool made = !error;
	if (made)
		error = proxy_start_call(job, &request);
	http_proxy_request_finish(&request);
	if (!error)
		job->upstream->busy++;
	else if (made && error == WEIR_E_LIMIT)
		http_proxy_refuse(job, 503, "too many requests wait for a connection");
	else
		http_proxy_refuse(job,
		        error == -ENOMEM        ? 500
		        : error == WEIR_E_LIMIT ? 414
		                                : 400,
		        weir_error_text(error));
}

void http_proxy_try_again(struct proxy_job *job)
{
	http_sources_forget(job->upstreams, &job->waiting);
	proxy_attempt(job);
}

static void proxy_on_end(void *context, const struct weir_http_call_end *end)
{
	struct proxy_job *job = context;
	bool stale = proxy_was_stale(end);
	unsigned retries = end->retried ? 1 : 0;
	/* The time of a tunnel whose client has ended its side is over. */
	bool over = job->half_closed && end->error == -ETIMEDOUT;
	proxy_job_forget_call(job);
	if (!end->error || over) {
		if (job->exchange && end->app_status)
			weir_http_log_note_number(job->exchange, "app_status", end->app_status);
		http_proxy_flow_end(&job->reply, false);
		if (job->exchange)
			http_proxy_stop_receiving(job);
		http_proxy_free_if_unused(job);
		return;
	}
	job->retries += retries;
	weir_metric_add(&job->upstreams->cells->retries, retries);
	if (!stale)
		proxy_job_note_failure(job, end);
	if (job->replied) {
		job->result = PROXY_RESULT_TRUNCATED;
		if (job->exchange)
			weir_http_log_note(
			        job->exchange, "upstream_error", weir_span_of(end->text));
		http_proxy_flow_end(&job->reply, true);
		http_proxy_free_if_unused(job);
	} else if (proxy_may_retry(job, end)) {
		job->retries++;
		job->fresh = stale;
		weir_metric_add(&job->upstreams->cells->retries, 1);
		proxy_attempt(job);
	} else {
		http_proxy_refuse(job, http_proxy_status_of(end->error), end->text);
	}
}

static const struct weir_http_call_events proxy_events = {
        .interim = http_proxy_on_interim,
        .head = http_proxy_on_head,
        .piece = http_proxy_on_piece,
        .upgraded = http_proxy_on_upgraded,
        .end = proxy_on_end,
        .error_text = http_proxy_on_error_text,
};

static const struct weir_http_call_events proxy_events_with_trailers = {
        .interim = http_proxy_on_interim,
        .head = http_proxy_on_head,
        .piece = http_proxy_on_piece,
        .upgraded = http_proxy_on_upgraded,
        .trailer = http_proxy_on_trailer,
        .end = proxy_on_end,
        .error_text = http_proxy_on_error_text,
};

/* -- the start --------------------------------------------------------------------------------- */

/* Returns the status for a request that is not passed on; 0: it is. */
static unsigned proxy_refuses(const struct proxy *proxy, const struct weir_http_exchange *exchange)
{
	const struct weir_http_request *request = weir_http_request(exchange);
	if (request->length > proxy->options.body_max)
		return 413;
	/* CONTENT_LENGTH is the only end that programs of CGI know (RFC 3875 4.1.2). */
	if (proxy->options.upstreams->options.fastcgi && weir_http_has_body(exchange) &&
	        !request->has_length)
		return 411;
	return 0;
}

void http_proxy_start(
        struct proxy *proxy, struct weir_http_exchange *exchange, struct proxy_script *script)
{
	struct weir_http_upstreams *upstreams = proxy->options.upstreams;
	unsigned status = proxy_refuses(proxy, exchange);
	struct proxy_job *job = status ? NULL : calloc(1, sizeof *job);
	if (!job || http_upstreams_join(upstreams, weir_http_loop(exchange)) < 0) {
		free(job);
		if (script)
			weir_buffer_finish(&script->text);
		weir_http_reply_error(exchange, status ? status : 500);
		return;
	}
	if (script)
		job->script = *script;
	weir_list_init(&job->waiting);
	job->proxy = proxy;
	job->upstreams = weir_http_upstreams_hold(upstreams);
	job->exchange = exchange;
	job->result = PROXY_RESULT_FAILED;
	weir_metric_add(&upstreams->cells->under_way, 1);
	weir_http_on_gone(exchange, proxy_on_gone, job);
	if (proxy->options.abort_on_close)
		proxy_job_expect_client(job, true);
	if (http_proxy_loops(proxy, weir_http_request(exchange))) {
		job->result = PROXY_RESULT_LOOP;
		job->begun_ms = weir_loop_now_ms(upstreams->loop);
		http_proxy_refuse(job, 508, PROXY_LOOP_TEXT);
	} else {
		proxy_attempt(job);
	}
}
