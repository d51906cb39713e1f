/*
 * TLS 1.2 and 1.3 (RFC 5246, RFC 8446), by OpenSSL: certificates and rules, to be put on servers
 * and channels. What a channel then speaks is in weir/channel.h; no protocol needs to know more
 * than that it is secure.
 *
 *   struct weir_tls *tls;
 *   weir_tls_server_create(&(struct weir_tls_options){.certificates = &mine, .count = 1}, …, &tls);
 *   weir_server_create(loop, &(struct weir_server_options){.tls = tls, …}, &server);
 *
 * A weir_tls is immutable and counted: a reload makes a new one and puts it in the old one's place,
 * and connections that stand keep what they began with. Any thread may hold and release.
 */
#ifndef WEIR_TLS_H
#define WEIR_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/span.h>

struct weir_tls;

/* -- servers ----------------------------------------------------------------------------------- */

/* A certificate, for the names that stand in it (subjectAltName; "*.example.org" too). */
struct weir_tls_certificate {
	const char *chain; /* path of a PEM file: the certificate, then the intermediate ones */
	const char *key;   /* path of a PEM file, without a password */
	const char *ocsp;  /* path of a DER file: the OCSP response to staple (RFC 6961), or NULL */
};

enum weir_tls_clients {
	WEIR_TLS_CLIENTS_ANY,      /* clients are not asked for certificates */
	WEIR_TLS_CLIENTS_OPTIONAL, /* they may show one, which then must be good */
	WEIR_TLS_CLIENTS_REQUIRED,
};

struct weir_tls_options {
	/* The first is also for clients that name no server, or one that is in none. */
	const struct weir_tls_certificate *certificates;
	size_t count;
	const char *const *alpn; /* RFC 7301, in our order of preference, up to NULL; NULL: none */
	enum weir_tls_clients clients;
	const char *clients_ca;   /* path of a PEM file: who signs the clients' certificates */
	bool tls13_only;          /* refuse TLS 1.2 */
	struct weir_tls *tickets; /* go on with the ticket keys of this one, as a reload should */
};

/*
 * Reads and checks the files; blocks. Every mistake is told to `report(context, path, text)` (NULL:
 * to nobody; the path is the pointer that was given, or ""), and any mistake fails the whole: WEIR_E_SYNTAX (a file cannot be read, is not what it should be, key
 * and certificate do not belong together, …) or -ENOMEM.
 */
WEIR_API int weir_tls_server_create(const struct weir_tls_options *options,
        void (*report)(void *context, const char *path, const char *text), void *context,
        struct weir_tls **ret);

/* -- clients ----------------------------------------------------------------------------------- */

struct weir_tls_client_options {
	const char *ca;          /* path of a PEM file; NULL: the system's certificates */
	const char *certificate; /* of ours, if servers ask for it: path of a PEM file, or NULL */
	const char *key;
	const char *const *alpn; /* up to NULL; NULL: none */
	bool unverified;         /* take any certificate: encryption without knowing with whom */
};

WEIR_API int weir_tls_client_create(const struct weir_tls_client_options *options,
        void (*report)(void *context, const char *path, const char *text), void *context,
        struct weir_tls **ret);

/* -- both -------------------------------------------------------------------------------------- */

WEIR_API struct weir_tls *weir_tls_hold(struct weir_tls *tls);

/* The last release frees, and erases the ticket keys. NULL is allowed. */
WEIR_API void weir_tls_release(struct weir_tls *tls);

/*
 * When the first of the certificates expires, in seconds since 1970; INT64_MAX without any. An
 * expired certificate is loaded all the same: that no client will like it is better than no server.
 */
WEIR_API int64_t weir_tls_expires_s(const struct weir_tls *tls);

/* What was agreed on. Spans and texts are valid as long as the channel is secure. */
struct weir_tls_info {
	const char *version;   /* "TLSv1.3" */
	const char *cipher;    /* "TLS_AES_128_GCM_SHA256" */
	struct weir_span name; /* the server the client asked for (SNI), as it wrote it; or empty */
	struct weir_span alpn; /* the protocol agreed on, or empty */
	const char *subject;   /* of the peer's certificate that was verified (RFC 4514); or NULL */
	bool resumed;          /* from a ticket */
	struct weir_span
	        session; /* 16 bytes: the same in all connections resumed from one handshake */
};

#endif
