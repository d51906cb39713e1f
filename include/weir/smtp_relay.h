/*
 * The relay: forwards what is due in a queue to one other server, the smart host, until it is
 * there or given up; tells senders what became of it (RFC 3464).
 *
 *   weir_mail_queue ──take──▶ relay ──weir_smtp_client──▶ smart host
 *                  ◀─give back─┘ └─ reports ─▶ a sink, or the queue
 *
 * A message is tried at once, then after retry_first_s, then after twice that, and so on up to
 * retry_most_s; after warn_s its sender hears that it is late, after life_s that it is given up.
 * A reply of 5yz to a recipient or the message gives it up at once; whatever keeps the relay from
 * speaking with the smart host is temporary. Who asked for it (NOTIFY=SUCCESS) hears of success if
 * the smart host cannot tell. A message without a sender is a report itself: nobody is told.
 *
 * Connections are used for several messages. Everything happens on one loop.
 */
#ifndef WEIR_SMTP_RELAY_H
#define WEIR_SMTP_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/mail.h>
#include <weir/smtp_client.h>

struct weir_loop;
struct weir_mail_queue;
struct weir_queued;
struct weir_resolver;
struct weir_smtp_relay;
struct weir_tls;

enum weir_relay_outcome {
	WEIR_RELAY_SENT,
	WEIR_RELAY_LATE,   /* will be tried again */
	WEIR_RELAY_FAILED, /* given up */
	WEIR_RELAY_REPORTED, /* the sender's report is where it belongs; the address is the sender's */
	WEIR_RELAY_UNREPORTED, /* … is not: `text` tells why; it will be tried again */
};

/* Texts are copied, `tls` is held. A 0 stands for the default of weir/limits.h. */
struct weir_smtp_relay_options {
	const char *host; /* a name, or an address without brackets */
	/* Of the relay's loop; must outlive it. NULL: it makes its own, as the system is set up. */
	struct weir_resolver *resolver;
	uint16_t port;    /* 0: 25, or 465 with TLS from the first byte */
	const char *helo; /* our name, also in reports */
	enum weir_smtp_client_tls mode;
	struct weir_tls *tls;
	const char *user; /* NULL: no AUTH */
	const char *password;
	bool password_in_clear;

	unsigned connections_max; /* WEIR_RELAY_CONNECTIONS_MAX */
	uint32_t retry_first_s;   /* WEIR_RELAY_RETRY_FIRST_S */
	uint32_t retry_most_s;    /* WEIR_RELAY_RETRY_MOST_S */
	uint32_t warn_s;          /* WEIR_RELAY_WARN_S */
	uint32_t life_s;          /* WEIR_RELAY_LIFE_S */

	/*
	 * Where a report to `sender` goes: true, *ret_sink and, of a local one, *ret_user. False or
	 * NULL: into the queue.
	 */
	bool (*route)(void *context, struct weir_span sender, struct weir_mail_sink **ret_sink,
	        struct weir_span *ret_user);
	/* For the log; may be NULL. `queued` is the message, `text` is one line. */
	void (*log)(void *context, const struct weir_queued *queued, struct weir_span address,
	        enum weir_relay_outcome outcome, const char *text);
	void *context;
};

/* Begins at once. One relay a queue. 0, -EINVAL or another negative errno. */
WEIR_API int weir_smtp_relay_create(struct weir_loop *loop, struct weir_mail_queue *queue,
        const struct weir_smtp_relay_options *options, struct weir_smtp_relay **ret);

/* Other options, for connections and messages from here on. 0 or an error: the old ones stay. */
WEIR_API int weir_smtp_relay_reload(
        struct weir_smtp_relay *relay, const struct weir_smtp_relay_options *options);

/*
 * Begins nothing new, lets what is being sent finish for `within_ms` at most, cuts the rest off
 * (those messages stay in the queue), and calls `drained(context)`, from the loop: nothing of the
 * relay is under way any more, and it may be destroyed.
 */
WEIR_API void weir_smtp_relay_drain(struct weir_smtp_relay *relay, uint32_t within_ms,
        void (*drained)(void *context), void *context);

/* Only when it is drained. NULL is allowed. */
WEIR_API void weir_smtp_relay_destroy(struct weir_smtp_relay *relay);

#endif
