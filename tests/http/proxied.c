/* See the header. */
#include "proxied.h"

struct weir_loop *loop;
struct origin origin;
struct web web;
struct peer client, upstream;

struct weir_http_upstreams *make_group(struct weir_http_upstreams_options options)
{
	struct weir_http_upstreams *upstreams;
	char url[128];
	struct weir_http_upstream one = {.url = url, .weight = 1};
	snprintf(url, sizeof url, "http://%s", origin.authority);
	if (!options.upstreams) {
		options.upstreams = &one;
		options.count = 1;
	}
	assert_int_equal(weir_http_upstreams_create(&options, &upstreams), 0);
	return upstreams;
}

void start_proxy(struct weir_http_upstreams *upstreams, struct weir_http_proxy_options options)
{
	options.upstreams = upstreams;
	struct weir_http_handler *handler = weir_http_proxy_create(&options);
	assert_non_null(handler);
	weir_http_upstreams_release(upstreams);
	web = (struct web){0};
	web_start(&web, loop, handler);
	client = peer_connect(loop, weir_server_address(weir_http_listener(web.server)), 0);
	upstream = (struct peer){.fd = -1, .loop = loop};
}

void stop_proxy(void)
{
	if (client.fd >= 0)
		peer_close(&client);
	if (upstream.fd >= 0)
		peer_close(&upstream);
	web_stop(&web);
}

void passes(const char *request, const char *expected)
{
	peer_send(&client, request);
	if (upstream.fd < 0)
		upstream = origin_accept(&origin);
	origin_expect(&origin, &upstream, expected);
}

/* Compares without the line of the date. */
static void proxied_client_expects(const char *text)
{
	size_t size = strlen(text) + strlen("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
	peer_read(&client, size);
	char *date = memmem(client.got.data, client.got.size, "Date: ", 6);
	assert_non_null(date);
	char *end = memmem(date, client.got.size - (size_t)(date - client.got.data), "\r\n", 2);
	memmove(date, end + 2, client.got.size - (size_t)(end + 2 - client.got.data));
	client.got.size -= (size_t)(end + 2 - date);
	if (!weir_span_equal(weir_buffer_span(&client.got), weir_span_of(text)))
		fail_msg("wanted \"%s\", and got \"%.*s\"", text, (int)client.got.size,
		        client.got.data);
	client.got.size = 0;
}

void replies(const char *reply, const char *expected)
{
	peer_send(&upstream, reply);
	proxied_client_expects(expected);
}

unsigned status_of_client(void)
{
	uint64_t status;
	assert_true(peer_read(&client, 12));
	assert_int_equal(weir_span_number(weir_span(client.got.data + 9, 3), 10, &status), 0);
	return (unsigned)status;
}

int setup_proxied(void **state)
{
	(void)state;
	if (weir_loop_create(&loop) < 0)
		return -1;
	origin_start(&origin, loop);
	return 0;
}

int teardown_proxied(void **state)
{
	(void)state;
	origin_stop(&origin);
	weir_loop_destroy(loop);
	return 0;
}
