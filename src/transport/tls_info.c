/* The properties of a TLS transport, for the channel and its protocol. */
#include <string.h>

#include "tls_state.h"

static const struct tls *tls_info_const_tls_from(const struct weir_transport *transport)
{
	return (const struct tls *)((const char *)transport - offsetof(struct tls, base));
}

bool transport_is_tls(const struct weir_transport *transport)
{
	return transport->type == &tls_type;
}

bool tls_speaks_first(const struct weir_transport *transport)
{
	return !tls_info_const_tls_from(transport)->rules->server;
}

bool tls_begun(const struct weir_transport *transport)
{
	return tls_info_const_tls_from(transport)->ssl;
}

bool tls_complete(const struct weir_transport *transport)
{
	return tls_info_const_tls_from(transport)->complete;
}

bool tls_heard(const struct weir_transport *transport)
{
	return tls_info_const_tls_from(transport)->any_input;
}

void *tls_owner(const struct weir_transport *transport)
{
	return tls_info_const_tls_from(transport)->owner;
}

void tls_set_owner(struct weir_transport *transport, void *owner)
{
	tls_from(transport)->owner = owner;
}

void tls_withhold_tickets(struct weir_transport *transport)
{
	tls_from(transport)->ticketless = true;
}

void tls_send_ticket(struct weir_transport *transport)
{
	SSL_new_session_ticket(tls_from(transport)->ssl);
}

const char *tls_why(const struct weir_transport *transport)
{
	return tls_info_const_tls_from(transport)->why;
}

bool tls_spoke_plain(const struct weir_transport *transport)
{
	return tls_info_const_tls_from(transport)->plain;
}

bool tls_truncated(const struct weir_transport *transport)
{
	return tls_info_const_tls_from(transport)->ended;
}

/* The subject in the form of RFC 4514, or NULL. The transport owns it. */
static const char *tls_info_subject_of(struct tls *tls)
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
	        .subject = tls_info_subject_of(tls),
	        .resumed = tls->resumed,
	        .session = weir_span((const char *)tls->session, sizeof tls->session),
	};
}
