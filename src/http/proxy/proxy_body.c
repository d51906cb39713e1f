/*
 * Bodies on their way. Bytes are copied once, from the input of one connection into `waiting`, and
 * lent to the output of the other when all that was lent before has been taken. The connection that
 * they come from is paused while there are many, and reads by small pieces: so that a body takes
 * WEIR_HTTP_PROXY_FLOW_PAUSE and one piece at most. A reply may have `buffer_max` instead, while
 * all of its group have fewer than `buffers_max` bytes.
 *
 * The client's body is received only when the upstream's connection asks for it. So a request that
 * finds no upstream has not lost its body, and 100 (Continue) comes when the upstream wants it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "client_state.h"
#include "exchange.h"
#include "producer_internal.h"
#include "proxy_state.h"

static struct proxy_body *proxy_body_of(const struct weir_producer *producer)
{
	return WEIR_CONTAINER(producer, struct proxy_body, producer);
}

static size_t proxy_flow_size(const struct proxy_flow *flow)
{
	return flow->waiting.size + (flow->body ? flow->body->lent.size : 0);
}

/* Counts what waits of a reply among the bytes of the group. */
static void proxy_flow_count(struct proxy_job *job, struct proxy_flow *flow, size_t size)
{
	struct weir_http_upstreams *upstreams = job->upstreams;
	if (flow != &job->reply)
		return;
	upstreams->buffered += size - flow->counted;
	weir_metric_add(&upstreams->cells->buffered, size);
	weir_metric_subtract(&upstreams->cells->buffered, flow->counted);
	flow->counted = size;
}

/* Returns the number of waiting bytes at which the connection that they come from is paused. */
static size_t proxy_flow_pause_at(const struct proxy_job *job, const struct proxy_flow *flow)
{
	const struct weir_http_upstreams_options *options = &job->upstreams->options;
	bool ahead = flow == &job->reply && !job->tunnel &&
	             job->upstreams->buffered < options->buffers_max;
	return ahead ? max_of(options->buffer_max, (size_t)WEIR_HTTP_PROXY_FLOW_PAUSE)
	             : WEIR_HTTP_PROXY_FLOW_PAUSE;
}

/* -- the client's body ------------------------------------------------------------------------- */

static void proxy_body_on_piece(void *context, struct weir_span bytes)
{
	struct proxy_job *job = context;
	job->passed += bytes.size;
	if (http_proxy_flow_add(job, &job->request, bytes) < 0)
		http_proxy_flow_end(&job->request, true);
}

static void proxy_body_on_trailer(void *context, const struct weir_http_field *field)
{
	struct proxy_job *job = context;
	http_proxy_flow_add_trailer(job, &job->request, field);
}

static void proxy_body_on_end(void *context, int error)
{
	struct proxy_job *job = context;
	job->receiving = false;
	if (error)
		http_proxy_abandon(job);
	else
		http_proxy_flow_end(&job->request, false);
}

const struct weir_http_receiver http_proxy_receiver = {proxy_body_on_piece, proxy_body_on_end};

static void proxy_body_receive(struct proxy_job *job)
{
	job->received = job->receiving = true;
	weir_http_receive_small(job->exchange);
	weir_http_on_trailer(job->exchange, proxy_body_on_trailer);
	weir_http_receive(job->exchange, &http_proxy_receiver, job, job->proxy->options.body_max);
}

void http_proxy_stop_receiving(struct proxy_job *job)
{
	if (!job->receiving)
		return;
	job->receiving = false;
	http_proxy_splice_end(job, &job->request);
	weir_http_discard(job->exchange);
	if (http_exchange_replied(job->exchange))
		http_body_drop(job->exchange);
}

/* -- the producer ------------------------------------------------------------------------------ */

static void proxy_flow_pause(struct proxy_job *job, struct proxy_flow *flow)
{
	flow->paused = true;
	if (flow == &job->reply)
		weir_http_call_pause(job->call);
	else
		weir_http_pause(job->exchange);
}

static bool proxy_client_lags(const struct proxy_job *job)
{
	const struct weir_http_exchange *exchange = job->exchange;
	return exchange && exchange->channel && weir_channel_lags(exchange->channel);
}

/* There may be room again. */
static void proxy_flow_resume(struct proxy_job *job, struct proxy_flow *flow)
{
	proxy_flow_count(job, flow, proxy_flow_size(flow));
	if (!flow->paused || proxy_flow_size(flow) >= proxy_flow_pause_at(job, flow))
		return;
	flow->paused = false;
	if (flow == &job->reply && job->call && http_call_wants_pace(job->call))
		http_call_set_pace(job->call, proxy_client_lags(job));
	if (flow == &job->reply && job->call)
		weir_http_call_resume(job->call);
	else if (flow == &job->request && job->receiving)
		weir_http_resume(job->exchange);
}

/* All that was lent has been taken: lends what has come meanwhile. */
static void proxy_body_lend(struct proxy_body *body)
{
	struct weir_buffer taken = body->lent;
	taken.size = 0;
	body->lent = body->flow->waiting;
	body->lent_at = 0;
	body->flow->waiting = taken;
	if (proxy_flow_size(body->flow))
		return;
	weir_buffer_finish(&body->lent);
	weir_buffer_finish(&body->flow->waiting);
}

static enum weir_more proxy_body_more(struct weir_producer *producer, struct weir_output *out)
{
	struct proxy_body *body = proxy_body_of(producer);
	struct proxy_job *job = body->job;
	if (job && body->flow == &job->request && !job->received)
		proxy_body_receive(job); /* the client may have gone, and the job with it */
	job = body->job;
	if (!job)
		return WEIR_FAILED;
	if (body->lent_at == body->lent.size) {
		proxy_body_lend(body);
		if (!body->lent.size && http_proxy_splice(body, out))
			return WEIR_MORE;
		proxy_flow_resume(job, body->flow);
	}
	size_t left = body->lent.size - body->lent_at;
	size_t put = left ? weir_output_borrow(out, body->lent.data + body->lent_at, left) : 0;
	body->lent_at += put;
	body->flow->used |= put > 0;
	if (put < left || body->flow->waiting.size)
		return WEIR_MORE;
	if (body->flow->done)
		return WEIR_DONE;
	/* The answer after the last byte is not to wait: the next call frees the memory. */
	if (left)
		return WEIR_MORE;
	return body->flow->failed ? WEIR_FAILED : WEIR_WAIT;
}

static int64_t proxy_body_size(const struct weir_producer *producer)
{
	return proxy_body_of(producer)->size;
}

static void proxy_body_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct proxy_body *body = proxy_body_of(producer);
	struct proxy_job *job = body->job;
	if (job && body->flow->body == body)
		body->flow->body = NULL;
	if (job && body->flow == &job->reply) {
		if (why == WEIR_CLOSE_ABORTED && job->reply_has_body)
			job->result = PROXY_RESULT_GONE;
		http_proxy_abandon(job);
	} else if (job && job->tunnel) {
		http_proxy_end_tunnel_input(job, why);
	}
	weir_buffer_finish(&body->lent);
	pipe_release(body->pipe, why == WEIR_CLOSE_DONE);
	free(body);
}

struct weir_producer *http_proxy_body_create(
        struct proxy_job *job, struct proxy_flow *flow, int64_t size)
{
	static const struct weir_producer_type type = {.name = "proxied",
	        .more = proxy_body_more,
	        .close = proxy_body_close,
	        .size = proxy_body_size};
	struct proxy_body *body = calloc(1, sizeof *body);
	if (!body)
		return NULL;
	weir_producer_init(&body->producer, &type);
	body->job = job;
	body->flow = flow;
	body->size = size;
	/* One of an earlier attempt may still have to be closed. */
	if (flow->body)
		flow->body->job = NULL;
	flow->body = body;
	return &body->producer;
}

size_t http_proxy_body_trailers(void *context, char *text, size_t room)
{
	const struct proxy_body *body = context;
	if (!body->job)
		return 0;
	const struct weir_buffer *trailers = &body->flow->trailers;
	size_t size = min_of(trailers->size, room);
	if (size)
		memcpy(text, trailers->data, size);
	return size;
}

/* -- what comes -------------------------------------------------------------------------------- */

static void proxy_flow_wake(struct proxy_flow *flow)
{
	if (flow->body)
		weir_wake(&flow->body->producer);
}

int http_proxy_flow_add(struct proxy_job *job, struct proxy_flow *flow, struct weir_span bytes)
{
	int error = weir_buffer_append(&flow->waiting, bytes.data, bytes.size,
	        WEIR_HTTP_PROXY_FLOW_MAX + job->upstreams->options.buffer_max);
	if (error < 0)
		return error;
	proxy_flow_wake(flow);
	proxy_flow_count(job, flow, proxy_flow_size(flow));
	if (!flow->paused && proxy_flow_size(flow) >= proxy_flow_pause_at(job, flow))
		proxy_flow_pause(job, flow);
	return 0;
}

void http_proxy_flow_add_trailer(
        struct proxy_job *job, struct proxy_flow *flow, const struct weir_http_field *field)
{
	if (!http_proxy_passes_trailer(job, field))
		return;
	weir_buffer_format(&flow->trailers, WEIR_TRAILERS_MAX, "%.*s: %.*s\r\n",
	        (int)field->name.size, field->name.data, (int)field->value.size, field->value.data);
}

void http_proxy_flow_end(struct proxy_flow *flow, bool failed)
{
	flow->done |= !failed;
	flow->failed |= failed;
	proxy_flow_wake(flow);
}

void http_proxy_flow_finish(struct proxy_job *job, struct proxy_flow *flow)
{
	proxy_flow_count(job, flow, 0);
	proxy_flow_wake(flow);
	if (flow->body)
		flow->body->job = NULL;
	flow->body = NULL;
	weir_buffer_finish(&flow->waiting);
	weir_buffer_finish(&flow->trailers);
}
