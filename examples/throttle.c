/*
 * A throttle: a producer wrapped by another that lets so many bytes pass in a second. The reply
 * takes 2 seconds, and meanwhile neither a thread nor a buffer. Try it:
 *
 *   ./throttle & pid=$!
 *   curl -o throttle.out -w '%{size_download} bytes in %{time_total} seconds\n' \
 *           'http://127.0.0.1:7010/?bytes=200000&rate=100000'
 *   kill $pid
 */
#include <stdio.h>

#include <weir/error.h>
#include <weir/http.h>
#include <weir/http_form.h>
#include <weir/loop.h>
#include <weir/sources.h>
#include <weir/transformers.h>

/* A number of the query; `otherwise` where there is none. 0 or an error of the query. */
static int query_number(struct weir_http_exchange *exchange, struct weir_span name,
        uint64_t otherwise, uint64_t *ret)
{
	char buffer[32];
	struct weir_span text;
	int found = weir_http_query_value(
	        weir_http_request(exchange)->query, name, buffer, sizeof buffer, &text);
	if (found == 1)
		return weir_span_number(text, 10, ret);
	*ret = otherwise;
	return found;
}

/* Zeros without an end; weir_produce_limit ends them. */
static enum weir_more zeros_more(void *context, struct weir_output *out)
{
	static const char zeros[16384];
	(void)context;
	weir_output_borrow(out, zeros, sizeof zeros);
	return WEIR_MORE;
}

static void answer(void *context, struct weir_http_exchange *exchange)
{
	uint64_t bytes, rate;
	(void)context;
	if (query_number(exchange, WEIR_SPAN("bytes"), 1000, &bytes) < 0 ||
	        query_number(exchange, WEIR_SPAN("rate"), 1000, &rate) < 0 || rate == 0) {
		weir_http_reply_error(exchange, 400);
		return;
	}
	struct weir_producer *zeros = weir_produce_generator(zeros_more, NULL, NULL);
	weir_http_reply(
	        exchange, 200, weir_produce_throttle(weir_produce_limit(zeros, 0, bytes), rate, 0));
}

int main(int count, char **arguments)
{
	const char *address = count > 1 ? arguments[1] : "127.0.0.1:7010";
	struct weir_loop *loop;
	struct weir_http_server *server;
	struct weir_http_options options;
	weir_http_options_init(&options);
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error == 0)
		error = weir_loop_create(&loop);
	options.sites = weir_http_sites_create(weir_http_function_create("", answer, NULL));
	if (error == 0)
		error = weir_http_create(loop, &options, &server);
	if (error) {
		fprintf(stderr, "throttle: cannot listen on %s: %s\n", address,
		        weir_error_text(error));
		return 1;
	}
	printf("throttle: http://%s/\n", address);
	fflush(stdout);
	return weir_loop_run(loop) < 0;
}
