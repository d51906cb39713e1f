/*
 * The opening of a connection: a Unix socket, or the addresses of a host, whose families take turns
 * (RFC 8305). The next address is tried when the one before has failed, or has not replied for
 * WEIR_HTTP_CLIENT_NEXT_MS; the first that connects is used. The channel's open() continues
 * (client_connection.c).
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

/* -- addresses --------------------------------------------------------------------------------- */

static int client_connect_unix_socket(const char *path)
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

static int client_connect_open(struct http_client_connection *connection,
        struct http_client_attempt *attempt, const struct weir_address *address)
{
	const struct weir_http_client_options *options = &connection->client->options;
	const char *unix_path = connection->origin->unix_path;
	struct weir_bounds bounds;
	weir_bounds_init(&bounds);
	bounds.idle_ms = bounds.request_ms = UINT32_MAX; /* the timer here has the limits */
	bounds.progress_ms = max_of(options->head_ms, options->body_ms);
	bounds.receive_buffer = http_client_window_first(connection);
	if (!unix_path)
		return weir_connect(connection->loop, address, &http_client_protocol, attempt,
		        &bounds, &attempt->channel);
	int fd = client_connect_unix_socket(unix_path);
	if (fd < 0)
		return fd;
	int error = weir_adopt(connection->loop, fd, address, &http_client_protocol, attempt,
	        &bounds, &attempt->channel);
	if (error < 0)
		close(fd);
	return error;
}

static int client_connect_dial(struct http_client_connection *connection)
{
	const struct weir_address *address = &connection->addresses[connection->address_next++];
	struct http_client_attempt *attempt = calloc(1, sizeof *attempt);
	if (!attempt)
		return -ENOMEM;
	attempt->connection = connection;
	int error = client_connect_open(connection, attempt, address);
	if (error < 0)
		free(attempt);
	else
		weir_list_append(&connection->attempts, &attempt->link);
	return error;
}

int http_client_connect_next(struct http_client_connection *connection, int error)
{
	connection->state = HTTP_CONNECTION_CONNECTING;
	while (connection->address_next < connection->address_count) {
		error = client_connect_dial(connection);
		if (error == 0) {
			http_client_start_timer(connection);
			return 0;
		}
	}
	return error;
}

/* -- attempts ---------------------------------------------------------------------------------- */

static void client_attempt_leave(struct http_client_attempt *attempt)
{
	weir_list_remove(&attempt->link);
	attempt->connection = NULL;
}

void http_client_attempts_end(struct http_client_connection *connection)
{
	while (!weir_list_empty(&connection->attempts)) {
		struct http_client_attempt *attempt =
		        WEIR_CONTAINER(connection->attempts.next, struct http_client_attempt, link);
		client_attempt_leave(attempt);
		weir_channel_abort(attempt->channel, WEIR_E_CLOSED);
	}
}

void http_client_attempt_opened(struct http_client_attempt *attempt)
{
	struct http_client_connection *connection = attempt->connection;
	connection->channel = attempt->channel;
	weir_list_remove(&attempt->link);
	http_client_attempts_end(connection);
	/* The handshake of TLS has the time of an address of its own. */
	http_client_start_timer(connection);
}

void http_client_attempt_failed(struct http_client_attempt *attempt, int error)
{
	struct http_client_connection *connection = attempt->connection;
	client_attempt_leave(attempt);
	error = http_client_connect_next(connection, error);
	if (error < 0 && weir_list_empty(&connection->attempts))
		http_client_connection_fail(connection, error);
}

void http_client_attempts_expire(struct http_client_connection *connection)
{
	if (http_client_connect_next(connection, -ETIMEDOUT) < 0)
		http_client_connection_fail(connection, -ETIMEDOUT);
}

/* -- names ------------------------------------------------------------------------------------- */

/* Copies the addresses so that their families take turns; the first stays the first. */
static void client_connect_take(
        struct http_client_connection *connection, const struct weir_resolved *resolved)
{
	const struct weir_address *from = resolved->addresses;
	size_t next[2] = {0, 0}; /* of the first one's family, and of the other */
	unsigned count = 0, turn = 0;
	while (count < WEIR_HTTP_CLIENT_ADDRESSES_MAX) {
		bool other = turn++ % 2;
		size_t *at = &next[other];
		while (*at < resolved->count &&
		        (from[*at].any.sa_family != from[0].any.sa_family) != other)
			(*at)++;
		if (*at < resolved->count)
			connection->addresses[count++] = from[(*at)++];
		else if (next[0] >= resolved->count && next[1] >= resolved->count)
			break;
	}
	connection->address_count = count;
}

static void client_connect_on_resolved(void *context, const struct weir_resolved *resolved)
{
	struct http_client_connection *connection = context;
	int error = resolved->error;
	connection->resolving = NULL;
	if (error == 0) {
		client_connect_take(connection, resolved);
		error = http_client_connect_next(connection, -ENOENT);
	} else {
		text_copy(connection->why, sizeof connection->why, weir_resolved_text(error));
	}
	if (error < 0)
		http_client_connection_fail(connection, error);
}

/* A Unix socket and a literal need no resolver. */
static bool client_connect_knows_address(struct http_client_connection *connection)
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

static int client_connect_find(struct http_client_connection *connection)
{
	struct weir_http_client *client = connection->client;
	if (client_connect_knows_address(connection))
		return http_client_connect_next(connection, 0);
	int error = http_client_get_resolver(client);
	if (error < 0)
		return error;
	return weir_resolve_addresses(client->resolver, connection->origin->host,
	        connection->origin->port, 0, client_connect_on_resolved, connection,
	        &connection->resolving);
}

static struct http_client_connection *client_connect_create(bool fastcgi)
{
	struct http_client_connection *connection = calloc(1, sizeof *connection);
	if (!connection || !fastcgi)
		return connection;
	connection->fastcgi = calloc(1, sizeof *connection->fastcgi);
	if (connection->fastcgi)
		return connection;
	free(connection);
	return NULL;
}

int http_client_connection_open(struct weir_http_call *call)
{
	struct weir_http_client *client = call->client;
	struct http_client_connection *connection = client_connect_create(call->target.fastcgi);
	if (!connection)
		return -ENOMEM;
	connection->loop = client->loop;
	connection->client = client;
	connection->origin = call->origin;
	connection->call = call;
	weir_list_init(&connection->idle_link);
	weir_list_init(&connection->timer.link);
	weir_list_init(&connection->attempts);
	weir_list_append(&client->connections, &connection->link);
	client->connection_count++;
	call->origin->references++;
	call->origin->connections++;
	http_reader_init(&connection->reader, &http_client_reader_type, client->options.head_max);
	if (connection->fastcgi)
		fastcgi_reader_init(connection->fastcgi, &connection->reader,
		        http_client_connection_on_error_text);
	int error = client_connect_find(connection);
	if (error < 0)
		http_client_connection_free(connection);
	else
		call->connection = connection;
	return error;
}
