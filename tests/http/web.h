/*
 * A server of one chain of handlers on a real loop, and clients that send it exact bytes over TCP.
 * All run in one thread: a call that waits turns the loop meanwhile, for five seconds at most.
 */
#ifndef WEIR_TEST_WEB_H
#define WEIR_TEST_WEB_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/http.h>
#include <weir/loop.h>

/* The last handler of the chain: it handles nothing, and notes when the chain is destroyed. */
struct web_sentinel {
	struct weir_http_handler base;
	bool destroyed;
};

struct web {
	struct weir_loop *loop;
	struct weir_http_server *server;
	uint32_t request_ms; /* the bound, to be set before web_start; 0: its default */
	struct web_sentinel sentinel;
};

/* Everything here fails the test when it does not work. The handlers are the web's now. */
void web_start(struct web *web, struct weir_loop *loop, struct weir_http_handler *handlers);
/* Stops the server, and turns the loop until the handlers are through with their exchanges. */
void web_stop(struct web *web);

/* A chain of two. */
struct weir_http_handler *web_chain(
        struct weir_http_handler *first, struct weir_http_handler *second);

int web_connect(struct web *web);
/* All of it, even if the server is slow to take it; false: it takes no more. */
bool web_send(struct web *web, int fd, const void *data, size_t size);
/* Reads until `text` has come, or the end (NULL); returns all that came, up to the next call. */
const char *web_read(struct web *web, int fd, const char *text);
/* Sends a request on a connection of its own, reads the reply to its end. */
const char *web_ask(struct web *web, const char *request);
/* Turns the loop for a while. */
void web_turn(struct web *web, int ms);

#define assert_contains(text, part)                                                                \
	do {                                                                                       \
		if (!strstr(text, part))                                                           \
			fail_msg("no \"%s\" in: %s", part, text);                                  \
	} while (0)

#endif
