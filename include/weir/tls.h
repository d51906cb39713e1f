/*
 * TLS 1.2 and 1.3 (RFC 5246, RFC 8446), by OpenSSL: certificates and rules for servers and
 * channels. weir/channel.h has the functions for one connection.
 *
 *   struct weir_tls_options options;
 *   weir_tls_options_init(&options);
 *   options.certificates = &mine;
 *   options.count = 1;
 *   weir_tls_server_create(&options, report, context, &listener.tls);
 *
 * A weir_tls is immutable and reference counted. A reload makes a new one and sets it instead of
 * the old one; open connections keep the old one. Any thread may hold and release.
 */
#ifndef WEIR_TLS_H
#define WEIR_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_buffer;
struct weir_tls;

/* The protocol, in ALPN, by which an authority asks for the proof of a name (RFC 8737). */
#define WEIR_TLS_ALPN_CHALLENGE "acme-tls/1"

/* -- servers ----------------------------------------------------------------------------------- */

/* A certificate, for the names in its subjectAltName, among them wildcards as "*.example.org". */
struct weir_tls_certificate {
	const char *chain; /* path of a PEM file: the certificate, then the intermediate ones */
	const char *key;   /* path of a PEM file, without a password */
	const char *ocsp;  /* path of a DER file: the OCSP response to staple (RFC 6961), or NULL */
	/*
	 * The chain and the key in memory, instead of the files, whose paths are names for reports
	 * then. `data` is NULL for files.
	 */
	struct weir_span chain_pem;
	struct weir_span key_pem;
	/*
	 * Without a chain: the names, up to NULL, of a self-signed certificate that is made in
	 * memory. It holds the place of one that is still to be obtained. At most
	 * WEIR_TLS_PLACEHOLDER_NAMES_MAX.
	 */
	const char *const *names;
};

/* A signature of a handshake, to be made by the private key of a certificate. */
struct weir_tls_signing {
	size_t certificate; /* its index in the options */
	const char *digest; /* "SHA256", …; NULL: the algorithm needs none (Ed25519) */
	bool pss;           /* RSA: PSS with a salt of the digest's length; false: PKCS #1 1.5 */
	/*
	 * The bytes to sign, which are hashed first: in TLS 1.3 the content of RFC 8446 4.4.3, in
	 * TLS 1.2 both random values and the parameters of RFC 8422 5.4.
	 */
	struct weir_span input;
};

/*
 * Stores the signature, of at most `room` bytes. Returns 0, or a negative errno: the handshake
 * fails. Called on threads of the work pool, several at a time, and by weir_tls_server_create; it
 * may block.
 */
typedef int weir_tls_sign_fn(void *context, const struct weir_tls_signing *signing,
        unsigned char *signature, size_t room, size_t *ret_size);

/* Called when the weir_tls is freed, and no connection has a key of it; on any thread. */
typedef void weir_tls_sign_release_fn(void *context);

/*
 * Appends, in PEM, a certificate and its private key: the proof for an authority that the server
 * has the name (TLS-ALPN-01, RFC 8737). `name` is in lower case, of letters, digits, '-' and '.'
 * alone. Returns 0, or a negative errno: the handshake fails. Called on any thread, several at a
 * time; it should not block.
 */
typedef int weir_tls_challenge_fn(void *context, const char *name, struct weir_buffer *pem);

enum weir_tls_clients {
	WEIR_TLS_CLIENTS_ANY,      /* clients are not asked for certificates */
	WEIR_TLS_CLIENTS_OPTIONAL, /* they may send one, which must be valid */
	WEIR_TLS_CLIENTS_REQUIRED, /* they must send a valid one */
};

/*
 * Clients that ask for one of these names (SNI) may send a certificate, which this authority must
 * have signed. A name may be "*.example.org", for all that end in ".example.org".
 */
struct weir_tls_clients_of {
	const char *const *names;
	size_t name_count;
	const char *ca; /* path of a PEM file */
};

/* Begin with weir_tls_options_init. */
struct weir_tls_options {
	/* The first is also for clients that send no name, or one that no certificate contains. */
	const struct weir_tls_certificate *certificates;
	size_t count;
	const char *const *alpn; /* RFC 7301, in our order of preference, up to NULL; NULL: none */
	enum weir_tls_clients clients;
	const char
	        *clients_ca; /* path of a PEM file: the authorities of the clients' certificates */
	/* In place of `clients` and `clients_ca`, for names of single sites. */
	const struct weir_tls_clients_of *clients_of;
	size_t clients_of_count;
	bool tls13_only; /* refuse TLS 1.2; false by default */
	struct weir_tls
	        *tickets; /* shares the ticket keys of this one, as a reload should; or NULL */
	/*
	 * Signs where the private keys are elsewhere, such as in another process; the files `key`
	 * are not read then. The keys are RSA, of an elliptic curve, or Ed25519. A certificate with
	 * a `key_pem` signs by that one. NULL: the files.
	 */
	weir_tls_sign_fn *sign;
	weir_tls_sign_release_fn *sign_release; /* of `sign_context`; not called on failure */
	void *sign_context;
	/*
	 * Answers a client that asks for the protocol acme-tls/1 alone. Such a connection has no
	 * other use, and should be closed. NULL: there is no such protocol.
	 */
	weir_tls_challenge_fn *challenge;
	void *challenge_context; /* must outlive the weir_tls and its connections */
};

/* Sets every member to 0, false or NULL. The certificates have no default. */
WEIR_API void weir_tls_options_init(struct weir_tls_options *options);

/*
 * Reports a mistake in the options or their files. `path` is the pointer of the options, or "";
 * `text` is valid during the call.
 */
typedef void weir_tls_report_fn(void *context, const char *path, const char *text);

/*
 * Reads and checks the files; blocks. Calls `report`, which may be NULL, for every mistake. Returns
 * 0; WEIR_E_SYNTAX if there was a mistake (a file cannot be read or parsed, key and certificate do
 * not belong together, …); or -ENOMEM. With `sign`, each certificate is tried by one signature.
 */
WEIR_API int weir_tls_server_create(const struct weir_tls_options *options,
        weir_tls_report_fn *report, void *context, struct weir_tls **ret);

/*
 * Has a server show the certificates of `more`, another one with the same rules, to clients that
 * ask for one of their names. It replaces those of the last call; NULL: there are none. `more` is
 * held. Any thread; handshakes under way may show the ones before.
 */
WEIR_API void weir_tls_set_more(struct weir_tls *tls, struct weir_tls *more);

/* A secret that a key of session tickets is derived from. */
struct weir_tls_ticket_secret {
	unsigned char bytes[32];
	/* The time since its key came into use; negative: the time until then. */
	int64_t age_s;
};

/*
 * Encrypts the tickets of a server with keys that are derived from these secrets, the newest
 * first. Servers with the same secrets and the same label resume each other's sessions. Of
 * WEIR_TLS_TICKET_KEYS + 1 secrets the newest that is in use encrypts; all of them decrypt. It is
 * replaced after WEIR_TLS_TICKET_ROTATE_S: by the next one, or by a key that the server makes.
 *
 * It holds for all that share their ticket keys with `tls`, before and later. Any thread may call
 * it. Returns 0; -EINVAL if `tls` is a client's; or -ENOMEM.
 */
WEIR_API int weir_tls_set_ticket_secrets(struct weir_tls *tls, const char *label,
        const struct weir_tls_ticket_secret *secrets, size_t count);

/* -- clients ----------------------------------------------------------------------------------- */

/* Begin with weir_tls_client_options_init. */
struct weir_tls_client_options {
	const char *ca;          /* path of a PEM file; NULL: the system's certificates */
	const char *certificate; /* of ours, if servers ask for it: path of a PEM file, or NULL */
	const char *key;
	const char *const *alpn; /* up to NULL; NULL: none */
	/*
	 * The server's certificate must be valid and for its name; true by default. With false any
	 * certificate is accepted: this does not protect against impostors.
	 */
	bool verify;
};

/* Sets `verify`, and everything else to NULL. */
WEIR_API void weir_tls_client_options_init(struct weir_tls_client_options *options);

/* Reads and checks the files, as weir_tls_server_create does. */
WEIR_API int weir_tls_client_create(const struct weir_tls_client_options *options,
        weir_tls_report_fn *report, void *context, struct weir_tls **ret);

/* -- both -------------------------------------------------------------------------------------- */

WEIR_API struct weir_tls *weir_tls_hold(struct weir_tls *tls);

/* The last release frees the object and erases the ticket keys. NULL is allowed. */
WEIR_API void weir_tls_release(struct weir_tls *tls);

/*
 * When the first of the certificates expires, in seconds since 1970; INT64_MAX without any, and
 * for those that are made in memory. An expired certificate is loaded, too: a server that clients
 * warn of is better than no server.
 */
WEIR_API int64_t weir_tls_expires_s(const struct weir_tls *tls);

/*
 * When the certificate with this index expires; INT64_MAX if there is none, or it was made in
 * memory.
 */
WEIR_API int64_t weir_tls_certificate_expires_s(const struct weir_tls *tls, size_t index);

/* The result of a handshake. Spans and texts are valid as long as the channel is secure. */
struct weir_tls_info {
	const char *version;   /* "TLSv1.3" */
	const char *cipher;    /* "TLS_AES_128_GCM_SHA256" */
	struct weir_span name; /* the server name that the client sent (SNI), or empty */
	struct weir_span alpn; /* the negotiated protocol, or empty */
	const char *subject;   /* of the peer's verified certificate (RFC 4514), or NULL */
	/*
	 * Of a server: the authority of the certificates of this client, if it has one, by the path
	 * of the options; NULL: it was not asked for one.
	 */
	const char *clients_ca;
	bool resumed; /* from a ticket */
	/* 16 bytes that are equal in all connections resumed from one handshake. */
	struct weir_span session;
};

WEIR_C_END

#endif
