/*
 * Certificates that are made in memory, and those of proofs (TLS-ALPN-01): two ends of OpenSSL talk
 * to each other through memory, the server's by the rules of weir_tls.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <weir/buffer.h>
#include <weir/error.h>

#include "allocation.h"
#include "certificate.h"
#include "tls_state.h"

static const char *const names[] = {"a.example", "*.b.example", NULL};
static struct weir_tls_certificate placeholder = {.names = names};

/* -- the server's callback --------------------------------------------------------------------- */

static char asked[300];
static const char *proof; /* PEM; NULL: there is none */

static int prove(void *context, const char *name, struct weir_buffer *pem)
{
	assert_ptr_equal(context, asked);
	snprintf(asked, sizeof asked, "%s", name);
	return proof ? weir_buffer_append(pem, proof, strlen(proof), SIZE_MAX) : -ENOENT;
}

static struct weir_tls *server_of(const struct weir_tls_certificate *certificate, bool proves)
{
	static const char *const alpn[] = {"h2", "http/1.1", NULL};
	struct weir_tls_options options;
	struct weir_tls *tls = NULL;
	weir_tls_options_init(&options);
	options.certificates = certificate;
	options.count = 1;
	options.alpn = alpn;
	options.challenge = proves ? prove : NULL;
	options.challenge_context = asked;
	assert_int_equal(weir_tls_server_create(&options, NULL, NULL, &tls), 0);
	return tls;
}

/* -- a handshake ------------------------------------------------------------------------------- */

struct handshake {
	bool complete;
	char alpn[32];
	char subject[128];
	bool for_name; /* the certificate has the name */
};

/* `offer` is a list as in the extension. */
static struct handshake shake(struct weir_tls *rules, const char *name, const char *offer)
{
	struct handshake ret = {0};
	struct tls state = {.rules = rules};
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *client = SSL_new(context), *server = SSL_new(rules->certificates[0].context);
	BIO *one, *other;
	assert_int_equal(BIO_new_bio_pair(&one, 0, &other, 0), 1);
	SSL_set_bio(client, one, one);
	SSL_set_bio(server, other, other);
	SSL_set_app_data(server, &state);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	if (name)
		SSL_set_tlsext_host_name(client, name);
	SSL_set_alpn_protos(client, (const unsigned char *)offer, (unsigned)strlen(offer));
	for (unsigned i = 0; i < 10; i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	ret.complete = SSL_is_init_finished(client) && SSL_is_init_finished(server);
	X509 *peer = SSL_get0_peer_certificate(client);
	const unsigned char *alpn;
	unsigned size;
	SSL_get0_alpn_selected(client, &alpn, &size);
	snprintf(ret.alpn, sizeof ret.alpn, "%.*s", (int)size, size ? (const char *)alpn : "");
	if (peer) {
		X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, ret.subject,
		        sizeof ret.subject);
		ret.for_name = name && X509_check_host(peer, name, 0, 0, NULL) == 1;
	}
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(context);
	return ret;
}

#define PROOF_OFFER "\x0a" WEIR_TLS_ALPN_CHALLENGE
#define HTTP_OFFER "\x08http/1.1"

/* -- tests ------------------------------------------------------------------------------------- */

static void test_placeholders(void **state)
{
	struct weir_tls *tls = server_of(&placeholder, false);
	(void)state;
	assert_true(weir_tls_expires_s(tls) == INT64_MAX);
	assert_true(weir_tls_certificate_expires_s(tls, 0) == INT64_MAX);
	assert_true(shake(tls, "a.example", HTTP_OFFER).for_name);
	assert_true(shake(tls, "x.b.example", HTTP_OFFER).for_name);
	struct handshake other = shake(tls, "c.example", HTTP_OFFER);
	assert_true(other.complete && !other.for_name);
	weir_tls_release(tls);
}

static void test_placeholders_need_names(void **state)
{
	static const char *const none[] = {NULL};
	static const char *many[WEIR_TLS_PLACEHOLDER_NAMES_MAX + 2];
	struct weir_tls_certificate certificate = {0};
	struct weir_tls_options options;
	struct weir_tls *tls = NULL;
	(void)state;
	weir_tls_options_init(&options);
	options.certificates = &certificate;
	options.count = 1;
	assert_int_equal(weir_tls_server_create(&options, NULL, NULL, &tls), -EINVAL);
	certificate.names = none;
	assert_int_equal(weir_tls_server_create(&options, NULL, NULL, &tls), -EINVAL);
	for (size_t i = 0; i < WEIR_TLS_PLACEHOLDER_NAMES_MAX + 1; i++)
		many[i] = "a.example";
	certificate.names = many;
	assert_int_equal(weir_tls_server_create(&options, NULL, NULL, &tls), -EINVAL);
	many[WEIR_TLS_PLACEHOLDER_NAMES_MAX] = NULL;
	assert_int_equal(weir_tls_server_create(&options, NULL, NULL, &tls), 0);
	weir_tls_release(tls);
}

static void test_proofs(void **state)
{
	static char pem[8192];
	struct certificate_files files = certificate_make("proof", "DNS:a.example", 1);
	struct weir_tls *tls = server_of(&placeholder, true);
	size_t size = 0;
	(void)state;
	const char *const paths[] = {files.chain, files.key};
	for (size_t i = 0; i < 2; i++) {
		FILE *file = fopen(paths[i], "r");
		size += fread(pem + size, 1, sizeof pem - 1 - size, file);
		fclose(file);
	}
	proof = pem;
	struct handshake proven = shake(tls, "A.Example", PROOF_OFFER);
	assert_true(proven.complete);
	assert_string_equal(proven.alpn, WEIR_TLS_ALPN_CHALLENGE);
	assert_string_equal(proven.subject, "proof");
	assert_string_equal(asked, "a.example");
	/* An ordinary client is served as before. */
	struct handshake ordinary = shake(tls, "a.example", HTTP_OFFER);
	assert_string_equal(ordinary.alpn, "http/1.1");
	assert_string_not_equal(ordinary.subject, "proof");
	ordinary = shake(tls, "a.example", HTTP_OFFER PROOF_OFFER);
	assert_string_equal(ordinary.alpn, "http/1.1");
	assert_string_not_equal(ordinary.subject, "proof");
	weir_tls_release(tls);
}

static void test_proofs_that_are_not_there(void **state)
{
	static const char *const wrong[] = {NULL, "", "no PEM",
	        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"};
	static const char *const strange[] = {"../a", "a/b", "a_b", "a%2fb", "\xc3\xa4.example"};
	struct weir_tls *tls = server_of(&placeholder, true);
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		proof = wrong[i];
		assert_false(shake(tls, "a.example", PROOF_OFFER).complete);
	}
	for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
		*asked = 0;
		assert_false(shake(tls, strange[i], PROOF_OFFER).complete);
		assert_string_equal(asked, ""); /* such a name is not passed on */
	}
	assert_false(shake(tls, NULL, PROOF_OFFER).complete);
	weir_tls_release(tls);
	/* Without the callback there is no such protocol. */
	tls = server_of(&placeholder, false);
	assert_false(shake(tls, "a.example", PROOF_OFFER).complete);
	weir_tls_release(tls);
}

static struct weir_span content_of(const char *path, char *room, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t got = fread(room, 1, size, file);
	fclose(file);
	return weir_span(room, got);
}

/* Certificates that are added, and are in memory. */
static void test_more_certificates(void **state)
{
	static char chain[4096], key[4096];
	struct certificate_files files =
	        certificate_make("more", "DNS:a.example,DNS:*.c.example", 1);
	struct weir_tls_certificate certificate = {.chain = "it",
	        .key = "it",
	        .chain_pem = content_of(files.chain, chain, sizeof chain),
	        .key_pem = content_of(files.key, key, sizeof key)};
	struct weir_tls *tls = server_of(&placeholder, false);
	struct weir_tls *more = server_of(&certificate, false);
	(void)state;
	weir_tls_set_more(tls, more);
	weir_tls_release(more);
	assert_string_equal(shake(tls, "a.example", HTTP_OFFER).subject, "more");
	assert_string_equal(shake(tls, "x.c.example", HTTP_OFFER).subject, "more");
	assert_string_not_equal(shake(tls, "x.b.example", HTTP_OFFER).subject, "more");
	assert_string_not_equal(shake(tls, "y.example", HTTP_OFFER).subject, "more");
	assert_string_not_equal(shake(tls, NULL, HTTP_OFFER).subject, "more");
	weir_tls_set_more(tls, NULL);
	assert_string_not_equal(shake(tls, "a.example", HTTP_OFFER).subject, "more");
	weir_tls_release(tls);
	/* A key of another certificate, and none at all. */
	struct weir_tls_options options;
	struct certificate_files other = certificate_make("other", "DNS:d.example", 1);
	weir_tls_options_init(&options);
	options.certificates = &certificate;
	options.count = 1;
	certificate.key_pem = content_of(other.key, key, sizeof key);
	assert_int_equal(weir_tls_server_create(&options, NULL, NULL, &tls), WEIR_E_SYNTAX);
	certificate.key_pem = WEIR_SPAN("no PEM");
	assert_int_equal(weir_tls_server_create(&options, NULL, NULL, &tls), WEIR_E_SYNTAX);
}

static void test_without_memory(void **state)
{
	bool failed = true;
	(void)state;
	for (unsigned good = 0; failed; good++) {
		struct weir_tls_options options;
		struct weir_tls *tls = NULL;
		weir_tls_options_init(&options);
		options.certificates = &placeholder;
		options.count = 1;
		fail_allocation_after(good, true);
		int error = weir_tls_server_create(&options, NULL, NULL, &tls);
		failed = stop_failing_allocations();
		assert_int_equal(error, failed ? -ENOMEM : 0);
		weir_tls_release(tls);
	}
}

static int remove_files(void **state)
{
	(void)state;
	certificates_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_placeholders),
	        cmocka_unit_test(test_placeholders_need_names),
	        cmocka_unit_test(test_more_certificates),
	        cmocka_unit_test(test_proofs),
	        cmocka_unit_test(test_proofs_that_are_not_there),
	        cmocka_unit_test(test_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, remove_files);
}
