/*
 * The reply of an upstream, from its interim replies to its trailers, becomes the reply to the
 * client. Invariant: a callback that may free the job is the last that touches it.
 */
#include <errno.h>

#include <weir/error.h>

#include "exchange.h"
#include "proxy_state.h"

/* The answer to a key of the proxy's own is not for the client. */
static bool proxy_reply_passes(const struct proxy_job *job, const struct proxy_options *options,
        const struct weir_http_field *field)
{
	return http_proxy_passes(options, field) &&
	       !(*job->key &&
	               weir_span_equal_nocase(field->name, WEIR_SPAN("Sec-WebSocket-Accept")));
}

int http_proxy_pass_fields(struct proxy_job *job, const struct weir_http_reply_head *head)
{
	struct proxy_options options;
	int error = http_proxy_find_options(head->fields, head->field_count, &options);
	for (unsigned i = 0; i < head->field_count && !error; i++) {
		const struct weir_http_field *field = &head->fields[i];
		if (!proxy_reply_passes(job, &options, field))
			continue;
		error = job->exchange->coding
		                ? http_proxy_add_coded_field(job, field)
		                : http_reply_add_field(job->exchange, field->name, field->value);
	}
	return error;
}

void http_proxy_on_interim(void *context, const struct weir_http_reply_head *head)
{
	struct proxy_job *job = context;
	struct weir_http_field fields[WEIR_HTTP_FIELDS_MAX];
	struct proxy_options options;
	unsigned count = 0;
	/* 100 is sent when the body is asked for. */
	if (head->status == 100 ||
	        http_proxy_find_options(head->fields, head->field_count, &options) < 0)
		return;
	for (unsigned i = 0; i < head->field_count; i++)
		if (http_proxy_passes(&options, &head->fields[i]))
			fields[count++] = head->fields[i];
	/* An interim reply may be lost: the final one has all. */
	weir_http_interim(job->exchange, head->status, fields, count);
}

/* Makes the body; one that is empty is complete. Returns NULL without memory. */
static struct weir_producer *proxy_reply_make_body(
        struct proxy_job *job, const struct weir_http_reply_head *head)
{
	bool is_head = weir_http_request(job->exchange)->method == WEIR_HTTP_HEAD;
	int64_t size = head->has_body || is_head ? head->length : 0;
	struct weir_producer *producer = http_proxy_body_create(job, &job->reply, size);
	job->reply.done = !head->has_body;
	if (producer && size < 0 && http_proxy_wants_trailers(weir_http_request(job->exchange)))
		weir_http_set_trailers(job->exchange, http_proxy_body_trailers,
		        WEIR_CONTAINER(producer, struct proxy_body, producer));
	return producer;
}

void http_proxy_on_head(void *context, const struct weir_http_reply_head *head)
{
	struct proxy_job *job = context;
	struct weir_http_exchange *exchange = job->exchange;
	http_upstream_succeeded(job->upstreams, job->upstream);
	weir_metric_observe_ms(job->upstreams->cells->head_ms,
	        weir_loop_now_ms(job->upstreams->loop) - job->begun_ms);
	http_proxy_compress(job, head);
	int error = http_proxy_pass_fields(job, head);
	if (error < 0) {
		http_proxy_refuse(job, http_proxy_status_of(error == -ENOMEM ? error : -EPROTO),
		        "the fields of the reply are too many or too large");
		return;
	}
	http_proxy_log_upstream(job);
	job->result = (enum proxy_result)(PROXY_RESULT_1XX + head->status / 100 - 1);
	job->replied = true;
	job->reply_has_body = head->has_body;
	weir_http_on_gone(exchange, NULL, NULL);
	struct weir_producer *body = proxy_reply_make_body(job, head);
	if (!body) {
		weir_http_set_trailers(exchange, NULL, NULL);
		http_proxy_refuse(job, 500, weir_error_text(-ENOMEM));
		return;
	}
	exchange->large_pieces = true;
	/* A body that is not wanted is closed at once, and the job with it. */
	weir_http_reply(exchange, head->status, body);
}

void http_proxy_on_piece(void *context, struct weir_span bytes)
{
	struct proxy_job *job = context;
	job->passed += bytes.size;
	if (http_proxy_flow_add(job, &job->reply, bytes) == 0)
		return;
	job->result = PROXY_RESULT_TRUNCATED;
	http_proxy_flow_end(&job->reply, true);
	http_proxy_cancel_call(job);
	http_proxy_free_if_unused(job);
}

void http_proxy_on_trailer(void *context, const struct weir_http_field *field)
{
	struct proxy_job *job = context;
	http_proxy_flow_add_trailer(job, &job->reply, field);
}

/* The application writes to the log of its operator, a bounded part for each request. */
void http_proxy_on_error_text(void *context, struct weir_span bytes)
{
	struct proxy_job *job = context;
	const struct weir_http_upstreams_options *options = &job->upstreams->options;
	bytes.size = min_of(bytes.size, WEIR_FASTCGI_ERROR_TEXT_MAX - job->error_text);
	job->error_text += bytes.size;
	/* The exchange holds what the context belongs to. */
	if (bytes.size && options->error_text && job->exchange)
		options->error_text(options->context, job->upstreams->name, job->upstream->url,
		        http_log_id(job->exchange), bytes);
}
