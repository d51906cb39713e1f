/* The SMTP client and TLS: when it is used, and when nothing is sent without it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include <weir/smtp_client.h>

#include "certificate.h"
#include "host.h"
#include "peer.h"
#include "make_options.h"

static struct weir_loop *loop;
static struct host host;
static struct weir_tls *server_tls, *verifying, *trusting;

static struct {
	struct weir_smtp_client *client;
	unsigned readies;
	unsigned closes;
	unsigned code;
	int error;
	bool in_tls;
	char text[1024];
} seen;

static void on_ready(void *context)
{
	(void)context;
	seen.readies++;
	weir_smtp_client_quit(seen.client);
}

static void on_recipient(void *context, size_t index, const struct weir_smtp_result *result)
{
	(void)context;
	(void)index;
	(void)result;
}

static void on_closed(void *context, const struct weir_smtp_result *why)
{
	(void)context;
	seen.closes++;
	seen.code = why->code;
	seen.error = why->error;
	seen.in_tls = why->in_tls;
	snprintf(seen.text, sizeof seen.text, "%s", why->text);
}

static void run(enum weir_smtp_client_tls mode, struct weir_tls *tls, const char *name)
{
	static const struct weir_smtp_client_events events = {
	        .ready = on_ready, .recipient = on_recipient, .closed = on_closed};
	struct weir_smtp_client_options options =
	        OPTIONS(weir_smtp_client_options, o.address = *weir_server_address(host.server),
	                o.host = name, o.helo = "me", o.mode = mode, o.tls = tls);
	memset(&seen, 0, sizeof seen);
	host.said[0] = 0;
	assert_int_equal(weir_smtp_client_connect(loop, &options, &events, &seen, &seen.client), 0);
	assert_true(TURN_UNTIL(loop, seen.closes));
	assert_true(TURN_UNTIL(loop, !host.open));
}

static const char offered[] = "250-host\r\n250-STARTTLS\r\n250 PIPELINING\r\n";

static void offered_and_taken(void **state)
{
	(void)state;
	host.ehlo = offered;
	host.starttls = "220 Go\r\n";
	host.tls = server_tls;
	run(WEIR_SMTP_CLIENT_TLS_OPPORTUNISTIC, verifying, "localhost");
	assert_int_equal(seen.code, 221);
	assert_string_equal(host.said, "EHLO me\nSTARTTLS\nEHLO me\nQUIT\n");
	run(WEIR_SMTP_CLIENT_TLS_REQUIRED, verifying, "localhost");
	assert_string_equal(host.said, "EHLO me\nSTARTTLS\nEHLO me\nQUIT\n");
	run(WEIR_SMTP_CLIENT_TLS_OFF, NULL, "localhost");
	assert_string_equal(host.said, "EHLO me\nQUIT\n");
	/* A certificate of another host. */
	run(WEIR_SMTP_CLIENT_TLS_REQUIRED, verifying, "other.example");
	assert_true(seen.in_tls);
	assert_int_equal(seen.code, 0);
	assert_int_equal(seen.readies, 0);
	assert_string_equal(host.said, "EHLO me\nSTARTTLS\n");
	/* The log must have the reason. */
	static const char *const parts[] = {"TLS failed: ", "ostname mismatch",
	        "asked for other.example", "TLSv1.3", "issued by ", "valid until ",
	        "DNS:localhost"};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		assert_non_null(strstr(seen.text, parts[i]));
	run(WEIR_SMTP_CLIENT_TLS_REQUIRED, trusting, "other.example");
	assert_int_equal(seen.code, 221);
}

static void not_offered(void **state)
{
	(void)state;
	run(WEIR_SMTP_CLIENT_TLS_OPPORTUNISTIC, verifying, "localhost");
	assert_int_equal(seen.code, 221);
	assert_string_equal(host.said, "EHLO me\nQUIT\n");
	run(WEIR_SMTP_CLIENT_TLS_REQUIRED, verifying, "localhost");
	assert_int_equal(seen.error, -EPROTO);
	assert_int_equal(seen.readies, 0);
	assert_string_equal(host.said, "EHLO me\n");
	/* Offered, and then refused. */
	host.ehlo = offered;
	host.starttls = "454 4.7.0 Not now\r\n";
	run(WEIR_SMTP_CLIENT_TLS_OPPORTUNISTIC, verifying, "localhost");
	assert_int_equal(seen.code, 221);
	run(WEIR_SMTP_CLIENT_TLS_REQUIRED, verifying, "localhost");
	assert_int_equal(seen.code, 454);
	assert_int_equal(seen.readies, 0);
}

/* Plain text that an attacker puts behind the reply to STARTTLS is not taken for a reply. */
static void nothing_in_clear_behind_starttls(void **state)
{
	(void)state;
	host.ehlo = offered;
	host.tls = server_tls;
	host.starttls = "220 Go\r\n250 PIPELINING\r\n";
	run(WEIR_SMTP_CLIENT_TLS_REQUIRED, verifying, "localhost");
	assert_int_equal(seen.readies, 0);
	assert_int_equal(seen.code, 0);
}

static void from_the_first_byte(void **state)
{
	(void)state;
	host_stop(&host);
	host_start_tls(&host, loop, server_tls);
	run(WEIR_SMTP_CLIENT_TLS_IMPLICIT, verifying, "localhost");
	assert_int_equal(seen.code, 221);
	assert_string_equal(host.said, "EHLO me\nQUIT\n");
	run(WEIR_SMTP_CLIENT_TLS_IMPLICIT, verifying, "other.example");
	assert_true(seen.in_tls);
	assert_int_equal(seen.readies, 0);
}

static int setup(void **state)
{
	(void)state;
	struct certificate_files files = certificate_make("host", "DNS:localhost", 10);
	struct weir_tls_certificate mine = {.chain = files.chain, .key = files.key};
	struct weir_tls_options options = {.certificates = &mine, .count = 1};
	struct weir_tls_client_options strict, loose;
	weir_tls_client_options_init(&strict);
	strict.ca = certificate_ca();
	weir_tls_client_options_init(&loose);
	loose.verify = false;
	if (weir_tls_server_create(&options, NULL, NULL, &server_tls) < 0 ||
	        weir_tls_client_create(&strict, NULL, NULL, &verifying) < 0 ||
	        weir_tls_client_create(&loose, NULL, NULL, &trusting) < 0 ||
	        weir_loop_create(&loop) < 0)
		return -1;
	host_start(&host, loop);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	host_stop(&host);
	for (int i = 0; i < 5; i++)
		weir_loop_turn(loop, 0);
	weir_loop_destroy(loop);
	weir_tls_release(server_tls);
	weir_tls_release(verifying);
	weir_tls_release(trusting);
	certificates_remove();
	return 0;
}

#define TLS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TLS_TEST(offered_and_taken),
	        TLS_TEST(not_offered),
	        TLS_TEST(nothing_in_clear_behind_starttls),
	        TLS_TEST(from_the_first_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
