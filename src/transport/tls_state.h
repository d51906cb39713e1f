/* What the files of TLS have in common. */
#ifndef WEIR_TLS_STATE_H
#define WEIR_TLS_STATE_H

#include <stdint.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <weir/limits.h>
#include <weir/list.h>

#include "refcount.h"
#include "tls_transport.h"

/* -- the rules --------------------------------------------------------------------------------- */

struct certificate {
	SSL_CTX *context;
	unsigned char *ocsp; /* the response to staple, or NULL */
	size_t ocsp_size;
};

/* Which certificate is for a name; sorted by the names. */
struct certificate_name {
	char *name; /* lower case; "*.example.org" too */
	size_t certificate;
};

struct tickets;

struct weir_tls {
	struct refcount references;
	bool server;
	bool unverified;                  /* a client's */
	struct certificate *certificates; /* of a client: one, perhaps without a certificate */
	size_t count;
	struct certificate_name *names;
	size_t name_count;
	unsigned char *alpn; /* as on the wire: each name behind its length */
	unsigned alpn_size;
	struct tickets *tickets; /* of a server; counted */
	int64_t expires_s;
};

/* Tells `report` what is wrong with the file, and what OpenSSL says about it. WEIR_E_SYNTAX. */
struct tls_report {
	void (*report)(void *context, const char *path, const char *text);
	void *context;
};
int tls_complain(const struct tls_report *report, const char *path, const char *what);

/* -- tls_certificate.c -- */
int tls_load_certificate(struct certificate *certificate, const struct weir_tls_certificate *files,
        const struct tls_report *report);
int tls_load_names(struct weir_tls *tls);
void tls_note_expiry(struct weir_tls *tls);
/* The certificate for a name, its case as it comes; the first if there is none. */
const struct certificate *tls_find_certificate(const struct weir_tls *tls, const char *name);

/* -- tls_ticket.c -- */
struct tickets *tls_tickets_create(void);
struct tickets *tls_tickets_hold(struct tickets *tickets);
void tls_tickets_release(struct tickets *tickets);
/* Has the context give out and take tickets. False without memory. */
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
	void *owner;      /* of the transport's user */
	char *name;       /* a server's that we are the client of */
	char *subject;    /* of the peer, once it was asked for */
	size_t encrypted; /* of what will be offered again: its ciphertext is stuck */
	const char *why;
	char *refused; /* why, and what certificate was refused; NULL: none was */
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

	bool complete;  /* the handshake is */
	bool any_input; /* a byte has come */
	bool plain;     /* … and it was none of TLS */
	bool ended;     /* the end of the stream was met, not of TLS */
	bool resumed;
	bool ticketless; /* gives out none */
};

/* The object behind an SSL. */
struct tls *tls_of(const SSL *ssl);

static inline struct tls *tls_from(struct weir_transport *transport)
{
	return WEIR_CONTAINER(transport, struct tls, base);
}

extern const struct weir_transport_type tls_type;

/* -- tls_bio.c -- */
/* A BIO on the connection's socket; NULL without memory. */
BIO *tls_bio_create(struct tls *tls);
/* 0, -EAGAIN or another errno. */
int tls_send_pending(struct tls *tls);
/* Sends what was held; what does not leave is stuck. False on an error (tls->error). */
bool tls_send_held(struct tls *tls);

/* -- tls_context.c -- */
/* An SSL by these rules; NULL without memory. */
SSL *tls_open(struct tls *tls);

#endif
