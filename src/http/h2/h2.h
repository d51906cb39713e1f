/* HTTP/2 for the files of HTTP's core: how a channel begins to speak it, and its callbacks. */
#ifndef WEIR_HTTP_H2_H
#define WEIR_HTTP_H2_H

#include <weir/channel.h>

#include "exchange.h"

struct h2_loop;

/* The part of the client's preface (RFC 9113 3.4) that looks like a head of HTTP/1.1, and all. */
#define H2_PREFACE_HEAD "PRI * HTTP/2.0\r\n\r\n"
#define H2_PREFACE H2_PREFACE_HEAD "SM\r\n\r\n"

/*
 * Begins HTTP/2 on a channel, whose session the connection becomes. `seen` bytes of the preface
 * have been received. Returns 0 or -ENOMEM.
 */
int h2_begin(struct weir_http_server *server, struct weir_channel *channel, size_t seen);

/* Returns whether the session of a channel is an HTTP/2 connection, and not an exchange. */
bool h2_is(const void *session);

/* The callbacks of the channel's protocol, for such a session. */
void h2_on_request(void *session, struct weir_span frame);
void h2_on_overflow(void *session);
void h2_on_eof(void *session);
void h2_on_timeout(void *session, enum weir_timeout which);
void h2_on_draining(void *session);
void h2_on_close(void *session);

/* Frees the loop's state. NULL is allowed. */
void h2_loop_destroy(struct h2_loop *loop_state);

#endif
