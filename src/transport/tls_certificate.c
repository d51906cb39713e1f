/*
 * A server's certificates: loaded from files, checked, and found by the name a client asks for
 * (SNI, RFC 6066 3). A name that is in several certificates belongs to the first of them. And the
 * facts of a connection, of which the peer's certificate is one.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include <weir/error.h>

#include "helper.h"
#include "tls_state.h"

/* -- loading ----------------------------------------------------------------------------------- */

/* Refuses keys with a password: the start of the server would wait for its input. */
static int tls_certificate_refuse_password(char *text, int size, int writing, void *unused)
{
	(void)text, (void)size, (void)writing, (void)unused;
	return -1;
}

static bool ocsp_successful(const struct weir_buffer *text)
{
	const unsigned char *at = (const unsigned char *)text->data;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)text->size);
	bool successful =
	        response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL;
	OCSP_RESPONSE_free(response);
	return successful;
}

static int tls_certificate_load_ocsp(
        struct certificate *certificate, const char *path, const struct tls_fault_report *report)
{
	struct weir_buffer text = {0};
	char why[128];
	int error = file_read_path(path, WEIR_TLS_OCSP_MAX, &text);
	if (error == -ENOMEM)
		return error;
	if (error < 0 && error != WEIR_E_LIMIT) {
		snprintf(why, sizeof why, "the OCSP response cannot be read: %s",
		        weir_error_text(error));
		return tls_complain(report, path, why);
	}
	if (error < 0 || !ocsp_successful(&text)) {
		weir_buffer_finish(&text);
		return tls_complain(report, path, "no successful OCSP response in DER");
	}
	certificate->ocsp = (unsigned char *)text.data;
	certificate->ocsp_size = text.size;
	return 0;
}

/* Sends the stapled response to a client that asks for it (RFC 6066 8). */
static int tls_certificate_staple(SSL *ssl, void *context)
{
	const struct certificate *certificate = context;
	unsigned char *copy = OPENSSL_memdup(certificate->ocsp, certificate->ocsp_size);
	if (!copy)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)certificate->ocsp_size);
	return SSL_TLSEXT_ERR_OK;
}

static int tls_certificate_use_key(const struct weir_tls *tls, size_t number,
        const struct weir_tls_certificate *files, const struct tls_fault_report *report)
{
	const char *path = files->key;
	SSL_CTX *context = tls->certificates[number].context;
	bool elsewhere = tls->signer && !files->key_pem.data;
	const char *why = elsewhere ? tls_sign_use_key(context, tls, number) : NULL;
	if (why)
		return tls_complain(report, path, why);
	if (elsewhere)
		return 0;
	if (!tls_file_use_key(context, path, files->key_pem))
		return tls_complain(report, path,
		        ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH
		                ? "this key does not belong to the certificate"
		                : "no private key in PEM without a password");
	return SSL_CTX_check_private_key(context) == 1
	               ? 0
	               : tls_complain(report, path, "this key does not belong to the certificate");
}

int tls_load_certificate(const struct weir_tls *tls, size_t number,
        const struct weir_tls_certificate *files, const struct tls_fault_report *report)
{
	struct certificate *certificate = &tls->certificates[number];
	SSL_CTX *context = certificate->context;
	if (!files->chain) {
		certificate->placeholder = true;
		return tls_placeholder_use(context, files->names);
	}
	SSL_CTX_set_default_passwd_cb(context, tls_certificate_refuse_password);
	if (!tls_file_use_chain(context, files->chain, files->chain_pem))
		return tls_complain(report, files->chain, "no certificate in PEM");
	int error = tls_certificate_use_key(tls, number, files, report);
	if (error == 0 && files->ocsp)
		error = tls_certificate_load_ocsp(certificate, files->ocsp, report);
	if (error < 0 || !files->ocsp)
		return error;
	SSL_CTX_set_tlsext_status_cb(context, tls_certificate_staple);
	SSL_CTX_set_tlsext_status_arg(context, certificate);
	return 0;
}

int64_t weir_tls_certificate_expires_s(const struct weir_tls *tls, size_t index)
{
	struct tm parts;
	const X509 *certificate =
	        index < tls->count && !tls->certificates[index].placeholder
	                ? SSL_CTX_get0_certificate(tls->certificates[index].context)
	                : NULL;
	if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1)
		return INT64_MAX;
	return timegm(&parts);
}

void tls_note_expiry(struct weir_tls *tls)
{
	for (size_t i = 0; i < tls->count; i++) {
		int64_t expires_s = weir_tls_certificate_expires_s(tls, i);
		if (expires_s < tls->expires_s)
			tls->expires_s = expires_s;
	}
}

/* -- names ------------------------------------------------------------------------------------- */

static int tls_certificate_add_name(
        struct weir_tls *tls, const unsigned char *text, int size, size_t certificate)
{
	struct certificate_name *grown = realloc(tls->names, (tls->name_count + 1) * sizeof *grown);
	if (!grown)
		return -ENOMEM;
	tls->names = grown;
	char *name = weir_span_copy(weir_span((const char *)text, (size_t)size));
	if (!name)
		return -ENOMEM;
	for (char *at = name; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	grown[tls->name_count++] = (struct certificate_name){name, certificate};
	return 0;
}

/* All DNS names of the subjectAltName; the subject's own name is not looked at (RFC 9525 6.3). */
static int tls_certificate_add_names_of(struct weir_tls *tls, size_t number)
{
	X509 *certificate = SSL_CTX_get0_certificate(tls->certificates[number].context);
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int error = 0;
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names) && error == 0; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_DNS)
			error = tls_certificate_add_name(tls,
			        ASN1_STRING_get0_data(name->d.dNSName),
			        ASN1_STRING_length(name->d.dNSName), number);
	}
	GENERAL_NAMES_free(names);
	return error;
}

static int tls_certificate_compare_names(const void *left, const void *right)
{
	const struct certificate_name *a = left, *b = right;
	int order = strcmp(a->name, b->name);
	return order                             ? order
	       : a->certificate < b->certificate ? -1
	                                         : a->certificate > b->certificate;
}

int tls_load_names(struct weir_tls *tls)
{
	for (size_t i = 0; i < tls->count; i++) {
		int error = tls_certificate_add_names_of(tls, i);
		if (error < 0)
			return error;
	}
	if (tls->name_count)
		qsort(tls->names, tls->name_count, sizeof *tls->names,
		        tls_certificate_compare_names);
	return 0;
}

/* The first of the names that are equal to this one; or NULL. */
static const struct certificate_name *tls_certificate_find_name(
        const struct weir_tls *tls, const char *name)
{
	size_t low = 0, high = tls->name_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcasecmp(tls->names[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < tls->name_count && strcasecmp(tls->names[low].name, name) == 0
	               ? &tls->names[low]
	               : NULL;
}

const struct certificate *tls_find_certificate(const struct weir_tls *tls, const char *name)
{
	char wild[256];
	const struct certificate_name *found = tls_certificate_find_name(tls, name);
	const char *rest = strchr(name, '.');
	if (!found && rest && snprintf(wild, sizeof wild, "*%s", rest) < (int)sizeof wild)
		found = tls_certificate_find_name(tls, wild);
	return found ? &tls->certificates[found->certificate] : NULL;
}

/* -- of a connection --------------------------------------------------------------------------- */

/* The subject in the form of RFC 4514, or NULL. The transport owns it. */
static const char *tls_subject_of(struct tls *tls)
{
	X509 *peer = SSL_get0_peer_certificate(tls->ssl);
	if (!peer || SSL_get_verify_result(tls->ssl) != X509_V_OK || !tls->rules->verify)
		return NULL;
	if (tls->subject)
		return tls->subject;
	BIO *text = BIO_new(BIO_s_mem());
	char *bytes;
	if (!text)
		return NULL;
	X509_NAME_print_ex(
	        text, X509_get_subject_name(peer), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
	long size = BIO_get_mem_data(text, &bytes);
	if (size > 0)
		tls->subject = weir_span_copy(weir_span(bytes, (size_t)size));
	BIO_free(text);
	return tls->subject;
}

void weir_tls_info(const struct weir_transport *transport, struct weir_tls_info *ret)
{
	struct tls *tls = tls_from((struct weir_transport *)transport);
	const unsigned char *alpn = NULL;
	unsigned alpn_size = 0;
	const char *name = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
	SSL_get0_alpn_selected(tls->ssl, &alpn, &alpn_size);
	*ret = (struct weir_tls_info){
	        .version = SSL_get_version(tls->ssl),
	        .cipher = SSL_get_cipher_name(tls->ssl),
	        .name = weir_span(name, name ? strlen(name) : 0),
	        .alpn = weir_span((const char *)alpn, alpn_size),
	        .subject = tls_subject_of(tls),
	        .clients_ca = tls_clients_ca(tls),
	        .resumed = tls->resumed,
	        .session = weir_span((const char *)tls->session, sizeof tls->session),
	};
}
