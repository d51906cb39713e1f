/*
 * A server whose exchanges become WebSockets, and a client that sends exact frames and notes those
 * that come as text:
 *
 *   text"hello"  binary"…"  ping""  pong"x"  close1002""  cont"…"     a frame
 *   text+"hel"                                                        one without FIN
 *   text~"…"                                                          one with RSV1
 *   end                                                               of the connection
 *
 * What the server's callbacks get is noted, too: T"hello", B"…", closed1000"reason".
 */
#ifndef WEIR_TEST_SOCKETS_H
#define WEIR_TEST_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/http.h>
#include <weir/loop.h>
#include <weir/websocket.h>

#include "peer.h"

struct sockets {
	struct weir_loop *loop;
	struct weir_http_server *server;
	struct weir_websocket_options options;
	bool echoes;                 /* each message is sent back */
	bool streams;                /* messages come in pieces: T( "…" ) */
	bool quiet;                  /* messages are not noted */
	struct weir_websocket *last; /* the one that was accepted last, until it is closed */
	unsigned open, accepted;
	int error; /* of the last acceptance */
	struct weir_buffer events;
	void (*on_accepted)(struct sockets *sockets);
};

/* The options are set, and may be changed before the first connection. */
void sockets_start(struct sockets *sockets, struct weir_loop *loop);
void sockets_stop(struct sockets *sockets);
/* Turns until exactly these events were noted, and forgets them. */
void sockets_expect(struct sockets *sockets, const char *events);

struct socket_client {
	struct peer peer;
	struct weir_buffer text;
	struct weir_buffer last; /* the payload of the last frame that came */
	unsigned first;          /* its first byte */
};

#define SOCKET_KEY "dGhlIHNhbXBsZSBub25jZQ=="

/* Connects, asks with further field lines, and expects the handshake to succeed. */
struct socket_client socket_connect(struct sockets *sockets, const char *lines);
/* Sends a masked frame, `step` bytes at a time; 0: all at once. */
void socket_send(struct socket_client *client, unsigned first, const void *payload, size_t size,
        size_t step);
#define SOCKET_SEND(client, first, literal)                                                        \
	socket_send(client, first, literal, sizeof(literal) - 1, 0)
/* Notes one frame of those that have come. */
void socket_note(struct socket_client *client);
/* Turns until exactly this was noted, and forgets it. */
void socket_expect(struct socket_client *client, const char *text);
void socket_close(struct socket_client *client);

#endif
