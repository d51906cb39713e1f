/*
 * The rules of TLS, for servers and clients: versions, ciphers, ALPN, verification. Invariant: a
 * weir_tls does not change after its creation, so that any thread may use it. Only its ticket keys
 * change, under their own lock.
 *
 * Left out: renegotiation, compression and 0-RTT data, which have been exploited; the session
 * cache, since tickets cost no memory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <weir/address.h>
#include <weir/error.h>

#include "tls_state.h"

/* Ciphers with forward secrecy and authenticated encryption, the fastest ones first. */
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
#define GROUPS "X25519:P-256:P-384"

int tls_complain(const struct tls_fault_report *report, const char *path, const char *what)
{
	char text[256];
	const char *why = NULL;
	/* The last error is the most precise one, except that system errors come before others. */
	for (unsigned long code; (code = ERR_get_error());) {
		why = ERR_reason_error_string(code);
		if (!ERR_SYSTEM_ERROR(code))
			continue;
		why = weir_error_text(-ERR_GET_REASON(code));
		what = "cannot be read";
		break;
	}
	snprintf(text, sizeof text, "%s%s%s", what, why ? ": " : "", why ? why : "");
	ERR_clear_error();
	if (report->report)
		report->report(report->context, path, text);
	return WEIR_E_SYNTAX;
}

/* -- servers and clients ----------------------------------------------------------------------- */

static void tls_context_set_rules(SSL_CTX *context, bool tls13_only)
{
	SSL_CTX_set_min_proto_version(context, tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_options(context,
	        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	                SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_cipher_list(context, CIPHERS_12);
	SSL_CTX_set_ciphersuites(context, CIPHERS_13);
	SSL_CTX_set1_groups_list(context, GROUPS);
}

/* Encodes the names as in the ALPN extension. */
static int tls_context_set_alpn(struct weir_tls *tls, const char *const *names)
{
	size_t size = 0;
	for (size_t i = 0; names && names[i]; i++) {
		size_t length = strlen(names[i]);
		if (length == 0 || length > 255)
			return -EINVAL;
		unsigned char *grown = realloc(tls->alpn, size + 1 + length);
		if (!grown)
			return -ENOMEM;
		tls->alpn = grown;
		grown[size] = (unsigned char)length;
		memcpy(grown + size + 1, names[i], length);
		size += 1 + length;
	}
	tls->alpn_size = (unsigned)size;
	return 0;
}

static struct weir_tls *tls_context_create(bool server, size_t count)
{
	struct weir_tls *tls = calloc(1, sizeof *tls);
	if (!tls || !(tls->certificates = calloc(count, sizeof *tls->certificates))) {
		free(tls);
		return NULL;
	}
	refcount_init(&tls->references);
	pthread_mutex_init(&tls->lock, NULL);
	tls->server = server;
	tls->verify = true;
	tls->count = count;
	tls->expires_s = INT64_MAX;
	return tls;
}

struct weir_tls *weir_tls_hold(struct weir_tls *tls)
{
	refcount_hold(&tls->references);
	return tls;
}

void weir_tls_release(struct weir_tls *tls)
{
	if (!tls || !refcount_release(&tls->references))
		return;
	for (size_t i = 0; i < tls->count; i++) {
		SSL_CTX_free(tls->certificates[i].context);
		free(tls->certificates[i].ocsp);
	}
	for (size_t i = 0; i < tls->name_count; i++)
		free(tls->names[i].name);
	tls_clients_finish(tls);
	tls_tickets_release(tls->tickets);
	weir_tls_release(tls->more);
	pthread_mutex_destroy(&tls->lock);
	tls_signer_release(tls->signer);
	free(tls->certificates);
	free(tls->names);
	free(tls->alpn);
	free(tls);
}

int64_t weir_tls_expires_s(const struct weir_tls *tls)
{
	return tls->expires_s;
}

/* -- servers ----------------------------------------------------------------------------------- */

/* Which of the client's protocols; ours are in our order of preference. */
static int tls_context_select_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_size,
        const unsigned char *theirs, unsigned size, void *unused)
{
	const struct weir_tls *tls = tls_of(ssl)->rules;
	unsigned char *chosen;
	(void)unused;
	if (tls_of(ssl)->proving) {
		*ret = (const unsigned char *)WEIR_TLS_ALPN_CHALLENGE;
		*ret_size = sizeof WEIR_TLS_ALPN_CHALLENGE - 1;
		return SSL_TLSEXT_ERR_OK;
	}
	if (!tls->alpn)
		return SSL_TLSEXT_ERR_NOACK;
	if (SSL_select_next_proto(&chosen, ret_size, tls->alpn, tls->alpn_size, theirs, size) !=
	        OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2 */
	*ret = chosen;
	return SSL_TLSEXT_ERR_OK;
}

void weir_tls_set_more(struct weir_tls *tls, struct weir_tls *more)
{
	struct weir_tls *next = more ? weir_tls_hold(more) : NULL;
	pthread_mutex_lock(&tls->lock);
	struct weir_tls *before = tls->more;
	tls->more = next;
	pthread_mutex_unlock(&tls->lock);
	weir_tls_release(before);
}

/* Uses a certificate that was added. Returns false if none has the name. */
static bool tls_context_select_more(SSL *ssl, struct weir_tls *tls, const char *name)
{
	pthread_mutex_lock(&tls->lock);
	struct weir_tls *more = tls->more ? weir_tls_hold(tls->more) : NULL;
	pthread_mutex_unlock(&tls->lock);
	const struct certificate *found = more ? tls_find_certificate(more, name) : NULL;
	/* The connection holds the context from now on. */
	if (found)
		SSL_set_SSL_CTX(ssl, found->context);
	weir_tls_release(more);
	return found;
}

static int tls_context_select_certificate(SSL *ssl, int *alert, void *unused)
{
	struct weir_tls *tls = tls_of(ssl)->rules;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	(void)unused;
	if (tls_of(ssl)->proving && !tls_challenge_use(ssl, name)) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	if (!name)
		return SSL_TLSEXT_ERR_NOACK;
	if (tls_of(ssl)->proving)
		return SSL_TLSEXT_ERR_OK;
	if (!tls_context_select_more(ssl, tls, name)) {
		const struct certificate *found = tls_find_certificate(tls, name);
		SSL_set_SSL_CTX(ssl, (found ? found : &tls->certificates[0])->context);
	}
	if (tls_clients_use(ssl))
		return SSL_TLSEXT_ERR_OK;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int tls_context_on_hello(SSL *ssl, int *alert, void *unused)
{
	(void)unused;
	if (tls_of(ssl)->rules->challenge)
		tls_challenge_on_hello(ssl);
	if (tls_clients_on_hello(ssl))
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_CLIENT_HELLO_ERROR;
}

static int tls_context_set_server(struct weir_tls *tls, size_t number,
        const struct weir_tls_options *options, const struct tls_fault_report *report)
{
	SSL_CTX *context = tls->certificates[number].context = SSL_CTX_new(TLS_server_method());
	if (!context)
		return -ENOMEM;
	tls_context_set_rules(context, options->tls13_only);
	SSL_CTX_set_num_tickets(context, 1);
	SSL_CTX_set_tlsext_servername_callback(context, tls_context_select_certificate);
	if (tls->challenge || options->clients_of_count)
		SSL_CTX_set_client_hello_cb(context, tls_context_on_hello, NULL);
	if (tls->alpn || tls->challenge)
		SSL_CTX_set_alpn_select_cb(context, tls_context_select_alpn, NULL);
	if (!tls_tickets_use(context))
		return -ENOMEM;
	/* The authority of clients is the same for all certificates: one report is enough. */
	const struct tls_fault_report none = {0};
	int error = tls_clients_set(context, options, number == 0 ? report : &none);
	int loaded = tls_load_certificate(tls, number, &options->certificates[number], report);
	return error < 0 ? error : loaded;
}

static int tls_context_fill_server(struct weir_tls *tls, const struct weir_tls_options *options,
        const struct tls_fault_report *report)
{
	int error = tls_context_set_alpn(tls, options->alpn);
	if (error < 0)
		return error;
	tls->tickets = options->tickets ? tls_tickets_hold(options->tickets->tickets)
	                                : tls_tickets_create();
	if (!tls->tickets)
		return -ENOMEM;
	if (options->sign && !(tls->signer = tls_signer_create(options)))
		return -ENOMEM;
	tls->challenge = options->challenge;
	tls->challenge_context = options->challenge_context;
	/* All of them are loaded, so that all mistakes are reported at once. */
	for (size_t i = 0; i < options->count; i++) {
		int failed = tls_context_set_server(tls, i, options, report);
		if (error == 0)
			error = failed;
	}
	int failed = tls_clients_load(tls, options, report);
	if (error < 0 || failed < 0)
		return error < 0 ? error : failed;
	tls_note_expiry(tls);
	return tls_load_names(tls);
}

void weir_tls_options_init(struct weir_tls_options *options)
{
	*options = (struct weir_tls_options){0};
}

int weir_tls_server_create(const struct weir_tls_options *options, weir_tls_report_fn *report,
        void *context, struct weir_tls **ret)
{
	struct tls_fault_report to = {report, context};
	ERR_clear_error();
	if (options->count == 0)
		return tls_complain(&to, "", "TLS wants a certificate");
	if (options->count > WEIR_TLS_CERTIFICATES_MAX)
		return WEIR_E_LIMIT;
	struct weir_tls *tls = tls_context_create(true, options->count);
	if (!tls)
		return -ENOMEM;
	int error = tls_context_fill_server(tls, options, &to);
	ERR_clear_error();
	if (error < 0) {
		weir_tls_release(tls);
		return error;
	}
	if (tls->signer)
		tls_signer_own(tls->signer, options->sign_release);
	*ret = tls;
	return 0;
}

/* -- clients ----------------------------------------------------------------------------------- */

enum {
	REFUSED_MAX = 900 /* bytes of the description of a certificate */
};

/* Its names, or its subject where it has none. */
static void tls_context_put_names(BIO *text, X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int count = names ? sk_GENERAL_NAME_num(names) : 0;
	for (int i = 0; i < count; i++) {
		BIO_puts(text, i ? ", " : "");
		GENERAL_NAME_print(text, sk_GENERAL_NAME_value(names, i));
	}
	if (count == 0)
		X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0,
		        XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
	GENERAL_NAMES_free(names);
}

/* "hostname mismatch; asked for a.example; TLSv1.3; issued by …, valid until …, for …" */
static int tls_context_note_refusal(int good, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	X509 *certificate = X509_STORE_CTX_get0_cert(store);
	struct tls *tls = ssl ? tls_of(ssl) : NULL;
	BIO *text = !good && tls && certificate && !tls->refused ? BIO_new(BIO_s_mem()) : NULL;
	char *bytes;
	if (!text)
		return good;
	BIO_printf(text, "%s; asked for %s; %s; certificate issued by ",
	        X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)),
	        tls->name ? tls->name : "no name", SSL_get_version(ssl));
	X509_NAME_print_ex(text, X509_get_issuer_name(certificate), 0,
	        XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
	BIO_puts(text, ", valid until ");
	ASN1_TIME_print(text, X509_get0_notAfter(certificate));
	BIO_puts(text, ", for ");
	tls_context_put_names(text, certificate);
	long size = BIO_get_mem_data(text, &bytes);
	if (size > 0)
		tls->refused = weir_span_copy(
		        weir_span(bytes, size < REFUSED_MAX ? (size_t)size : REFUSED_MAX));
	BIO_free(text);
	return good;
}

void weir_tls_client_options_init(struct weir_tls_client_options *options)
{
	*options = (struct weir_tls_client_options){.verify = true};
}

static int tls_context_set_trust(SSL_CTX *context, const struct weir_tls_client_options *options,
        const struct tls_fault_report *report)
{
	if (!options->verify)
		return 0;
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, tls_context_note_refusal);
	int loaded = options->ca ? tls_file_trust(context, options->ca, NULL)
	                         : SSL_CTX_set_default_verify_paths(context);
	return loaded == 1 ? 0
	                   : tls_complain(report, options->ca ? options->ca : "",
	                             "no certificates to trust");
}

static int tls_context_fill_client(struct weir_tls *tls,
        const struct weir_tls_client_options *options, const struct tls_fault_report *report)
{
	struct certificate *own = &tls->certificates[0];
	struct weir_tls_certificate files = {options->certificate, options->key, NULL};
	tls->verify = options->verify;
	own->context = SSL_CTX_new(TLS_client_method());
	if (!own->context)
		return -ENOMEM;
	tls_context_set_rules(own->context, false);
	int error = tls_context_set_alpn(tls, options->alpn);
	if (error == 0 && tls->alpn &&
	        SSL_CTX_set_alpn_protos(own->context, tls->alpn, tls->alpn_size) != 0)
		error = -ENOMEM;
	if (error == 0)
		error = tls_context_set_trust(own->context, options, report);
	/* Both are loaded, so that all mistakes are reported at once. */
	int loaded = options->certificate ? tls_load_certificate(tls, 0, &files, report) : 0;
	return error < 0 ? error : loaded;
}

int weir_tls_client_create(const struct weir_tls_client_options *options,
        weir_tls_report_fn *report, void *context, struct weir_tls **ret)
{
	struct tls_fault_report to = {report, context};
	struct weir_tls *tls = tls_context_create(false, 1);
	if (!tls)
		return -ENOMEM;
	ERR_clear_error();
	int error = tls_context_fill_client(tls, options, &to);
	ERR_clear_error();
	if (error < 0)
		weir_tls_release(tls);
	else
		*ret = tls;
	return error;
}

/* -- a connection ------------------------------------------------------------------------------ */

/* Sets the server name that a client sends, and that the certificate must contain. */
static bool tls_context_expect(SSL *ssl, const char *name)
{
	struct weir_address address;
	char text[WEIR_ADDRESS_TEXT_MAX];
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	int size = snprintf(text, sizeof text, strchr(name, ':') ? "[%s]:1" : "%s:1", name);
	if ((size_t)size < sizeof text &&
	        weir_address_parse(weir_span(text, (size_t)size), &address) == 0)
		return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
	       SSL_set_tlsext_host_name(ssl, name) == 1;
}

SSL *tls_open(struct tls *tls)
{
	SSL *ssl = SSL_new(tls->rules->certificates[0].context);
	BIO *bio = ssl ? tls_bio_create(tls) : NULL;
	if (!bio)
		goto error_ssl;
	SSL_set_bio(ssl, bio, bio);
	SSL_set_app_data(ssl, tls);
	if (tls->ticketless)
		SSL_set_num_tickets(ssl, 0);
	if (tls->rules->server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	if (!tls->rules->server && tls->name && !tls_context_expect(ssl, tls->name))
		goto error_ssl;
	return ssl;
error_ssl:
	SSL_free(ssl);
	ERR_clear_error();
	return NULL;
}
