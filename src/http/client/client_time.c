/* The time limits of a connection, which count from the last progress. */
#include <errno.h>

#include "client_state.h"
#include "helper.h"

static uint64_t client_time_progress(const struct http_client_connection *connection)
{
	return weir_channel_sent(connection->channel) + connection->reader.body_bytes;
}

static bool client_time_in_body(const struct http_client_connection *connection)
{
	return connection->reader.state != HTTP_READER_HEAD;
}

static uint32_t client_time_limit(const struct http_client_connection *connection)
{
	const struct weir_http_client_options *options = &connection->client->options;
	bool others = connection->address_next < connection->address_count;
	if (connection->state == HTTP_CONNECTION_CONNECTING && !connection->channel && others)
		return min_of(options->connect_ms, (uint32_t)WEIR_HTTP_CLIENT_NEXT_MS);
	if (connection->state == HTTP_CONNECTION_CONNECTING)
		return options->connect_ms;
	if (connection->state == HTTP_CONNECTION_IDLE)
		return options->idle_ms;
	return client_time_in_body(connection) ? options->body_ms : options->head_ms;
}

static void client_time_on_time(struct weir_timer *timer);

static void client_time_watch(struct http_client_connection *connection, uint32_t ms)
{
	if (connection->state == HTTP_CONNECTION_BUSY) {
		connection->mark = client_time_progress(connection);
		connection->body_mark = connection->reader.body_bytes;
	}
	weir_timer_start(connection->loop, &connection->timer, ms, client_time_on_time);
}

void http_client_start_timer(struct http_client_connection *connection)
{
	client_time_watch(connection, client_time_limit(connection));
}

/* The producer of the request's body waits, and the server has taken all that it put. */
static bool client_time_awaits_body(const struct http_client_connection *connection)
{
	const struct weir_producer *body = connection->body;
	return body && body->state == WEIR_WAIT &&
	       weir_channel_sent(connection->channel) ==
	               connection->sent_before + connection->head_size + body->put;
}

/*
 * Returns how long the server may take from now on, or 0 if its time is over. Bytes that are no
 * progress, such as those of a head, do not extend its time more than once.
 */
static uint32_t client_time_left(const struct http_client_connection *connection)
{
	const struct weir_http_client_options *options = &connection->client->options;
	uint32_t limit = client_time_limit(connection);
	uint32_t quiet = weir_channel_quiet_ms(connection->channel);
	uint64_t got = connection->reader.body_bytes - connection->body_mark;
	bool in_body = client_time_in_body(connection);
	if ((in_body && connection->paused) || client_time_awaits_body(connection))
		return limit;
	if (client_time_progress(connection) == connection->mark)
		return 0;
	if (!in_body || !options->body_rate_min)
		return quiet < limit ? limit - quiet : 0;
	return got >= (uint64_t)options->body_rate_min * limit / 1000 ? limit : 0;
}

static void client_time_on_time(struct weir_timer *timer)
{
	struct http_client_connection *connection =
	        WEIR_CONTAINER(timer, struct http_client_connection, timer);
	uint32_t left;
	switch (connection->state) {
	case HTTP_CONNECTION_CONNECTING:
		if (connection->channel)
			weir_channel_abort(connection->channel, -ETIMEDOUT);
		else
			http_client_attempts_expire(connection);
		break;
	case HTTP_CONNECTION_BUSY:
		left = client_time_left(connection);
		connection->paused = connection->call && connection->call->paused;
		if (left)
			client_time_watch(connection, left);
		else
			http_client_connection_fail(connection, -ETIMEDOUT);
		break;
	case HTTP_CONNECTION_IDLE:
		http_client_connection_retire(connection);
		break;
	case HTTP_CONNECTION_RESOLVING:
	case HTTP_CONNECTION_CLOSING:
		break;
	}
}
