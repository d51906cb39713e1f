/* POP3 and TLS: STLS, commands in plain text, TLS from the first byte, SCRAM. */
#include "mailbox.h"

#include <weir/sasl.h>

#include "certificate.h"
#include "secret.h"
#include "make_options.h"

static struct weir_tls *tls;
static SSL_CTX *context;

static int setup(void **state)
{
	struct certificate_files files = certificate_make("localhost", "DNS:localhost", 10);
	struct weir_tls_certificate certificate = {files.chain, files.key, NULL};
	struct weir_tls_options options = {.certificates = &certificate, .count = 1};
	assert_int_equal(weir_tls_server_create(&options, NULL, NULL, &tls), 0);
	context = secret_context();
	return mailbox_setup(state);
}

static int teardown(void **state)
{
	SSL_CTX_free(context);
	weir_tls_release(tls);
	certificates_remove();
	return mailbox_teardown(state);
}

#define SAY_SECRET(secret, text, wanted)                                                           \
	do {                                                                                       \
		assert_true(secret_send(secret, text, strlen(text)));                              \
		assert_true(secret_got(secret, wanted));                                           \
	} while (0)

static void stls(void **state)
{
	(void)state;
	mailbox_serve(
	        OPTIONS(weir_pop3_options, o.listener.tls = tls, o.listener.tls_upgrade = true));
	struct peer peer = mailbox_connect();
	SAY(&peer, "CAPA\r\n",
	        "+OK Capability list follows\r\nTOP\r\nUIDL\r\nUSER\r\n"
	        "SASL SCRAM-SHA-256 PLAIN LOGIN\r\nSTLS\r\nRESP-CODES\r\n"
	        "AUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nUTF8\r\nLANG\r\n"
	        "IMPLEMENTATION Weir\r\n.\r\n");
	SAY(&peer, "USER alice\r\n", "+OK Send PASS\r\n");
	SAY(&peer, "STLS\r\n", "+OK Begin TLS\r\n");
	struct secret secret = secret_begin(&peer, context, "localhost", NULL);
	assert_true(secret_handshake(&secret));
	/* The plain text session is forgotten. */
	SAY_SECRET(&secret, "PASS right\r\n", "-ERR Send USER first\r\n");
	SAY_SECRET(&secret, "STLS\r\n", "-ERR TLS is already active\r\n");
	SAY_SECRET(&secret, "CAPA\r\n",
	        "+OK Capability list follows\r\nTOP\r\nUIDL\r\nUSER\r\n"
	        "SASL SCRAM-SHA-256 PLAIN LOGIN\r\nRESP-CODES\r\n"
	        "AUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nUTF8\r\nLANG\r\n"
	        "IMPLEMENTATION Weir\r\n.\r\n");
	SAY_SECRET(&secret, "USER alice\r\n", "+OK Send PASS\r\n");
	SAY_SECRET(&secret, "PASS right\r\n", "+OK Mailbox has 0 messages (0 octets)\r\n");
	assert_true(last_event.secure);
	SAY_SECRET(&secret, "QUIT\r\n", "+OK Goodbye\r\n");
	assert_true(secret_read_end(&secret));
	secret_end(&secret);
	peer_close(&peer);
}

/* CVE-2011-0411: commands put behind STLS in plain text are never run. */
static void commands_behind_stls_are_dropped(void **state)
{
	(void)state;
	mailbox_serve(
	        OPTIONS(weir_pop3_options, o.listener.tls = tls, o.listener.tls_upgrade = true));
	struct peer peer = mailbox_connect();
	SAY(&peer, "STLS\r\nUSER mallory\r\nCAPA\r\n", "+OK Begin TLS\r\n");
	struct secret secret = secret_begin(&peer, context, "localhost", NULL);
	assert_true(secret_handshake(&secret));
	SAY_SECRET(&secret, "PASS right\r\n", "-ERR Send USER first\r\n");
	secret_end(&secret);
	peer_close(&peer);
}

static void not_after_utf8(void **state)
{
	(void)state;
	mailbox_serve(
	        OPTIONS(weir_pop3_options, o.listener.tls = tls, o.listener.tls_upgrade = true));
	struct peer peer = mailbox_connect();
	SAY(&peer, "UTF8\r\n", "+OK UTF-8 enabled\r\n");
	SAY(&peer, "STLS\r\n", "-ERR Not after UTF8\r\n");
	peer_close(&peer);
	peer = mailbox_login();
	SAY(&peer, "STLS\r\n", "-ERR Already logged in\r\n");
	peer_close(&peer);
}

static void tls_from_the_first_byte(void **state)
{
	(void)state;
	char text[100];
	mailbox_serve(OPTIONS(weir_pop3_options, o.listener.tls = tls));
	mailbox_deliver_text("alice", "a: b\r\n\r\n.one\r\n");
	weir_server_set_tls(weir_pop3_listener(server), tls);
	const struct weir_address *address = weir_server_address(weir_pop3_listener(server));
	struct peer peer = peer_connect(loop, address, 0);
	struct secret secret = secret_begin(&peer, context, "localhost", NULL);
	assert_true(secret_handshake(&secret));
	assert_true(secret_got(&secret, "+OK Weir POP3 server ready\r\n"));
	snprintf(text, sizeof text, "USER alice\r\nPASS right\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n");
	SAY_SECRET(&secret, text,
	        "+OK Send PASS\r\n+OK Mailbox has 1 messages (14 octets)\r\n"
	        "+OK 14 octets\r\na: b\r\n\r\n..one\r\n.\r\n+OK Message 1 deleted\r\n"
	        "+OK Deleted messages removed. Goodbye\r\n");
	assert_true(secret_read_end(&secret));
	secret_end(&secret);
	peer_close(&peer);
}

/* -- SCRAM ------------------------------------------------------------------------------------- */

struct exchange {
	struct weir_sasl_client *client;
	char text[1024];
	enum weir_sasl_outcome outcome;
	unsigned steps;
};

static void on_step(void *user, const struct weir_sasl_step *step)
{
	struct exchange *exchange = user;
	exchange->steps++;
	exchange->outcome = step->outcome;
	snprintf(exchange->text, sizeof exchange->text, "%.*s", (int)step->text.size,
	        step->text.data ? step->text.data : "");
}

/* Passes one line of the server, "+ …", to the client. */
static void hear(struct peer *peer, struct exchange *exchange)
{
	size_t size = 1;
	while (peer_read(peer, size) && peer->got.data[size - 1] != '\n')
		size++;
	if (size < 4 || memcmp(peer->got.data, "+ ", 2) != 0)
		fail_msg("got \"%.*s\"", (int)size, peer->got.data);
	unsigned steps = exchange->steps;
	weir_sasl_client_next(exchange->client, weir_span(peer->got.data + 2, size - 4));
	peer->got.size = 0;
	assert_true(TURN_UNTIL(loop, exchange->steps > steps));
	assert_int_equal(exchange->outcome, WEIR_SASL_CHALLENGE);
}

static void say(struct peer *peer, const char *before, const char *text)
{
	char line[1100];
	snprintf(line, sizeof line, "%s%s\r\n", before, text);
	peer_send(peer, line);
}

static void scram(void **state)
{
	(void)state;
	struct exchange exchange = {0};
	struct weir_sasl_client_options options =
	        OPTIONS(weir_sasl_client_options, o.mechanisms = WEIR_SPAN("SCRAM-SHA-256"),
	                o.user = WEIR_SPAN("alice"), o.password = WEIR_SPAN("right"));
	assert_int_equal(
	        weir_sasl_client_create(loop, &options, on_step, &exchange, &exchange.client), 0);
	struct peer peer = mailbox_connect();
	weir_sasl_client_start(exchange.client);
	say(&peer, "AUTH SCRAM-SHA-256 ", exchange.text);
	hear(&peer, &exchange);
	say(&peer, "", exchange.text);
	hear(&peer, &exchange);
	say(&peer, "", exchange.text);
	EXPECT(&peer, "+OK Mailbox has 0 messages (0 octets)\r\n");
	assert_int_equal(weir_sasl_client_verify(exchange.client), 0);
	weir_sasl_client_destroy(exchange.client);
	peer_close(&peer);
}

/* The client disconnects at any point of the exchange. */
static void scram_broken_off(void **state)
{
	(void)state;
	struct exchange exchange = {0};
	struct weir_sasl_client_options options =
	        OPTIONS(weir_sasl_client_options, o.mechanisms = WEIR_SPAN("SCRAM-SHA-256"),
	                o.user = WEIR_SPAN("alice"), o.password = WEIR_SPAN("right"));
	for (int turns = 0; turns < 6; turns++) {
		assert_int_equal(weir_sasl_client_create(
		                         loop, &options, on_step, &exchange, &exchange.client),
		        0);
		struct peer peer = mailbox_connect();
		weir_sasl_client_start(exchange.client);
		say(&peer, "AUTH SCRAM-SHA-256 ", exchange.text);
		hear(&peer, &exchange);
		say(&peer, "", exchange.text);
		peer_turn(&peer, turns);
		peer_reset(&peer);
		weir_sasl_client_destroy(exchange.client);
		assert_true(TURN_UNTIL(loop, !weir_server_channels(weir_pop3_listener(server))));
	}
}

#define TLS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TLS_TEST(stls),
	        TLS_TEST(commands_behind_stls_are_dropped),
	        TLS_TEST(not_after_utf8),
	        TLS_TEST(tls_from_the_first_byte),
	        TLS_TEST(scram),
	        TLS_TEST(scram_broken_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
