/*
 * Bodies that go from socket to socket through a pipe, so that no byte of them is copied: in clear
 * over HTTP/1.1 on both sides, from WEIR_HTTP_PROXY_SPLICE_AFTER bytes on. Of a chunk, the bytes
 * that were received together with its size are copied, and so are replies that are read ahead.
 * So a client that has not shown that it reads costs no pipe, and neither does a small body.
 *
 *   more() ─▶ socket ─▶ pipe: put ─▶ all taken: more() …
 *              └─ nothing there: the pipe is given back, and readable() wakes the producer
 *
 * Invariant: a body has a pipe only while bytes of it are put. Where no pipe is to be had the body
 * is copied, as it is by every other output.
 */
#include <errno.h>

#include "exchange.h"
#include "client_state.h"
#include "producer_internal.h"
#include "proxy_state.h"

static void proxy_splice_wake(struct proxy_flow *flow)
{
	flow->paused = true;
	if (flow->body)
		weir_wake(&flow->body->producer);
}

static void proxy_splice_on_reply(void *context)
{
	struct proxy_job *job = context;
	proxy_splice_wake(&job->reply);
}

static void proxy_splice_on_request(void *context)
{
	struct proxy_job *job = context;
	proxy_splice_wake(&job->request);
}

static ssize_t proxy_splice_in(
        struct proxy_job *job, struct proxy_flow *flow, int pipe, size_t size)
{
	if (flow == &job->reply && job->call)
		return http_call_splice(job->call, pipe, size, proxy_splice_on_reply);
	if (flow == &job->request && job->receiving)
		return http_body_splice(job->exchange, pipe, size, proxy_splice_on_request);
	return -EOPNOTSUPP;
}

void http_proxy_splice_end(struct proxy_job *job, struct proxy_flow *flow)
{
	if (flow == &job->reply && job->call)
		http_call_splice_end(job->call);
	else if (flow == &job->request && job->exchange)
		http_body_splice_end(job->exchange);
}

/* Whether the next bytes may be spliced, too: if not, they are received. */
static bool proxy_splice_goes_on(const struct proxy_job *job, const struct proxy_flow *flow)
{
	if (flow == &job->reply)
		return job->call && job->call->readable;
	const struct http_handling *handling = job->exchange ? job->exchange->handling : NULL;
	return handling && handling->readable;
}

size_t http_proxy_splice(struct proxy_body *body, struct weir_output *out)
{
	struct proxy_flow *flow = body->flow;
	size_t room = output_pipe_room(out);
	struct proxy_job *job = body->job;
	bool ahead = flow == &job->reply && job->upstreams->options.buffer_max;
	/* The bytes of a tunnel are counted as they come. */
	if (!room || ahead || job->tunnel || body->producer.put < WEIR_HTTP_PROXY_SPLICE_AFTER)
		return 0;
	if (!body->pipe)
		body->pipe = pipe_take(out->loop);
	if (!body->pipe) {
		http_proxy_splice_end(job, flow);
		return 0;
	}
	ssize_t got =
	        proxy_splice_in(job, flow, body->pipe->in, min_of(room, (size_t)WEIR_PIPE_SIZE));
	/* The connection was resumed. */
	if (got == -EAGAIN || (got > 0 && !proxy_splice_goes_on(job, flow)))
		flow->paused = false;
	if (got > 0) {
		flow->used = true;
		weir_metric_add(&job->upstreams->cells->spliced, (uint64_t)got);
		return output_pipe(out, body->pipe->out, (size_t)got);
	}
	pipe_release(body->pipe, true);
	body->pipe = NULL;
	return 0;
}
