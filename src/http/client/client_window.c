/*
 * The window of a connection. A body that nobody takes is paused, and all that the server sends
 * meanwhile waits in the kernel, as much as the window allows. A window cannot be taken back, so it
 * grows only behind a receiver that keeps up:
 *
 *   WEIR_HTTP_CLIENT_WINDOW ── the first piece was taken ──▶ WEIR_HTTP_CLIENT_WINDOW_TAKEN
 *      └──── WEIR_HTTP_CLIENT_WINDOW_OPEN bytes were taken ────┴─▶ as the kernel decides
 *
 * While the receiver lags, reads are small, too.
 */
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <weir/server.h>

#include "client_state.h"

enum {
	WINDOW_CLAMP = 8 << 20, /* more than the kernel ever gives */
};

unsigned http_client_window_first(struct http_client_connection *connection)
{
	bool held = connection->client->options.small_pieces && !connection->origin->unix_path;
	connection->window = held ? HTTP_WINDOW_FIRST : HTTP_WINDOW_OPEN;
	return held ? WEIR_HTTP_CLIENT_WINDOW : 0;
}

static void client_window_set_size(int fd, int size)
{
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

static void client_window_set_clamp(int fd, int clamp)
{
	setsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &clamp, sizeof clamp);
}

static void client_window_open(int fd)
{
	int unlocked = 0;
	/* A kernel without this has not held it. */
	if (setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof unlocked) < 0)
		return;
	client_window_set_size(fd, WEIR_HTTP_CLIENT_WINDOW_OPEN);
	setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof unlocked);
	client_window_set_clamp(fd, WINDOW_CLAMP);
}

static void client_window_widen(int fd)
{
	int lock = 0;
	socklen_t size = sizeof lock;
	/* The lock is the bound of a connection that is held. */
	if (getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &lock, &size) < 0 || !lock)
		return;
	client_window_set_size(fd, WEIR_HTTP_CLIENT_WINDOW_TAKEN);
	client_window_set_clamp(fd, WEIR_HTTP_CLIENT_WINDOW_TAKEN);
}

void http_client_window_taken(struct http_client_connection *connection)
{
	if (connection->window == HTTP_WINDOW_OPEN || !connection->channel || connection->lags ||
	        connection->reader.body_bytes < WEIR_HTTP_CLIENT_WINDOW_OPEN)
		return;
	connection->window = HTTP_WINDOW_OPEN;
	client_window_open(weir_channel_ref(connection->channel).fd);
}

bool http_call_wants_pace(const struct weir_http_call *call)
{
	return call->connection && call->connection->window != HTTP_WINDOW_OPEN;
}

void http_call_set_pace(struct weir_http_call *call, bool lags)
{
	struct http_client_connection *connection = call->connection;
	if (!connection->channel)
		return;
	connection->lags = lags;
	http_client_window_taken(connection);
	if (!lags && connection->window == HTTP_WINDOW_FIRST) {
		connection->window = HTTP_WINDOW_TAKEN;
		client_window_widen(weir_channel_ref(connection->channel).fd);
	}
	weir_channel_set_reads(connection->channel, lags ? WEIR_READS_LEAST : WEIR_READS_SMALL);
}
