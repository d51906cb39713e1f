/* One set of TLS rules on several loops at once: certificates and ticket keys. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/sources.h>

#include "certificate.h"
#include "secret.h"

enum {
	THREADS = 3,
	ROUNDS = 20
};

static struct weir_tls *rules;

static void on_request(struct weir_channel *channel, struct weir_span request)
{
	weir_channel_push_copy(channel, request);
}

/* Keeps the newest ticket with its context. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_CTX *context = SSL_get_SSL_CTX(ssl);
	SSL_SESSION_free(SSL_CTX_get_app_data(context));
	SSL_CTX_set_app_data(context, session);
	return 1;
}

/* A conversation on the server, resumed from the ticket of the one before. */
static bool converse(struct weir_loop *loop, struct weir_server *server, SSL_CTX *client)
{
	struct peer peer = peer_connect(loop, weir_server_address(server), 0);
	struct secret secret =
	        secret_begin(&peer, client, "localhost", SSL_CTX_get_app_data(client));
	bool good = secret_handshake(&secret) && secret_send(&secret, "a\r\n", 3) &&
	            secret_got(&secret, "a");
	secret_finish(&secret);
	secret_end(&secret);
	peer_close(&peer);
	return good;
}

/* The number of conversations that went well. */
static void *run(void *context)
{
	static const struct weir_protocol protocol = {.name = "test", .request = on_request};
	struct weir_loop *loop;
	struct weir_server *server;
	intptr_t good = 0;
	(void)context;
	if (weir_loop_create(&loop) < 0)
		return NULL;
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.listener.address = local_address();
	options.protocol = &protocol;
	options.listener.tls = rules;
	if (weir_server_create(loop, &options, &server) < 0)
		return NULL;
	SSL_CTX *client = secret_context();
	SSL_CTX_sess_set_new_cb(client, keep_session);
	for (int i = 0; i < ROUNDS; i++)
		good += converse(loop, server, client);
	SSL_SESSION_free(SSL_CTX_get_app_data(client));
	SSL_CTX_free(client);
	weir_server_destroy(server);
	weir_loop_destroy(loop);
	return (void *)good;
}

static void rules_are_shared(void **state)
{
	pthread_t threads[THREADS];
	struct certificate_files files = certificate_make("one", "DNS:localhost", 10);
	struct weir_tls_certificate certificate = {files.chain, files.key, NULL};
	struct weir_tls_options options;
	weir_tls_options_init(&options);
	options.certificates = &certificate;
	options.count = 1;
	(void)state;
	assert_int_equal(weir_tls_server_create(&options, NULL, NULL, &rules), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		void *good;
		pthread_join(threads[i], &good);
		assert_int_equal((intptr_t)good, ROUNDS);
	}
	weir_tls_release(rules);
	certificates_remove();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(rules_are_shared)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
