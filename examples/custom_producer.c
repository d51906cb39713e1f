/*
 * A producer of your own: as many lines as you ask for, in no memory at all, since each is made
 * only when the client has room for it. Try it:
 *
 *   ./custom_producer & curl -s http://127.0.0.1:7002/1000000000 | head
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/http.h>
#include <weir/list.h>
#include <weir/loop.h>

/* -- the producer ------------------------------------------------------------------------------ */

struct squares {
	struct weir_producer producer;
	uint64_t next;
	uint64_t last;
};

enum {
	LINE_MAX_SIZE = 64
};

static enum weir_more more_squares(struct weir_producer *producer, struct weir_output *out)
{
	struct squares *squares = WEIR_CONTAINER(producer, struct squares, producer);
	while (squares->next <= squares->last) {
		char line[LINE_MAX_SIZE];
		int size = snprintf(line, sizeof line, "%" PRIu64 " %" PRIu64 "\n", squares->next,
		        squares->next * squares->next);
		/*
		 * Ask again when there is room for a whole line. The first room is always larger.
		 */
		if (weir_output_room(out) < (size_t)size)
			return WEIR_MORE;
		if (weir_output_copy(out, line, (size_t)size) < (size_t)size)
			return WEIR_FAILED; /* there is room, so there is no memory */
		squares->next++;
	}
	return WEIR_DONE;
}

static void close_squares(struct weir_producer *producer, enum weir_close_reason why)
{
	struct squares *squares = WEIR_CONTAINER(producer, struct squares, producer);
	if (why != WEIR_CLOSE_DONE)
		printf("custom_producer: the client left before line %" PRIu64 "\n", squares->next);
	fflush(stdout);
	free(squares);
}

static struct weir_producer *squares(uint64_t last)
{
	static const struct weir_producer_type type = {
	        "squares", more_squares, close_squares, NULL};
	struct squares *squares = calloc(1, sizeof *squares);
	if (!squares)
		return NULL;
	weir_producer_init(&squares->producer, &type);
	squares->next = 1;
	squares->last = last;
	return &squares->producer;
}

/* -- the server -------------------------------------------------------------------------------- */

static void answer(void *context, struct weir_http_exchange *exchange)
{
	uint64_t last;
	(void)context;
	if (weir_span_number(weir_http_path(exchange), 10, &last) < 0) {
		weir_http_reply_error(exchange, 404);
		return;
	}
	weir_http_add_field(exchange, "Content-Type", WEIR_SPAN("text/plain"));
	weir_http_compress(exchange);
	weir_http_reply(exchange, 200, squares(last));
}

int main(int count, char **arguments)
{
	const char *address = count > 1 ? arguments[1] : "127.0.0.1:7002";
	struct weir_loop *loop;
	struct weir_http_server *server;
	struct weir_http_options options;
	weir_http_options_init(&options);
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	options.sites = weir_http_sites_create(weir_http_function_create("", answer, NULL));
	if (error == 0)
		error = weir_loop_create(&loop);
	if (error == 0 && options.sites)
		error = weir_http_create(loop, &options, &server);
	if (error || !options.sites) {
		fprintf(stderr, "custom_producer: cannot listen on %s: %s\n", address,
		        weir_error_text(error));
		return 1;
	}
	printf("custom_producer: http://%s/1000\n", address);
	fflush(stdout);
	return weir_loop_run(loop) < 0;
}
