/*
 * The relay: forwards messages from a queue to one other server, the smart host, until that has
 * taken them or they expire. It sends delivery status notifications to their senders (RFC 3464).
 *
 *   weir_mail_queue ──claim──▶ relay ──weir_smtp_client──▶ smart host
 *                  ◀─requeue──┘  └─ notifications ─▶ a sink, or the queue
 *
 * The first attempt is made at once. The second follows after retry_first_s, and each pause is
 * twice the one before, up to retry_most_s. After warn_s the sender gets a notification of the
 * delay, after life_s one of the failure. A reply of 5yz to a recipient or the message is a failure
 * at once. A failure to connect, or a session that breaks, is temporary.
 *
 * A sender that asked for it (NOTIFY=SUCCESS) gets a notification of success, if the smart host
 * does not offer DSN. A message with an empty sender is a notification itself and causes none.
 *
 * A connection is used for several messages. Everything happens on one loop.
 */
#ifndef WEIR_SMTP_RELAY_H
#define WEIR_SMTP_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/mail.h>
#include <weir/smtp_client.h>

WEIR_C_BEGIN

struct weir_loop;
struct weir_mail_queue;
struct weir_queued;
struct weir_resolver;
struct weir_smtp_relay;
struct weir_tls;

enum weir_relay_outcome {
	WEIR_RELAY_SENT,
	WEIR_RELAY_DEFERRED,   /* will be tried again */
	WEIR_RELAY_FAILED,     /* will not be tried again */
	WEIR_RELAY_REPORTED,   /* a notification has been delivered or queued for the sender */
	WEIR_RELAY_UNREPORTED, /* that failed, for the reason in `text`; it will be tried again */
};

/*
 * Finds the sink for a notification to `sender`. Returns true with *ret_sink and, for a local
 * sender, *ret_user. If it returns false, the notification goes into the queue.
 */
typedef bool weir_smtp_relay_route_fn(void *context, struct weir_span sender,
        struct weir_mail_sink **ret_sink, struct weir_span *ret_user);

/* Logs an outcome. `queued` is the message, `address` the recipient, `text` one line. */
typedef void weir_smtp_relay_log_fn(void *context, const struct weir_queued *queued,
        struct weir_span address, enum weir_relay_outcome outcome, const char *text);

/* Nothing is under way any more. May destroy the relay. */
typedef void weir_smtp_relay_drained_fn(void *context);

/*
 * Strings are copied, and the relay takes a reference to `tls`. Begin with
 * weir_smtp_relay_options_init.
 */
struct weir_smtp_relay_options {
	const char *host; /* a name, or an address without brackets */
	/*
	 * A resolver on the relay's loop that outlives the relay. NULL: one by the system's files.
	 */
	struct weir_resolver *resolver;
	uint16_t port;                  /* 25; with TLS from the first byte it is mostly 465 */
	const char *helo;               /* our name, also in notifications */
	enum weir_smtp_client_tls mode; /* WEIR_SMTP_CLIENT_TLS_OFF */
	struct weir_tls *tls;
	const char *user; /* NULL: no AUTH */
	const char *password;
	bool password_in_clear;

	unsigned connections_max; /* WEIR_RELAY_CONNECTIONS_MAX */
	uint32_t retry_first_s;   /* WEIR_RELAY_RETRY_FIRST_S */
	uint32_t retry_most_s;    /* WEIR_RELAY_RETRY_MOST_S */
	uint32_t warn_s;          /* WEIR_RELAY_WARN_S; 0: after the first attempt */
	uint32_t life_s;          /* WEIR_RELAY_LIFE_S; 0: there is one attempt only */

	weir_smtp_relay_route_fn *route; /* NULL: all notifications go into the queue */
	weir_smtp_relay_log_fn *log;     /* may be NULL */
	void *context;                   /* of these two */
};

/*
 * Sets every member to its default, or else to 0, false or NULL. `host` and
 * `helo` have none.
 */
WEIR_API void weir_smtp_relay_options_init(struct weir_smtp_relay_options *options);

/*
 * Starts a relay; one for each queue. Returns 0; -EINVAL if an option has a value that cannot work,
 * for example because the struct was not initialised; or another negative errno.
 */
WEIR_API int weir_smtp_relay_create(struct weir_loop *loop, struct weir_mail_queue *queue,
        const struct weir_smtp_relay_options *options, struct weir_smtp_relay **ret);

/*
 * Sets other options, for connections and messages from here on. Returns 0, or an error; then the
 * old options stay.
 */
WEIR_API int weir_smtp_relay_reload(
        struct weir_smtp_relay *relay, const struct weir_smtp_relay_options *options);

/*
 * Starts no further message and lets those that are being sent finish, for `within_ms` at most. A
 * message that is not sent by then stays in the queue. `drained(context)` is called from the loop
 * when nothing is under way any more; it may destroy the relay.
 */
WEIR_API void weir_smtp_relay_drain(struct weir_smtp_relay *relay, uint32_t within_ms,
        weir_smtp_relay_drained_fn *drained, void *context);

/* Only when it is drained. NULL is allowed. */
WEIR_API void weir_smtp_relay_destroy(struct weir_smtp_relay *relay);

WEIR_C_END

#endif
