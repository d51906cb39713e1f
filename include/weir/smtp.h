/*
 * SMTP (RFC 5321): a server that receives mail, for mailboxes and for a queue; and LMTP (RFC 2033).
 *
 *   session ─▶ MAIL, RCPT ─▶ routes ─▶ envelope ─┬─▶ local sink: mailboxes
 *              DATA, BDAT ─▶ bytes ──────────────┴─▶ relay sink: the queue
 *
 * With PIPELINING (RFC 2920), SIZE (1870), 8BITMIME (6152), CHUNKING and BINARYMIME (3030), SMTPUTF8
 * (6531), DSN (3461), ENHANCEDSTATUSCODES (2034), STARTTLS (3207), AUTH (4954), LIMITS (9422).
 *
 * A message is acknowledged when all sinks that it goes to have told it to be done, and then it has
 * reached all recipients; with any other reply it has reached none. With both a local and a remote
 * recipient the relay sink holds the message back until the local one has committed. LMTP tells of
 * each recipient by itself; there both sinks commit, whatever became of the other.
 *
 * RCPT asks the local sink whether the mailbox can be used and has room for what SIZE says, but in
 * LMTP; an alias is refused if one of its mailboxes is. A mailbox that turns out to be full with the
 * message is a temporary failure if there are other recipients and SIZE was given: when the message
 * comes again RCPT refuses that one alone.
 *
 * A line ends in CRLF, a message in CRLF.CRLF, and neither in anything else. A message with a bare
 * CR or LF is refused (or made whole, see `normalise`). NUL bytes are refused but in BINARYMIME. What
 * BODY says is believed: bytes beyond ASCII are taken without 8BITMIME too.
 *
 * Nobody may send elsewhere but who has authenticated, or is of one of the networks. Who pipelines
 * where nobody told him that he may (before the greeting or the reply to EHLO, the message before
 * the 354) is cut off.
 */
#ifndef WEIR_SMTP_H
#define WEIR_SMTP_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/mail.h>
#include <weir/mail_routes.h>
#include <weir/network.h>
#include <weir/peers.h>
#include <weir/server.h>
#include <weir/span.h>
#include <weir/users.h>

struct weir_guard;
struct weir_smtp_server;
struct weir_tls;

enum weir_smtp_personality {
	WEIR_SMTP_MX, /* port 25: for local recipients from anybody, elsewhere from the networks */
	/*
	 * Ports 587 and 465: nothing without AUTH; the sender must be the user's, and Date and
	 * Message-ID are added where they are missing (RFC 6409).
	 */
	WEIR_SMTP_SUBMISSION,
	WEIR_SMTP_LMTP, /* LHLO, and a reply for each recipient */
};

/* -- what is told for the log ------------------------------------------------------------------ */

enum weir_smtp_event_kind {
	WEIR_SMTP_ACCEPTED, /* a message is where it should be */
	WEIR_SMTP_FAILED,   /* it is not, in part at least; or was refused after DATA or BDAT */
	WEIR_SMTP_REFUSED,  /* MAIL, RCPT, DATA or a connection was refused */
	WEIR_SMTP_LOGIN,    /* somebody has authenticated: `user` */
	WEIR_SMTP_DENIED,   /* … or has tried to */
};

/* Everything is valid during the call; what is not known is empty or 0. */
struct weir_smtp_event {
	enum weir_smtp_event_kind kind;
	const struct weir_address *peer;
	struct weir_span helo;
	struct weir_span user;
	struct weir_span sender;
	struct weir_span recipient; /* the one refused, or the only one */
	size_t recipients;
	uint64_t size;
	struct weir_span id;   /* as in Received */
	struct weir_span text; /* the reply, without its CRLF: "550 5.1.1 …" */
	bool secure;
};

/* -- servers ----------------------------------------------------------------------------------- */

struct weir_smtp_options {
	/*
	 * STARTTLS with `tls_upgrade`; else TLS from the first byte (port 465), if there is `tls`.
	 * Of the bounds, idle, request and progress are WEIR_SMTP_IDLE_MS by default.
	 */
	struct weir_listener listener;
	const char *hostname; /* copied; NULL: "localhost" */
	enum weir_smtp_personality personality;

	struct weir_mail_routes *routes; /* held by the server; NULL: no domain is local */
	struct weir_users *users;        /* held; who may authenticate; NULL: nobody, no AUTH */
	struct weir_guard *guard; /* against guessing (weir/sasl_guard.h); borrowed, or NULL */

	/* Borrowed; both must outlive the server. NULL: there is none, and such mail is refused. */
	struct weir_mail_sink *local;
	struct weir_mail_sink *relay;

	bool auth_in_clear; /* passwords may be sent without TLS: for tests */

	const struct weir_network *networks; /* copied; who may relay without AUTH */
	size_t network_count;

	/* Of these, 0 is the default of weir/limits.h. */
	uint64_t size_max;       /* WEIR_SMTP_SIZE_MAX */
	unsigned recipients_max; /* WEIR_SMTP_RECIPIENTS_MAX */
	unsigned messages_max;   /* WEIR_SMTP_MESSAGES_MAX */

	/*
	 * The greeting comes so much later, so that who does not wait for it is found out. 0: at
	 * once; then only who sends everything at once is.
	 */
	uint32_t greeting_delay_ms;
	bool normalise; /* a bare CR or LF becomes CRLF, instead of being refused */
	/*
	 * MAIL and RCPT take addresses by the grammar of RFC 5321 alone; if not, also what real senders
	 * send: without <>, behind a name, without a domain (then of `hostname`, or the first local
	 * domain), with dots anywhere in the local part, `_` in a domain, and a dot at its end.
	 */
	bool strict_addresses;

	void (*log)(void *context, const struct weir_smtp_event *event); /* may be NULL */
	void *context;                                                   /* of `log` */
};

/* 0 or a negative errno. */
WEIR_API int weir_smtp_create(struct weir_loop *loop, const struct weir_smtp_options *options,
        struct weir_smtp_server **ret);

/* From the next command on, for all sessions; held by the server. NULL as in the options. */
WEIR_API void weir_smtp_set_routes(
        struct weir_smtp_server *server, struct weir_mail_routes *routes);
WEIR_API void weir_smtp_set_users(struct weir_smtp_server *server, struct weir_users *users);

/* For its address, to drain it, and to change its certificates. */
WEIR_API struct weir_server *weir_smtp_listener(struct weir_smtp_server *server);

/*
 * Closes all connections. Messages that are being committed may be there all the same. NULL is
 * allowed. Not from a callback of a session.
 */
WEIR_API void weir_smtp_destroy(struct weir_smtp_server *server);

#endif
