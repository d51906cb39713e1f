/* Composing a delivery status notification (RFC 3464). */
#ifndef WEIR_SMTP_DSN_H
#define WEIR_SMTP_DSN_H

#include <weir/buffer.h>
#include <weir/mail_queue.h>

enum dsn_kind {
	DSN_FINAL,   /* about recipients whose state is FAILED or SENT */
	DSN_DELAYED, /* about WAITING recipients whose sender wants it */
};

struct dsn {
	enum dsn_kind kind;
	const struct weir_queued *queued;
	const char *host; /* our name */
	const char *next; /* the name of the smart host */
	int64_t now_s;
	int64_t until_s; /* DSN_DELAYED: when the relay will give up */
};

/*
 * Whether the notification needs SMTPUTF8: only if the sender's address does. Otherwise it is
 * ASCII.
 */
bool dsn_needs_utf8(const struct dsn *dsn);

/* Whether the notification is about this recipient. */
bool smtp_dsn_is_about(const struct dsn *dsn, const struct weir_queued_recipient *recipient);

/*
 * Composes the whole message in *text. Reads the original's file; blocks. Returns 0, WEIR_E_LIMIT,
 * -ENOMEM or -EIO.
 */
int smtp_dsn_compose(const struct dsn *dsn, struct weir_buffer *text);

/*
 * Writes the status code, with a NUL: that of "550 5.1.1 User unknown", or one made from the first
 * digit.
 */
void smtp_dsn_status(const char *text, enum weir_queued_state state, char ret[16]);

#endif
