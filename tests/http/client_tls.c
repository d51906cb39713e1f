/* https: the server's certificate and name, kept connections, ends that TLS does not confirm. */
#include "fake_origin.h"

#include <weir/server.h>
#include <weir/tls.h>

#include "certificate.h"

static struct weir_loop *loop;
static struct weir_server *server;
static struct weir_http_client *client;
static struct heard heard;
static struct weir_tls *verifying, *of_the_system, *trusting;
static char last_name[64]; /* SNI of the last request */
static unsigned opened;
static bool resetting;

/* -- a body that waits after its first bytes --------------------------------------------------- */

static struct {
	struct weir_producer producer;
	bool begun, go_on;
	unsigned closes;
} body;

static enum weir_more body_more(struct weir_producer *producer, struct weir_output *out)
{
	(void)producer;
	if (!body.begun) {
		body.begun = true;
		weir_output_copy(out, "hello", 5);
	} else if (body.go_on) {
		weir_output_copy(out, "more!", 5);
		return WEIR_MORE;
	}
	return WEIR_WAIT;
}

static void body_close(struct weir_producer *producer, enum weir_close_reason why)
{
	(void)producer, (void)why;
	body.closes++;
}

static const struct weir_producer_type body_type = {
        .name = "body", .more = body_more, .close = body_close};

/* -- a server of a few lines ------------------------------------------------------------------- */

static int on_open(struct weir_channel *channel)
{
	opened++;
	weir_channel_await(channel, weir_until(WEIR_SPAN("\r\n\r\n")));
	return 0;
}

static void on_request(struct weir_channel *channel, struct weir_span request)
{
	struct weir_tls_info info;
	last_name[0] = 0;
	if (weir_channel_tls(channel, &info) && info.name.size)
		snprintf(last_name, sizeof last_name, "%.*s", (int)info.name.size, info.name.data);
	if (weir_span_starts(request, WEIR_SPAN("POST /reset "))) {
		weir_channel_push_static(
		        channel, "HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno");
		resetting = true;
		return;
	}
	if (weir_span_starts(request, WEIR_SPAN("GET /abort "))) {
		weir_channel_push_static(channel, "HTTP/1.1 200 OK\r\n\r\nabc");
		return;
	}
	weir_channel_push_static(channel, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* The reply has left: resets the connection, and has the client send more before it looks. */
static void on_drained(struct weir_channel *channel)
{
	if (!resetting)
		return;
	resetting = false;
	weir_channel_abort(channel, WEIR_E_CLOSED);
	body.go_on = true;
	weir_wake(&body.producer);
}

static const struct weir_protocol protocol = {
        .name = "test", .open = on_open, .request = on_request, .drained = on_drained};

static void serve(const char *names, int days)
{
	struct certificate_files files = certificate_make("host", names, days);
	struct weir_tls_certificate mine = {.chain = files.chain, .key = files.key};
	struct weir_tls_options tls = {.certificates = &mine, .count = 1};
	struct weir_server_options options;
	weir_server_options_init(&options);
	assert_int_equal(weir_tls_server_create(&tls, NULL, NULL, &options.listener.tls), 0);
	options.listener.address = local_address();
	options.protocol = &protocol;
	assert_int_equal(weir_server_create(loop, &options, &server), 0);
	weir_tls_release(options.listener.tls);
}

static void make_client(struct weir_tls *tls)
{
	struct weir_http_client_options options =
	        OPTIONS(weir_http_client_options, o.tls = tls, o.connect_ms = 20000);
	assert_int_equal(weir_http_client_create(loop, &options, &client), 0);
}

static void start(const char *host, const char *path, struct weir_http_call_options options)
{
	char url[128];
	snprintf(url, sizeof url, "https://%s:%u%s", host,
	        weir_address_port(weir_server_address(server)), path);
	options.url = url;
	assert_int_equal(heard_start(&heard, client, NULL, "", options), 0);
}

static void ask(const char *host)
{
	start(host, "/", OPTIONS(weir_http_call_options));
}

/* The call fails, and the reason names these parts. */
static void expect_distrust(const char *part)
{
	heard_await_end(&heard, loop);
	assert_int_equal(heard.error, WEIR_E_TLS);
	assert_false(heard.head_came);
	if (!strstr(heard.why, part))
		fail_msg("no \"%s\" in \"%s\"", part, heard.why);
	heard_clear(&heard);
}

/* -- tests ------------------------------------------------------------------------------------- */

static void a_trusted_server(void **state)
{
	(void)state;
	serve("DNS:localhost,IP:127.0.0.1", 10);
	make_client(verifying);
	for (int i = 0; i < 3; i++) {
		ask("localhost");
		heard_expect(&heard, loop, "200 OK|ok.");
		assert_string_equal(last_name, "localhost");
	}
	assert_int_equal(opened, 1);
	/* An address is verified, too, and is no name for SNI (RFC 6066 3). */
	ask("127.0.0.1");
	heard_expect(&heard, loop, "200 OK|ok.");
	assert_string_equal(last_name, "");
	assert_int_equal(opened, 2);
	/* The name of the certificate is the URL's, not that of the field Host. */
	start("localhost", "/", OPTIONS(weir_http_call_options, o.host = "other.example"));
	heard_expect(&heard, loop, "200 OK|ok.");
	assert_string_equal(last_name, "localhost");
	client_stop(client, loop);
}

static void another_name(void **state)
{
	(void)state;
	serve("DNS:other.example", 10);
	make_client(verifying);
	ask("localhost");
	expect_distrust("ostname mismatch");
	ask("127.0.0.1");
	expect_distrust("mismatch");
	assert_int_equal(opened, 0);
	client_stop(client, loop);
	make_client(trusting);
	ask("localhost");
	heard_expect(&heard, loop, "200 OK|ok.");
	client_stop(client, loop);
}

static void an_expired_certificate(void **state)
{
	(void)state;
	serve("DNS:localhost", -1);
	make_client(verifying);
	ask("localhost");
	expect_distrust("expired");
	client_stop(client, loop);
}

static void an_unknown_authority(void **state)
{
	(void)state;
	serve("DNS:localhost", 10);
	make_client(of_the_system);
	ask("localhost");
	expect_distrust("certificate");
	assert_int_equal(opened, 0);
	client_stop(client, loop);
}

/* A reply up to the end of the connection is whole only with a close_notify. */
static bool abort_channel(void *context, struct weir_channel *channel)
{
	(void)context;
	weir_channel_abort(channel, -ECONNRESET);
	return true;
}

static bool close_channel(void *context, struct weir_channel *channel)
{
	(void)context;
	weir_channel_close(channel);
	return true;
}

static void the_end_of_the_connection(void **state)
{
	(void)state;
	serve("DNS:localhost", 10);
	make_client(verifying);
	start("localhost", "/abort", OPTIONS(weir_http_call_options));
	heard_await(&heard, loop, "200 OK|abc");
	weir_server_each(server, close_channel, NULL);
	heard_expect(&heard, loop, "200 OK|abc.");
	start("localhost", "/abort", OPTIONS(weir_http_call_options));
	heard_await(&heard, loop, "200 OK|abc");
	weir_server_each(server, abort_channel, NULL);
	heard_await_end(&heard, loop);
	assert_int_not_equal(heard.error, 0);
	heard_clear(&heard);
	client_stop(client, loop);
}

/* The reset of a server that does not read the body must not hide its reply. */
static void a_reply_before_a_reset(void **state)
{
	(void)state;
	serve("DNS:localhost", 10);
	make_client(verifying);
	body.begun = body.go_on = false;
	body.closes = 0;
	weir_producer_init(&body.producer, &body_type);
	start("localhost", "/reset",
	        OPTIONS(weir_http_call_options, o.method = "POST", o.body = &body.producer));
	heard_expect(&heard, loop, "413 Large|no.");
	assert_true(TURN_UNTIL(loop, body.closes == 1));
	client_stop(client, loop);
}

/* The time limit of a connection contains the handshake, and a server may speak no TLS. */
static void no_handshake(void **state)
{
	struct origin silent;
	char url[128];
	(void)state;
	origin_start(&silent, loop);
	struct weir_http_client_options options =
	        OPTIONS(weir_http_client_options, o.tls = verifying, o.connect_ms = 50);
	assert_int_equal(weir_http_client_create(loop, &options, &client), 0);
	snprintf(url, sizeof url, "https://%s/", silent.authority);
	CALL(&heard, client, NULL, "", o.url = url);
	struct peer peer = origin_accept(&silent);
	heard_expect_error(&heard, loop, -ETIMEDOUT);
	assert_true(peer_read_end(&peer));
	peer_close(&peer);
	client_stop(client, loop);
	make_client(verifying);
	CALL(&heard, client, NULL, "", o.url = url);
	peer = origin_accept(&silent);
	peer_send(&peer, "HTTP/1.1 400 Bad\r\n\r\n");
	heard_expect_error(&heard, loop, WEIR_E_TLS);
	peer_close(&peer);
	/* Cancelled in the middle. */
	CALL(&heard, client, NULL, "", o.url = url);
	peer = origin_accept(&silent);
	peer_read_more(&peer);
	weir_http_call_cancel(heard.call);
	assert_true(peer_read_end(&peer));
	peer_close(&peer);
	assert_int_equal(heard.ends, 0);
	client_stop(client, loop);
	origin_stop(&silent);
}

static int setup_tls(void **state)
{
	struct weir_tls_client_options strict, loose, system;
	(void)state;
	weir_tls_client_options_init(&strict);
	strict.ca = certificate_ca();
	weir_tls_client_options_init(&loose);
	loose.verify = false;
	weir_tls_client_options_init(&system);
	return weir_tls_client_create(&strict, NULL, NULL, &verifying) < 0 ||
	       weir_tls_client_create(&loose, NULL, NULL, &trusting) < 0 ||
	       weir_tls_client_create(&system, NULL, NULL, &of_the_system) < 0;
}

static int teardown_tls(void **state)
{
	(void)state;
	weir_tls_release(verifying);
	weir_tls_release(trusting);
	weir_tls_release(of_the_system);
	certificates_remove();
	return 0;
}

static int setup(void **state)
{
	(void)state;
	opened = 0;
	heard.without_trailers = true;
	return weir_loop_create(&loop);
}

static int teardown(void **state)
{
	(void)state;
	heard_clear(&heard);
	weir_server_destroy(server);
	server = NULL;
	for (int i = 0; i < 5; i++)
		weir_loop_turn(loop, 0);
	weir_loop_destroy(loop);
	return 0;
}

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CLIENT_TEST(a_trusted_server),
	        CLIENT_TEST(another_name),
	        CLIENT_TEST(an_expired_certificate),
	        CLIENT_TEST(an_unknown_authority),
	        CLIENT_TEST(the_end_of_the_connection),
	        CLIENT_TEST(a_reply_before_a_reset),
	        CLIENT_TEST(no_handshake),
	};
	return cmocka_run_group_tests(tests, setup_tls, teardown_tls);
}
