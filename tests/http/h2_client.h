/*
 * A client of HTTP/2 that turns the server's loop while it waits. Frames that come are noted as
 * text:
 *
 *   1:200 1:"hello" 1. ─ the head of stream 1, its body, its end;  1!8 ─ RST_STREAM with CANCEL
 *   set8=1 ─ the server lets streams become WebSockets
 */
#ifndef WEIR_TEST_H2_CLIENT_H
#define WEIR_TEST_H2_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>
#include <weir/buffer.h>
#include <weir/http.h>
#include <weir/loop.h>

#include "h2_frame.h"
#include "peer.h"

struct h2_client {
	struct peer peer;
	nghttp2_hd_inflater *inflater;
	struct weir_buffer out; /* frames to send */
	struct weir_buffer text;
	struct weir_buffer block; /* of HEADERS without END_HEADERS */
	size_t block_size;        /* of the last whole one */
	size_t data_bytes;        /* of DATA frames */
	unsigned continuations;
	char date[40];          /* of the last reply */
	uint32_t goaway_stream; /* that the last GOAWAY has named */
	bool quiet;             /* DATA is counted, but not noted */
};

struct h2_client h2_client_begin(struct weir_loop *loop, struct weir_http_server *server);
void h2_client_end(struct h2_client *client);

/* -- what is sent with the next h2_client_send -- */

void h2_client_put(struct h2_client *client, enum h2_frame_type type, unsigned flags, uint32_t id,
        const void *payload, size_t size);
void h2_client_put32(
        struct h2_client *client, enum h2_frame_type type, uint32_t id, uint32_t value);
void h2_client_put_setting(struct h2_client *client, enum h2_setting setting, uint32_t value);
/* A literal, written to `to`. Returns its end. */
char *h2_client_add_field(char *to, const char *name, const char *value);
/* HEADERS: `fields` are pairs of a name and a value, up to NULL. */
void h2_client_put_head(
        struct h2_client *client, uint32_t id, unsigned flags, const char *const *fields);
/* HEADERS, which end the stream if `end`. */
void h2_client_ask(
        struct h2_client *client, uint32_t id, const char *method, const char *path, bool end);

void h2_client_send(struct h2_client *client);

/* -- what comes -- */

/* Notes the frames that have come whole. */
void h2_client_read(struct h2_client *client);
bool h2_client_has(struct h2_client *client, const char *text);
/* Turns until exactly this was noted, in this order. A span may have zero bytes. */
void h2_client_expect_span(struct h2_client *client, struct weir_span text);
void h2_client_expect(struct h2_client *client, const char *text);
void h2_client_await(struct h2_client *client, const char *text);

#endif
