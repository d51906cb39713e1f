/* The state of TLS, for its files. */
#ifndef WEIR_TLS_STATE_H
#define WEIR_TLS_STATE_H

#include <pthread.h>
#include <stdint.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <weir/limits.h>
#include <weir/list.h>

#include "refcount.h"
#include "transport_internal.h"

/* -- the rules --------------------------------------------------------------------------------- */

struct certificate {
	SSL_CTX *context;
	unsigned char *ocsp; /* the response to staple, or NULL */
	size_t ocsp_size;
	bool placeholder; /* it was made in memory */
};

/* Maps a name to its certificate; sorted by name. */
struct certificate_name {
	char *name; /* lower case; "*.example.org" too */
	size_t certificate;
};

/* The session id context of OpenSSL: equal for handshakes under equal rules. */
struct tls_session_rules {
	unsigned char digest[32];
};

/* The clients of some names may have certificates of this authority. */
struct tls_clients_rule {
	char *ca;
	SSL_CTX *context; /* has the authority's certificates, and is of no other use */
	struct tls_session_rules sessions;
};

/* Sorted by name. */
struct tls_clients_name {
	char *name; /* "*.example.org", too */
	size_t rule;
};

struct tickets;

struct weir_tls {
	struct refcount references;
	bool server;
	bool verify;                      /* false only of a client that accepts any certificate */
	struct certificate *certificates; /* of a client: one, perhaps without a certificate */
	size_t count;
	struct certificate_name *names;
	size_t name_count;
	char *clients_ca; /* for names without a rule; or NULL */
	struct tls_clients_rule *clients_rules;
	size_t clients_rule_count;
	struct tls_clients_name *clients_names;
	size_t clients_name_count;
	unsigned char *alpn; /* as on the wire: each name behind its length */
	unsigned alpn_size;
	struct tickets *tickets;          /* of a server; held */
	struct tls_signer *signer;        /* in place of private keys; held; or NULL */
	weir_tls_challenge_fn *challenge; /* or NULL */
	void *challenge_context;
	int64_t expires_s;
	pthread_mutex_t lock;  /* of `more` */
	struct weir_tls *more; /* see weir_tls_set_more; held; or NULL */
};

/* Reports a mistake of the file, with OpenSSL's reason. Returns WEIR_E_SYNTAX. */
struct tls_fault_report {
	weir_tls_report_fn *report;
	void *context;
};
int tls_complain(const struct tls_fault_report *report, const char *path, const char *what);

/* -- tls_certificate.c -- */
/* `number` is its index. Has the signatures be made by tls->signer, if there is one. */
int tls_load_certificate(const struct weir_tls *tls, size_t number,
        const struct weir_tls_certificate *files, const struct tls_fault_report *report);
int tls_load_names(struct weir_tls *tls);
void tls_note_expiry(struct weir_tls *tls);
/* The certificate for a name in any case; or NULL. */
const struct certificate *tls_find_certificate(const struct weir_tls *tls, const char *name);

/* -- tls_file.c -- */
/*
 * Read PEM files; `pem` is what to read instead, unless its data is NULL. Each returns false, and
 * leaves the reason among OpenSSL's errors.
 */
bool tls_file_use_chain(SSL_CTX *context, const char *path, struct weir_span pem);
bool tls_file_use_key(SSL_CTX *context, const char *path, struct weir_span pem);
/* Trusts the signers in the file, and adds their names to `names` if it is not NULL. */
bool tls_file_trust(SSL_CTX *context, const char *path, STACK_OF(X509_NAME) * names);

/* -- tls_placeholder.c -- */
/* Makes a self-signed certificate for these names. Returns 0, -EINVAL or -ENOMEM. */
int tls_placeholder_use(SSL_CTX *context, const char *const *names);

/* -- tls_challenge.c -- */
/* Notes whether the client asks for a proof. */
void tls_challenge_on_hello(SSL *ssl);
/* Uses the certificate of the proof for this name, or NULL. Returns false if there is none. */
bool tls_challenge_use(SSL *ssl, const char *name);

/* -- tls_clients.c -- */
struct tls;
/* Sets which certificates all clients have to have. */
int tls_clients_set(SSL_CTX *context, const struct weir_tls_options *options,
        const struct tls_fault_report *report);
/* Loads the rules of single names. */
int tls_clients_load(struct weir_tls *tls, const struct weir_tls_options *options,
        const struct tls_fault_report *report);
void tls_clients_finish(struct weir_tls *tls);
/* The client has sent its ClientHello. Returns false without memory. */
bool tls_clients_on_hello(SSL *ssl);
/* The server's certificate is chosen. Returns false without memory. */
bool tls_clients_use(SSL *ssl);
/* The authority of certificates of this client, as a path of the options; or NULL. */
const char *tls_clients_ca(const struct tls *tls);

/* -- tls_sign.c -- */
/*
 * The function that signs, and its context. A connection may have a key of another weir_tls than
 * that of its listener (weir_tls_set_more), which does not live as long: so each key holds this.
 */
struct tls_signer;
/* Returns NULL without memory. The context is not released until tls_signer_own. */
struct tls_signer *tls_signer_create(const struct weir_tls_options *options);
void tls_signer_own(struct tls_signer *signer, weir_tls_sign_release_fn *release);
/* NULL is allowed. */
void tls_signer_release(struct tls_signer *signer);
/*
 * Makes tls->signer sign for a certificate that the context has. Returns NULL, or what is wrong;
 * the reason may be among OpenSSL's errors.
 */
const char *tls_sign_use_key(SSL_CTX *context, const struct weir_tls *tls, size_t certificate);
/* Whether this thread has asked for a signature since the call of tls_sign_begin. */
void tls_sign_begin(void);
bool tls_sign_made(void);

/* -- tls_ticket.c -- */
struct tickets *tls_tickets_create(void);
struct tickets *tls_tickets_hold(struct tickets *tickets);
void tls_tickets_release(struct tickets *tickets);
/* Makes the context use tickets. Returns false without memory. */
bool tls_tickets_use(SSL_CTX *context);

/* -- one connection ---------------------------------------------------------------------------- */

#define TLS_SESSION_ID_SIZE 16

/* Room for a batch of small records and their overhead. */
#define TLS_HELD_ROOM (WEIR_TLS_SMALL_BYTES * 5 / 4)

/* Ciphertext that waits for the kernel. */
struct tls_pending {
	size_t at;
	size_t size;
	unsigned char bytes[];
};

struct tls {
	struct weir_transport base;
	struct weir_tls *rules;
	struct weir_loop *loop;
	SSL *ssl; /* NULL up to start() */
	struct tls_pending *pending;
	void *owner; /* of the transport's user */
	void (*wake)(void *owner);
	struct tls_remote *remote;              /* or NULL */
	const struct tls_clients_rule *clients; /* of the name that the client has sent; or NULL */
	char *name;                             /* of the server, if we are its client */
	char *subject;                          /* of the peer; NULL until it is asked for */
	size_t encrypted; /* bytes that will be offered again: their ciphertext is pending */
	const char *why;
	char *refused; /* the refused certificate and the reason; or NULL */
	int fd;
	int error;         /* of the socket, if not EAGAIN */
	uint32_t sent_ms;  /* the clock's low bits at the last send */
	uint32_t in_small; /* bytes sent in small records since the last pause */
	unsigned char session[TLS_SESSION_ID_SIZE];

	/* While a call into OpenSSL lasts: */
	unsigned char *held; /* scratch in which records are collected to leave together */
	size_t held_size;
	bool hold;        /* the record being written is to be held */
	bool more;        /* MSG_MORE */
	bool may_receive; /* there is room for a whole read of the socket */

	bool complete;  /* the handshake is complete */
	bool any_input; /* a byte was received */
	bool plain;     /* the first byte was not that of a TLS handshake */
	bool ended;     /* the TCP stream has ended without close_notify */
	bool resumed;
	bool ticketless; /* sends no tickets */
	bool proving;    /* the client asks for a proof, see tls_challenge.c */
};

/* The object behind an SSL. */
struct tls *tls_of(const SSL *ssl);

static inline struct tls *tls_from(struct weir_transport *transport)
{
	return WEIR_CONTAINER(transport, struct tls, base);
}

extern const struct weir_transport_type tls_type;

/* -- tls.c -- */
/* Continues the handshake. Returns 0 when it is complete, -EAGAIN, or another errno. */
int tls_handshake(struct tls *tls);
void tls_free(struct tls *tls);

/* -- tls_remote.c -- */
/* Whether the next step is one for tls_remote_step, which returns as tls_handshake does. */
bool tls_remote_wanted(const struct tls *tls);
int tls_remote_step(struct tls *tls);
/* A step is being made, or its result waits for tls_remote_step. For the loop's thread. */
bool tls_remote_running(const struct tls *tls);
bool tls_remote_made(const struct tls *tls);
/* The calling thread makes such a step: it may not use the socket. */
bool tls_remote_working(const struct tls *tls);
/* Whether input is left that was received for a step; and takes of it. */
bool tls_remote_left(const struct tls *tls);
size_t tls_remote_read(struct tls *tls, void *data, size_t room);
/* Returns true if a step is being made: the end of the step frees `tls`. */
bool tls_remote_abandon(struct tls *tls);

/* -- tls_bio.c -- */
/* Notes the first byte of the peer, and whether it is that of a handshake. */
void tls_note_input(struct tls *tls, unsigned char first);

/* Returns a BIO on the connection's socket; NULL without memory. */
BIO *tls_bio_create(struct tls *tls);
/* Returns 0, -EAGAIN or another errno. */
int tls_send_pending(struct tls *tls);
/* Sends the held records; the rest becomes pending. Returns false on an error (tls->error). */
bool tls_send_held(struct tls *tls);

/* -- tls_context.c -- */
/* Returns an SSL with these rules; NULL without memory. */
SSL *tls_open(struct tls *tls);

#endif
