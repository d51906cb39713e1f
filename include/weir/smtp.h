/*
 * SMTP (RFC 5321): a server that receives mail, for mailboxes and for a queue; and LMTP (RFC 2033).
 *
 *   session ─▶ MAIL, RCPT ─▶ routes ─▶ envelope ─┬─▶ local sink: mailboxes
 *              DATA, BDAT ─▶ bytes ──────────────┴─▶ relay sink: the queue
 *
 * With PIPELINING (RFC 2920), SIZE (1870), 8BITMIME (6152), CHUNKING and BINARYMIME (3030),
 * SMTPUTF8 (6531), DSN (3461), ENHANCEDSTATUSCODES (2034), STARTTLS (3207), AUTH (4954), LIMITS
 * (9422).
 *
 * A message is acknowledged when all its sinks have stored it, for all recipients; after any other
 * reply no recipient gets it. If there are local and remote recipients, the relay sink holds the
 * message until the local sink has committed. LMTP replies for each recipient; there each sink
 * commits whether or not the other fails.
 *
 * RCPT asks the local sink whether the mailbox can be used and has room for SIZE bytes. An alias is
 * refused if one of its mailboxes is. A mailbox may turn out to be full when the message has come.
 * With SIZE and other recipients this is a temporary failure: at the next attempt RCPT refuses that
 * recipient alone.
 *
 * A line ends in CRLF and a message in CRLF.CRLF, and in nothing else. A message with a bare CR or
 * LF is refused (or repaired, see `normalise`). NUL is refused except in BINARYMIME. BODY is not
 * checked: bytes beyond ASCII are accepted without 8BITMIME, too.
 *
 * Mail is relayed only for clients that have authenticated or whose address is in one of the
 * networks. A client that pipelines where it must not is disconnected: before the greeting, before
 * the reply to EHLO, or with the message before the 354.
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

WEIR_C_BEGIN

struct weir_guard;
struct weir_smtp_server;
struct weir_tls;

enum weir_smtp_personality {
	WEIR_SMTP_MX, /* port 25: local recipients from anyone, relaying for the networks */
	/*
	 * Ports 587 and 465: AUTH is required, and the sender must be an address of the user.
	 * Missing Date and Message-ID are added, and Bcc is removed (RFC 6409).
	 */
	WEIR_SMTP_SUBMISSION,
	WEIR_SMTP_LMTP, /* LHLO, and a reply to the message for each recipient */
};

/* -- events for the log ------------------------------------------------------------------------ */

enum weir_smtp_event_kind {
	WEIR_SMTP_ACCEPTED, /* a message has been stored for all recipients */
	WEIR_SMTP_FAILED,   /* it was refused after DATA or BDAT, or not stored for all */
	WEIR_SMTP_REFUSED,  /* MAIL, RCPT, DATA or a connection was refused */
	WEIR_SMTP_LOGIN,    /* `user` has authenticated */
	WEIR_SMTP_DENIED,   /* an authentication failed */
};

/* Everything is valid during the call. A field that is not known is empty or 0. */
struct weir_smtp_event {
	enum weir_smtp_event_kind kind;
	const struct weir_address *peer;
	uint64_t session; /* weir_channel_id */
	struct weir_span helo;
	struct weir_span user;
	struct weir_span sender;
	struct weir_span recipient; /* the one that was refused, or the only one */
	size_t recipients;
	uint64_t size;
	struct weir_span id;   /* that of Received */
	struct weir_span text; /* the reply, without its CRLF: "550 5.1.1 User unknown" */
	bool secure;
};

/* -- servers ----------------------------------------------------------------------------------- */

/* Logs an event, which is valid during the call. */
typedef void weir_smtp_log_fn(void *context, const struct weir_smtp_event *event);

/* Begin with weir_smtp_options_init. */
struct weir_smtp_options {
	/*
	 * STARTTLS with `tls_upgrade`; else TLS from the first byte (port 465), if there is `tls`.
	 * Of the bounds, idle, request and progress are WEIR_SMTP_IDLE_MS by default.
	 */
	struct weir_listener listener;
	const char *hostname;                   /* copied; "localhost" */
	enum weir_smtp_personality personality; /* WEIR_SMTP_MX */

	struct weir_mail_routes *routes; /* referenced; NULL: no domain is local */
	struct weir_users *users;        /* referenced; they may authenticate; NULL: no AUTH */
	struct weir_guard *guard; /* against brute force (weir/sasl_guard.h); borrowed, or NULL */

	/* Borrowed; both must outlive the server. Without one of them such mail is refused. */
	struct weir_mail_sink *local;
	struct weir_mail_sink *relay;

	bool auth_in_clear; /* allow passwords without TLS; for tests */

	const struct weir_network *networks; /* copied; clients that may relay without AUTH */
	size_t network_count;

	uint64_t size_max;       /* bytes of a message; WEIR_SMTP_SIZE_MAX */
	unsigned recipients_max; /* of a message; WEIR_SMTP_RECIPIENTS_MAX */
	unsigned messages_max;   /* of a connection; WEIR_SMTP_MESSAGES_MAX */

	/*
	 * A delay of the greeting, to detect clients that do not wait for it. With 0, the default,
	 * only clients that send everything at once are detected.
	 */
	uint32_t greeting_delay_ms;
	bool normalise; /* make a bare CR or LF a CRLF, instead of refusing the message */
	/*
	 * MAIL and RCPT accept only addresses of RFC 5321's grammar. If not set, they also accept
	 * addresses without <>, behind a name, and with comments. A missing domain is then
	 * `hostname`, or the first local domain. A local part may have dots, quotes and
	 * backslashes anywhere, a domain may have `_` and a dot at its end.
	 */
	bool strict_addresses;

	weir_smtp_log_fn *log; /* may be NULL */
	void *context;         /* of `log` */
};

/*
 * Sets every member to its default, or else to 0, false or NULL. The address has
 * none.
 */
WEIR_API void weir_smtp_options_init(struct weir_smtp_options *options);

/*
 * Listens and serves. Returns 0; -EINVAL if an option has a value that cannot work, for example
 * because the struct was not initialised; -ENOMEM; or an errno of listening.
 */
WEIR_API int weir_smtp_create(struct weir_loop *loop, const struct weir_smtp_options *options,
        struct weir_smtp_server **ret);

/*
 * Sets other routes or users, from the next command of each session on. Referenced; NULL as in the
 * options.
 */
WEIR_API void weir_smtp_set_routes(
        struct weir_smtp_server *server, struct weir_mail_routes *routes);
WEIR_API void weir_smtp_set_users(struct weir_smtp_server *server, struct weir_users *users);

/* Returns the listener: to drain it, for its address, and to change its certificates. */
WEIR_API struct weir_server *weir_smtp_listener(struct weir_smtp_server *server);

/*
 * Closes all connections. Messages that are being committed may be stored nevertheless. NULL is
 * allowed. Must not be called from a callback of a session.
 */
WEIR_API void weir_smtp_destroy(struct weir_smtp_server *server);

WEIR_C_END

#endif
