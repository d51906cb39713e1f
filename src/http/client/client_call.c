/*
 * A call from its start to its end, over retries and redirects.
 *
 * Invariant: each callback of the user but end() may cancel the call, which frees it at once. So a
 * callback is the last thing that a function here does with a call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <weir/error.h>

#include "channel_splice.h"
#include "client_state.h"
#include "helper.h"
#include "syntax.h"

/* -- start ------------------------------------------------------------------------------------- */

void weir_http_call_options_init(struct weir_http_call_options *options)
{
	*options = (struct weir_http_call_options){.method = "GET", .body_max = UINT64_MAX};
}

/* Makes `next_url` the target. */
static int http_call_go_to_next_url(struct weir_http_call *call)
{
	struct weir_buffer url = call->next_url;
	struct http_url target;
	/* The NUL may move the text. */
	int error = weir_buffer_append(&url, "", 1, SIZE_MAX);
	if (error)
		return error;
	url.size--;
	call->next_url = url;
	error = http_url_parse(weir_buffer_span(&url), &target);
	if (error)
		return error;
	call->next_url = call->url;
	call->url = url;
	call->target = target;
	return 0;
}

static int http_call_set_target(
        struct weir_http_call *call, const struct weir_http_call_options *options)
{
	const char *path = options->unix_path;
	if (path && (!*path || strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path))
		return -EINVAL;
	int error =
	        path ? weir_buffer_append(&call->unix_path, path, strlen(path) + 1, SIZE_MAX) : 0;
	if (!error)
		error = weir_buffer_append(&call->next_url, options->url, strlen(options->url),
		        WEIR_HTTP_CLIENT_URL_MAX);
	if (!error)
		error = http_call_go_to_next_url(call);
	if (!error && call->target.tls && !call->client->options.tls)
		error = -EINVAL;
	return error;
}

static int http_call_prepare(
        struct weir_http_call *call, const struct weir_http_call_options *options)
{
	if ((options->body && options->make_body) ||
	        (options->upgrade && (options->body || options->make_body)))
		return -EINVAL;
	if (call->client->waiting_count >= call->client->options.waiting_max)
		return WEIR_E_LIMIT;
	int error = http_call_set_target(call, options);
	if (!error)
		error = http_call_set_request(call, options);
	return error ? error : http_client_find_origin(call);
}

int weir_http_call_start(struct weir_http_client *client,
        const struct weir_http_call_options *options, const struct weir_http_call_events *events,
        void *context, struct weir_http_call **ret)
{
	struct weir_http_call *call = http_client_take_call(client);
	if (!call) {
		weir_producer_close(options->body, WEIR_CLOSE_ABORTED);
		return -ENOMEM;
	}
	call->client = client;
	call->events = events;
	call->context = context;
	call->body = options->body;
	call->make_body = options->make_body;
	call->make_body_context = options->make_body_context;
	call->trailers = options->trailers;
	call->trailers_context = options->trailers_context;
	call->has_body = options->body || options->make_body;
	call->expect_continue = call->has_body && options->expect_continue;
	call->redirects_left = options->redirects_max;
	call->body_max = options->body_max;
	call->fresh = options->fresh || options->connect_only;
	call->connect_only = options->connect_only;
	weir_list_init(&call->waiting_link);
	weir_list_init(&call->timer.link);
	weir_list_append(&client->calls, &call->link);
	int error = http_call_prepare(call, options);
	if (error < 0) {
		http_call_free(call);
		return error;
	}
	http_client_enqueue(call, false);
	*ret = call;
	return 0;
}

/* -- end --------------------------------------------------------------------------------------- */

/* A body that still waits for 100 was announced: its connection cannot be used again. */
static void http_call_drop_held_body(struct weir_http_call *call)
{
	weir_timer_stop(&call->timer);
	weir_producer_close(call->held_body, WEIR_CLOSE_ABORTED);
	call->held_body = NULL;
}

void http_call_free(struct weir_http_call *call)
{
	http_client_dequeue(call);
	http_call_drop_held_body(call);
	if (call->connection && call->upgraded && call->connection->channel)
		http_client_connection_release(call->connection);
	else if (call->connection)
		http_client_connection_abandon(call->connection);
	weir_list_remove(&call->link);
	http_origin_release(call->origin);
	weir_producer_close(call->body, WEIR_CLOSE_ABORTED);
	http_client_put_call(call);
}

void weir_http_call_cancel(struct weir_http_call *call)
{
	http_call_free(call);
}

/* The call is freed first, so that end() may start others in its place. */
static void http_call_end(struct weir_http_call *call, int error, const char *text)
{
	const struct weir_http_call_events *events = call->events;
	void *context = call->context;
	struct weir_http_call_end end = {
	        .error = error,
	        .text = text    ? text
	                : error ? weir_error_text(error)
	                        : "",
	        .head_came = call->head_came,
	        .begun = call->begun,
	        .sent = call->sent,
	        .kept = call->kept,
	        .retried = call->retried,
	        .app_status = call->app_status,
	};
	http_call_free(call);
	events->end(context, &end);
}

void http_call_on_failure(struct weir_http_call *call, int error, const char *text, bool unused)
{
	http_call_drop_held_body(call);
	/* A redirect's body is read only so that the connection can be kept. */
	if (call->following && error == WEIR_E_HTTP_BODY_SIZE) {
		http_call_on_reply(call);
		return;
	}
	if (!unused || call->retried || (call->has_body && !call->make_body)) {
		http_call_end(call, error, text);
		return;
	}
	call->retried = true;
	call->fresh = true;
	http_client_enqueue(call, true);
}

/* -- redirects --------------------------------------------------------------------------------- */

static bool http_call_changes_to_get(const struct weir_http_call *call, unsigned status)
{
	bool post = weir_span_equal(weir_buffer_span(&call->method), WEIR_SPAN("POST"));
	if (status == 303)
		return !http_call_is_head(call);
	return post && (status == 301 || status == 302);
}

static bool http_call_same_origin(const struct http_url *a, const struct http_url *b)
{
	return a->tls == b->tls && a->port == b->port && weir_span_equal_nocase(a->host, b->host);
}

/* Returns whether the redirect is followed; `next_url` is where it leads then. */
static bool http_call_follows(struct weir_http_call *call, const struct weir_http_reply_head *head)
{
	struct weir_span location = weir_http_reply_head_field(head, WEIR_SPAN("Location"));
	struct http_url next;
	bool redirect = head->status == 301 || head->status == 302 || head->status == 303 ||
	                head->status == 307 || head->status == 308;
	if (!redirect || call->redirects_left == 0 || !location.data)
		return false;
	call->to_get = http_call_changes_to_get(call, head->status);
	if (call->has_body && !call->make_body && !call->to_get)
		return false;
	call->next_url.size = 0;
	if (http_url_resolve(&call->target, location, &call->next_url) < 0 ||
	        http_url_parse(weir_buffer_span(&call->next_url), &next) < 0)
		return false;
	if (next.fastcgi || (next.tls && !call->client->options.tls))
		return false;
	return !call->unix_path.size || http_call_same_origin(&call->target, &next);
}

/* Goes where the redirect leads. Returns 0 or -ENOMEM. */
static int http_call_redirect(struct weir_http_call *call)
{
	struct weir_http_client *client = call->client;
	struct http_origin *before = call->origin;
	struct http_url next;
	int error = http_url_parse(weir_buffer_span(&call->next_url), &next);
	if (!error && !http_call_same_origin(&call->target, &next))
		call->credentials.size = call->host.size = 0;
	if (!error)
		error = http_call_go_to_next_url(call);
	if (!error)
		error = http_client_find_origin(call);
	if (!error)
		http_origin_release(before);
	if (!error && call->to_get)
		error = http_call_become_get(call);
	if (error)
		return error;
	call->following = false;
	call->redirects_left--;
	call->retried = call->fresh = false;
	if (client->waiting_count >= client->options.waiting_max)
		return WEIR_E_LIMIT;
	http_client_enqueue(call, false);
	return 0;
}

/* -- the reply --------------------------------------------------------------------------------- */

struct weir_span weir_http_reply_head_field(
        const struct weir_http_reply_head *head, struct weir_span name)
{
	for (unsigned i = 0; i < head->field_count; i++)
		if (weir_span_equal_nocase(head->fields[i].name, name))
			return head->fields[i].value;
	return weir_span(NULL, 0);
}

void http_call_on_interim(struct weir_http_call *call, const struct weir_http_reply_head *head)
{
	struct weir_http_reply_head copy = *head;
	copy.url = call->url.data;
	if (head->status == 100)
		http_call_continue(call);
	if (call->events->interim)
		call->events->interim(call->context, &copy);
}

void http_call_on_head(struct weir_http_call *call, struct weir_http_reply_head *head)
{
	head->url = call->url.data;
	http_call_drop_held_body(call);
	if (http_call_follows(call, head)) {
		call->following = true;
		call->connection->reader.body_max = WEIR_HTTP_CLIENT_DISCARD_MAX;
		return;
	}
	call->head_came = true;
	if (call->events->head)
		call->events->head(call->context, head);
}

void http_call_on_piece(struct weir_http_call *call, struct weir_span bytes)
{
	if (!call->following && call->events->piece)
		call->events->piece(call->context, bytes);
}

void http_call_on_trailer(struct weir_http_call *call, const struct weir_http_field *field)
{
	if (!call->following && call->events->trailer)
		call->events->trailer(call->context, field);
}

void http_call_on_error_text(struct weir_http_call *call, struct weir_span bytes)
{
	if (call->events->error_text)
		call->events->error_text(call->context, bytes);
}

/* The server chooses one of the protocols that it was asked for, by one Upgrade field. */
bool http_call_accepts_upgrade(
        const struct weir_http_call *call, const struct weir_http_reply_head *head)
{
	struct weir_span protocol = {0};
	unsigned upgrades = 0;
	bool connection = false;
	for (unsigned i = 0; i < head->field_count; i++) {
		const struct weir_http_field *field = &head->fields[i];
		if (weir_span_equal_nocase(field->name, WEIR_SPAN("Connection")))
			connection |= http_list_has(field->value, WEIR_SPAN("Upgrade"));
		if (!weir_span_equal_nocase(field->name, WEIR_SPAN("Upgrade")))
			continue;
		protocol = field->value;
		upgrades++;
	}
	return connection && upgrades == 1 && protocol.size && call->upgrade.size &&
	       http_list_has(weir_buffer_span(&call->upgrade), protocol);
}

void http_call_on_upgrade(struct weir_http_call *call, const struct weir_http_reply_head *head)
{
	struct weir_http_reply_head copy = *head;
	copy.url = call->url.data;
	call->upgraded = call->head_came = true;
	call->events->upgraded(call->context, &copy);
}

int weir_http_call_send(struct weir_http_call *call, struct weir_producer *producer)
{
	if (call->upgraded && call->connection && call->connection->channel)
		return weir_channel_push(call->connection->channel, producer);
	weir_producer_close(producer, WEIR_CLOSE_ABORTED);
	return WEIR_E_CLOSED;
}

void http_call_on_reply(struct weir_http_call *call)
{
	if (!call->following) {
		http_call_end(call, 0, NULL);
		return;
	}
	int error = http_call_redirect(call);
	if (error < 0)
		http_call_end(call, error, NULL);
}

/* -- back-pressure ----------------------------------------------------------------------------- */

void weir_http_call_pause(struct weir_http_call *call)
{
	if (!call->connection || !call->head_came)
		return;
	call->paused = true;
	call->connection->paused = true;
	weir_channel_pause(call->connection->channel);
}

void weir_http_call_resume(struct weir_http_call *call)
{
	if (!call->paused)
		return;
	call->paused = false;
	if (call->connection)
		weir_channel_resume(call->connection->channel);
}

/* -- splicing ---------------------------------------------------------------------------------- */

/* Whether the bytes that come next are of the body, as many of them as are wanted. */
static bool http_call_may_splice(const struct weir_http_call *call)
{
	const struct http_client_connection *connection = call->connection;
	if (!connection || !connection->channel || connection->fastcgi || call->following)
		return false;
	const struct http_reader *reader = &connection->reader;
	return reader->state == HTTP_READER_LENGTH ||
	       ((reader->state == HTTP_READER_CHUNK_DATA || reader->state == HTTP_READER_CLOSE) &&
	               reader->body_max == UINT64_MAX);
}

ssize_t http_call_splice(
        struct weir_http_call *call, int pipe, size_t size, http_call_readable_fn *readable)
{
	if (!http_call_may_splice(call))
		return -EOPNOTSUPP;
	struct http_client_connection *connection = call->connection;
	ssize_t got = channel_splice(connection->channel, pipe, size);
	call->readable = readable;
	if (got > 0) {
		connection->reader.body_bytes += (uint64_t)got;
		http_client_window_taken(connection);
	}
	if (got == -EAGAIN)
		weir_http_call_resume(call);
	else if (!channel_splices(connection->channel))
		http_call_splice_end(call);
	return got;
}

void http_call_splice_end(struct weir_http_call *call)
{
	if (!call->readable)
		return;
	call->readable = NULL;
	if (!call->connection || !call->connection->channel)
		return;
	channel_splice_end(call->connection->channel);
	weir_http_call_resume(call);
}
