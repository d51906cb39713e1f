/*
 * A server of HTTP in this process, its clients, and an upstream that sends the input. Whatever
 * fails of the surroundings aborts.
 */
#ifndef WEIR_FUZZ_HTTP_SERVICE_H
#define WEIR_FUZZ_HTTP_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/http.h>
#include <weir/span.h>

struct weir_loop;

/* -- the server -- */

/* A server at a free port of 127.0.0.1. The handler is taken. */
struct weir_http_server *fuzz_http_start(
        struct weir_loop *loop, struct weir_http_handler *handler, bool http2);

/*
 * Replies with the path. A body is received first if the path has an odd length; more than 100
 * bytes are an error. *calls counts the requests.
 */
struct weir_http_handler *fuzz_http_echo(size_t *calls);

/* -- a client -- */

/* Returns a connection to the server. */
int fuzz_http_connect(struct weir_http_server *server);

/*
 * A client that sends `first`, then the input in pieces whose size its last byte chooses, and then
 * the end of its stream. Aborts if the server does not let go of the connection. Returns how many
 * bytes came.
 */
size_t fuzz_http_converse(struct weir_loop *loop, struct weir_http_server *server,
        struct weir_span first, const uint8_t *data, size_t size);

/* -- an upstream -- */

/* Listens at a Unix socket that is removed at the program's exit. Returns its path. */
const char *fuzz_upstream_start(void);

/*
 * Accepts a connection if one is waiting. Each connection sends the input from its beginning, the
 * next `step` bytes in each call, and then ends its stream. The connection after `most` aborts.
 */
void fuzz_upstream_serve(const uint8_t *data, size_t size, size_t step, unsigned most);

/* Closes all connections. */
void fuzz_upstream_reset(void);

#endif
