/*
 * A server for tests of the client: the test sees each byte of a request, and sends each byte of a
 * reply. The reports of a call are collected as text:
 *
 *   (103)200 OK|the body|Name=value.
 *    │     │     │       │         └ end() without an error
 *    │     │     │       └ trailer()
 *    │     │     └ piece()
 *    │     └ head()
 *    └ interim()
 *
 * All runs in one thread. Whatever waits, turns the loop. Failures fail the test.
 */
#ifndef WEIR_TEST_FAKE_ORIGIN_H
#define WEIR_TEST_FAKE_ORIGIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/http_client.h>
#include <weir/loop.h>

#include "make_options.h"
#include "peer.h"

struct origin {
	struct weir_loop *loop;
	int listener;
	char authority[64]; /* 127.0.0.1:port */
};

void origin_start(struct origin *origin, struct weir_loop *loop);
void origin_stop(struct origin *origin);

/* The next connection of the client, which must come. */
struct peer origin_accept(struct origin *origin);
/* Returns true if no connection comes for some turns. One that comes is closed. */
bool origin_is_left_alone(struct origin *origin);

/*
 * Exactly this must come next; each "$" in it stands for the authority of the origin, and each "#" for a
 * hexadecimal digit.
 */
void origin_expect(struct origin *origin, struct peer *peer, const char *text);

/* Reads until this has come, with whatever is around it. */
void origin_await(struct peer *peer, const char *text);

/* Reads up to the end of a head, and forgets it. */
void origin_skip_request(struct peer *peer);

/* -- calls ------------------------------------------------------------------------------------- */

struct heard {
	struct weir_http_call *call;
	struct weir_buffer text; /* see the top */
	unsigned ends;
	int error;
	bool head_came, retried;
	char why[256];
	char url[256];         /* of the head */
	char cancel_at;        /* cancels in this event: 'i', 'h', 'p', 't' */
	bool pause_at_head;    /* pauses in head() */
	bool without_trailers; /* does not ask for them */
};

/* Starts http://origin/path; the options' URL is set if it is NULL. Returns the error. */
int heard_start(struct heard *heard, struct weir_http_client *client, struct origin *origin,
        const char *path, struct weir_http_call_options options);

/* Does that with options by name; the call must start. */
#define CALL(heard, client, origin, path, ...)                                                     \
	assert_int_equal(heard_start(heard, client, origin, path,                                  \
	                         OPTIONS(weir_http_call_options, __VA_ARGS__)),                    \
	        0)

/* Turns the loop until the call has ended. */
void heard_await_end(struct heard *heard, struct weir_loop *loop);
/* Turns the loop until the text is this. */
void heard_await(struct heard *heard, struct weir_loop *loop, const char *text);
/* The call ends, without an error, and this was all. Then the struct is empty again. */
void heard_expect(struct heard *heard, struct weir_loop *loop, const char *text);
/* The call ends with this error. */
void heard_expect_error(struct heard *heard, struct weir_loop *loop, int error);
void heard_clear(struct heard *heard);

/* Destroys the client, and turns the loop until its connections have closed. */
void client_stop(struct weir_http_client *client, struct weir_loop *loop);

#endif
