/*
 * TLS on the control connection and on data: AUTH, implicit, whose session it is, and what is cut
 * off.
 */
#include "site.h"

#include "certificate.h"
#include "secret.h"
#include "make_options.h"

static struct weir_tls *tls;
static SSL_CTX *client;
static SSL_SESSION *last_session;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(last_session);
	last_session = session;
	return 1;
}

static void start_secure_as(struct weir_ftp_options options, bool from_the_first_byte)
{
	struct certificate_files files =
	        certificate_make("localhost", "DNS:localhost,IP:127.0.0.1", 30);
	struct weir_tls_certificate certificate = {.chain = files.chain, .key = files.key};
	struct weir_tls_options tls_options = {.certificates = &certificate, .count = 1};
	assert_int_equal(weir_tls_server_create(&tls_options, NULL, NULL, &tls), 0);
	client = secret_context();
	SSL_CTX_sess_set_new_cb(client, keep_session);
	options.listener.tls = tls;
	options.listener.tls_upgrade = !from_the_first_byte;
	options.rules.writable = true;
	start_server(options);
}

static void start_secure(struct weir_ftp_options options)
{
	start_secure_as(options, false);
}

static void stop_secure(void)
{
	stop_server();
	SSL_SESSION_free(last_session);
	last_session = NULL;
	SSL_CTX_free(client);
	weir_tls_release(tls);
	certificates_remove();
}

/* -- a client ---------------------------------------------------------------------------------- */

/* The next reply; of several lines the last. */
static const char *secure_reply(struct secret *secret)
{
	static char line[512];
	do {
		size_t size = 0;
		do {
			if (size == sizeof line - 1 || !secret_read(secret, line + size, 1))
				return "";
		} while (line[size++] != '\n');
		line[size] = 0;
	} while (line[3] == '-' || line[0] == ' ');
	return line;
}

static const char *secure_ask(struct secret *secret, const char *line)
{
	char text[256];
	int size = snprintf(text, sizeof text, "%s\r\n", line);
	assert_true(secret_send(secret, text, (size_t)size));
	return secure_reply(secret);
}

#define EXPECT_SECURE(secret, line, beginning)                                                     \
	expect_at(secure_ask(secret, line), beginning, line, __FILE__, __LINE__)
#define EXPECT_SECURE_NEXT(secret, beginning)                                                      \
	expect_at(secure_reply(secret), beginning, "", __FILE__, __LINE__)

static struct secret secure_log_in(struct peer *control)
{
	*control = greet();
	EXPECT(control, "AUTH TLS", "234 ");
	struct secret secret = secret_begin(control, client, "localhost", NULL);
	assert_true(secret_handshake(&secret));
	EXPECT_SECURE(&secret, "USER alice", "331 ");
	EXPECT_SECURE(&secret, "PASS secret", "230 ");
	EXPECT_SECURE(&secret, "TYPE I", "200 ");
	EXPECT_SECURE(&secret, "PBSZ 0", "200 ");
	EXPECT_SECURE(&secret, "PROT P", "200 ");
	return secret;
}

static struct peer secure_passive(struct secret *secret)
{
	unsigned port;
	struct weir_address address = local_address();
	const char *bar = strstr(secure_ask(secret, "EPSV"), "|||");
	assert_non_null(bar);
	assert_int_equal(sscanf(bar, "|||%u|", &port), 1);
	address.v4.sin_port = htons((uint16_t)port);
	return peer_connect(loop, &address, 0);
}

static void leave(struct secret *secret, struct peer *peer)
{
	secret_end(secret);
	peer_close(peer);
}

/* -- tests ------------------------------------------------------------------------------------- */

static void both_ways(void **state)
{
	char bytes[8];
	(void)state;
	put("small", "hello");
	start_secure(OPTIONS(weir_ftp_options));
	struct peer control, data;
	struct secret secret = secure_log_in(&control);
	/* The client shakes hands before the command, or after. */
	for (int early = 0; early < 2; early++) {
		data = secure_passive(&secret);
		struct secret file = secret_begin(&data, client, "localhost", NULL);
		if (early)
			SSL_do_handshake(file.ssl);
		EXPECT_SECURE(&secret, "RETR small", "150 ");
		assert_true(secret_handshake(&file));
		assert_true(secret_read(&file, bytes, 5));
		assert_memory_equal(bytes, "hello", 5);
		assert_true(secret_read_end(&file));
		EXPECT_SECURE_NEXT(&secret, "226 ");
		assert_true(logged.secure);
		leave(&file, &data);
		data = secure_passive(&secret);
		EXPECT_SECURE(&secret, "STOR new", "150 ");
		file = secret_begin(&data, client, "localhost", NULL);
		assert_true(secret_handshake(&file));
		assert_true(secret_send(&file, "abc", 3));
		secret_finish(&file);
		EXPECT_SECURE_NEXT(&secret, "226 ");
		assert_string_equal(text_of("new"), "abc");
		leave(&file, &data);
	}
	/* In clear, if the client wants it so. */
	EXPECT_SECURE(&secret, "PROT C", "200 ");
	data = secure_passive(&secret);
	EXPECT_SECURE(&secret, "RETR small", "150 ");
	assert_string_equal(read_data(&data), "hello");
	EXPECT_SECURE_NEXT(&secret, "226 ");
	assert_false(logged.secure);
	peer_close(&data);
	leave(&secret, &control);
	stop_secure();
}

static void what_may_be_asked(void **state)
{
	(void)state;
	start_secure(OPTIONS(weir_ftp_options));
	struct peer control = greet();
	EXPECT(&control, "USER alice", "331 ");
	EXPECT(&control, "PASS secret", "230 ");
	EXPECT(&control, "PBSZ 0", "503 ");
	EXPECT(&control, "AUTH tls-c", "234 ");
	struct secret secret = secret_begin(&control, client, "localhost", NULL);
	assert_true(secret_handshake(&secret));
	/* RFC 4217 4: the session is reset. */
	EXPECT_SECURE(&secret, "PWD", "530 ");
	EXPECT_SECURE(&secret, "AUTH TLS", "503 ");
	EXPECT_SECURE(&secret, "PROT P", "503 ");
	EXPECT_SECURE(&secret, "PBSZ x", "501 ");
	EXPECT_SECURE(&secret, "PBSZ 0", "200 PBSZ=0");
	EXPECT_SECURE(&secret, "PROT S", "536 ");
	EXPECT_SECURE(&secret, "PROT X", "504 ");
	EXPECT_SECURE(&secret, "PROT P", "200 ");
	EXPECT_SECURE(&secret, "CCC", "534 ");
	EXPECT_SECURE(&secret, "FEAT", "211 ");
	EXPECT_SECURE(&secret, "QUIT", "221 ");
	assert_true(secret_read_end(&secret));
	leave(&secret, &control);
	stop_secure();
}

static void nothing_in_clear(void **state)
{
	(void)state;
	put("small", "hello");
	start_secure(OPTIONS(weir_ftp_options, o.rules.tls_required = true));
	struct peer control = greet();
	EXPECT(&control, "USER alice", "530 ");
	EXPECT(&control, "PASS secret", "503 ");
	EXPECT(&control, "USER ftp", "530 ");
	peer_close(&control);
	struct secret secret = secure_log_in(&control);
	EXPECT_SECURE(&secret, "PROT C", "534 ");
	leave(&secret, &control);
	/* Without PROT, data would go in clear. */
	control = greet();
	EXPECT(&control, "AUTH TLS", "234 ");
	secret = secret_begin(&control, client, "localhost", NULL);
	assert_true(secret_handshake(&secret));
	EXPECT_SECURE(&secret, "USER alice", "331 ");
	EXPECT_SECURE(&secret, "PASS secret", "230 ");
	struct peer data = secure_passive(&secret);
	EXPECT_SECURE(&secret, "RETR small", "521 ");
	EXPECT_SECURE(&secret, "LIST", "521 ");
	EXPECT_SECURE(&secret, "STOR x", "521 ");
	peer_close(&data);
	leave(&secret, &control);
	stop_secure();
}

/* Commands that follow AUTH in clear are not carried out after the handshake. */
static void nothing_is_injected(void **state)
{
	(void)state;
	start_secure(OPTIONS(weir_ftp_options));
	struct peer control = greet();
	peer_send(&control, "AUTH TLS\r\nUSER ftp\r\nPASS x\r\n");
	EXPECT_NEXT(&control, "234 ");
	struct secret secret = secret_begin(&control, client, "localhost", NULL);
	assert_true(secret_handshake(&secret));
	EXPECT_SECURE(&secret, "PWD", "530 ");
	EXPECT_SECURE(&secret, "PASS x", "503 ");
	leave(&secret, &control);
	stop_secure();
}

static void implicit(void **state)
{
	char bytes[8];
	(void)state;
	put("small", "hello");
	start_secure_as(OPTIONS(weir_ftp_options), true);
	struct peer control = peer_connect(loop, weir_server_address(weir_ftp_listener(server)), 0);
	struct secret secret = secret_begin(&control, client, "localhost", NULL);
	assert_true(secret_handshake(&secret));
	EXPECT_SECURE_NEXT(&secret, "220 ");
	EXPECT_SECURE(&secret, "USER ftp", "331 ");
	EXPECT_SECURE(&secret, "PASS x", "230 ");
	/* Data is protected without a word. */
	struct peer data = secure_passive(&secret);
	EXPECT_SECURE(&secret, "RETR small", "150 ");
	struct secret file = secret_begin(&data, client, "localhost", NULL);
	assert_true(secret_handshake(&file));
	assert_true(secret_read(&file, bytes, 5));
	EXPECT_SECURE_NEXT(&secret, "226 ");
	leave(&file, &data);
	leave(&secret, &control);
	/* Other mechanisms are refused with a reply. */
	control = peer_connect(loop, weir_server_address(weir_ftp_listener(server)), 0);
	peer_send(&control, "USER ftp\r\n");
	EXPECT_NEXT(&control, "421 ");
	peer_close(&control);
	stop_secure();
}

/* A handshake of its own is not good enough; one resumed from the control connection's is. */
static void the_session_has_to_be_the_same(void **state)
{
	char bytes[8];
	(void)state;
	put("small", "hello");
	start_secure(OPTIONS(weir_ftp_options, o.rules.reuse = WEIR_FTP_REUSE_REQUIRE));
	struct peer control, data;
	struct secret secret = secure_log_in(&control);
	for (int good = 0; good < 2; good++) {
		SSL_SESSION *session = good ? last_session : NULL;
		if (session)
			SSL_SESSION_up_ref(session);
		data = secure_passive(&secret);
		EXPECT_SECURE(&secret, good ? "RETR small" : "STOR new", "150 ");
		struct secret file = secret_begin(&data, client, "localhost", session);
		SSL_SESSION *of_control = last_session;
		if (of_control)
			SSL_SESSION_up_ref(of_control);
		assert_true(secret_handshake(&file));
		assert_int_equal(SSL_session_reused(file.ssl), good);
		if (good) {
			assert_true(secret_read(&file, bytes, 5));
			assert_memory_equal(bytes, "hello", 5);
		}
		EXPECT_SECURE_NEXT(&secret, good ? "226 " : "522 ");
		assert_int_equal(logged.resumed, good);
		leave(&file, &data);
		/* The refused one's tickets are of no use either. */
		SSL_SESSION_free(last_session);
		last_session = of_control;
		SSL_SESSION_free(session);
	}
	assert_null(text_of("new"));
	leave(&secret, &control);
	stop_secure();
}

/* No close_notify: somebody else may have ended it. */
static void cut_off(void **state)
{
	(void)state;
	start_secure(OPTIONS(weir_ftp_options, o.rules.uploads = WEIR_FTP_WHOLE));
	struct peer control, data;
	struct secret secret = secure_log_in(&control);
	data = secure_passive(&secret);
	EXPECT_SECURE(&secret, "STOR new", "150 ");
	struct secret file = secret_begin(&data, client, "localhost", NULL);
	assert_true(secret_handshake(&file));
	assert_true(secret_send(&file, "abc", 3));
	peer_finish(&data);
	EXPECT_SECURE_NEXT(&secret, "426 ");
	assert_null(text_of("new"));
	leave(&file, &data);
	/* No TLS at all. */
	data = secure_passive(&secret);
	EXPECT_SECURE(&secret, "STOR new", "150 ");
	peer_send(&data, "this is no handshake, and it is long enough to be seen so");
	EXPECT_SECURE_NEXT(&secret, "42");
	assert_null(text_of("new"));
	peer_close(&data);
	leave(&secret, &control);
	stop_secure();
}

/* We connect, and are the TLS server all the same. */
static void active(void **state)
{
	char line[64], bytes[8];
	struct weir_address address = local_address();
	socklen_t size = sizeof address;
	(void)state;
	put("small", "hello");
	start_secure(OPTIONS(weir_ftp_options));
	struct peer control;
	struct secret secret = secure_log_in(&control);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, &address.any, sizeof address.v4), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, &address.any, &size), 0);
	snprintf(line, sizeof line, "EPRT |1|127.0.0.1|%u|", weir_address_port(&address));
	EXPECT_SECURE(&secret, line, "200 ");
	EXPECT_SECURE(&secret, "RETR small", "150 ");
	struct peer data = {.loop = loop, .fd = -1};
	for (int i = 0; i < 2000 && data.fd < 0; i++) {
		data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		weir_loop_turn(loop, 1);
	}
	struct secret file = secret_begin(&data, client, "localhost", NULL);
	assert_true(secret_handshake(&file));
	assert_true(secret_read(&file, bytes, 5));
	assert_memory_equal(bytes, "hello", 5);
	assert_true(secret_read_end(&file));
	EXPECT_SECURE_NEXT(&secret, "226 ");
	leave(&file, &data);
	leave(&secret, &control);
	close(listener);
	stop_secure();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(both_ways),
	        SCRATCH_TEST(what_may_be_asked),
	        SCRATCH_TEST(nothing_in_clear),
	        SCRATCH_TEST(nothing_is_injected),
	        SCRATCH_TEST(implicit),
	        SCRATCH_TEST(the_session_has_to_be_the_same),
	        SCRATCH_TEST(cut_off),
	        SCRATCH_TEST(active),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
