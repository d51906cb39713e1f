/*
 * Forward authentication: a request waits while another server is asked about it. A question is the
 * state of one such request. Its exchange stays valid, since it has no reply, and the question ends
 * with the call or with the client, whichever is first.
 *
 *   handle ─▶ call ─▶ head: 2xx, or the client's reply ─▶ end ─▶ the next handler, or the reply
 *
 * The reply's head decides; its body is read to the end, so that the connection is kept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/sources.h>

#include "exchange.h"
#include "path.h"
#include "proxy_state.h"
#include "syntax.h"

struct forward_auth {
	struct proxy proxy; /* what the server gets of a request, and the handler */
	char *path;
	size_t field_count;
	char fields[WEIR_HTTP_FORWARD_AUTH_FIELDS_MAX][WEIR_HTTP_FORWARD_AUTH_NAME_MAX + 1];
};

struct auth_question {
	struct forward_auth *auth;
	struct weir_http_upstreams *upstreams; /* held: the handler may end before the call */
	struct weir_http_exchange *exchange;
	struct weir_http_call *call;
	struct http_upstream *upstream;
	unsigned status;         /* of the server's reply; 0: none yet */
	struct weir_buffer body; /* of a reply to the client */
};

static struct forward_auth *forward_auth_of(const struct weir_http_handler *handler)
{
	return WEIR_CONTAINER(handler, struct forward_auth, proxy.handler);
}

/* -- the answer -------------------------------------------------------------------------------- */

/* Frees the question. The exchange is the caller's then. */
static void forward_auth_end(struct auth_question *question, enum proxy_decision decision)
{
	weir_metric_add(&question->upstreams->cells->decisions[decision], 1);
	weir_http_on_gone(question->exchange, NULL, NULL);
	question->upstream->busy--;
	weir_http_upstreams_release(question->upstreams);
	weir_buffer_finish(&question->body);
	free(question);
}

static void forward_auth_on_gone(void *context)
{
	struct auth_question *question = context;
	struct weir_http_exchange *exchange = question->exchange;
	weir_http_call_cancel(question->call);
	forward_auth_end(question, PROXY_DECISION_GONE);
	weir_http_reply_empty(exchange, 502);
}

static bool forward_auth_admits(const struct auth_question *question)
{
	return question->status >= 200 && question->status <= 299;
}

/* Each named field replaces the client's, also where the reply has none. */
static int forward_auth_grant(
        struct auth_question *question, const struct weir_http_reply_head *head)
{
	int error = 0;
	for (size_t i = 0; i < question->auth->field_count && !error; i++) {
		struct weir_span name = weir_span_of(question->auth->fields[i]);
		error = http_proxy_grant(
		        question->exchange, name, weir_http_reply_head_field(head, name));
	}
	return error;
}

static int forward_auth_pass_fields(
        struct auth_question *question, const struct weir_http_reply_head *head)
{
	struct proxy_options options;
	int error = http_proxy_find_options(head->fields, head->field_count, &options);
	for (unsigned i = 0; i < head->field_count && !error; i++)
		if (http_proxy_passes(&options, &head->fields[i]))
			error = http_reply_add_field(
			        question->exchange, head->fields[i].name, head->fields[i].value);
	return error;
}

static void forward_auth_refuse(struct auth_question *question, unsigned status, const char *why)
{
	struct weir_http_exchange *exchange = question->exchange;
	weir_http_log_note(exchange, "auth_server", weir_span_of(question->upstream->url));
	weir_http_log_note(exchange, "auth_error", weir_span_of(why));
	exchange->handling->fields.size = 0;
	forward_auth_end(question, PROXY_DECISION_FAILED);
	weir_http_reply_error(exchange, status);
}

static void forward_auth_on_head(void *context, const struct weir_http_reply_head *head)
{
	struct auth_question *question = context;
	question->status = head->status;
	http_upstream_succeeded(question->upstreams, question->upstream);
	int error = forward_auth_admits(question) ? forward_auth_grant(question, head)
	                                          : forward_auth_pass_fields(question, head);
	if (!error)
		return;
	weir_http_call_cancel(question->call);
	forward_auth_refuse(question, error == -ENOMEM ? 500 : 502, weir_error_text(error));
}

static void forward_auth_on_piece(void *context, struct weir_span bytes)
{
	struct auth_question *question = context;
	if (forward_auth_admits(question))
		return;
	int error = weir_buffer_append(
	        &question->body, bytes.data, bytes.size, WEIR_HTTP_FORWARD_AUTH_BODY_MAX);
	if (!error)
		return;
	weir_http_call_cancel(question->call);
	forward_auth_refuse(question, 500, weir_error_text(error));
}

static void forward_auth_reply(struct auth_question *question)
{
	struct weir_http_exchange *exchange = question->exchange;
	unsigned status = question->status;
	struct weir_buffer body = question->body;
	question->body = (struct weir_buffer){0};
	forward_auth_end(question, PROXY_DECISION_REFUSED);
	if (body.size)
		weir_http_reply(exchange, status, weir_produce_owned(body.data, body.size));
	else
		weir_http_reply_empty(exchange, status);
}

/* The rest of a reply that has admitted the request does not matter. */
static void forward_auth_on_end(void *context, const struct weir_http_call_end *end)
{
	struct auth_question *question = context;
	struct weir_http_handler *handler = &question->auth->proxy.handler;
	struct weir_http_exchange *exchange = question->exchange;
	if (!question->status && end->error != WEIR_E_LIMIT && end->error != -ENOMEM)
		http_upstream_failed(question->upstreams, question->upstream);
	if (forward_auth_admits(question)) {
		forward_auth_end(question, PROXY_DECISION_ADMITTED);
		weir_http_next(handler, exchange);
	} else if (end->error) {
		forward_auth_refuse(question, http_proxy_status_of(end->error), end->text);
	} else {
		forward_auth_reply(question);
	}
}

/* -- the question ------------------------------------------------------------------------------ */

/*
 * Appends the path and query of the request. The path is as an upstream gets it, and characters
 * that need no escaping have none: so that the server decides about the path that is served.
 */
static int forward_auth_put_target(struct weir_buffer *to, const struct weir_http_request *request)
{
	int error =
	        weir_span_starts(request->path, WEIR_SPAN("/"))
	                ? http_path_put_raw(to, request->path, 0, SIZE_MAX)
	                : weir_buffer_append(to, request->path.data, request->path.size, SIZE_MAX);
	if (!error)
		to->size = http_unescape_unreserved(to->data, to->size);
	if (!error && request->has_query)
		error = weir_buffer_append(to, "?", 1, SIZE_MAX);
	if (!error && request->query.size)
		error = weir_buffer_append(to, request->query.data, request->query.size, SIZE_MAX);
	return error;
}

/* A client's own fields of these names are removed. */
static void forward_auth_add_target(
        struct proxy_request *to, const struct weir_http_request *request, struct weir_span target)
{
	static const struct weir_span method = {"X-Forwarded-Method", 18},
	                              uri = {"X-Forwarded-Uri", 15};
	unsigned count = 0;
	for (unsigned i = 0; i < to->count; i++)
		if (!weir_span_equal_nocase(to->fields[i].name, method) &&
		        !weir_span_equal_nocase(to->fields[i].name, uri))
			to->fields[count++] = to->fields[i];
	to->fields[count++] = (struct weir_http_field){method, request->method_name};
	to->fields[count++] = (struct weir_http_field){uri, target};
	to->count = count;
}

static int forward_auth_start_call(
        struct auth_question *question, struct weir_buffer *url, const struct proxy_request *from)
{
	static const struct weir_http_call_events events = {.head = forward_auth_on_head,
	        .piece = forward_auth_on_piece,
	        .end = forward_auth_on_end};
	const struct http_upstream *upstream = question->upstream;
	struct weir_http_call_options options;
	int error = weir_buffer_format(
	        url, WEIR_HTTP_CLIENT_URL_MAX, "%s%s", upstream->base, question->auth->path);
	if (!error)
		error = weir_buffer_append(url, "", 1, SIZE_MAX);
	if (error)
		return error;
	weir_http_call_options_init(&options);
	options.url = url->data;
	options.unix_path = upstream->unix_path;
	options.host = upstream->host;
	options.fields = from->fields;
	options.field_count = from->count;
	options.body_max = WEIR_HTTP_FORWARD_AUTH_BODY_MAX;
	return weir_http_call_start(
	        question->upstreams->client, &options, &events, question, &question->call);
}

static int forward_auth_ask(struct auth_question *question)
{
	struct weir_http_exchange *exchange = question->exchange;
	struct proxy_job asked = {.proxy = &question->auth->proxy,
	        .upstreams = question->upstreams,
	        .upstream = question->upstream,
	        .exchange = exchange};
	struct weir_buffer target = {0}, url = {0};
	struct proxy_request request;
	int error = http_proxy_make_request(&asked, &request);
	if (!error)
		error = forward_auth_put_target(&target, weir_http_request(exchange));
	if (!error) {
		forward_auth_add_target(
		        &request, weir_http_request(exchange), weir_buffer_span(&target));
		error = forward_auth_start_call(question, &url, &request);
	}
	http_proxy_request_finish(&request);
	weir_buffer_finish(&target);
	weir_buffer_finish(&url);
	return error;
}

/* -- the handler ------------------------------------------------------------------------------- */

static bool forward_auth_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	return http_path_below_nocase(
	        weir_http_path(exchange), weir_span_of(forward_auth_of(handler)->proxy.prefix));
}

static void forward_auth_handle(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	struct forward_auth *auth = forward_auth_of(handler);
	struct weir_http_upstreams *upstreams = auth->proxy.options.upstreams;
	struct auth_question *question = calloc(1, sizeof *question);
	if (!question || http_upstreams_join(upstreams, weir_http_loop(exchange)) < 0) {
		free(question);
		weir_http_reply_error(exchange, 500);
		return;
	}
	question->upstream = http_upstreams_choose(upstreams, exchange, 0);
	if (!question->upstream) {
		free(question);
		weir_http_log_note(exchange, "auth_error", WEIR_SPAN("no server is known"));
		weir_http_reply_error(exchange, 503);
		return;
	}
	question->auth = auth;
	question->exchange = exchange;
	question->upstreams = weir_http_upstreams_hold(upstreams);
	question->upstream->busy++;
	weir_http_on_gone(exchange, forward_auth_on_gone, question);
	int error = forward_auth_ask(question);
	if (error)
		forward_auth_refuse(question,
		        error == -ENOMEM        ? 500
		        : error == WEIR_E_LIMIT ? 503
		                                : 400,
		        weir_error_text(error));
}

static void forward_auth_destroy(struct weir_http_handler *handler)
{
	struct forward_auth *auth = forward_auth_of(handler);
	http_proxy_finish(&auth->proxy);
	free(auth->path);
	free(auth);
}

void weir_http_forward_auth_options_init(struct weir_http_forward_auth_options *options)
{
	*options = (struct weir_http_forward_auth_options){.prefix = "", .path = "/"};
}

/* Returns false without memory, or if a name is malformed. */
static bool forward_auth_copy(
        struct forward_auth *auth, const struct weir_http_forward_auth_options *options)
{
	struct weir_http_proxy_options asked;
	weir_http_proxy_options_init(&asked);
	asked.upstreams = options->upstreams;
	asked.prefix = options->prefix;
	asked.trusted = options->trusted;
	asked.trusted_count = options->trusted_count;
	if (!http_proxy_init(&auth->proxy, &asked))
		return false;
	for (size_t i = 0; i < options->field_count; i++) {
		struct weir_span name = weir_span_of(options->fields[i]);
		if (!name.size || http_run(name, WEIR_HTTP_TCHAR) < name.size ||
		        !text_copy_span(auth->fields[i], sizeof auth->fields[i], name))
			return false;
	}
	auth->field_count = options->field_count;
	auth->path = strdup(options->path);
	return auth->path;
}

struct weir_http_handler *weir_http_forward_auth_create(
        const struct weir_http_forward_auth_options *options)
{
	static const struct weir_http_handler_type type = {.name = "forward-auth",
	        .match = forward_auth_match,
	        .handle = forward_auth_handle,
	        .destroy = forward_auth_destroy};
	bool good = options->upstreams && !options->upstreams->options.fastcgi &&
	            *options->path == '/' &&
	            options->field_count <= WEIR_HTTP_FORWARD_AUTH_FIELDS_MAX;
	struct forward_auth *auth = good ? calloc(1, sizeof *auth) : NULL;
	if (!auth)
		return NULL;
	auth->proxy.handler.type = &type;
	if (!forward_auth_copy(auth, options)) {
		forward_auth_destroy(&auth->proxy.handler);
		return NULL;
	}
	return &auth->proxy.handler;
}
