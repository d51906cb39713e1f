/*
 * A connection of HTTP/2 as a client sees it. Whatever frames follow the preface, in whatever
 * reads, the server lives, lets go of the connection, and does no more than a bounded amount of
 * work for each byte: handlers are called at most once for each HEADERS frame.
 */
#include <stdlib.h>

#include <weir/loop.h>

#include "h2.h"
#include "http_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	HEADERS_FRAME_LEAST = 9,
	RECEIVED_MAX = 1 << 20
};

static struct weir_loop *loop;
static struct weir_http_server *server;
static size_t calls;

static void stop(void)
{
	weir_http_destroy(server);
	weir_loop_destroy(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* With its NUL, which is the last byte of SETTINGS. */
	static const char first[] = H2_PREFACE "\0\0\0\4\0\0\0\0";
	if (!server) {
		if (weir_loop_create(&loop) < 0)
			abort();
		server = fuzz_http_start(loop, fuzz_http_echo(&calls), true);
		atexit(stop);
	}
	calls = 0;
	size_t received =
	        fuzz_http_converse(loop, server, weir_span(first, sizeof first), data, size);
	if (calls > size / HEADERS_FRAME_LEAST || received > RECEIVED_MAX)
		abort();
	return 0;
}
