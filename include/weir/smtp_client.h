/*
 * The SMTP client (RFC 5321): one connection to one server, over which any number of messages go,
 * one after the other.
 *
 *   connect ─▶ greeting, EHLO, STARTTLS, EHLO, AUTH ─▶ ready ─▶ send ─▶ recipient …  ─▶ ready …
 *                                                                       quit ─▶ closed
 *
 * It uses what the server offers: PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN, ENHANCEDSTATUSCODES
 * (in texts), STARTTLS (RFC 3207), AUTH (RFC 4954, by weir/sasl.h). The message is read from its
 * file as the server takes it. Time limits are those of RFC 5321 4.5.3.2.
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

struct weir_loop;
struct weir_smtp_client;
struct weir_tls;

enum weir_smtp_client_tls {
	WEIR_SMTP_CLIENT_TLS_OFF,
	WEIR_SMTP_CLIENT_TLS_OPPORTUNISTIC, /* STARTTLS if it is offered */
	WEIR_SMTP_CLIENT_TLS_REQUIRED,      /* STARTTLS, or nothing is sent */
	WEIR_SMTP_CLIENT_TLS_IMPLICIT,      /* from the first byte (RFC 8314) */
};

/* Copied but for `tls`, which is held. */
struct weir_smtp_client_options {
	struct weir_address address;
	const char *host; /* the server's name, that its certificate has to be for */
	const char *helo; /* our name, as a domain or an address literal */
	enum weir_smtp_client_tls mode;
	struct weir_tls *tls; /* whether certificates are verified is its matter; NULL with OFF */
	const char *user;     /* for AUTH; NULL: none. Not authenticated, nothing is sent */
	const char *password;
	bool password_in_clear; /* it may be sent without TLS */
};

/* What the server said, or what kept it from saying it. */
struct weir_smtp_result {
	unsigned code;    /* 250, 451, 550 …; 0: there was no reply */
	int error;        /* code 0: what happened (-ECONNREFUSED, -ETIMEDOUT, -EPROTO …) */
	bool in_tls;      /* … in a handshake */
	const char *text; /* one line: "550 5.1.1 Who?"; valid during the call */
};

struct weir_smtp_client_events {
	/* A message may be sent now: when the connection stands, and after each message. */
	void (*ready)(void *context);
	/* What became of a recipient; once for each of a message that is sent. */
	void (*recipient)(void *context, size_t index, const struct weir_smtp_result *result);
	/*
	 * The last call; the client is freed when it returns. A code of 221 after quit. If a message
	 * was being sent, all its recipients have been told of.
	 */
	void (*closed)(void *context, const struct weir_smtp_result *why);
};

/* What to send. Everything is borrowed until all recipients have been told of. */
struct weir_smtp_mail {
	const struct weir_mail_envelope *envelope; /* with its recipients */
	int fd;                                    /* of the message; lines end in CRLF or LF */
	uint64_t size;
};

/* 0, or a negative errno: nothing is called then. */
WEIR_API int weir_smtp_client_connect(struct weir_loop *loop,
        const struct weir_smtp_client_options *options,
        const struct weir_smtp_client_events *events, void *context, struct weir_smtp_client **ret);

/*
 * Sends a message; once after each ready. If the server cannot take it, all recipients get a result
 * of 5yz, from the loop: it is too large or binary, or it needs SMTPUTF8, which the server does not
 * offer. Addresses and headers that are not ASCII need that (RFC 6531), whatever the envelope says.
 *
 * A server that does not offer 8BITMIME gets 7 bits (RFC 6152): each part with bytes of 8 bits is
 * encoded in quoted-printable or base64 while it is sent, and the parts' labels say so. A message
 * for which that is impossible gets a result of 554: multipart/signed must not be changed, and of
 * malformed MIME nobody knows how the recipient reads it. Header fields stay as they are. What has
 * been encoded no longer matches a DKIM signature.
 *
 * For both the message is read on the work pool before it is sent, if the server lacks the extension.
 */
WEIR_API void weir_smtp_client_send(
        struct weir_smtp_client *client, const struct weir_smtp_mail *mail);

/* When it is ready: the server sends delivery status notifications (RFC 3461) itself. */
WEIR_API bool weir_smtp_client_has_dsn(const struct weir_smtp_client *client);

/* When it is ready: says good-bye; closed() follows. */
WEIR_API void weir_smtp_client_quit(struct weir_smtp_client *client);

/* Ends it at once, and frees it; nothing is called any more. NULL is allowed. */
WEIR_API void weir_smtp_client_abort(struct weir_smtp_client *client);

#endif
