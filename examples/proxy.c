/*
 * A reverse proxy: /app and all below it is passed on to another server. For this example that is
 * the same program, which shows the client's address. Try it:
 *
 *   ./proxy & pid=$!
 *   curl -s http://127.0.0.1:7016/app/hello
 *   curl -s -d 'some text' http://127.0.0.1:7016/app/there
 *   kill $pid
 */
#include <stdio.h>

#include <weir/error.h>
#include <weir/http.h>
#include <weir/http_proxy.h>
#include <weir/loop.h>
#include <weir/sources.h>

static void show_request(void *context, struct weir_http_exchange *exchange)
{
	const struct weir_http_request *request = weir_http_request(exchange);
	struct weir_span peer = weir_http_request_known(request, WEIR_HTTP_X_FORWARDED_FOR);
	(void)context;
	weir_http_add_field(exchange, "Content-Type", WEIR_SPAN("text/plain"));
	weir_http_reply(exchange, 200,
	        weir_produce_format("%.*s %.*s for %.*s\n", (int)request->method_name.size,
	                request->method_name.data, (int)request->target.size, request->target.data,
	                (int)peer.size, peer.size ? peer.data : ""));
}

/* Returns NULL if the URL is malformed or there is no memory. */
static struct weir_http_handler *make_proxy(const char *url)
{
	struct weir_http_upstream one = {.url = url, .weight = 1};
	struct weir_http_upstreams_options group;
	struct weir_http_proxy_options options;
	weir_http_upstreams_options_init(&group);
	weir_http_proxy_options_init(&options);
	group.upstreams = &one;
	group.count = 1;
	options.prefix = "app";
	options.strip = true;
	if (weir_http_upstreams_create(&group, &options.upstreams) < 0)
		return NULL;
	struct weir_http_handler *handler = weir_http_proxy_create(&options);
	weir_http_upstreams_release(options.upstreams); /* the handler holds them */
	return handler;
}

int main(int count, char **arguments)
{
	const char *address = count > 1 ? arguments[1] : "127.0.0.1:7016";
	struct weir_loop *loop;
	struct weir_http_server *server;
	struct weir_http_options options;
	char url[128];
	snprintf(url, sizeof url, "http://%s", address);
	weir_http_options_init(&options);
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error == 0)
		error = weir_loop_create(&loop);
	options.sites = weir_http_sites_create(weir_http_chain(
	        make_proxy(url), weir_http_function_create("", show_request, NULL)));
	if (error == 0) /* this refuses sites that are NULL */
		error = weir_http_create(loop, &options, &server);
	if (error) {
		fprintf(stderr, "proxy: cannot listen on %s: %s\n", address,
		        weir_error_text(error));
		return 1;
	}
	printf("proxy: http://%s/app/\n", address);
	fflush(stdout);
	return weir_loop_run(loop) < 0;
}
