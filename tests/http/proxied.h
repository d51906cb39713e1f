/*
 * A proxy for tests, with the client and the upstream as each side sees the connection: both ends
 * are the test's, and all is on one loop. Failures fail the test.
 *
 *   client ──▶ web (a server with the handler of the proxy) ──▶ upstream, a connection to origin
 */
#ifndef WEIR_TEST_PROXIED_H
#define WEIR_TEST_PROXIED_H

#include "fake_origin.h"

#include <weir/http_proxy.h>

#include "web.h"

extern struct weir_loop *loop;
extern struct origin origin;
extern struct web web;
extern struct peer client, upstream; /* fd -1: none */

#define HOST "Host: a.example\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* A request for another protocol, and the upstream's reply up to its further fields. */
#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define SWITCHED "HTTP/1.1 101 Up\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n"
#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\n"
#define GET_UPGRADE "GET / HTTP/1.1\r\n" HOST UPGRADE "Sec-WebSocket-Key: k\r\n\r\n"

/* Without upstreams in the options it has `origin` alone. */
struct weir_http_upstreams *make_group(struct weir_http_upstreams_options options);
#define GROUP(...) make_group(OPTIONS(weir_http_upstreams_options, __VA_ARGS__))

/* Starts the proxy, and connects the client. The group is released. */
void start_proxy(struct weir_http_upstreams *upstreams, struct weir_http_proxy_options options);
void stop_proxy(void);

/* Without the fields that each request has, so that the tests show what they are about. */
#define PROXY(group, ...)                                                                          \
	start_proxy(group,                                                                         \
	        OPTIONS(weir_http_proxy_options, o.via = o.request_id = false, ##__VA_ARGS__))
#define PLAIN(group, ...) PROXY(group, o.forwarded = WEIR_HTTP_FORWARDED_OFF, ##__VA_ARGS__)

/* The client sends this, and the upstream gets that. */
void passes(const char *request, const char *expected);

/* The upstream sends this, and the client gets that, without the line of the date. */
void replies(const char *reply, const char *expected);

/* The status of the next reply. */
unsigned status_of_client(void);

/* The loop and the origin, for each test. */
int setup_proxied(void **state);
int teardown_proxied(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_proxied, teardown_proxied)

#endif
