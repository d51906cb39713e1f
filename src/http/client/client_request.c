/*
 * The request as it is sent: its head, and its body by length or chunked.
 *
 * Fields are stored as the lines that are sent, in three groups: a redirect leaves out those that
 * are for one origin, or about a body that is not sent again.
 */
#include <errno.h>
#include <string.h>

#include <weir/error.h>
#include <weir/sources.h>

#include "client_state.h"
#include "head.h"
#include "helper.h"
#include "syntax.h"

/* -- the fields -------------------------------------------------------------------------------- */

bool http_call_field_is_good(const struct weir_http_field *field)
{
	return field->name.size && http_run(field->name, WEIR_HTTP_TCHAR) == field->name.size &&
	       http_run(field->value, WEIR_HTTP_VCHAR) == field->value.size;
}

bool http_call_field_is_own(const struct weir_http_field *field)
{
	static const struct weir_span own[] = {WEIR_SPAN("Host"), WEIR_SPAN("Content-Length"),
	        WEIR_SPAN("Transfer-Encoding"), WEIR_SPAN("Connection"), WEIR_SPAN("Keep-Alive"),
	        WEIR_SPAN("Proxy-Connection"), WEIR_SPAN("Expect"), WEIR_SPAN("TE"),
	        WEIR_SPAN("Trailer"), WEIR_SPAN("Upgrade")};
	return http_name_is_one_of(field->name, own, sizeof own / sizeof *own);
}

static int http_call_add_field(struct weir_http_call *call, const struct weir_http_field *field)
{
	static const struct weir_span credentials[] = {
	        WEIR_SPAN("Authorization"), WEIR_SPAN("Cookie"), WEIR_SPAN("Proxy-Authorization")};
	struct weir_buffer *to = &call->fields;
	if (!http_call_field_is_good(field))
		return WEIR_E_SYNTAX;
	if (http_call_field_is_own(field))
		return -EINVAL;
	if (http_name_is_one_of(field->name, credentials, sizeof credentials / sizeof *credentials))
		to = &call->credentials;
	else if (field->name.size > 8 &&
	         weir_span_equal_nocase(weir_span(field->name.data, 8), WEIR_SPAN("Content-")))
		to = &call->content;
	if (field->name.size + field->value.size > WEIR_HTTP_CLIENT_REQUEST_MAX)
		return WEIR_E_LIMIT;
	const struct weir_span line[] = {
	        field->name, WEIR_SPAN(": "), field->value, WEIR_SPAN("\r\n")};
	return buffer_append_spans(
	        to, line, sizeof line / sizeof *line, WEIR_HTTP_CLIENT_REQUEST_MAX);
}

/* The text becomes a line of the head, so it must be an authority. */
static int http_call_set_host(struct weir_http_call *call, const char *text)
{
	struct weir_span host;
	int port;
	if (http_authority_parse(weir_span_of(text), &host, &port) < 0)
		return WEIR_E_SYNTAX;
	return weir_buffer_append(&call->host, text, strlen(text), WEIR_HTTP_CLIENT_URL_MAX);
}

static int http_call_set_upgrade(struct weir_http_call *call, struct weir_span protocol)
{
	if (protocol.size == 0 || http_run(protocol, WEIR_HTTP_VCHAR) < protocol.size)
		return WEIR_E_SYNTAX;
	return weir_buffer_append(
	        &call->upgrade, protocol.data, protocol.size, WEIR_HTTP_CLIENT_REQUEST_MAX);
}

int http_call_set_request(struct weir_http_call *call, const struct weir_http_call_options *options)
{
	struct weir_span method = weir_span_of(options->method);
	if (method.size == 0 || http_run(method, WEIR_HTTP_TCHAR) < method.size)
		return WEIR_E_SYNTAX;
	if (http_method_find(method.data, method.size) == WEIR_HTTP_CONNECT)
		return -EINVAL;
	int error = weir_buffer_append(
	        &call->method, method.data, method.size, WEIR_HTTP_CLIENT_REQUEST_MAX);
	if (!error && options->host)
		error = http_call_set_host(call, options->host);
	if (!error && options->upgrade)
		error = http_call_set_upgrade(call, weir_span_of(options->upgrade));
	if (!error && call->target.fastcgi)
		error = http_call_set_params(call, options);
	for (unsigned i = 0; i < options->field_count && !error && !call->target.fastcgi; i++)
		error = http_call_add_field(call, &options->fields[i]);
	size_t size = call->method.size + call->url.size + call->host.size + call->fields.size +
	              call->credentials.size + call->content.size + call->upgrade.size;
	return !error && size > WEIR_HTTP_CLIENT_REQUEST_MAX ? WEIR_E_LIMIT : error;
}

/* -- the method -------------------------------------------------------------------------------- */

static enum weir_http_method http_call_method(const struct weir_http_call *call)
{
	return http_method_find(call->method.data, call->method.size);
}

bool http_call_is_head(const struct weir_http_call *call)
{
	return http_call_method(call) == WEIR_HTTP_HEAD;
}

bool http_call_is_idempotent(const struct weir_http_call *call)
{
	return http_method_is_idempotent(http_call_method(call));
}

int http_call_become_get(struct weir_http_call *call)
{
	call->method.size = 0;
	call->content.size = 0;
	call->has_body = false;
	call->expect_continue = false;
	weir_producer_close(call->body, WEIR_CLOSE_ABORTED);
	call->body = NULL;
	return weir_buffer_append(&call->method, "GET", 3, WEIR_HTTP_CLIENT_REQUEST_MAX);
}

/* -- sending ----------------------------------------------------------------------------------- */

static int http_call_put(struct weir_buffer *head, struct weir_span bytes)
{
	return weir_buffer_append(head, bytes.data, bytes.size, SIZE_MAX);
}

bool http_call_expects_content(const struct weir_http_call *call)
{
	enum weir_http_method method = http_call_method(call);
	return method == WEIR_HTTP_POST || method == WEIR_HTTP_PUT || method == WEIR_HTTP_PATCH;
}

static int http_call_put_framing(
        const struct weir_http_call *call, struct weir_buffer *head, int64_t body_size)
{
	int error = 0;
	if (call->has_body && body_size < 0)
		error = http_call_put(head, WEIR_SPAN("Transfer-Encoding: chunked\r\n"));
	else if (call->has_body || http_call_expects_content(call))
		error = weir_buffer_format(
		        head, SIZE_MAX, "Content-Length: %llu\r\n", (unsigned long long)body_size);
	if (!error && call->expect_continue && body_size)
		error = http_call_put(head, WEIR_SPAN("Expect: 100-continue\r\n"));
	return error;
}

/* Most heads fit. */
enum {
	HTTP_CALL_HEAD_ROOM = 512
};

static int http_call_put_head(
        const struct weir_http_call *call, struct weir_buffer *head, int64_t body_size)
{
	const struct http_url *target = &call->target;
	bool upgrades = call->upgrade.size;
	const struct weir_span parts[] = {
	        weir_buffer_span(&call->method),
	        WEIR_SPAN(" "),
	        target->path.size ? target->path : WEIR_SPAN("/"),
	        target->query,
	        WEIR_SPAN(" HTTP/1.1\r\nHost: "),
	        call->host.size ? weir_buffer_span(&call->host) : target->authority,
	        WEIR_SPAN("\r\n"),
	        /* RFC 9110 6.5.1: a server sends only trailer fields that are asked for. */
	        weir_span_of(call->events->trailer && !upgrades
	                             ? "TE: trailers\r\nConnection: TE\r\n"
	                             : ""),
	        weir_span_of(upgrades ? "Connection: Upgrade\r\nUpgrade: " : ""),
	        weir_buffer_span(&call->upgrade),
	        weir_span_of(upgrades ? "\r\n" : ""),
	        weir_buffer_span(&call->fields),
	        weir_buffer_span(&call->content),
	        weir_buffer_span(&call->credentials),
	};
	/* The parts were counted at the start; the rest of a head is small. */
	int error = weir_buffer_reserve(head, HTTP_CALL_HEAD_ROOM, SIZE_MAX);
	if (!error)
		error = buffer_append_spans(head, parts, sizeof parts / sizeof *parts, SIZE_MAX);
	if (!error)
		error = http_call_put_framing(call, head, body_size);
	return error ? error : http_call_put(head, WEIR_SPAN("\r\n"));
}

/*
 * The body has left. One that is shorter than its Content-Length must not be followed by another
 * request, which the server would take for the rest.
 */
static void http_call_on_body_end(void *context, enum weir_close_reason why, uint64_t bytes)
{
	struct http_client_connection *connection = context;
	connection->body = NULL;
	if (why != WEIR_CLOSE_DONE)
		return;
	if (connection->body_size >= 0 && bytes < (uint64_t)connection->body_size)
		http_client_connection_fail(connection, -EIO);
	else
		connection->sent = true;
}

/* The hook is within the records, so that it counts the bytes of the body alone. */
static int http_call_push_body(struct weir_http_call *call, struct weir_producer *body)
{
	struct http_client_connection *connection = call->connection;
	if (connection->body_size < 0)
		body = weir_produce_chunked(body, call->trailers, call->trailers_context);
	else
		body = weir_produce_limit(body, 0, (uint64_t)connection->body_size);
	connection->body = weir_produce_hook(body, http_call_on_body_end, connection);
	if (connection->fastcgi)
		connection->body = fastcgi_produce_stdin(connection->body);
	return weir_channel_push(connection->channel, connection->body);
}

void http_call_continue(struct weir_http_call *call)
{
	struct weir_producer *body = call->held_body;
	call->held_body = NULL;
	if (!body)
		return;
	weir_timer_stop(&call->timer);
	http_call_push_body(call, body); /* without memory the channel ends */
}

static void http_call_on_continue_time(struct weir_timer *timer)
{
	http_call_continue(WEIR_CONTAINER(timer, struct weir_http_call, timer));
}

/* Takes or makes the body: *ret is NULL if it is empty. Returns 0 or -ENOMEM. */
static int http_call_take_body(
        struct weir_http_call *call, struct weir_producer **ret, int64_t *ret_size)
{
	struct weir_producer *body = call->body;
	*ret = NULL;
	*ret_size = 0;
	if (!call->has_body)
		return 0;
	call->body = NULL;
	if (call->make_body)
		body = call->make_body(call->make_body_context);
	if (!body)
		return -ENOMEM;
	*ret_size = weir_producer_size(body);
	if (*ret_size == 0)
		weir_producer_close(body, WEIR_CLOSE_DONE);
	else
		*ret = body;
	return 0;
}

int http_call_send(struct weir_http_call *call)
{
	struct http_client_connection *connection = call->connection;
	struct weir_buffer head = {0};
	struct weir_producer *body;
	int64_t size;
	int error = http_call_take_body(call, &body, &size);
	if (!error)
		error = connection->fastcgi ? http_call_put_params(call, &head, size)
		                            : http_call_put_head(call, &head, size);
	if (error) {
		weir_buffer_finish(&head);
		weir_producer_close(body, WEIR_CLOSE_ABORTED);
		return error;
	}
	connection->body_size = size;
	connection->head_size = head.size;
	connection->sent = !body;
	error = weir_channel_push(connection->channel, weir_produce_owned(head.data, head.size));
	if (error || !body) {
		weir_producer_close(body, WEIR_CLOSE_ABORTED);
		return error;
	}
	if (!call->expect_continue)
		return http_call_push_body(call, body);
	call->held_body = body;
	weir_timer_start(call->client->loop, &call->timer, call->client->options.continue_ms,
	        http_call_on_continue_time);
	return 0;
}
