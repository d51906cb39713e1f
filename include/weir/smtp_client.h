/*
 * The SMTP client (RFC 5321): one connection to one server, over which any number of messages go,
 * one after the other.
 *
 *   connect ─▶ greeting, EHLO, STARTTLS, EHLO, AUTH ─▶ ready ─▶ send ─▶ recipient …  ─▶ ready …
 *                                                                       quit ─▶ closed
 *
 * The client uses what the server offers: PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN,
 * ENHANCEDSTATUSCODES (in texts), STARTTLS (RFC 3207), AUTH (RFC 4954, by weir/sasl.h). The message
 * is read from its file as the server takes it. Time limits are those of RFC 5321 4.5.3.2.
 */
#ifndef WEIR_SMTP_CLIENT_H
#define WEIR_SMTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/mail.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_loop;
struct weir_smtp_client;
struct weir_tls;

enum weir_smtp_client_tls {
	WEIR_SMTP_CLIENT_TLS_OFF,
	WEIR_SMTP_CLIENT_TLS_OPPORTUNISTIC, /* STARTTLS if it is offered */
	WEIR_SMTP_CLIENT_TLS_REQUIRED,      /* STARTTLS, or nothing is sent */
	WEIR_SMTP_CLIENT_TLS_IMPLICIT,      /* from the first byte (RFC 8314) */
};

/*
 * All of it is copied, except `tls`, of which the client takes a reference. Begin with
 * weir_smtp_client_options_init.
 */
struct weir_smtp_client_options {
	struct weir_address address;
	const char *host; /* the server's name, which its certificate has to contain */
	const char *helo; /* our name, as a domain or an address literal */
	enum weir_smtp_client_tls mode; /* WEIR_SMTP_CLIENT_TLS_OFF */
	struct weir_tls *tls; /* decides whether certificates are verified; NULL with OFF */
	const char *user;     /* for AUTH, without which nothing is sent; NULL: no AUTH */
	const char *password;
	bool password_in_clear; /* it may be sent without TLS; false by default */
};

/* Sets every member to 0, false or NULL. The address, `host` and `helo` have no default. */
WEIR_API void weir_smtp_client_options_init(struct weir_smtp_client_options *options);

/* The reply of the server, or the reason why there is none. */
struct weir_smtp_result {
	unsigned code;    /* 250, 451, 550 …; 0: there was no reply */
	int error;        /* code 0: -ECONNREFUSED, -ETIMEDOUT, -EPROTO or another errno */
	bool in_tls;      /* the error came up in a TLS handshake */
	const char *text; /* one line: "550 5.1.1 User unknown"; valid during the call */
};

struct weir_smtp_client_events {
	/* A message may be sent now: called when the session begins, and after each message. */
	void (*ready)(void *context);
	/* Reports the result of a recipient; called once for each of a message. */
	void (*recipient)(void *context, size_t index, const struct weir_smtp_result *result);
	/*
	 * The last call; the client is freed when it returns. The code is 221 after a quit. If a
	 * message was being sent, each of its recipients has had its result before.
	 */
	void (*closed)(void *context, const struct weir_smtp_result *why);
};

/* A message to send. Everything is borrowed until all recipients have their results. */
struct weir_smtp_mail {
	const struct weir_mail_envelope *envelope; /* with its recipients */
	int fd;                                    /* of the message; lines end in CRLF or LF */
	uint64_t size;
};

/*
 * Returns 0; -EINVAL if `helo` is missing or too long, or `tls` is missing; or another negative
 * errno. After an error no callback comes.
 */
WEIR_API int weir_smtp_client_connect(struct weir_loop *loop,
        const struct weir_smtp_client_options *options,
        const struct weir_smtp_client_events *events, void *context, struct weir_smtp_client **ret);

/*
 * Sends a message; once after each ready. If the server cannot take the message, all recipients get
 * a result of 5yz, from the loop: it is too large or binary, or needs an SMTPUTF8 that the server
 * does not offer. Only addresses and headers beyond ASCII need SMTPUTF8 (RFC 6531), whatever the
 * envelope asks for.
 *
 * A server that does not offer 8BITMIME gets 7 bits (RFC 6152): each part with bytes of 8 bits is
 * encoded in quoted-printable or base64 while it is sent, and its Content-Transfer-Encoding is
 * replaced. The result is 554 if a part cannot be encoded: multipart/signed must not be changed,
 * and programs disagree about malformed MIME. Header fields stay as they are. An encoded message no
 * longer matches its DKIM signature.
 *
 * If the server lacks one of these extensions, the work pool reads the message before it is sent.
 */
WEIR_API void weir_smtp_client_send(
        struct weir_smtp_client *client, const struct weir_smtp_mail *mail);

/*
 * Whether the server sends delivery status notifications (RFC 3461) itself. Only when it is ready.
 */
WEIR_API bool weir_smtp_client_has_dsn(const struct weir_smtp_client *client);

/*
 * Whether all of the message was sent, so that only the server's reply to it is missing. That comes
 * within WEIR_SMTP_CLIENT_MESSAGE_MS, or the connection is closed.
 */
WEIR_API bool weir_smtp_client_awaits_outcome(const struct weir_smtp_client *client);

/* Sends QUIT; closed() follows. Only when the client is ready. */
WEIR_API void weir_smtp_client_quit(struct weir_smtp_client *client);

/* Closes the connection and frees the client; no callback comes any more. NULL is allowed. */
WEIR_API void weir_smtp_client_abort(struct weir_smtp_client *client);

WEIR_C_END

#endif
