/* HTTP/2 for the files of HTTP's core: how a channel begins to speak it. */
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

/* Behind h2_begin: the preface was another one. GOAWAY, and the end. */
void h2_refuse_preface(struct weir_channel *channel);

/* Frees the loop's state. NULL is allowed. */
void h2_loop_destroy(struct h2_loop *loop_state);

#endif
