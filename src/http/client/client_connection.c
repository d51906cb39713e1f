/*
 * A connection of the pool: TLS, and one reply after the other.
 *
 * Invariants: `call` is set exactly while the call has this connection. A connection with a channel
 * is freed after the channel's close() and not before. No callback of a call is the cause of a
 * later access to the call: each is the last thing that is done with it.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <weir/error.h>

#include "client_state.h"
#include "helper.h"

/* That of an open channel. */
static struct http_client_connection *client_connection_from(const struct weir_channel *channel)
{
	return ((struct http_client_attempt *)weir_channel_context(channel))->connection;
}

/* -- life -------------------------------------------------------------------------------------- */

static void client_connection_leave_idle(struct http_client_connection *connection)
{
	if (weir_list_empty(&connection->idle_link))
		return;
	weir_list_remove(&connection->idle_link);
	connection->client->idle_count--;
}

/* The client forgets the connection. */
static void client_connection_detach(struct http_client_connection *connection)
{
	struct weir_http_client *client = connection->client;
	if (!client)
		return;
	client_connection_leave_idle(connection);
	weir_list_remove(&connection->link);
	client->connection_count--;
	connection->origin->connections--;
	http_origin_release(connection->origin);
	connection->client = NULL;
	connection->origin = NULL;
	if (client->waiting_count)
		http_client_schedule(client);
}

void http_client_connection_free(struct http_client_connection *connection)
{
	weir_timer_stop(&connection->timer);
	client_connection_detach(connection);
	if (connection->fastcgi)
		fastcgi_reader_finish(connection->fastcgi);
	free(connection->fastcgi);
	free(connection);
}

void http_client_connection_abandon(struct http_client_connection *connection)
{
	if (connection->call)
		connection->call->connection = NULL;
	connection->call = NULL;
	if (connection->client)
		client_connection_leave_idle(connection);
	connection->state = HTTP_CONNECTION_CLOSING;
	weir_timer_stop(&connection->timer);
	weir_resolving_cancel(connection->resolving);
	connection->resolving = NULL;
	http_client_attempts_end(connection);
	if (connection->channel)
		weir_channel_abort(connection->channel, WEIR_E_CLOSED);
	else
		http_client_connection_free(connection);
}

void http_client_connection_release(struct http_client_connection *connection)
{
	connection->call->connection = NULL;
	connection->call = NULL;
	connection->state = HTTP_CONNECTION_CLOSING;
	weir_channel_resume(connection->channel);
	weir_channel_close(connection->channel);
}

void http_client_connection_orphan(struct http_client_connection *connection)
{
	client_connection_detach(connection);
	http_client_connection_abandon(connection);
}

void http_client_connection_retire(struct http_client_connection *connection)
{
	client_connection_leave_idle(connection);
	connection->state = HTTP_CONNECTION_CLOSING;
	weir_timer_stop(&connection->timer);
	weir_channel_close(connection->channel);
}

/* Returns whether a byte of the call's request was taken. */
static bool client_connection_has_sent(const struct http_client_connection *connection)
{
	uint64_t sent = connection->channel ? weir_channel_sent(connection->channel)
	                                    : connection->sent_at_close;
	return connection->state == HTTP_CONNECTION_BUSY && sent != connection->sent_before;
}

/*
 * Returns whether the server has closed a kept connection instead of replying, and the request may
 * be sent again by the rule of the header.
 */
static bool client_connection_was_closed_unused(
        const struct http_client_connection *connection, int error)
{
	bool closed = error == WEIR_E_HTTP_SHORT || error == -ECONNRESET || error == -EPIPE;
	if (!closed || !connection->call || !connection->reused ||
	        connection->state != HTTP_CONNECTION_BUSY || connection->reader.begun)
		return false;
	return !client_connection_has_sent(connection) || http_call_is_idempotent(connection->call);
}

void http_client_connection_fail(struct http_client_connection *connection, int error)
{
	struct weir_http_call *call = connection->call;
	char why[sizeof connection->why];
	if (connection->state == HTTP_CONNECTION_CLOSING)
		return;
	bool unused = client_connection_was_closed_unused(connection, error);
	if (call) {
		call->begun |=
		        connection->state == HTTP_CONNECTION_BUSY && connection->reader.begun;
		call->sent |= client_connection_has_sent(connection);
		call->kept = connection->reused;
	}
	text_copy(why, sizeof why, connection->why);
	http_client_connection_abandon(connection);
	if (call)
		http_call_on_failure(call, error, *why ? why : NULL, unused);
}

/* -- the reader's callbacks -------------------------------------------------------------------- */

static struct http_client_connection *client_connection_of(struct http_reader *reader)
{
	return WEIR_CONTAINER(reader, struct http_client_connection, reader);
}

static void client_connection_on_interim(
        struct http_reader *reader, const struct weir_http_reply_head *head)
{
	struct http_client_connection *connection = client_connection_of(reader);
	if (!connection->call)
		return;
	http_client_start_timer(connection);
	http_call_on_interim(connection->call, head);
}

static bool client_connection_accepts_upgrade(
        struct http_reader *reader, const struct weir_http_reply_head *head)
{
	struct http_client_connection *connection = client_connection_of(reader);
	return connection->call && http_call_accepts_upgrade(connection->call, head);
}

static void client_connection_on_upgrade(
        struct http_reader *reader, const struct weir_http_reply_head *head)
{
	struct http_client_connection *connection = client_connection_of(reader);
	connection->paused = false;
	weir_timer_stop(&connection->timer);
	http_call_on_upgrade(connection->call, head);
}

static void client_connection_on_head(
        struct http_reader *reader, const struct weir_http_reply_head *head)
{
	struct http_client_connection *connection = client_connection_of(reader);
	struct weir_http_reply_head copy = *head;
	if (!connection->call)
		return;
	connection->paused = false;
	if (head->has_body)
		http_client_start_timer(connection);
	http_call_on_head(connection->call, &copy);
}

static void client_connection_on_piece(struct http_reader *reader, struct weir_span bytes)
{
	struct http_client_connection *connection = client_connection_of(reader);
	http_client_window_taken(connection);
	if (connection->call)
		http_call_on_piece(connection->call, bytes);
}

static void client_connection_on_trailer(
        struct http_reader *reader, const struct weir_http_field *field)
{
	struct http_client_connection *connection = client_connection_of(reader);
	if (connection->call)
		http_call_on_trailer(connection->call, field);
}

void http_client_connection_on_error_text(struct fastcgi_reader *reader, struct weir_span bytes)
{
	struct http_client_connection *connection = client_connection_of(reader->reply);
	if (connection->call)
		http_call_on_error_text(connection->call, bytes);
}

/* Behind a complete reply: bytes that belong to none. */
static void client_connection_report_extra(const struct http_client_connection *connection)
{
	const struct weir_http_client_options *options = &connection->client->options;
	if (options->extra)
		options->extra(options->context, connection->origin->text);
}

/*
 * A connection whose request was not sent whole is of no use: the server would take the next one
 * for its rest.
 */
static bool client_connection_keep(struct http_client_connection *connection)
{
	if (!connection->reader.keep_alive || !connection->sent ||
	        weir_channel_replies(connection->channel))
		return false;
	connection->state = HTTP_CONNECTION_IDLE;
	connection->reused = true;
	weir_list_append(&connection->origin->idle, &connection->idle_link);
	weir_list_remove(&connection->link);
	weir_list_append(&connection->client->connections, &connection->link);
	connection->client->idle_count++;
	http_client_start_timer(connection);
	if (connection->client->waiting_count)
		http_client_schedule(connection->client);
	return true;
}

static void client_connection_on_reply(struct http_client_connection *connection)
{
	struct weir_http_call *call = connection->call;
	if (!call)
		return;
	connection->call = NULL;
	call->connection = NULL;
	call->app_status = connection->fastcgi ? connection->fastcgi->app_status : 0;
	if (connection->reader.extra)
		client_connection_report_extra(connection);
	weir_channel_resume(connection->channel);
	if (!client_connection_keep(connection)) {
		connection->state = HTTP_CONNECTION_CLOSING;
		weir_timer_stop(&connection->timer);
		if (connection->sent)
			weir_channel_close(connection->channel);
		else
			weir_channel_abort(connection->channel, WEIR_E_CLOSED);
	}
	http_call_on_reply(call);
}

static void client_connection_on_end(struct http_reader *reader, int error)
{
	struct http_client_connection *connection = client_connection_of(reader);
	if (error)
		http_client_connection_fail(connection, error);
	else
		client_connection_on_reply(connection);
}

const struct http_reader_type http_client_reader_type = {
        .interim = client_connection_on_interim,
        .head = client_connection_on_head,
        .piece = client_connection_on_piece,
        .trailer = client_connection_on_trailer,
        .accepts_upgrade = client_connection_accepts_upgrade,
        .upgraded = client_connection_on_upgrade,
        .end = client_connection_on_end,
};

/* -- the channel ------------------------------------------------------------------------------- */

static void client_connection_apply(struct http_client_connection *connection)
{
	struct http_reader_next next;
	if (connection->state == HTTP_CONNECTION_CLOSING)
		return;
	if (connection->fastcgi ? !fastcgi_reader_next(connection->fastcgi, &next)
	                        : !http_reader_next(&connection->reader, &next))
		return;
	weir_channel_set_request_max(connection->channel, next.request_max);
	if (next.streamed)
		weir_channel_stream(connection->channel, next.terminator);
	else
		weir_channel_await(connection->channel, next.terminator);
}

/* The connection is there: sends the request of its call. */
static void client_connection_begin(struct http_client_connection *connection)
{
	struct weir_http_call *call = connection->call;
	if (call->connect_only) {
		http_client_connection_abandon(connection);
		http_call_on_reply(call);
		return;
	}
	connection->state = HTTP_CONNECTION_BUSY;
	connection->sent = false;
	connection->paused = false;
	connection->lags = false;
	if (connection->client->options.small_pieces)
		weir_channel_set_reads(connection->channel, WEIR_READS_SMALL);
	connection->sent_before = weir_channel_sent(connection->channel);
	http_reader_begin(&connection->reader, http_call_is_head(call), call->body_max);
	if (connection->fastcgi)
		fastcgi_reader_begin(connection->fastcgi, connection->client->options.fastcgi_keep);
	client_connection_apply(connection);
	http_client_start_timer(connection);
	int error = http_call_send(call);
	if (error < 0)
		http_client_connection_fail(connection, error);
}

static int client_connection_on_open(struct weir_channel *channel)
{
	struct http_client_attempt *attempt = weir_channel_context(channel);
	struct http_client_connection *connection = attempt->connection;
	http_client_attempt_opened(attempt);
	weir_channel_reset_on_failure(channel, true);
	weir_channel_read_after_failure(channel, true);
	if (connection->state == HTTP_CONNECTION_CLOSING)
		return 0;
	if (connection->origin->tls)
		return weir_channel_start_tls(
		        channel, connection->client->options.tls, connection->origin->host);
	client_connection_begin(connection);
	return 0;
}

static void client_connection_on_secured(struct weir_channel *channel, size_t dropped)
{
	struct http_client_connection *connection = client_connection_from(channel);
	(void)dropped;
	if (connection->state == HTTP_CONNECTION_CONNECTING)
		client_connection_begin(connection);
}

static void client_connection_on_insecure(struct weir_channel *channel, const char *why)
{
	struct http_client_connection *connection = client_connection_from(channel);
	connection->insecure = true;
	text_copy(connection->why, sizeof connection->why, why);
}

static void client_connection_on_request(struct weir_channel *channel, struct weir_span request)
{
	struct http_client_connection *connection = client_connection_from(channel);
	if (connection->fastcgi)
		fastcgi_reader_request(connection->fastcgi, request);
	else
		http_reader_request(&connection->reader, request);
	client_connection_apply(connection);
}

static void client_connection_on_bytes(struct weir_channel *channel, struct weir_span bytes)
{
	struct http_client_connection *connection = client_connection_from(channel);
	if (connection->fastcgi)
		fastcgi_reader_piece(connection->fastcgi, bytes);
	else
		http_reader_piece(&connection->reader, bytes);
}

/* The end of a call ends its splicing, so that there is one; the channel has paused. */
static void client_connection_on_divert_ready(struct weir_channel *channel)
{
	struct http_client_connection *connection = client_connection_from(channel);
	struct weir_http_call *call = connection->call;
	if (!call || !call->readable)
		return;
	call->paused = connection->paused = true;
	call->readable(call->context);
}

static void client_connection_on_overflow(struct weir_channel *channel, int error)
{
	struct http_client_connection *connection = client_connection_from(channel);
	(void)error;
	if (connection->state == HTTP_CONNECTION_IDLE) {
		client_connection_report_extra(connection);
		http_client_connection_fail(connection, WEIR_E_HTTP_EXTRA);
	} else if (connection->state == HTTP_CONNECTION_BUSY) {
		http_reader_overflow(&connection->reader);
	}
}

static void client_connection_on_eof(struct weir_channel *channel)
{
	struct http_client_connection *connection = client_connection_from(channel);
	if (connection->state == HTTP_CONNECTION_IDLE)
		http_client_connection_retire(connection);
	else if (connection->state == HTTP_CONNECTION_BUSY && connection->fastcgi)
		fastcgi_reader_eof(connection->fastcgi);
	else if (connection->state == HTTP_CONNECTION_BUSY)
		http_reader_eof(&connection->reader, weir_channel_truncated(channel));
}

static void client_connection_closed(
        struct http_client_connection *connection, struct weir_channel *channel, int error)
{
	connection->sent_at_close = weir_channel_sent(channel);
	connection->channel = NULL;
	if (connection->insecure)
		error = WEIR_E_TLS;
	else if (error == 0)
		error = WEIR_E_HTTP_SHORT;
	/* A server that does not prove its name is not left for another of that name. */
	if (connection->state == HTTP_CONNECTION_CONNECTING && !connection->insecure) {
		error = http_client_connect_next(connection, error);
		if (error == 0)
			return;
	}
	if (connection->state == HTTP_CONNECTION_CLOSING)
		http_client_connection_free(connection);
	else
		http_client_connection_fail(connection, error);
}

static void client_connection_on_close(struct weir_channel *channel, int error)
{
	struct http_client_attempt *attempt = weir_channel_context(channel);
	if (attempt->connection && attempt->connection->channel == channel)
		client_connection_closed(attempt->connection, channel, error);
	else if (attempt->connection)
		http_client_attempt_failed(attempt, error ? error : WEIR_E_HTTP_SHORT);
	free(attempt);
}

const struct weir_protocol http_client_protocol = {
        .name = "http-client",
        .open = client_connection_on_open,
        .request = client_connection_on_request,
        .piece = client_connection_on_bytes,
        .divert_ready = client_connection_on_divert_ready,
        .overflow = client_connection_on_overflow,
        .eof = client_connection_on_eof,
        .secured = client_connection_on_secured,
        .insecure = client_connection_on_insecure,
        .close = client_connection_on_close,
};

/* -- kept connections -------------------------------------------------------------------------- */

/* An end or bytes that the channel has not seen are an event of this turn or the next one. */
bool http_client_connection_quiet(const struct http_client_connection *connection)
{
	char byte;
	int fd = weir_channel_ref(connection->channel).fd;
	ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return got < 0 && errno == EAGAIN;
}

void http_client_connection_use(
        struct http_client_connection *connection, struct weir_http_call *call)
{
	client_connection_leave_idle(connection);
	connection->call = call;
	call->connection = connection;
	client_connection_begin(connection);
}
