/*
 * Private keys that are elsewhere: the server has certificates, and a function that signs, which
 * here is slow, fails, or has another key. The loop turns meanwhile, and a connection that ends
 * leaves nothing behind.
 */
#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "allocation.h"
#include "certificate.h"
#include "secret.h"

/* The process that has the keys, as it were. */
static struct {
	EVP_PKEY *key;
	atomic_uint asked;
	atomic_uint released;
	atomic_bool fails;
	atomic_bool slow; /* each signature waits for `go_on` */
	sem_t go_on;
} signer;

static struct weir_loop *loop;
static struct weir_server *server;
static struct weir_tls *rules;
static SSL_CTX *client;
static struct {
	unsigned opens, closes, failures;
	bool resumed;
} told;

/* -- the signer -------------------------------------------------------------------------------- */

static int sign(void *context, const struct weir_tls_signing *signing, unsigned char *signature,
        size_t room, size_t *ret_size)
{
	EVP_PKEY_CTX *key = NULL;
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	assert_ptr_equal(context, &signer);
	assert_int_equal(signing->certificate, 0);
	atomic_fetch_add(&signer.asked, 1);
	if (atomic_load(&signer.slow))
		sem_wait(&signer.go_on);
	*ret_size = room;
	bool good = EVP_DigestSignInit_ex(
	                    hash, &key, signing->digest, NULL, NULL, signer.key, NULL) == 1;
	if (good && signing->pss)
		good = EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(key, RSA_PSS_SALTLEN_DIGEST) == 1;
	good = good &&
	       EVP_DigestSign(hash, signature, ret_size, (const unsigned char *)signing->input.data,
	               signing->input.size) == 1;
	EVP_MD_CTX_free(hash);
	return good && !atomic_load(&signer.fails) ? 0 : -EPERM;
}

static void on_release(void *context)
{
	assert_ptr_equal(context, &signer);
	atomic_fetch_add(&signer.released, 1);
}

static void use_key(const char *path)
{
	FILE *file = fopen(path, "r");
	EVP_PKEY_free(signer.key);
	signer.key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	fclose(file);
}

/* -- the server -------------------------------------------------------------------------------- */

static int on_open(struct weir_channel *channel)
{
	struct weir_tls_info info;
	told.opens++;
	assert_true(weir_channel_tls(channel, &info));
	told.resumed = info.resumed;
	weir_channel_push_static(channel, "hello\r\n");
	return 0;
}

static void on_request(struct weir_channel *channel, struct weir_span request)
{
	weir_channel_push_copy(channel, request);
}

static void on_close(struct weir_channel *channel, int error)
{
	(void)channel, (void)error;
	told.closes++;
}

static const struct weir_protocol protocol = {
        .name = "test", .open = on_open, .request = on_request, .close = on_close};

static void on_tls_failed(
        void *context, const struct weir_address *peer, uint64_t id, const char *why)
{
	(void)context, (void)peer, (void)id, (void)why;
	told.failures++;
}

static char complaint[256];

static void report(void *context, const char *path, const char *text)
{
	(void)context, (void)path;
	snprintf(complaint, sizeof complaint, "%s", text);
}

/* The file of the key is never read. */
static int make_rules(const char *chain)
{
	struct weir_tls_certificate certificate = {chain, "/nonexistent", NULL};
	struct weir_tls_options options;
	weir_tls_options_init(&options);
	options.certificates = &certificate;
	options.count = 1;
	options.sign = sign;
	options.sign_release = on_release;
	options.sign_context = &signer;
	return weir_tls_server_create(&options, report, NULL, &rules);
}

static void start(const char *kind)
{
	struct certificate_files files = certificate_make_kind(kind, "one", "DNS:localhost", 10);
	struct weir_server_options options;
	memset(&told, 0, sizeof told);
	atomic_store(&signer.fails, false);
	atomic_store(&signer.slow, false);
	atomic_store(&signer.asked, 0);
	atomic_store(&signer.released, 0);
	use_key(files.key);
	assert_int_equal(make_rules(files.chain), 0);
	assert_int_equal(atomic_load(&signer.asked), 1); /* to try the key */
	client = secret_context();
	assert_int_equal(weir_loop_create(&loop), 0);
	weir_server_options_init(&options);
	options.listener.address = local_address();
	options.protocol = &protocol;
	options.listener.tls = rules;
	options.listener.tls_failed = on_tls_failed;
	assert_int_equal(weir_server_create(loop, &options, &server), 0);
}

static void stop(void)
{
	weir_server_destroy(server);
	weir_loop_destroy(loop);
	weir_tls_release(rules);
	assert_int_equal(atomic_load(&signer.released), 1);
	SSL_CTX_free(client);
	EVP_PKEY_free(signer.key);
	signer.key = NULL;
	certificates_remove();
	assert_int_equal(told.opens, told.closes);
}

static void converse(int version, size_t step, SSL_SESSION *session)
{
	unsigned closes = told.closes;
	struct peer peer = peer_connect(loop, weir_server_address(server), 0);
	struct secret secret = secret_begin(&peer, client, "localhost", session);
	secret.step = step;
	SSL_set_max_proto_version(secret.ssl, version);
	assert_true(secret_handshake(&secret));
	assert_true(secret_got(&secret, "hello\r\n"));
	assert_true(secret_send(&secret, "a\r\nb\r\n", 6));
	assert_true(secret_got(&secret, "ab"));
	assert_int_equal(told.resumed, session != NULL);
	secret_finish(&secret);
	secret_end(&secret);
	peer_close(&peer);
	assert_true(TURN_UNTIL(loop, told.closes == closes + 1));
}

/* -- tests ------------------------------------------------------------------------------------- */

static SSL_SESSION *last_session;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(last_session);
	last_session = session;
	return 1;
}

static void each_full_handshake_has_one_signature(void **state)
{
	static const char *const kinds[] = {"RSA", "EC", "ED25519"};
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	(void)state;
	for (size_t kind = 0; kind < 3; kind++)
		for (size_t version = 0; version < 2; version++) {
			start(kinds[kind]);
			SSL_CTX_sess_set_new_cb(client, keep_session);
			converse(versions[version], 0, NULL);
			assert_int_equal(atomic_load(&signer.asked), 2);
			converse(versions[version], 0, last_session);
			assert_int_equal(atomic_load(&signer.asked), 2);
			converse(versions[version], 7, NULL);
			assert_int_equal(atomic_load(&signer.asked), 3);
			SSL_SESSION_free(last_session);
			last_session = NULL;
			stop();
		}
}

static void a_signature_that_fails_fails_the_handshake(void **state)
{
	(void)state;
	start("EC");
	atomic_store(&signer.fails, true);
	struct peer peer = peer_connect(loop, weir_server_address(server), 0);
	struct secret secret = secret_begin(&peer, client, "localhost", NULL);
	assert_false(secret_handshake(&secret));
	assert_true(TURN_UNTIL(loop, told.failures == 1));
	secret_end(&secret);
	peer_close(&peer);
	atomic_store(&signer.fails, false);
	converse(TLS1_3_VERSION, 0, NULL);
	stop();
}

static struct weir_span read_all(const char *path, char *to, size_t size)
{
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	struct weir_span all = weir_span(to, fread(to, 1, size, file));
	fclose(file);
	return all;
}

static void a_key_of_another_certificate_is_refused(void **state)
{
	(void)state;
	struct certificate_files one = certificate_make("one", "DNS:localhost", 10);
	struct certificate_files two = certificate_make("two", "DNS:localhost", 10);
	use_key(two.key);
	assert_int_equal(make_rules(one.chain), WEIR_E_SYNTAX);
	assert_non_null(strstr(complaint, "does not belong"));
	EVP_PKEY_free(signer.key);
	signer.key = NULL;
	certificates_remove();
}

static void a_key_in_memory_signs_by_itself(void **state)
{
	char chain[8192], key[8192];
	struct certificate_files files = certificate_make("one", "DNS:localhost", 10);
	struct weir_tls_certificate certificate = {.chain = "one", .key = "one"};
	struct weir_tls_options options;
	(void)state;
	certificate.chain_pem = read_all(files.chain, chain, sizeof chain);
	certificate.key_pem = read_all(files.key, key, sizeof key);
	weir_tls_options_init(&options);
	options.certificates = &certificate;
	options.count = 1;
	options.sign = sign;
	options.sign_context = &signer;
	atomic_store(&signer.asked, 0);
	assert_int_equal(weir_tls_server_create(&options, report, NULL, &rules), 0);
	assert_int_equal(atomic_load(&signer.asked), 0);
	weir_tls_release(rules);
	certificates_remove();
}

static void rules_without_memory_leave_nothing(void **state)
{
	(void)state;
	struct certificate_files files = certificate_make("one", "DNS:localhost", 10);
	int error = -ENOMEM;
	use_key(files.key);
	atomic_store(&signer.fails, false);
	atomic_store(&signer.released, 0);
	for (unsigned good = 0; error < 0; good++) {
		fail_allocation_after(good, false);
		error = make_rules(files.chain);
		assert_int_equal(stop_failing_allocations(), error < 0);
		assert_int_equal(atomic_load(&signer.released), 0);
	}
	weir_tls_release(rules);
	assert_int_equal(atomic_load(&signer.released), 1);
	EVP_PKEY_free(signer.key);
	signer.key = NULL;
	certificates_remove();
}

/* A peer that has sent its ClientHello, and whose signature waits. */
static struct peer begin_slowly_for(struct secret *secret, const char *name)
{
	unsigned asked = atomic_load(&signer.asked);
	struct peer peer = peer_connect(loop, weir_server_address(server), 0);
	char *data;
	*secret = secret_begin(&peer, client, name, NULL);
	assert_int_equal(SSL_do_handshake(secret->ssl), -1);
	size_t size = (size_t)BIO_get_mem_data(SSL_get_wbio(secret->ssl), &data);
	assert_int_equal(peer_send_bytes(&peer, data, size), size);
	(void)BIO_reset(SSL_get_wbio(secret->ssl));
	assert_true(TURN_UNTIL(loop, atomic_load(&signer.asked) == asked + 1));
	return peer;
}

static struct peer begin_slowly(struct secret *secret)
{
	return begin_slowly_for(secret, "localhost");
}

static void the_loop_turns_while_a_signature_is_made(void **state)
{
	struct secret slow;
	(void)state;
	start("EC");
	atomic_store(&signer.slow, true);
	struct peer peer = begin_slowly(&slow);
	slow.peer = &peer;
	atomic_store(&signer.slow, false);
	/* Bytes that come too early are read after the signature. */
	peer_send(&peer, "\x17");
	converse(TLS1_3_VERSION, 0, NULL);
	assert_int_equal(told.opens, 1);
	sem_post(&signer.go_on);
	assert_true(peer_read_more(&peer));
	secret_end(&slow);
	peer_close(&peer);
	assert_true(TURN_UNTIL(loop, told.failures == 1));
	stop();
}

/* A certificate of weir_tls_set_more, which others replace while it signs. */
static void certificates_may_change_while_a_signature_is_made(void **state)
{
	struct secret slow;
	struct weir_tls *all = NULL, *more = NULL;
	struct certificate_files other = certificate_make("other", "DNS:other", 10);
	(void)state;
	start("EC");
	all = rules;
	assert_int_equal(make_rules(other.chain), WEIR_E_SYNTAX); /* by the key of "one" */
	use_key(other.key);
	assert_int_equal(make_rules(other.chain), 0);
	more = rules;
	rules = all;
	weir_tls_set_more(all, more);
	weir_tls_release(more);
	atomic_store(&signer.slow, true);
	struct peer peer = begin_slowly_for(&slow, "other");
	slow.peer = &peer;
	atomic_store(&signer.slow, false);
	weir_tls_set_more(all, NULL);
	assert_int_equal(atomic_load(&signer.released), 0);
	sem_post(&signer.go_on);
	assert_true(secret_handshake(&slow));
	assert_true(secret_got(&slow, "hello\r\n"));
	secret_end(&slow);
	peer_close(&peer);
	assert_true(TURN_UNTIL(loop, told.closes == 1));
	assert_true(TURN_UNTIL(loop, atomic_load(&signer.released) == 1));
	atomic_store(&signer.released, 0);
	stop();
}

static void a_connection_may_end_while_its_signature_is_made(void **state)
{
	struct secret slow;
	(void)state;
	start("RSA");
	for (int reset = 0; reset < 2; reset++) {
		atomic_store(&signer.slow, true);
		struct peer peer = begin_slowly(&slow);
		secret_end(&slow);
		if (reset)
			peer_reset(&peer);
		else
			peer_close(&peer);
		for (int i = 0; i < 20; i++)
			weir_loop_turn(loop, 1);
		atomic_store(&signer.slow, false);
		sem_post(&signer.go_on);
		converse(TLS1_3_VERSION, 0, NULL);
	}
	stop();
}

static void a_server_may_end_while_a_signature_is_made(void **state)
{
	struct secret slow;
	(void)state;
	start("EC");
	atomic_store(&signer.slow, true);
	struct peer peer = begin_slowly(&slow);
	secret_end(&slow);
	sem_post(&signer.go_on);
	stop();
	peer_close(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_full_handshake_has_one_signature),
	        cmocka_unit_test(a_signature_that_fails_fails_the_handshake),
	        cmocka_unit_test(a_key_of_another_certificate_is_refused),
	        cmocka_unit_test(a_key_in_memory_signs_by_itself),
	        cmocka_unit_test(rules_without_memory_leave_nothing),
	        cmocka_unit_test(the_loop_turns_while_a_signature_is_made),
	        cmocka_unit_test(certificates_may_change_while_a_signature_is_made),
	        cmocka_unit_test(a_connection_may_end_while_its_signature_is_made),
	        cmocka_unit_test(a_server_may_end_while_a_signature_is_made),
	};
	sem_init(&signer.go_on, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
