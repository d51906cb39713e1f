/*
 * PUT: the body becomes a file.
 *
 *   look ─▶ begin ─▶ ready ─▶ receive, piece by piece ─▶ commit ─▶ 201 or 204
 *
 * The body is received only when the file is open and has room on the disk. So a client that waits
 * for 100 Continue learns of a full disk before it sends the body. The conditions of the request
 * are checked again in one step with the commit: of several clients that change one version, one
 * succeeds, and the others get 412.
 */
#include <stdlib.h>

#include <weir/error.h>
#include <weir/list.h>
#include <weir/upload.h>

#include "exchange.h"
#include "upload_handler.h"

struct put {
	struct http_upload *handler;
	struct weir_http_exchange *exchange;
	struct weir_upload *upload; /* NULL before it was begun */
	struct upload_condition condition;
	bool receiving;
};

static void http_upload_put_drop(struct put *put)
{
	weir_upload_abort(put->upload);
	free(put);
}

static void http_upload_put_fail(struct put *put, unsigned status)
{
	struct weir_http_exchange *exchange = put->exchange;
	http_upload_put_drop(put);
	http_upload_refuse(exchange, status);
}

/* -- the end ----------------------------------------------------------------------------------- */

static void http_upload_put_on_committed(void *context, int error, bool created)
{
	struct put *put = context;
	put->upload = NULL;
	if (error < 0)
		http_upload_put_fail(put, http_upload_status(error));
	else {
		weir_http_reply_empty(put->exchange, created ? 201 : 204);
		http_upload_put_drop(put);
	}
}

/* -- the body ---------------------------------------------------------------------------------- */

static void http_upload_put_on_piece(void *context, struct weir_span bytes)
{
	struct put *put = context;
	int result = weir_upload_write(put->upload, bytes);
	if (result == WEIR_UPLOAD_FULL)
		weir_http_pause(put->exchange);
	else if (result < 0)
		http_upload_put_fail(
		        put, result == WEIR_E_LIMIT ? 413 : http_upload_status(result));
}

/* HTTP replies for a body that breaks off, if the client is still there. */
static void http_upload_put_on_end(void *context, int error)
{
	struct put *put = context;
	if (error < 0)
		http_upload_put_drop(put);
	else
		weir_upload_commit(put->upload, http_upload_put_on_committed, put);
}

static void http_upload_put_on_ready(void *context, int error)
{
	static const struct weir_http_receiver receiver = {
	        http_upload_put_on_piece, http_upload_put_on_end};
	struct put *put = context;
	if (error < 0) {
		http_upload_put_fail(put, http_upload_status(error));
	} else if (put->receiving) {
		weir_http_resume(put->exchange);
	} else {
		put->receiving = true;
		if (weir_http_receive(put->exchange, &receiver, put, put->handler->size_max) < 0)
			http_upload_put_fail(put, 413);
	}
}

/* -- the beginning ----------------------------------------------------------------------------- */

static void http_upload_put_begin(struct put *put)
{
	bool conditional = http_upload_is_conditional(weir_http_request(put->exchange));
	if (conditional && http_exchange_copy_request_now(put->exchange) < 0) {
		http_upload_put_fail(put, 503);
		return;
	}
	const struct weir_http_request *request = weir_http_request(put->exchange);
	struct weir_upload_options options;
	weir_upload_options_init(&options);
	options.size_max = put->handler->size_max;
	options.size = request->length;
	options.size_known = !request->chunked;
	options.must_not_exist = weir_span_equal(
	        weir_http_request_known(request, WEIR_HTTP_IF_NONE_MATCH), WEIR_SPAN("*"));
	options.mode = put->handler->mode;
	if (conditional) {
		options.check = http_upload_holds;
		options.check_context = put->exchange;
	}
	int error = weir_upload_begin(put->handler->tree, weir_http_path(put->exchange).data,
	        &options, http_upload_put_on_ready, put, &put->upload);
	if (error < 0)
		http_upload_put_fail(put, http_upload_status(error));
}

static void http_upload_put_on_checked(
        struct upload_condition *condition, unsigned status, bool exists)
{
	struct put *put = WEIR_CONTAINER(condition, struct put, condition);
	(void)exists;
	if (status)
		http_upload_put_fail(put, status);
	else
		http_upload_put_begin(put);
}

/* Returns 0, or the status if the request is wrong whatever the tree holds. */
static unsigned http_upload_put_refusal(const struct weir_http_exchange *exchange)
{
	const struct weir_http_request *request = weir_http_request(exchange);
	struct weir_span coding = weir_http_request_known(request, WEIR_HTTP_CONTENT_ENCODING);
	if (weir_http_request_field(request, WEIR_SPAN("Content-Range")).data)
		return 400; /* a part must not replace the whole: RFC 9110 14.5 */
	if (weir_http_path_is_directory(exchange))
		return 405;
	if (weir_http_path_is_hidden(exchange))
		return 403;
	/* Stored with its coding, the file would be served without Content-Encoding. */
	if (coding.size && !weir_span_equal_nocase(coding, WEIR_SPAN("identity")))
		return 415;
	return 0;
}

void http_upload_put(struct http_upload *upload, struct weir_http_exchange *exchange)
{
	unsigned status = http_upload_put_refusal(exchange);
	struct put *put = status ? NULL : calloc(1, sizeof *put);
	if (!put) {
		http_upload_refuse(exchange, status ? status : 500);
		return;
	}
	put->handler = upload;
	put->exchange = exchange;
	http_upload_check(&put->condition, upload->tree, exchange, http_upload_put_on_checked);
}
