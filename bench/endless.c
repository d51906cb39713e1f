/*
 * An endless page of text, compressed on the fly, at every path: what a reader that never reads
 * costs is measured on it. Usage: endless PORT
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/http.h>
#include <weir/loop.h>
#include <weir/sources.h>

struct lines {
	uint64_t count;
	char text[128];
};

/* Lines as of a log: each differs from the one before, as real text does. */
static enum weir_more next_line(void *context, struct weir_span *ret_item)
{
	struct lines *lines = context;
	unsigned long long n = lines->count++;
	int size = snprintf(lines->text, sizeof lines->text,
	        "<p>%08llu: the river passes only as fast as the water below can take %llx\n", n,
	        n * 0x9e3779b97f4a7c15);
	*ret_item = weir_span(lines->text, (size_t)size);
	return WEIR_MORE;
}

static void end(void *context, enum weir_close_reason why)
{
	(void)why;
	free(context);
}

static void handle(void *context, struct weir_http_exchange *exchange)
{
	struct lines *lines = calloc(1, sizeof *lines);
	(void)context;
	if (!lines) {
		weir_http_reply_error(exchange, 503);
		return;
	}
	weir_http_add_field(exchange, "Content-Type", WEIR_SPAN("text/html; charset=utf-8"));
	weir_http_compress(exchange);
	weir_http_reply(exchange, 200, weir_produce_iterator(next_line, end, lines));
}

static int serve(const char *port)
{
	char address[32];
	struct weir_loop *loop;
	struct weir_http_server *server;
	struct weir_http_options options;
	weir_http_options_init(&options);
	int size = snprintf(address, sizeof address, "127.0.0.1:%s", port);
	int error = weir_address_parse(weir_span(address, (size_t)size), &options.listener.address);
	if (error == 0)
		error = weir_loop_create(&loop);
	if (error)
		return error;
	options.sites = weir_http_sites_create(weir_http_function_create("", handle, NULL));
	error = options.sites ? weir_http_create(loop, &options, &server) : -1;
	return error < 0 ? error : weir_loop_run(loop);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: endless PORT\n", stderr);
		return 2;
	}
	int error = serve(argv[1]);
	if (error)
		fprintf(stderr, "endless: %s\n", weir_error_text(error));
	return error < 0;
}
