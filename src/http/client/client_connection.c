/*
 * A connection of the pool: its addresses in order, TLS, one reply after the other, and its time
 * limits, which count from the last progress.
 *
 * Invariants: `call` is set exactly while the call has this connection. Once there is a channel,
 * the connection is freed in its on_close and nowhere else. No callback of a call is the cause of a
 * later access to the call: each is the last thing that is done with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/server.h>

#include "client_state.h"
#include "helper.h"

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

static void client_connection_free(struct http_client_connection *connection)
{
	weir_timer_stop(&connection->timer);
	client_connection_detach(connection);
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
	if (connection->channel)
		weir_channel_abort(connection->channel, WEIR_E_CLOSED);
	else
		client_connection_free(connection);
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

void http_client_connection_fail(struct http_client_connection *connection, int error)
{
	struct weir_http_call *call = connection->call;
	char why[sizeof connection->why];
	if (connection->state == HTTP_CONNECTION_CLOSING)
		return;
	bool nothing_sent = connection->channel && weir_channel_sent(connection->channel) ==
	                                                   connection->sent_before;
	bool unused = call && connection->reused && connection->state == HTTP_CONNECTION_BUSY &&
	              !connection->reader.begun &&
	              (nothing_sent || http_call_is_idempotent(call));
	text_copy(why, sizeof why, connection->why);
	http_client_connection_abandon(connection);
	if (call)
		http_call_on_failure(call, error, *why ? why : NULL, unused);
}

/* -- time limits ------------------------------------------------------------------------------- */

static uint64_t client_connection_progress(const struct http_client_connection *connection)
{
	return weir_channel_sent(connection->channel) + connection->reader.body_bytes;
}

static void client_connection_on_time(struct weir_timer *timer);

static void client_connection_start_timer(struct http_client_connection *connection)
{
	const struct weir_http_client_options *options = &connection->client->options;
	uint32_t limit = options->head_ms;
	if (connection->state == HTTP_CONNECTION_CONNECTING)
		limit = options->connect_ms;
	else if (connection->state == HTTP_CONNECTION_IDLE)
		limit = options->idle_ms;
	else if (connection->reader.state != HTTP_READER_HEAD)
		limit = options->body_ms;
	if (connection->state == HTTP_CONNECTION_BUSY) {
		connection->mark = client_connection_progress(connection);
		connection->body_mark = connection->reader.body_bytes;
	}
	weir_timer_start(connection->loop, &connection->timer, limit, client_connection_on_time);
}

/* Returns whether the server has kept its limits since the timer began. */
static bool client_connection_is_alive(const struct http_client_connection *connection)
{
	const struct weir_http_client_options *options = &connection->client->options;
	uint64_t got = connection->reader.body_bytes - connection->body_mark;
	uint64_t least = (uint64_t)options->body_rate_min * options->body_ms / 1000;
	bool in_body = connection->reader.state != HTTP_READER_HEAD;
	if (in_body && connection->paused)
		return true;
	if (client_connection_progress(connection) == connection->mark)
		return false;
	return !in_body || got >= least;
}

static void client_connection_on_time(struct weir_timer *timer)
{
	struct http_client_connection *connection =
	        WEIR_CONTAINER(timer, struct http_client_connection, timer);
	switch (connection->state) {
	case HTTP_CONNECTION_CONNECTING:
		weir_channel_abort(connection->channel, -ETIMEDOUT);
		break;
	case HTTP_CONNECTION_BUSY:
		if (!client_connection_is_alive(connection)) {
			http_client_connection_fail(connection, -ETIMEDOUT);
			break;
		}
		connection->paused = connection->call && connection->call->paused;
		client_connection_start_timer(connection);
		break;
	case HTTP_CONNECTION_IDLE:
		http_client_connection_retire(connection);
		break;
	case HTTP_CONNECTION_RESOLVING:
	case HTTP_CONNECTION_CLOSING:
		break;
	}
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
	client_connection_start_timer(connection);
	http_call_on_interim(connection->call, head);
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
		client_connection_start_timer(connection);
	http_call_on_head(connection->call, &copy);
}

static void client_connection_on_piece(struct http_reader *reader, struct weir_span bytes)
{
	struct http_client_connection *connection = client_connection_of(reader);
	if (connection->call)
		http_call_on_piece(connection->call, bytes);
}

static void client_connection_on_trailer(
        struct http_reader *reader, const struct weir_http_field *field)
{
	struct weir_http_call *call = client_connection_of(reader)->call;
	if (call && !call->following && call->events->trailer)
		call->events->trailer(call->context, field);
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
	client_connection_start_timer(connection);
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

static const struct http_reader_type reader_type = {
        .interim = client_connection_on_interim,
        .head = client_connection_on_head,
        .piece = client_connection_on_piece,
        .trailer = client_connection_on_trailer,
        .end = client_connection_on_end,
};

/* -- the channel ------------------------------------------------------------------------------- */

static void client_connection_apply(struct http_client_connection *connection)
{
	struct http_reader_next next;
	if (!connection->reader.changed || connection->state == HTTP_CONNECTION_CLOSING)
		return;
	http_reader_next(&connection->reader, &next);
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
	connection->state = HTTP_CONNECTION_BUSY;
	connection->sent = false;
	connection->paused = false;
	connection->sent_before = weir_channel_sent(connection->channel);
	http_reader_begin(&connection->reader, http_call_is_head(call), call->body_max);
	client_connection_apply(connection);
	client_connection_start_timer(connection);
	int error = http_call_send(call);
	if (error < 0)
		http_client_connection_fail(connection, error);
}

static int client_connection_on_open(struct weir_channel *channel)
{
	struct http_client_connection *connection = weir_channel_context(channel);
	weir_channel_reset_on_failure(channel, true);
	if (connection->state == HTTP_CONNECTION_CLOSING)
		return 0;
	if (connection->origin->tls)
		return weir_channel_start_tls(channel, connection->client->options.tls,
		        connection->origin->host);
	client_connection_begin(connection);
	return 0;
}

static void client_connection_on_secured(struct weir_channel *channel, size_t dropped)
{
	struct http_client_connection *connection = weir_channel_context(channel);
	(void)dropped;
	if (connection->state == HTTP_CONNECTION_CONNECTING)
		client_connection_begin(connection);
}

static void client_connection_on_insecure(struct weir_channel *channel, const char *why)
{
	struct http_client_connection *connection = weir_channel_context(channel);
	connection->insecure = true;
	text_copy(connection->why, sizeof connection->why, why);
}

static void client_connection_on_request(struct weir_channel *channel, struct weir_span request)
{
	struct http_client_connection *connection = weir_channel_context(channel);
	http_reader_request(&connection->reader, request);
	client_connection_apply(connection);
}

static void client_connection_on_bytes(struct weir_channel *channel, struct weir_span bytes)
{
	struct http_client_connection *connection = weir_channel_context(channel);
	http_reader_piece(&connection->reader, bytes);
}

/* Behind a complete reply: bytes that belong to none. */
static void client_connection_report_extra(const struct http_client_connection *connection)
{
	const struct weir_http_client_options *options = &connection->client->options;
	if (options->extra)
		options->extra(options->context, connection->origin->text);
}

static void client_connection_on_overflow(struct weir_channel *channel, int error)
{
	struct http_client_connection *connection = weir_channel_context(channel);
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
	struct http_client_connection *connection = weir_channel_context(channel);
	if (connection->state == HTTP_CONNECTION_IDLE)
		http_client_connection_retire(connection);
	else if (connection->state == HTTP_CONNECTION_BUSY)
		http_reader_eof(&connection->reader, weir_channel_truncated(channel));
}

static int client_connection_try(struct http_client_connection *connection, int error);

static void client_connection_on_close(struct weir_channel *channel, int error)
{
	struct http_client_connection *connection = weir_channel_context(channel);
	(void)channel;
	if (connection->insecure)
		error = WEIR_E_TLS;
	else if (error == 0)
		error = WEIR_E_HTTP_SHORT;
	/* A server that does not prove its name is not left for another of that name. */
	if (connection->state == HTTP_CONNECTION_CONNECTING && !connection->insecure) {
		connection->channel = NULL;
		error = client_connection_try(connection, error);
		if (error == 0)
			return;
		http_client_connection_fail(connection, error);
		return;
	}
	if (connection->state != HTTP_CONNECTION_CLOSING)
		http_client_connection_fail(connection, error);
	client_connection_free(connection);
}

static const struct weir_protocol protocol = {
        .name = "http-client",
        .open = client_connection_on_open,
        .request = client_connection_on_request,
        .piece = client_connection_on_bytes,
        .overflow = client_connection_on_overflow,
        .eof = client_connection_on_eof,
        .secured = client_connection_on_secured,
        .insecure = client_connection_on_insecure,
        .close = client_connection_on_close,
};

/* -- connecting -------------------------------------------------------------------------------- */

static int client_connection_unix_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (!text_copy(address.sun_path, sizeof address.sun_path, path))
		return -ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	int error = -errno;
	close(fd);
	return error;
}

static int client_connection_dial(struct http_client_connection *connection)
{
	const struct weir_http_client_options *options = &connection->client->options;
	const struct weir_address *address = &connection->addresses[connection->address_next++];
	const char *unix_path = connection->origin->unix_path;
	struct weir_bounds bounds;
	weir_bounds_init(&bounds);
	bounds.idle_ms = bounds.request_ms = UINT32_MAX; /* the timer here has the limits */
	bounds.progress_ms = max_of(options->head_ms, options->body_ms);
	if (!unix_path)
		return weir_connect(connection->loop, address, &protocol, connection, &bounds,
		        &connection->channel);
	int fd = client_connection_unix_socket(unix_path);
	if (fd < 0)
		return fd;
	int error = weir_adopt(connection->loop, fd, address, &protocol, connection, &bounds,
	        &connection->channel);
	if (error < 0)
		close(fd);
	return error;
}

/* Connects to the next address; `error` is the result if there is none. */
static int client_connection_try(struct http_client_connection *connection, int error)
{
	connection->state = HTTP_CONNECTION_CONNECTING;
	while (connection->address_next < connection->address_count) {
		error = client_connection_dial(connection);
		if (error == 0) {
			client_connection_start_timer(connection);
			return 0;
		}
	}
	return error;
}

static void client_connection_on_resolved(void *context, const struct weir_resolved *resolved)
{
	struct http_client_connection *connection = context;
	int error = resolved->error;
	connection->resolving = NULL;
	if (error == 0) {
		connection->address_count = (unsigned)min_of(
		        resolved->count, (size_t)WEIR_HTTP_CLIENT_ADDRESSES_MAX);
		memcpy(connection->addresses, resolved->addresses,
		        connection->address_count * sizeof *resolved->addresses);
		error = client_connection_try(connection, -ENOENT);
	} else {
		text_copy(connection->why, sizeof connection->why, weir_resolved_text(error));
	}
	if (error < 0)
		http_client_connection_fail(connection, error);
}

/* A Unix socket and a literal need no resolver. */
static bool client_connection_knows_address(struct http_client_connection *connection)
{
	const struct http_origin *origin = connection->origin;
	char text[WEIR_ADDRESS_TEXT_MAX];
	const char *format = strchr(origin->host, ':') ? "[%s]:%u" : "%s:%u";
	connection->address_count = 1;
	if (origin->unix_path)
		return true;
	int size = snprintf(text, sizeof text, format, origin->host, origin->port);
	return size < (int)sizeof text &&
	       weir_address_parse(weir_span_of(text), &connection->addresses[0]) == 0;
}

static int client_connection_find(struct http_client_connection *connection)
{
	struct weir_http_client *client = connection->client;
	if (client_connection_knows_address(connection))
		return client_connection_try(connection, 0);
	int error = http_client_get_resolver(client);
	if (error < 0)
		return error;
	return weir_resolve_addresses(client->resolver, connection->origin->host,
	        connection->origin->port, 0, client_connection_on_resolved, connection,
	        &connection->resolving);
}

int http_client_connection_open(struct weir_http_call *call)
{
	struct weir_http_client *client = call->client;
	struct http_client_connection *connection = calloc(1, sizeof *connection);
	if (!connection)
		return -ENOMEM;
	connection->loop = client->loop;
	connection->client = client;
	connection->origin = call->origin;
	connection->call = call;
	weir_list_init(&connection->idle_link);
	weir_list_init(&connection->timer.link);
	weir_list_append(&client->connections, &connection->link);
	client->connection_count++;
	call->origin->references++;
	call->origin->connections++;
	http_reader_init(&connection->reader, &reader_type, client->options.head_max);
	int error = client_connection_find(connection);
	if (error < 0)
		client_connection_free(connection);
	else
		call->connection = connection;
	return error;
}

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
