/*
 * TLS on a channel, from its first byte and by an upgrade: records in any pieces, input in clear,
 * handshakes that fail, stall or are too many, ends.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/sources.h>

#include "allocation.h"
#include "certificate.h"
#include "clock.h"
#include "secret.h"

enum {
	BIG = 3 * 1024 * 1024
};

static struct weir_loop *loop;
static struct weir_server *server;
static struct weir_tls *rules;
static SSL_CTX *client;
static char *big; /* BIG bytes */

/* The calls of the server's callbacks. */
static struct {
	unsigned opens, closes, secureds, failures, eofs;
	int closed_with;
	size_t dropped;
	bool secure, truncated;
	char subject[128], name[64], alpn[16], why[128];
	unsigned char session[16];
	bool resumed;
} told;

/* -- the server -------------------------------------------------------------------------------- */

static void note_info(struct weir_channel *channel)
{
	struct weir_tls_info info;
	told.secure = weir_channel_secure(channel);
	if (!weir_channel_tls(channel, &info))
		return;
	snprintf(told.subject, sizeof told.subject, "%s", info.subject ? info.subject : "");
	snprintf(told.name, sizeof told.name, "%.*s", (int)info.name.size, info.name.data);
	snprintf(told.alpn, sizeof told.alpn, "%.*s", (int)info.alpn.size, info.alpn.data);
	memcpy(told.session, info.session.data, sizeof told.session);
	told.resumed = info.resumed;
}

static int on_open(struct weir_channel *channel)
{
	told.opens++;
	note_info(channel);
	weir_channel_push_static(channel, "hello\r\n");
	return 0;
}

static void on_request(struct weir_channel *channel, struct weir_span request)
{
	if (weir_span_equal(request, WEIR_SPAN("STARTTLS"))) {
		weir_channel_push_static(channel, "go on\r\n");
		assert_int_equal(weir_channel_start_tls(channel, rules, NULL), 0);
		assert_int_equal(weir_channel_push_static(channel, "never"), WEIR_E_CLOSED);
	} else if (weir_span_equal(request, WEIR_SPAN("BIG"))) {
		weir_channel_push(channel, weir_produce_borrowed(big, BIG));
	} else if (weir_span_equal(request, WEIR_SPAN("QUIT"))) {
		weir_channel_push_static(channel, "bye\r\n");
		weir_channel_close(channel);
	} else {
		weir_channel_push_copy(channel, request);
	}
}

static void on_eof(struct weir_channel *channel)
{
	told.eofs++;
	told.truncated = weir_channel_truncated(channel);
	weir_channel_close(channel);
}

static void on_secured(struct weir_channel *channel, size_t dropped)
{
	told.secureds++;
	told.dropped = dropped;
	note_info(channel);
}

static void on_close(struct weir_channel *channel, int error)
{
	(void)channel;
	told.closes++;
	told.closed_with = error;
}

static const struct weir_protocol protocol = {
        .name = "test",
        .open = on_open,
        .request = on_request,
        .eof = on_eof,
        .secured = on_secured,
        .close = on_close,
};

static void on_tls_failed(
        void *context, const struct weir_address *peer, uint64_t id, const char *why)
{
	(void)context, (void)peer;
	assert_true(id);
	told.failures++;
	snprintf(told.why, sizeof told.why, "%s", why);
}

/* -- begin and end ----------------------------------------------------------------------------- */

static struct weir_tls *make_rules(const struct weir_tls_options *more)
{
	static const char *const alpn[] = {"test/2", "test/1", NULL};
	struct certificate_files files = certificate_make("one", "DNS:localhost", 10);
	struct certificate_files other =
	        certificate_make("two", "DNS:other.test,DNS:*.wild.test", 10);
	struct weir_tls_certificate certificates[] = {
	        {files.chain, files.key, NULL}, {other.chain, other.key, NULL}};
	struct weir_tls_options options;
	struct weir_tls *tls = NULL;
	weir_tls_options_init(&options);
	if (more)
		options = *more;
	options.certificates = certificates;
	options.count = 2;
	options.alpn = alpn;
	assert_int_equal(weir_tls_server_create(&options, NULL, NULL, &tls), 0);
	return tls;
}

static void start(bool from_the_first_byte, const struct weir_tls_options *more)
{
	memset(&told, 0, sizeof told);
	rules = make_rules(more);
	client = secret_context();
	assert_int_equal(weir_loop_create(&loop), 0);
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.listener.address = local_address();
	options.protocol = &protocol;
	options.listener.tls = from_the_first_byte ? rules : NULL;
	options.tls_refusal = "speak TLS\r\n";
	options.listener.tls_failed = on_tls_failed;
	assert_int_equal(weir_server_create(loop, &options, &server), 0);
}

static void stop(void)
{
	weir_server_destroy(server);
	weir_loop_destroy(loop);
	weir_tls_release(rules);
	SSL_CTX_free(client);
	certificates_remove();
	assert_int_equal(told.opens, told.closes);
}

static struct peer connect_peer(void)
{
	return peer_connect(loop, weir_server_address(server), 0);
}

static void hang_up(struct secret *secret)
{
	struct peer *peer = secret->peer;
	unsigned open = told.opens - told.closes;
	secret_end(secret);
	peer_close(peer);
	assert_true(TURN_UNTIL(loop, !open || told.opens - told.closes < open));
}

/* -- what is asked for ------------------------------------------------------------------------- */

static void converse(const char *name, size_t step, int version)
{
	struct peer peer = connect_peer();
	struct secret secret = secret_begin(&peer, client, name, NULL);
	SSL_set_max_proto_version(secret.ssl, version);
	secret.step = step;
	assert_true(secret_handshake(&secret));
	assert_true(secret_got(&secret, "hello\r\n"));
	assert_true(told.secure);
	assert_true(secret_send(&secret, "a\r\nb\r\n", 6));
	assert_true(secret_got(&secret, "ab"));
	assert_true(secret_send(&secret, "QUIT\r\n", 6));
	assert_true(secret_got(&secret, "bye\r\n"));
	assert_true(secret_read_end(&secret));
	assert_int_equal(SSL_version(secret.ssl), version);
	secret_finish(&secret);
	hang_up(&secret);
	assert_int_equal(told.closed_with, 0);
}

static void a_conversation_in_any_pieces(void **state)
{
	static const size_t steps[] = {0, 1, 2, 5, 100};
	(void)state;
	start(true, NULL);
	for (size_t i = 0; i < 5; i++) {
		converse("localhost", steps[i], TLS1_3_VERSION);
		converse("localhost", steps[i], TLS1_2_VERSION);
	}
	stop();
}

static void the_certificate_is_the_one_asked_for(void **state)
{
	(void)state;
	start(true, NULL);
	converse("localhost", 0, TLS1_3_VERSION);
	converse("other.test", 0, TLS1_3_VERSION);
	converse("OTHER.test", 0, TLS1_2_VERSION);
	converse("deep.wild.test", 0, TLS1_3_VERSION);
	assert_string_equal(told.name, "deep.wild.test");
	/* In none of them: the first is shown, and this client does not like it. */
	struct peer peer = connect_peer();
	struct secret secret = secret_begin(&peer, client, "wild.test", NULL);
	assert_false(secret_handshake(&secret));
	assert_true(TURN_UNTIL(loop, told.failures == 1));
	assert_non_null(strstr(told.why, "certificate"));
	secret_end(&secret);
	peer_close(&peer);
	stop();
}

static void protocols_are_agreed_on(void **state)
{
	static const unsigned char theirs[] = "\6test/1\5other";
	static const unsigned char foreign[] = "\5other";
	(void)state;
	start(true, NULL);
	SSL_CTX_set_alpn_protos(client, theirs, sizeof theirs - 1);
	converse("localhost", 0, TLS1_3_VERSION);
	assert_string_equal(told.alpn, "test/1");
	SSL_CTX_set_alpn_protos(client, foreign, sizeof foreign - 1);
	struct peer peer = connect_peer();
	struct secret secret = secret_begin(&peer, client, "localhost", NULL);
	assert_false(secret_handshake(&secret));
	assert_int_equal(told.failures, 1);
	secret_end(&secret);
	peer_close(&peer);
	stop();
}

static void much_in_both_directions(void **state)
{
	static char got[BIG];
	(void)state;
	start(true, NULL);
	struct peer peer = connect_peer();
	struct secret secret = secret_begin(&peer, client, "localhost", NULL);
	assert_true(secret_handshake(&secret));
	assert_true(secret_got(&secret, "hello\r\n"));
	for (int i = 0; i < 3; i++) {
		assert_true(secret_send(&secret, "BIG\r\nx\r\n", 8));
		/*
		 * The client reads nothing for a while: ciphertext is pending in the kernel and
		 * here.
		 */
		peer_turn(&peer, 50);
		memset(got, 0, BIG);
		assert_true(secret_read(&secret, got, BIG));
		assert_memory_equal(got, big, BIG);
		assert_true(secret_got(&secret, "x"));
	}
	/* Many small requests in large records, of which some end in the middle. */
	static char lines[40000 * 3 + 1];
	for (int i = 0; i < 40000; i++)
		memcpy(lines + (size_t)i * 3, "y\r\n", 3);
	for (int i = 0; i < 3; i++) {
		assert_true(secret_send(&secret, lines, 40000 * 3));
		assert_true(secret_read(&secret, got, 40000));
		for (int at = 0; at < 40000; at++)
			assert_int_equal(got[at], 'y');
	}
	hang_up(&secret);
	stop();
}

static SSL_SESSION *last_session;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(last_session);
	last_session = session;
	return 1;
}

static void resume(bool expected, int version)
{
	struct peer peer = connect_peer();
	struct secret secret = secret_begin(&peer, client, "localhost", last_session);
	SSL_set_max_proto_version(secret.ssl, version);
	assert_true(secret_handshake(&secret));
	assert_true(secret_got(&secret, "hello\r\n"));
	assert_int_equal(told.resumed, expected);
	assert_int_equal(SSL_session_reused(secret.ssl), expected);
	/* Up to TLS 1.2 a ticket that was renewed is not reported. */
	if (expected && version < TLS1_3_VERSION)
		keep_session(secret.ssl, SSL_get1_session(secret.ssl));
	secret_finish(&secret);
	hang_up(&secret);
}

/* Also by a server that came after a reload, and while keys are rotated; not for ever. */
static void sessions_are_resumed(void **state)
{
	static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
	unsigned char first[16], none[16] = {0};
	(void)state;
	for (int i = 0; i < 2; i++) {
		start(true, NULL);
		SSL_CTX_sess_set_new_cb(client, keep_session);
		resume(false, versions[i]);
		memcpy(first, told.session, 16);
		assert_memory_not_equal(first, none, 16);
		resume(true, versions[i]);
		assert_memory_equal(told.session, first, 16);
		struct weir_tls_options reload;
		weir_tls_options_init(&reload);
		reload.tickets = rules;
		struct weir_tls *next = make_rules(&reload);
		weir_server_set_tls(server, next);
		weir_tls_release(rules);
		rules = next;
		resume(true, versions[i]);
		assert_memory_equal(told.session, first, 16);
		clock_advance(WEIR_TLS_TICKET_ROTATE_S * 1500l);
		resume(true, versions[i]);
		next = make_rules(NULL);
		weir_server_set_tls(server, next);
		weir_tls_release(rules);
		rules = next;
		resume(false, versions[i]);
		assert_memory_not_equal(told.session, first, 16);
		SSL_SESSION_free(last_session);
		last_session = NULL;
		stop();
	}
}

/* -- servers that share secrets ---------------------------------------------------------------- */

/* The next server makes its ticket keys of these secrets alone. */
static void replace_rules(
        const char *label, const struct weir_tls_ticket_secret *secrets, size_t count)
{
	struct weir_tls *next = make_rules(NULL);
	assert_int_equal(weir_tls_set_ticket_secrets(next, label, secrets, count), 0);
	weir_server_set_tls(server, next);
	weir_tls_release(rules);
	rules = next;
}

static void sessions_are_resumed_where_the_secrets_are_shared(void **state)
{
	static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
	const int64_t period_s = WEIR_TLS_TICKET_ROTATE_S;
	struct weir_tls_ticket_secret secrets[] = {
	        {{3}, -10}, {{2}, period_s - 10}, {{1}, 2 * period_s - 10}};
	(void)state;
	for (int i = 0; i < 2; i++) {
		start(true, NULL);
		SSL_CTX_sess_set_new_cb(client, keep_session);
		replace_rules("http", secrets, 3);
		resume(false, versions[i]);
		replace_rules("http", secrets, 3);
		resume(true, versions[i]);
		/* Of a server whose clock has come to the next key already. */
		replace_rules("http", secrets, 1);
		resume(false, versions[i]);
		replace_rules("http", secrets + 1, 2);
		resume(false, versions[i]);
		replace_rules("http", secrets, 3);
		resume(true, versions[i]);
		/* The next key is in use by itself, then a key of the server's own. */
		clock_advance(20 * 1000l);
		resume(true, versions[i]);
		struct weir_tls_ticket_secret later[] = {{{3}, 10}, {{2}, period_s + 10}};
		replace_rules("http", later, 2);
		resume(true, versions[i]);
		clock_advance(period_s * 1000l);
		resume(true, versions[i]);
		resume(true, versions[i]);
		struct weir_tls_ticket_secret none[] = {{{4}, 10}};
		replace_rules("http", none, 1);
		resume(false, versions[i]);
		replace_rules("smtp", none, 1);
		resume(false, versions[i]);
		SSL_SESSION_free(last_session);
		last_session = NULL;
		stop();
	}
}

static void clients_may_have_to_show_who_they_are(void **state)
{
	(void)state;
	struct weir_tls_options options;
	weir_tls_options_init(&options);
	options.clients = WEIR_TLS_CLIENTS_REQUIRED;
	options.clients_ca = certificate_ca();
	start(true, &options);
	struct peer peer = connect_peer();
	struct secret secret = secret_begin(&peer, client, "localhost", NULL);
	secret_handshake(&secret); /* in 1.3 the client hears of its failure later */
	assert_true(TURN_UNTIL(loop, told.failures == 1));
	assert_int_equal(told.opens, 0);
	secret_end(&secret);
	peer_close(&peer);

	struct certificate_files files = certificate_make("Anna, of the tests", NULL, 10);
	SSL_CTX_use_certificate_chain_file(client, files.chain);
	SSL_CTX_use_PrivateKey_file(client, files.key, SSL_FILETYPE_PEM);
	converse("localhost", 0, TLS1_3_VERSION);
	assert_string_equal(told.subject, "CN=Anna\\, of the tests");
	converse("localhost", 0, TLS1_2_VERSION);
	stop();
}

/* -- input in clear ---------------------------------------------------------------------------- */

static void an_upgrade_forgets_what_came_in_clear(void **state)
{
	(void)state;
	start(false, NULL);
	struct peer peer = connect_peer();
	assert_true(peer_got(&peer, "hello\r\n"));
	peer_send(&peer, "clear\r\nSTARTTLS\r\ninjected\r\nmore");
	assert_true(peer_got(&peer, "cleargo on\r\n"));
	struct secret secret = secret_begin(&peer, client, "localhost", NULL);
	assert_true(secret_handshake(&secret));
	assert_true(secret_send(&secret, "secret\r\n", 8));
	assert_true(secret_got(&secret, "secret"));
	assert_int_equal(told.secureds, 1);
	assert_int_equal(told.dropped, 14);
	assert_true(told.secure);
	hang_up(&secret);
	stop();
}

/* Bytes in clear after the reply are no record, and end the connection. */
static void an_upgrade_is_not_talked_over(void **state)
{
	(void)state;
	start(false, NULL);
	struct peer peer = connect_peer();
	assert_true(peer_got(&peer, "hello\r\n"));
	peer_send(&peer, "STARTTLS\r\n");
	assert_true(peer_got(&peer, "go on\r\n"));
	peer_send(&peer, "injected\r\n");
	assert_true(peer_read_end(&peer));
	assert_true(TURN_UNTIL(loop, told.closes == 1));
	assert_int_equal(told.closed_with, WEIR_E_TLS);
	assert_int_equal(told.secureds, 0);
	assert_null(memmem(peer.got.data, peer.got.size, "injected", 8));
	peer_close(&peer);
	stop();
}

static void who_speaks_no_tls_is_told_so(void **state)
{
	(void)state;
	start(true, NULL);
	struct peer peer = connect_peer();
	peer_send(&peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(peer_read_end(&peer));
	/* An alert may come first. */
	assert_true(peer.got.size >= 11);
	assert_memory_equal(peer.got.data + peer.got.size - 11, "speak TLS\r\n", 11);
	assert_int_equal(told.failures, 1);
	assert_string_equal(told.why, "the peer speaks no TLS");
	assert_int_equal(told.opens + told.closes, 0);
	peer_close(&peer);
	converse("localhost", 0, TLS1_3_VERSION);
	stop();
}

/* -- handshakes that go wrong ------------------------------------------------------------------ */

static void garbage_costs_its_own_connection(void **state)
{
	static const char *const bad[] = {
	        "\x16\x03\x01\xff\xff\x01",             /* a record longer than there are */
	        "\x16\x03\x01\x00\x05hello",            /* a handshake message of no kind */
	        "\x16\x03\x01\x00\x00",                 /* an empty one */
	        "\x80\x2e\x01\x03\x01",                 /* SSL 2 */
	        "\x15\x03\x01\x00\x02\x02\x28",         /* an alert */
	        "\x17\x03\x03\x00\x03xyz",              /* data before the handshake */
	        "\x16\x03\x01\x00\x04\x01\xff\xff\xff", /* a ClientHello of 16 MB */
	};
	static const size_t sizes[] = {6, 10, 5, 5, 7, 8, 9};
	(void)state;
	start(true, NULL);
	for (unsigned i = 0; i < 7; i++) {
		struct peer peer = connect_peer();
		peer_send_bytes(&peer, bad[i], sizes[i]);
		peer_turn(&peer, 3);
		peer_finish(&peer);
		assert_true(peer_read_end(&peer));
		peer_close(&peer);
		assert_true(TURN_UNTIL(loop, told.failures == i + 1));
		assert_true(told.why[0]);
	}
	assert_int_equal(told.opens, 0);
	converse("localhost", 0, TLS1_3_VERSION);
	stop();
}

/* RFC 8446 6.2: the connection is closed at once; what came before the failure counts. */
static void a_fatal_error_behind_data_ends_the_connection(void **state)
{
	(void)state;
	start(true, NULL);
	struct peer peer = connect_peer();
	struct secret secret = secret_begin(&peer, client, "localhost", NULL);
	assert_true(secret_handshake(&secret));
	assert_true(secret_got(&secret, "hello\r\n"));
	size_t written;
	char *data;
	assert_int_equal(SSL_write_ex(secret.ssl, "abc\r\n", 5, &written), 1);
	assert_int_equal(SSL_write_ex(secret.ssl, "def\r\n", 5, &written), 1);
	size_t size = (size_t)BIO_get_mem_data(SSL_get_wbio(secret.ssl), &data);
	data[size - 1] ^= 1;
	peer_send_bytes(&peer, data, size);
	assert_true(TURN_UNTIL(loop, told.closes == 1));
	secret_end(&secret);
	peer_close(&peer);
	stop();
}

/* A real conversation in which one byte is changed, or after which all is silence. */
static void records_are_not_tampered_with(void **state)
{
	(void)state;
	start(true, NULL);
	struct peer peer = connect_peer();
	struct secret secret = secret_begin(&peer, client, "localhost", NULL);
	assert_true(secret_handshake(&secret));
	assert_true(secret_got(&secret, "hello\r\n"));
	size_t written;
	char *data;
	assert_int_equal(SSL_write_ex(secret.ssl, "abc\r\n", 5, &written), 1);
	size_t size = (size_t)BIO_get_mem_data(SSL_get_wbio(secret.ssl), &data);
	data[size - 1] ^= 1;
	peer_send_bytes(&peer, data, size);
	assert_true(TURN_UNTIL(loop, told.closes == 1));
	assert_int_equal(told.closed_with, WEIR_E_TLS);
	secret_end(&secret);
	peer_close(&peer);
	stop();
}

static void a_handshake_has_its_time(void **state)
{
	(void)state;
	start(true, NULL);
	struct peer silent = connect_peer(), slow = connect_peer();
	struct secret secret = secret_begin(&slow, client, "localhost", NULL);
	size_t size;
	char *data;
	SSL_do_handshake(secret.ssl);
	size = (size_t)BIO_get_mem_data(SSL_get_wbio(secret.ssl), &data);
	assert_true(TURN_UNTIL(loop, weir_server_channels(server) == 2));
	/* It has to be complete: dripping does not help. */
	for (size_t at = 0; at < 12 && !told.failures; at++) {
		peer_send_bytes(&slow, data + at, 1);
		peer_turn(&slow, 3);
		clock_advance(1000);
		peer_turn(&slow, 3);
	}
	assert_true(size > 12);
	assert_true(TURN_UNTIL(loop, weir_server_channels(server) == 0));
	assert_int_equal(told.failures, 2);
	assert_string_equal(told.why, "the handshake took too long");
	secret_end(&secret);
	peer_close(&silent);
	peer_close(&slow);
	stop();
}

static void the_oldest_handshake_gives_way(void **state)
{
	static struct peer peers[WEIR_TLS_HANDSHAKES_MAX + 3];
	(void)state;
	start(true, NULL);
	for (unsigned i = 0; i < WEIR_TLS_HANDSHAKES_MAX + 3; i++) {
		peers[i] = connect_peer();
		peer_send_bytes(&peers[i], "\x16\x03", 2);
		peer_turn(&peers[i], 1);
	}
	assert_true(TURN_UNTIL(loop, told.failures == 3));
	assert_string_equal(told.why, "too many handshakes at once");
	for (unsigned i = 0; i < 3; i++)
		assert_true(peer_read_end(&peers[i]));
	converse("localhost", 0, TLS1_3_VERSION); /* a fourth gives way */
	assert_int_equal(told.failures, 4);
	for (unsigned i = 0; i < WEIR_TLS_HANDSHAKES_MAX + 3; i++)
		peer_close(&peers[i]);
	stop();
}

/* The number of peers that have got an answer so far. */
static unsigned answered(struct peer *peers, unsigned count)
{
	unsigned found = 0;
	char byte;
	for (unsigned i = 0; i < count; i++)
		found += recv(peers[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
	return found;
}

static void a_turn_has_a_budget_of_handshakes(void **state)
{
	enum {
		PEERS = 5 * WEIR_TLS_HANDSHAKES_PER_TURN
	};
	static struct peer peers[PEERS];
	static struct secret secrets[PEERS];
	unsigned before = 0;
	char *data;
	(void)state;
	start(true, NULL);
	for (unsigned i = 0; i < PEERS; i++)
		peers[i] = connect_peer();
	assert_true(TURN_UNTIL(loop, weir_server_channels(server) == PEERS));
	for (unsigned i = 0; i < PEERS; i++) {
		secrets[i] = secret_begin(&peers[i], client, "localhost", NULL);
		SSL_do_handshake(secrets[i].ssl);
		ssize_t size = BIO_get_mem_data(SSL_get_wbio(secrets[i].ssl), &data);
		assert_int_equal(send(peers[i].fd, data, (size_t)size, 0), size);
		(void)BIO_reset(SSL_get_wbio(secrets[i].ssl));
	}
	for (unsigned turns = 0; before < PEERS && turns < 100; turns++) {
		weir_loop_turn(loop, 0);
		unsigned now = answered(peers, PEERS);
		assert_true(now - before <= WEIR_TLS_HANDSHAKES_PER_TURN);
		before = now;
	}
	assert_int_equal(before, PEERS);
	for (unsigned i = 0; i < PEERS; i++) {
		assert_true(secret_handshake(&secrets[i]));
		assert_true(secret_got(&secrets[i], "hello\r\n"));
		hang_up(&secrets[i]);
	}
	stop();
}

/* -- ends -------------------------------------------------------------------------------------- */

static void the_end_is_said_or_missed(void **state)
{
	(void)state;
	start(true, NULL);
	for (int truncated = 0; truncated < 2; truncated++) {
		struct peer peer = connect_peer();
		struct secret secret = secret_begin(&peer, client, "localhost", NULL);
		unsigned eofs = told.eofs;
		assert_true(secret_handshake(&secret));
		assert_true(secret_got(&secret, "hello\r\n"));
		assert_true(secret_send(&secret, "last\r\n", 6));
		if (!truncated)
			secret_finish(&secret);
		peer_finish(&peer);
		/* The connection is half closed: the reply still comes, and our close_notify. */
		if (truncated)
			assert_true(secret_got(&secret, "last"));
		assert_true(TURN_UNTIL(loop, told.eofs == eofs + 1));
		assert_int_equal(told.truncated, truncated);
		secret_end(&secret);
		peer_close(&peer);
		TURN_UNTIL(loop, weir_server_channels(server) == 0);
	}
	stop();
}

/* -- our own client ---------------------------------------------------------------------------- */

static struct {
	struct weir_tls *tls;
	const char *name;
	char got[64];
	size_t size;
	unsigned secureds, closes;
	int closed_with;
} ours;

static int ours_open(struct weir_channel *channel)
{
	weir_channel_stream(channel, weir_everything());
	return weir_channel_start_tls(channel, ours.tls, ours.name);
}

static void ours_secured(struct weir_channel *channel, size_t dropped)
{
	assert_int_equal(dropped, 0);
	ours.secureds++;
	weir_channel_push_static(channel, "QUIT\r\n");
}

static void ours_piece(struct weir_channel *channel, struct weir_span bytes)
{
	(void)channel;
	assert_true(ours.size + bytes.size < sizeof ours.got);
	memcpy(ours.got + ours.size, bytes.data, bytes.size);
	ours.size += bytes.size;
}

static void ours_request(struct weir_channel *channel, struct weir_span request)
{
	(void)channel, (void)request;
}

static void ours_close(struct weir_channel *channel, int error)
{
	(void)channel;
	ours.closes++;
	ours.closed_with = error;
}

static const struct weir_protocol our_protocol = {
        .open = ours_open,
        .request = ours_request,
        .piece = ours_piece,
        .secured = ours_secured,
        .close = ours_close,
};

static int connect_ours(const char *name, bool verify, bool trusting)
{
	struct weir_tls_client_options options;
	struct weir_channel *channel;
	weir_tls_client_options_init(&options);
	options.ca = trusting ? certificate_ca() : NULL;
	options.verify = verify;
	memset(&ours, 0, sizeof ours);
	ours.name = name;
	assert_int_equal(weir_tls_client_create(&options, NULL, NULL, &ours.tls), 0);
	assert_int_equal(weir_connect(loop, weir_server_address(server), &our_protocol, NULL, NULL,
	                         &channel),
	        0);
	assert_true(TURN_UNTIL(loop, ours.closes == 1 && weir_server_channels(server) == 0));
	weir_tls_release(ours.tls);
	return ours.closed_with;
}

static void our_client_verifies(void **state)
{
	(void)state;
	start(true, NULL);
	assert_int_equal(connect_ours("localhost", true, true), 0);
	assert_string_equal(ours.got, "hello\r\nbye\r\n");
	assert_int_equal(connect_ours("deep.wild.test", true, true), 0);
	assert_int_equal(connect_ours("elsewhere.test", true, true), WEIR_E_TLS);
	assert_int_equal(connect_ours("localhost", true, false), WEIR_E_TLS);
	assert_int_equal(connect_ours("127.0.0.1", true, true), WEIR_E_TLS);
	assert_int_equal(ours.secureds, 0);
	assert_int_equal(connect_ours("elsewhere.test", false, false), 0);
	assert_string_equal(ours.got, "hello\r\nbye\r\n");
	stop();
}

/* -- without memory ---------------------------------------------------------------------------- */

static void memory_runs_out(void **state)
{
	(void)state;
	start(true, NULL);
	for (unsigned good = 0, failed = 1; failed; good++) {
		struct peer peer = connect_peer();
		struct secret secret = secret_begin(&peer, client, "localhost", NULL);
		/* The test's own is to succeed. */
		assert_int_equal(weir_buffer_reserve(&peer.got, BIG, SIZE_MAX), 0);
		fail_allocation_after(good, false);
		if (secret_handshake(&secret) && secret_got(&secret, "hello\r\n"))
			secret_send(&secret, "BIG\r\n", 5);
		peer_turn(&peer, 20);
		failed = stop_failing_allocations();
		secret_end(&secret);
		peer_reset(&peer);
		assert_true(TURN_UNTIL(loop, weir_server_channels(server) == 0));
	}
	converse("localhost", 0, TLS1_3_VERSION);
	stop();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_conversation_in_any_pieces),
	        cmocka_unit_test(the_certificate_is_the_one_asked_for),
	        cmocka_unit_test(protocols_are_agreed_on),
	        cmocka_unit_test(much_in_both_directions),
	        cmocka_unit_test(sessions_are_resumed),
	        cmocka_unit_test(sessions_are_resumed_where_the_secrets_are_shared),
	        cmocka_unit_test(clients_may_have_to_show_who_they_are),
	        cmocka_unit_test(an_upgrade_forgets_what_came_in_clear),
	        cmocka_unit_test(an_upgrade_is_not_talked_over),
	        cmocka_unit_test(who_speaks_no_tls_is_told_so),
	        cmocka_unit_test(garbage_costs_its_own_connection),
	        cmocka_unit_test(a_fatal_error_behind_data_ends_the_connection),
	        cmocka_unit_test(records_are_not_tampered_with),
	        cmocka_unit_test(a_handshake_has_its_time),
	        cmocka_unit_test(the_oldest_handshake_gives_way),
	        cmocka_unit_test(a_turn_has_a_budget_of_handshakes),
	        cmocka_unit_test(the_end_is_said_or_missed),
	        cmocka_unit_test(our_client_verifies),
	        cmocka_unit_test(memory_runs_out),
	};
	big = malloc(BIG);
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)(i * 31 + i / 1000);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(big);
	return failed;
}
