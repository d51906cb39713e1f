/*
 * A connection of HTTP as a client sees it: whatever is sent, in whatever reads, the server lives
 * and lets go of it.
 */
#include <stdlib.h>

#include <weir/loop.h>

#include "http_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	if (!server) {
		if (weir_loop_create(&loop) < 0)
			abort();
		server = fuzz_http_start(loop, fuzz_http_echo(&calls), false);
		atexit(stop);
	}
	fuzz_http_converse(loop, server, weir_span("", 0), data, size);
	return 0;
}
